/* blob_steps.h - what appending does about blobs. The routes of blobs are in routes.h. */
#ifndef HTTP_BLOB_STEPS_H
#define HTTP_BLOB_STEPS_H

#include "http/request.h"

/* A step, once the array is read: where the blobs of this collection are, and whether those that it
 * refers to are among them. */
enum step blob_steps_find(struct task *task);

#endif
