/* mark.h - the marks in the header of an index (index.h), in its file.
 *
 *     mark_read -> (what it is to vouch for made durable) -> mark_write */
#ifndef STORE_MARK_H
#define STORE_MARK_H

#include "store/disk.h"
#include "store/index.h"

/* The header with what the marks say. ERROR_DAMAGED. */
MUST_CHECK bool mark_read(struct file *index, struct index_header *header, struct error *error);

/* Helper threads only. Writes synced_count, losses and floor of the header, which mark_read has
 * filled, over the mark that counts less, so that the other holds should this fail or be torn; and
 * syncs it. After a failure the old mark is there again, if that can be had. */
MUST_CHECK bool mark_write(struct file *index, const struct index_header *header,
                           struct error *error);

#endif
