/* repair.h - makes a damaged collection usable again, from what is sound in it. For cutoutctl.
 *
 * Nobody else may use the data directory: the caller has the lock (disk_open), and the journal is
 * empty.
 *
 * Invariants:
 *  1. Every file is copied to DOMAIN/USER/BUCKET/repair-YYYYMMDD-HHMMSS/, and the copies are on
 *     disk, before anything is changed.
 *  2. A record of salvage.h that is kept stays byte for byte and in its order; so do the commit
 *     entries of appends that are kept as a whole.
 *  3. Unless it is proven that every record is there, the collection gets a new id, so that
 *     clients read it anew and send what the server does not have, and the last record gets a
 *     counter REPAIR_JUMP above the highest known, so that no counter is used twice.
 *  4. The new files are the next generation, beside the old; renaming the index is what makes them
 *     count. If it is interrupted, repairing again does the same. */
#ifndef STORE_REPAIR_H
#define STORE_REPAIR_H

#include "store/disk.h"

enum { REPAIR_JUMP = 65536 };

struct repair {
    /* Given. */
    struct disk *disk;
    const char *path;
    void (*say)(void *context, const char *line); /* what is done, and what could not be saved */
    void *context;

    /* What became of it. */
    bool was_sound; /* nothing was done */
    bool has_new_id;
    uint64_t kept, lost; /* records */
    char kept_in[64];    /* name of the directory with the copies; "": none was needed */
};

/* ERROR_BUSY if the journal is not empty. ERROR_DAMAGED if nothing can be saved or it is not known
 * how; nothing is changed then. */
MUST_CHECK bool repair_collection(struct repair *repair, struct error *error);

#endif
