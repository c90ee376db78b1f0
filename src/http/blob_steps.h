/* blob_steps.h - what several routes do about blobs. The routes of blobs are in routes.h. */
#ifndef HTTP_BLOB_STEPS_H
#define HTTP_BLOB_STEPS_H

#include "http/request.h"

/* Appends where the blobs of the request's collection are: all but the name. */
MUST_CHECK bool blob_steps_put_prefix(const struct request *request, struct buf *out,
                                      struct error *error);

/* A step, once the array is read: where the blobs of this collection are, and whether those that it
 * refers to are among them. */
enum step blob_steps_find(struct task *task);

#endif
