/* request.h - one HTTP request on its way through the program, from its birth in connection.c to
 * the reply that goes out through send.c.
 *
 * It owns or borrows all that its steps need. Borrowed slices point into what its connection keeps
 * of the head and are valid until the reply is sent. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "auth/mail_login.h"
#include "auth/origin.h"
#include "http/head.h"
#include "http/http.h"
#include "http/site.h"
#include "sync/append.h"
#include "sync/listing.h"
#include "sync/pull.h"
#include "sync/upload.h"
#include "sync/watch.h"

struct evhttp_request;

/* Who may read an answer from another origin. */
enum cors_rule {
    CORS_NONE,       /* admin */
    CORS_COLLECTION, /* the origin whose host is the collection's domain, or an allowed one */
    CORS_ANYBODY,    /* no credentials are looked at, or they must be given by hand: any origin */
};

enum reply_cache { REPLY_NO_STORE, REPLY_REVALIDATE, REPLY_IMMUTABLE };

struct reply {
    int status;
    const char *content_type; /* NULL: application/json */
    enum reply_cache cache;
    struct buf body;             /* goes out and is freed */
    struct site_content *file;   /* instead of body; held, released when it is sent. NULL: none */
    uint64_t part_length;        /* instead of body: bytes of a file; 0: none */
    uint64_t part_offset;        /* where in the file */
    int part_fd;                 /* its descriptor, if part_length > 0; owned */
    struct buf more;             /* further header lines, each with its end */
    const char *allow;           /* Allow header; NULL: none */
    uint64_t retry_after_s;      /* 0: none */
    char etag[SITE_ETAG_SIZE];   /* with quotes; empty: none */
    const char *csp;             /* Content-Security-Policy; NULL: none */
    const char *referrer_policy; /* NULL: none */
    const char *location;        /* Location; NULL: none */
    bool preflight;
    bool closes; /* the connection, after this reply */
};

struct request {
    struct task task;
    struct http *http;
    struct list on_http;
    struct connection *connection; /* NULL: it broke */
    struct evhttp_request *evhttp; /* NULL: not from there yet */
    bool gone;                     /* the connection broke: no reply can be sent */
    const struct route *route;     /* NULL: none matched */

    /* What was asked. */
    struct request_head head;
    struct str path, query_text; /* of the target; path without base_path; still coded */
    uint64_t body_memory;        /* see body_reserve */
    char peer[64];
    uint64_t id, started_us;

    /* What was found out. */
    struct query query;
    bool origin_allowed;     /* another origin's page may read the answer */
    bool origin_credentials; /* and be sent with cookies */
    struct stream *stream;

    /* What single routes need while they wait. */
    struct objects objects;
    struct append_wait append_wait;
    bool names_no_collection; /* the answer to a POST has to tell the id */
    struct pull pull;
    struct watch watch;
    struct listing listing;
    struct upload *upload;            /* on the heap; NULL: none */
    struct str blob_name;             /* of routes that have one: what stands behind "+static/" */
    struct login_attempt *login;      /* on the heap; NULL: none */
    struct logout *logout;            /* on the heap; NULL: none */
    uint64_t retry_after_s;           /* if it fails; 0: as the kind of error has it */
    struct mail_wish *wish;           /* likewise */
    uint64_t objects_in, objects_out; /* for log and metrics */

    struct reply reply;

    /* From here on nothing but what says that it is empty is cleared for a new request: these are
     * long. */
    struct address address;             /* of routes that have one */
    char blob_type[BLOB_TYPE_MOST + 1]; /* what reply.content_type points to */
    struct error query_error; /* for routes that look at the query; see request_check_query */
    struct error refusal;     /* what ends the request before a route's steps can run */
};

static inline struct request *request_of(struct task *task)
{
    return OWNER_OF(task, struct request, task);
}

/* Empty but for http; NULL when memory is out. */
struct request *request_new(struct http *http);

/* connection.c calls it for each request, with what was asked filled in: finds the route and starts
 * its steps. The request may be freed when this returns. */
void request_start(struct request *request);

/* Instead of that, for one that will never be started. */
void request_forget(struct request *request);

/* `ended` of every route's task kind: completes the reply, sends it, logs it, frees the request. */
void request_ended(struct task *task);

/* Who asks, for limits, as access.h has it. Empty: not known. */
void request_find_client(const struct request *request, char client[ACCESS_CLIENT_SIZE]);

/* The same for logs: the proxy, where it does not say. */
const char *request_say_client(const struct request *request, char room[ACCESS_CLIENT_SIZE]);

/* Steps that many routes begin with. */
enum step request_check_query(struct task *task);

/* Credentials good for request->address (of a route that has one), else 401. What changes something
 * and stands on a proxy's login must come from an allowed origin, else 403: a browser sends cookies
 * along with any site's POST. */
enum step request_check_access(struct task *task);

#endif
