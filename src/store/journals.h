/* journals.h - all frames of all journals of a data directory, in the order of their stamps.
 *
 * A batch is stamped while its writer holds the collection, so of one collection the stamps give
 * the order in which the batches were made, whichever process made them; of one journal they give
 * the order of its frames. All journals that wait to be replayed are of one boot, because the
 * first server to start replays them all, so the stamps can be compared.
 *
 *     journals_open -> journals_next ... -> (journals_rewind -> ...) -> journals_sync
 *                   -> journals_end -> journals_close */
#ifndef STORE_JOURNALS_H
#define STORE_JOURNALS_H

#include "store/place.h"
#include "store/segment.h"

/* One of them, at a frame or at its end. */
struct journals_source {
    struct segment_list segments;
    size_t next; /* segment to be opened after this one */
    struct segment segment;
    struct segment_frame frame;
    uint64_t at; /* where it begins */
    bool has_frame;
};

struct journals {
    struct disk *disk;
    struct journals_source *sources; /* on the heap */
    size_t count;
    struct journals_source *current;
    bool may_have_lost; /* segment_may_have_lost, of one of those that were read to their end */
};

MUST_CHECK bool journals_open(struct journals *journals, struct disk *disk, struct error *error);
void journals_close(struct journals *journals); /* harmless twice, and on all-zero */

/* Steps to the next frame: journals->current with its frame and segment.body, until the next call;
 * NULL behind the last. False: could not be read, or is damaged (segment.h). */
MUST_CHECK bool journals_next(struct journals *journals, struct error *error);

/* Begins at the front again. */
void journals_rewind(struct journals *journals);

/* Blocks. A killed process may have left frames that only the kernel's memory has. Were they
 * applied and then lost in a power cut, nothing would tell that what they brought is to be cut off
 * again: the frames that are left may all be below the checkpoint, and are passed over. */
MUST_CHECK bool journals_sync(struct journals *journals, struct error *error);

/* Blocks. All that is in them is elsewhere: their segments go, one journal after the other, or, if
 * they are to be kept for people to look at, get other names (segment.h). */
MUST_CHECK bool journals_end(struct journals *journals, bool keeps, struct error *error);

/* How many segments there are. */
size_t journals_segment_count(const struct journals *journals);

#endif
