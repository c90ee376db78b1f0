/* gate.h - what a client sends, on its way to evhttp: heads are completed, taken apart and replaced
 * by what evhttp may know of them; what comes behind a head stays on this side. See connection.h.
 *
 * Each of these may close the connection, and free it. */
#ifndef HTTP_GATE_H
#define HTTP_GATE_H

#include "base/error.h"

struct connection;

/* Callback of the connection's read event. */
void gate_take_input(int fd, short what, void *connection);

/* On an idle connection: the next request has come, or a part of it, before the last was answered.
 */
void gate_take_next(struct connection *connection);

/* Has something answered that is no request, like every request, with what is wrong. What comes
 * behind it is never looked at. */
void gate_refuse(struct connection *connection, const struct error *error);

#endif
