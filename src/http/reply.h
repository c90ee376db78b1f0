/* reply.h - what goes back: the one table of error codes and statuses, the headers, the body. */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "http/request.h"

/* Turns the reply into the answer to a failure: status, {"error","message"} and, for refused
 * objects, "errors". Whatever else the reply held is dropped. */
void reply_put_error(struct request *request, const struct error *error);

/* Lets go of what it holds; harmless twice, and on all-zero. */
void reply_clear(struct reply *reply);

/* Bytes of what follows the headers. */
size_t reply_body_length(const struct request *request);

/* Completes the headers and sends. */
void reply_send(struct request *request);

/* Appends the name of the request for logs and the X-Request-Id header: 16 hexadecimal digits. */
void reply_put_id(const struct request *request, struct buf *out);

#endif
