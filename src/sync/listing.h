/* listing.h - a user's buckets (GET /domain/user/). */
#ifndef SYNC_LISTING_H
#define SYNC_LISTING_H

#include "loop/task.h"
#include "sync/stream.h"

/* all-zero, then streams and address set by the caller. */
struct listing {
    struct streams *streams;
    const struct address *address; /* without bucket; borrowed */
    struct buf body;               /* the answer: {"buckets":[{"bucket","counter","objects","bytes",
                                      "last_change","collection_id"},...]}, sorted by name */
    struct buf names;
    const char **sorted;
    size_t count, position;
    bool began;
};

/* One slice of a few buckets. One that is damaged is listed with "error". objects counts what the
 * stream holds: every version and tombstone that was not collected. */
enum step listing_run(struct listing *listing, struct task *task);
void listing_clear(struct listing *listing); /* harmless twice, and on all-zero */

#endif
