/* group.h - commits on their way through the journal thread, together.
 *
 * The thread writes their frames, syncs them, and applies each to its collection. Under
 * `durability interval` and `off` (committer->is_relaxed) it leaves the sync out for most groups,
 * which are then ahead of the disk. Not for all of them:
 *
 *  1. What makes or removes a collection is synced first. So only what was appended to a collection
 *     that is there can be half on disk without the journal knowing of it (database_open).
 *  2. No more than GROUP_COUNTERS_AHEAD counters are given out ahead of the disk, which is what a
 *     collection jumps over after a loss (losses.h); a jump itself is synced, after what
 *     it stands on (jump.h).
 *  3. No more than GROUP_BYTES_AHEAD bytes are ahead, for they are kept in memory.
 *  4. That a batch was cancelled is synced before anything takes its counters. */
#ifndef SYNC_GROUP_H
#define SYNC_GROUP_H

#include "store/losses.h"
#include "sync/committer.h"

enum { GROUP_COUNTERS_AHEAD = LOSSES_JUMP, GROUP_BYTES_AHEAD = 16 << 20 };

/* The commits stay their writers', who wait. */
struct group {
    struct offload_job job;
    struct committer *committer;
    struct list commits; /* of struct commit */
    uint64_t bytes;
    uint64_t started_us, started_ms; /* on the measuring clock, and on the one tests can hold */
    struct error error;              /* why not all of it could be written */
    struct committer_told journal;   /* after it */
};

/* The job. Each commit has been applied, or has its error, then. */
void group_run(struct offload_job *job);

#endif
