/* fetch.h - an HTTP request to another server, as something a task waits for.
 *
 *     fetches_open -> (fetch_start -> the task goes on, looks at the fetch -> fetch_clear) ...
 *                  -> fetches_close
 *
 * Or a line to a mail server, with TLS and login over, on which somebody else (mail.c) talks:
 * libcurl's own way to send mail would wait for the end of it inside a call, and hold up the loop.
 *
 * Transfers are libcurl's, driven by the loop; names are looked up by the event library, which does
 * that without a thread: libcurl's own lookups cannot be given up, and would hold up the loop when
 * one hangs.
 *
 * Bounds, all of them: fetches at a time, time from start to end, bytes of the answer. Redirects
 * are not followed, no proxy of the environment is used, nothing is decompressed, and no connection
 * is used twice. */
#ifndef LOOP_FETCH_H
#define LOOP_FETCH_H

#include "base/buf.h"
#include "loop/task.h"

enum { FETCH_TYPE_SIZE = 64 };

struct evdns_base;
struct fetch_lookup;

struct fetches {
    struct loop *loop;
    void *multi; /* CURLM */
    struct event *timer;
    struct evdns_base *names; /* NULL: made at the first use */
    struct list sockets;
    size_t count, most;  /* under way */
    const char *ca_file; /* NULL: the system's; borrowed */
};

struct fetch;

/* smtp or smtps. talk is called when the line is there, and again each time that what it waited for
 * is possible; in the end it calls fetch_end. */
struct fetch_line {
    void (*talk)(struct fetch *fetch);
    const char *user, *password; /* NULL: no login */
    bool in_clear;               /* smtp: no TLS, else nothing goes without it */
};

struct fetch_request {
    const char *url;               /* http or https */
    const struct fetch_line *line; /* NULL: HTTP */
    struct str form;               /* POST of application/x-www-form-urlencoded; data NULL: GET */
    uint64_t timeout_ms;           /* for all of it, looking up the name included */
    size_t size_most;              /* of the answer's body */
    bool only_public;              /* refuse addresses that are not (network.h) */
};

struct fetch {
    struct operation operation;
    struct fetches *fetches;
    uint64_t timeout_ms;
    size_t size_most;
    bool only_public;
    char *host;
    uint16_t port;
    void *easy;                  /* CURL */
    void *connect_to, *headers;  /* struct curl_slist */
    struct fetch_lookup *lookup; /* under way; NULL: none */
    struct event *deadline;
    void (*talk)(struct fetch *fetch);
    struct event *line; /* to be told when it is ready */
    /* What came of it. */
    struct error error; /* ERROR_NONE: there is an answer, whatever its status. ERROR_TIMEOUT,
                           ERROR_TOO_LARGE, ERROR_FORBIDDEN: not a public address, ERROR_IO */
    int status;
    char content_type[FETCH_TYPE_SIZE]; /* without parameters, lower case; empty: none */
    struct buf body;
};

/* ca_file: certificates to trust instead of the system's; NULL: none. */
MUST_CHECK bool fetches_open(struct fetches *fetches, struct loop *loop, size_t most,
                             const char *ca_file, struct error *error);
void fetches_close(struct fetches *fetches); /* nothing is under way; harmless on all-zero */

/* Returns STEP_WAIT, or STEP_FAIL: ERROR_BUSY if too many are under way, ERROR_CONF if the URL is
 * none. Keeps nothing of the request. The fetch is all-zero or cleared; to be cleared by the caller
 * whatever comes of it. */
enum step fetch_start(struct fetch *fetch, struct fetches *fetches,
                      const struct fetch_request *request, struct task *task);
/* For a talk. They take what there is, or what there is room for, maybe nothing: then fetch_wait.
 * False, with fetch->error filled: the line broke. */
MUST_CHECK bool fetch_receive(struct fetch *fetch, char *to, size_t size, size_t *length);
MUST_CHECK bool fetch_send(struct fetch *fetch, struct str bytes, size_t *length);
MUST_CHECK bool fetch_wait(struct fetch *fetch, bool for_room);
void fetch_end(struct fetch *fetch); /* the talk's last call; closes the line, wakes the task */

void fetch_clear(struct fetch *fetch); /* not under way; harmless twice, and on all-zero */

#endif
