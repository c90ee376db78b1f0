/* blobs.h - a blob that is asked for: found, opened, and, if it is small, read.
 *
 * What the loop does here is what it does to read a collection: it opens files that are there and
 * reads little. */
#ifndef SYNC_BLOBS_H
#define SYNC_BLOBS_H

#include "store/blob.h"
#include "sync/stream.h"

enum { BLOBS_SMALL = 64 * 1024 }; /* up to here they are read, and so checked, whole */

/* A blob of the collection, which is loaded. ERROR_NOT_FOUND unless it is live and has it. To be
 * closed by the caller. */
MUST_CHECK bool blobs_open(const struct stream *stream, struct str name, struct blob *blob,
                           struct error *error);

/* Bytes of one of any size, not checked: at most BLOBS_SMALL at a time. Appended. */
MUST_CHECK bool blobs_read_part(struct blob *blob, uint64_t start, size_t length,
                                struct buf *content, struct error *error);

/* The descriptor, which is the caller's from now on. */
int blobs_take_descriptor(struct blob *blob);

#endif
