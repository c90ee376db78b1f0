/* syncer.h - `durability interval`: what was answered is on disk at most that much later.
 *
 * A task for ever: wait for the interval -> sync the journal if anything is ahead of the disk.
 *
 *     syncer_open -> (serving) -> syncer_close */
#ifndef SYNC_SYNCER_H
#define SYNC_SYNCER_H

#include "loop/pause.h"
#include "sync/committer.h"

struct syncer {
    struct task task;
    struct committer *committer;
    uint64_t interval_ms;
    struct pause pause;
    struct committer_wait wait;
    bool closing;
};

/* The committer has been relaxed. */
MUST_CHECK bool syncer_open(struct syncer *syncer, struct committer *committer,
                            uint64_t interval_ms, struct error *error);

/* Before the committer is closed. Harmless on all-zero. */
void syncer_close(struct syncer *syncer);

#endif
