/* listener.h - sockets that take connections: opening them, and staying calm when descriptors run
 * out. */
#ifndef HTTP_LISTENER_H
#define HTTP_LISTENER_H

#include "http/http.h"

struct bufferevent;
struct event_base;

/* evhttp asks for a bufferevent for each connection; that is where connections are counted. */
struct bufferevent *listener_count_connection(struct event_base *base, void *http);

/* Closes all, removes socket files. Harmless twice. */
void listener_close_all(struct http *http);

#endif
