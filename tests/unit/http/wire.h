/* wire.h - both faces on real sockets in one process, and a client that asks one thing at a time.
 * For what needs no collections: there is no store behind it. */
#ifndef HTTP_WIRE_H
#define HTTP_WIRE_H

#include "http/http.h"
#include "http/site.h"

struct wire {
    struct loop loop;
    struct limits limits;
    struct http_settings settings;
    struct access access;
    struct login login;
    struct site site;
    struct streams streams;
    struct committer committer;
    struct checkpoint checkpoint;
    struct http http, admin;
    const char *not_ready; /* what the top floor says */
    unsigned drains;       /* how often it was asked to drain */
    int fd;                /* the client's socket */
    struct buf answer;
};

/* In place, because rooms point to each other; site, settings and limits are empty and may be
 * filled afterwards. */
void wire_open(struct wire *wire);
void wire_close(struct wire *wire);

/* Sends the bytes, to which a line "Connection: close" and the empty line are added, runs the loop
 * until the server closes, and returns the whole answer; valid until the next call. */
const char *wire_ask(struct wire *wire, const struct http *face, const char *head);

#endif
