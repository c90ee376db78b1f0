/* http.h - the HTTP side of the program: what it works with, and its two faces, public and admin.
 *
 * http/ is floor 4: the wire. A request comes in through connection.c, the one file that knows
 * evhttp, finds its row in a route table, and goes through the row's steps as a task; what the
 * steps put into the reply goes out through connection.c again:
 *
 *     listener -> route -> limits -> auth -> collection -> (queue -> journal ->) database -> reply
 *
 * Nothing in this room looks above it: who starts the program fills struct http_services. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "auth/access.h"
#include "auth/login.h"
#include "base/conf.h"
#include "http/load.h"
#include "http/neighbors.h"
#include "loop/loop.h"
#include "sync/checkpoint.h"
#include "sync/committer.h"
#include "sync/limits.h"
#include "sync/stream.h"

struct connection;
struct event;
struct evhttp;
struct request;
struct route;
struct site;
struct tls_context;

enum access_log { ACCESS_LOG_OFF, ACCESS_LOG_ON };

/* What the configuration says of HTTP. Changed in place when it is read anew. */
struct http_settings {
    struct str base_path;             /* "" or "/prefix", no "/" at the end */
    const char *const *allow_origins; /* further origins that may read answers; "*" is not one */
    size_t allow_origin_count;
    uint64_t max_connections;
    uint64_t max_connections_per_address; /* 0: as many as there are */
    bool proxy_protocol;                  /* access->proxies speak it */
    uint64_t max_header_bytes;
    uint64_t max_body_memory; /* bytes of bodies that are held at once */
    uint64_t idle_timeout_ms, header_timeout_ms, transfer_timeout_ms;
    /* X-Sync-Poll-Time, mostly and when the loop is busy; 0: none */
    uint64_t poll_time_s, busy_poll_time_s;
    struct str public_url;  /* where clients find the server; empty: where they asked */
    struct str blob_origin; /* the only one that blobs are served from; empty: any */
    bool access_log;
    const char *version, *durability;
};

/* All borrowed; they outlive the requests. */
struct http_services {
    struct loop *loop;
    struct streams *streams;
    struct committer *committer;
    const struct checkpoint *checkpoint;
    struct access *access;
    struct login *login;
    const struct limits *limits;
    const struct http_settings *settings;
    struct site *site;       /* files to serve: the client, and the document root */
    struct tls_context *tls; /* of listeners with TLS; its content changes at a reload */
    /* What the admin face reports on: */
    const struct http *public_face;
    uint64_t started_ms; /* clock_monotonic_ms */
    unsigned instance;
    /* POST /drain and the status page ask the top floor. */
    void (*drain)(void *context);
    const char *(*not_ready)(void *context); /* NULL: take traffic; else why not */
    void *context;
};

/* Counted since start; the admin face prints them (metrics.c). */
enum { HTTP_STATUS_CLASSES = 6, HTTP_LATENCY_BUCKETS = 12 };

struct http_stats {
    uint64_t requests[HTTP_STATUS_CLASSES]; /* by first digit of the status */
    uint64_t latency[HTTP_LATENCY_BUCKETS]; /* see metrics.c for the bounds */
    uint64_t latency_us_total;
    uint64_t bytes_in, bytes_out; /* bodies */
    uint64_t objects_in, objects_out;
    uint64_t refused_logins, accept_failures, refused_connections, slow_readers;
    uint64_t refused_neighbors, bad_proxy_headers, made_room, shed;
    uint64_t mails_sent, mails_refused, mails_failed;
};

enum { HTTP_LISTENERS_MOST = 32 };

/* One face: a route table on some listeners. */
struct http {
    struct http_services services;
    const struct route *routes;
    /* See connection.c. */
    struct list connections, fresh; /* of struct connection; fresh: accepted in this turn */
    size_t open_count;              /* both */
    struct deferred adopt;
    struct connection *ready;  /* made ahead, for who is accepted next; NULL: nobody may be */
    struct connection *handed; /* whose request evhttp gets to see next */
    struct event *sweep;       /* looks for deadlines while there are connections */
    uint64_t swept_ms;         /* monotonic clock */
    uint64_t body_memory;      /* reserved for bodies of requests under way */
    uint64_t unsent_memory;    /* of answers that the sockets have not taken yet */
    struct load load;
    struct neighbors neighbors;
    uint64_t told_of_admission_ms; /* when the log last had a line of one that was refused */
    struct http_listener {
        struct http *http;
        struct evhttp *evhttp; /* of its own, so that its connections know where they came in */
        void *bound;           /* struct evhttp_bound_socket */
        struct event *again;   /* switches accepting on again after the descriptors ran out */
        struct http_listener *next; /* of those that are open, in listener.c */
        bool is_tls;
        char *unix_path; /* to be removed at the end; NULL for TCP */
        char name[128];  /* "127.0.0.1:8088" with the real port */
    } listeners[HTTP_LISTENERS_MOST];
    size_t listener_count;
    char *room;           /* TLS_PIECE bytes, for what is read before it is known how much it is */
    struct list requests; /* of struct request, under way */
    size_t request_count;
    struct list spares; /* of struct request, for the next ones */
    size_t spare_count;
    size_t unsent_count; /* answers that the sockets have not taken yet */
    uint64_t connection_count;
    bool draining;
    int64_t date_second; /* of date, the value of the Date header */
    char date[32];
    struct http_stats stats;
    uint64_t next_id;   /* of requests */
    uint64_t id_prefix; /* random, so that ids of restarts differ */
};

MUST_CHECK bool http_open(struct http *http, const struct http_services *services,
                          const struct route *routes, struct error *error);

/* "ADDRESS:PORT", "[ADDRESS]:PORT", "*:PORT", or "unix:PATH". Port 0 lets the system choose;
 * listeners[].name tells which. An old socket file nobody listens on is replaced. */
MUST_CHECK bool http_listen(struct http *http, const char *where, bool is_tls, struct error *error);

/* Conf check of one item of listen. */
MUST_CHECK bool http_check_listen(const char *where, struct error *error);

/* True if where can be reached from this machine only. */
bool http_listen_is_local(const char *where);

/* There are connections whose deadlines have to be looked at. */
void http_start_sweeping(struct http *http);

/* Takes no new connections, ends held reads, asks clients to close. Requests under way go on. */
void http_drain(struct http *http);

/* Cancels what is under way and closes. Harmless twice, and on all-zero. */
void http_close(struct http *http);

#endif
