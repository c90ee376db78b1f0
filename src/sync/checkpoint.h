/* checkpoint.h - from time to time what the journal holds is made durable in the databases
 * themselves, so that the journal can start over.
 *
 * A task for ever: wait until some time has gone by or the segment has grown -> begin a new
 * segment -> sync the collections written before, on the helper threads -> remove the old
 * segments. When anything fails the old segments stay, and the next round tries again. */
#ifndef SYNC_CHECKPOINT_H
#define SYNC_CHECKPOINT_H

#include "loop/pause.h"
#include "sync/committer.h"

struct checkpoint;

/* What one helper thread does of a round. */
struct checkpoint_job {
    struct offload_job job;
    struct checkpoint *checkpoint;
    size_t first; /* of items */
    struct error error;
};

struct checkpoint {
    struct task task;
    struct committer *committer;
    struct offload *helpers;
    const struct limits *limits;
    struct pause pause;
    struct committer_wait wait;
    struct list dirty;              /* being synced */
    struct committer_dirty **items; /* the same as an array: */
    size_t count, job_count;        /* job i syncs items i, i + job_count, ... */
    struct checkpoint_job jobs[OFFLOAD_THREADS_MOST];
    unsigned unfinished;     /* jobs */
    struct operation work;   /* ends when no job is unfinished */
    struct error error;      /* of the round */
    struct error last_error; /* of the last round; code ERROR_NONE: it went well */
    bool is_probing;         /* waits to see whether the journal can be written again */
    bool closing;
};

/* Everything given must outlive it. */
MUST_CHECK bool checkpoint_open(struct checkpoint *checkpoint, struct committer *committer,
                                struct loop *loop, struct offload *helpers,
                                const struct limits *limits, struct error *error);

/* The helpers have been closed before, so no job is under way. What was being synced goes back to
 * the committer, whose close makes the last checkpoint. Harmless on all-zero. */
void checkpoint_close(struct checkpoint *checkpoint);

#endif
