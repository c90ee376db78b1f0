/* replay.h - after a crash: what the journal holds goes into the databases.
 *
 * Runs at start, before anything is served, alone on the data directory. The journal is synced:
 * a killed process may have left what is not on disk yet. Every frame since the last
 * checkpoint is written again to its place, whatever the database holds above that: after a power
 * cut what lies above a checkpoint is not to be trusted. Then everything touched is synced, the
 * headers note it, and the segments are removed. A crash in the middle changes nothing: the next
 * start does it again.
 *
 * A tail torn by the crash is dropped: nobody was told of it, unless the journal was written under
 * `durability interval` or `off` and the machine has been down since: that is a loss, which is
 * counted (losses.h). Damage is not passed over
 * (segment.h): ERROR_DAMAGED names file and offset, and no file has been touched then.
 *
 * A frame goes into its database only where that stands exactly before it (generation, count, end,
 * crc of the entry before). What a checkpoint vouches for is passed over. A frame that fits nowhere
 * is not forced: its collection is left alone and counted as refused, all segments are kept as
 * ".journal/refused-SEQUENCE" for whoever looks into it, and the rest goes on. */
#ifndef STORE_REPLAY_H
#define STORE_REPLAY_H

#include "store/disk.h"

struct replay_report {
    uint64_t segments, frames, bytes; /* found */
    uint64_t batches, deletions;      /* written again */
    uint64_t cancelled;
    uint64_t collections;       /* touched */
    bool may_have_lost;         /* what clients had been told */
    uint64_t refused;           /* collections whose frames did not fit */
    struct error first_refusal; /* why, of the first of these */
};

/* Blocks. disk->losses is right then. */
MUST_CHECK bool replay_run(struct disk *disk, struct replay_report *report, struct error *error);

#endif
