/* body.h - the body of a request, as its steps take it: when they want it, a piece at a time.
 *
 *     body_reserve    before anything is taken: is there memory for it
 *     body_await      until so much is there, or all
 *     body_bytes, body_drop
 *
 * What nobody takes is read for nothing if it is short, else the connection ends with the answer.
 * A body has to come at a kilobyte a second, looked at over transfer_timeout. */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include "http/request.h"

struct connection;

/* ERROR_BUSY if so many bytes more than all requests have reserved are above max_body_memory. Until
 * the request ends. */
MUST_CHECK bool body_reserve(struct request *request, uint64_t bytes, struct error *error);

/* Until `wanted` bytes of the body are there, or all that are left: STEP_NEXT. Else STEP_AGAIN, to
 * be returned by the step, which is run again when they have come; STEP_FAIL (ERROR_TOO_SLOW) when
 * they do not come in time. Tells a client that waits for it to go on. */
enum step body_await(struct request *request, size_t wanted, struct task *task);

/* All of it, reserved too. ERROR_TOO_LARGE, before anything is waited for, if that is more than
 * most. */
enum step body_await_all(struct request *request, size_t most, struct task *task);

/* The next bytes that have come, at most `most`, in one piece; empty: none have, or memory is out.
 * Valid until the step returns or body_drop, which takes them off. */
struct str body_bytes(const struct request *request, size_t most);
void body_drop(struct request *request, size_t length);

/* True if there is more of it, here or on its way. */
bool body_has_more(const struct request *request);

/* For connection.c: what is awaited has come, or will not. */
void body_end_wait(struct connection *connection);

#endif
