/* admission.h - who is at the other end of a connection, and may he have one more?
 *
 * Behind a balancer of TCP connections all come from the balancer. One of trusted_proxies that
 * speaks the PROXY protocol says first whom it speaks for; that counts from then on, for limits,
 * for logs, and for whether a header is believed. Of what others send, nothing is taken for it. */
#ifndef HTTP_ADMISSION_H
#define HTTP_ADMISSION_H

#include "http/proxy_header.h"

struct connection;

/* True if the peer, which is known, has to say whom it speaks for before the first request. */
bool admission_has_preface(const struct connection *connection);

/* Of what has come (connection->head) the first *length bytes say that, and the peer is another one
 * now. BAD has been logged. */
enum proxy_header_outcome admission_read_preface(struct connection *connection, size_t *length);

/* Counts the connection for its peer until admission_leave. False: there are as many as there may
 * be (max_connections_per_address), which has been logged. Proxies, and all on this machine, are
 * not counted: they are many people. */
MUST_CHECK bool admission_count(struct connection *connection);
void admission_leave(struct connection *connection); /* harmless twice */

#endif
