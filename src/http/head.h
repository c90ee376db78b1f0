/* head.h - the head of a request: its request line and its headers, taken apart (RFC 9112).
 *
 * A proxy in front and a server that read the same bytes differently are how requests are smuggled:
 * one for the proxy, two for the server. So nothing is guessed here. What the grammar does not
 * allow is refused, and so is what it allows but nobody needs: transfer codings, a second length,
 * a body where none belongs, folded lines, bare line feeds. evhttp never gets to see what a client
 * sent; connection.c tells it what was understood.
 *
 *     head_find_end   as bytes come, until a head is complete
 *     head_parse      then, once
 *
 * No system calls, no allocation. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "base/error.h"
#include "base/str.h"

/* Bits, so that a route can name several. */
enum method {
    METHOD_GET = 1,
    METHOD_HEAD = 2,
    METHOD_POST = 4,
    METHOD_OPTIONS = 8,
    METHOD_OTHER = 16,
};

/* The texts point into the bytes that were parsed; data is NULL for a header that was not sent. Of
 * a header sent several times the last counts, where it is not said otherwise. */
struct request_head {
    enum method method;
    const char *method_name; /* "OTHER" for one that is never possible here */
    unsigned minor;          /* HTTP/1.minor */
    struct str target;
    struct str host; /* once, or head_parse fails */
    struct str origin, user_agent, content_type, authorization, forwarded_for, if_none_match;
    struct str range, if_range;
    struct str trusted_user; /* of the header that a proxy says the user in */
    bool trusted_user_twice;
    bool closes;  /* after this request the client wants the connection closed */
    bool expects; /* it waits for "100 Continue" before it sends the body */
    uint64_t body_length;
};

/* Bytes of the head at the beginning of bytes, its empty line included; 0: it has not ended yet.
 * *looked_at (0 at first) keeps how far it has been looked for, so that each byte is looked at
 * once, however slowly they come. */
size_t head_find_end(struct str bytes, size_t *looked_at);

/* text: one head, as head_find_end found it. trusted_name: of the header for trusted_user; empty:
 * there is none. False: it is to be refused and the connection closed; what was understood until
 * then stays in *head. */
MUST_CHECK bool head_parse(struct request_head *head, struct str text, struct str trusted_name,
                           struct error *error);

#endif
