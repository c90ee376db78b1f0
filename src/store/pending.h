/* pending.h - what the journal still has to say about each collection.
 *
 * Whatever stands in a frame is written to its collection again after a crash. So what is wrong in
 * a place that frames will be written over is no damage: it is being written at this moment, or was
 * when the server died. Reading the journal for this also checks all of it. */
#ifndef STORE_PENDING_H
#define STORE_PENDING_H

#include "base/list.h"
#include "base/table.h"
#include "store/disk.h"
#include "store/index.h"

/* All-zero is nothing pending. */
struct pending {
    struct table table;
    struct list list;
    uint64_t segments, frames, bytes; /* of the journal */
    uint64_t damaged_at;              /* after ERROR_DAMAGED: where, in */
    char damaged_file[64];            /* which file; "": not in a file */
};

/* Reads all segments, also those that are being written. ERROR_NOT_FOUND: a checkpoint has removed
 * one meanwhile, try again. ERROR_DAMAGED as in segment.h, and for a frame that makes no sense. */
MUST_CHECK bool pending_read(struct pending *pending, struct disk *disk, struct error *error);
void pending_clear(struct pending *pending); /* harmless twice, and on all-zero */

/* From which entry of its index on the frames will be written over the collection at path;
 * UINT64_MAX: from none. header: of the index as it is on disk, NULL if it cannot be read. */
uint64_t pending_find_start(const struct pending *pending, const char *path,
                            const struct index_header *header);

#endif
