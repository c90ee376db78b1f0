/* connection.h - one connection of a client, from accept to close; with send.c, listener.c and
 * http.c all that knows evhttp.
 *
 * evhttp accepts connections, keeps them, and writes out answers. What clients send it does not get
 * to see: gate.c reads the socket; when the head of a request is complete, head.c takes it apart,
 * and evhttp is handed a head of one or two lines that says nothing but what it needs to answer in
 * the right way. So there is one reader of what clients send; bodies, which evhttp would have
 * collected whole before anybody looked who sends them, are taken by the steps of the request, when
 * they want them and no faster; and a request costs two system calls.
 *
 *     fresh --> idle --> head --> busy --> sending --> idle
 *                                                  `-> skipping (a short body nobody took) --> idle
 *                                                  `-> closing
 *
 * Everything in it has an end: `deadline_ms`, see deadline.h.
 *
 * The library's ways that this stands on: a bufferevent without a socket is a pair of buffers,
 * whose owner is called when it is triggered; a connection's close callback is called once, whoever
 * closes it. */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include "http/request.h"
#include "loop/loop.h"

struct bufferevent;
struct evbuffer;
struct evhttp_connection;

enum connection_state {
    CONNECTION_FRESH,    /* accepted in this turn */
    CONNECTION_IDLE,     /* of the next request nothing has come */
    CONNECTION_HEAD,     /* a part of its head */
    CONNECTION_BUSY,     /* a request is under way */
    CONNECTION_SENDING,  /* the socket has not taken all of the answer yet */
    CONNECTION_SKIPPING, /* a rest of the body still comes */
    CONNECTION_CLOSING,  /* we have closed our side; the client shall read before it gets a reset */
};

struct connection {
    struct http *http;
    struct list on_http;
    struct bufferevent *bufferevent; /* has no socket */
    struct evhttp_connection *evhttp;
    int fd; /* evhttp's, which closes it */
    const struct http_listener *listener;
    struct ssl_st *tls; /* NULL: none, or not begun */
    struct file_part {
        int fd;
        uint64_t offset, left; /* left 0: there is none */
    } file; /* to be sent behind what is in evhttp's buffer; with TLS, else it does that */
    struct event *readable, *writable;
    struct request *request; /* NULL: none */
    enum connection_state state;
    uint64_t deadline_ms;   /* on the monotonic clock; 0: none */
    uint64_t unsent;        /* bytes, when the deadline was set */
    uint64_t unsent_memory; /* of which the answer's body takes up so much memory */
    struct buf head;        /* of the request; what it was taken apart into points in here */
    size_t looked_at;       /* bytes of a head that is not complete */
    struct evbuffer *rest;  /* came behind the head, or is a part of one; NULL: never any */
    uint64_t body_left;     /* bytes of the body that nobody has taken yet */
    uint64_t body_came;     /* bytes that have come since the deadline was set */
    size_t body_wanted;     /* bytes that the request waits for; 0: it does not */
    struct operation body_operation;
    struct deferred next;      /* the next request has come already */
    bool is_ended;             /* the client has closed its side */
    bool is_parked;            /* the request is held; see connection_park */
    bool is_late;              /* the body has not come in time */
    bool is_broken;            /* for want of memory: nothing more is read */
    bool lingers;              /* after this answer: closing */
    bool has_preface;          /* a header of the PROXY protocol comes before the first request */
    struct neighbor *neighbor; /* NULL: not counted */
    char peer[64];             /* textual address, "unix:", "unknown" */
};

/* --- For steps of a request ------------------------------------------------------------------- */

/* True if the client has sent more than this request already: then it is not to be held. */
bool connection_has_more(const struct request *request);

/* For a request held long: ends its watch when the client sends more; when the client goes away,
 * the request is cancelled. connection_unpark is harmless without. */
void connection_park(struct request *request);
void connection_unpark(struct request *request);

/* --- For body.c, request.c and send.c --------------------------------------------------------- */

/* Bytes that have come behind the head. */
size_t connection_rest_length(const struct connection *connection);

/* Whether what comes is taken in. It is, unless too much of it lies there already. */
void connection_begin_reading(struct connection *connection);
void connection_end_reading(struct connection *connection);

/* Memory is out for what it sends. It is closed by the next sweep, since evhttp may be on the
 * stack; a request that is under way is answered first. */
void connection_give_up(struct connection *connection);

/* The same for an answer that cannot be put together: nothing of it is sent. */
void connection_give_up_answer(struct connection *connection);

/* The preface, if there is one, has been read: counts the connection, begins TLS. False: it is to
 * be closed. */
MUST_CHECK bool connection_open(struct connection *connection);

/* Takes off what has come of a body that nobody wants; then the next request is possible. */
void connection_skip_body(struct connection *connection);

/* From now. */
void connection_set_deadline(struct connection *connection, uint64_t wait_ms);

/* Last: the request lets go of its connection. */
void connection_release(struct request *request);

/* The answer is on its way: waits until the socket has taken it. memory: bytes that it takes up
 * until then. */
void connection_begin_sending(struct connection *connection, uint64_t memory);

/* It has: on to the next request, or to the end. Called by evhttp's completion, from within it. */
void connection_end_sending(struct connection *connection);

/* True if the connection has to be closed by us, slowly, when this request is answered: there may
 * be bytes on their way that nobody will read, and a reset would take the answer with it. */
bool connection_must_linger(const struct connection *connection);

/* --- For http.c ------------------------------------------------------------------------------- */

struct event_base;
struct evhttp_request;

/* Makes what the next client's connection needs, if it is not there. False: out of memory, and
 * nothing may be accepted, as evhttp would make a connection of its own that we know nothing of. */
bool connection_make_ready(struct http *http);
void connection_drop_ready(struct http *http);

/* evhttp's callbacks: for a bufferevent when something is accepted (connection_make_ready has made
 * it), and when a request is there. */
struct bufferevent *connection_accept(struct event_base *base, void *listener);
void connection_take_request(struct evhttp_request *evhttp, void *http);

/* Those that evhttp never got to know, when it is gone. */
void connection_forget_fresh(struct http *http);

/* In the turn in which they were accepted; http->adopt runs it. */
void connection_adopt_fresh(struct deferred *adopt);

#endif
