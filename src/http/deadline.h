/* deadline.h - the ends that everything on a connection has: heads, bodies and answers that come or
 * go too slowly, and connections that nobody uses.
 *
 * Each connection has one time, set where its state changes; all are looked at each half second.
 * That is exact enough, and costs a request nothing but a store. */
#ifndef HTTP_DEADLINE_H
#define HTTP_DEADLINE_H

#include "http/http.h"

void deadline_sweep(struct http *http);

/* There are as many connections as there may be: those that nobody has used for some seconds give
 * way to new ones. */
void deadline_make_room(struct http *http);

#endif
