/* listener.h - sockets that take connections: opening them, and staying calm when descriptors run
 * out. */
#ifndef HTTP_LISTENER_H
#define HTTP_LISTENER_H

#include "http/http.h"

/* One more connection is open: stops accepting for a while if there may be no more, or
 * if there is no memory for one. */
void listener_look(struct http *http);

/* Closes all, removes socket files. Harmless twice. */
void listener_close_all(struct http *http);

/* And their connections. Harmless twice. */
void listener_free_all(struct http *http);

#endif
