/* committer.h - group commit: what all streams want written, in one journal group and one sync.
 *
 * Commits gather while a group is being written by the journal thread; when it is done, all that
 * gathered is the next group. The thread appends the frames, syncs once, and applies each batch to
 * its database (group.h); then the commits end. So an append costs a share of a sync, and the more
 * there are the smaller the share.
 *
 * A committer that was relaxed leaves most syncs out; who opens it syncs from time to time
 * (syncer.h), or leaves that to the checkpoints.
 *
 * Invariants:
 *  1. A commit ends without error only after its frame is durable, unless the committer is relaxed,
 *     and its batch is applied.
 *  2. Groups are written one after the other, in the order in which they gathered.
 *  3. `dirty` names every collection that was written since the current segment began.
 *  4. Batches are written only while the reserve is there; deletions may use it up. */
#ifndef SYNC_COMMITTER_H
#define SYNC_COMMITTER_H

#include "base/table.h"
#include "loop/offload.h"
#include "loop/task.h"
#include "store/collection.h"
#include "store/database.h"
#include "store/hold.h"
#include "store/journal.h"
#include "store/news.h"
#include "store/reserve.h"
#include "sync/limits.h"

#include <stdatomic.h>

enum { COMMIT_NEWS = 2 }; /* how often others are told of a commit */

/* What a writer waits for. One of batch and deletion is set; both stay the caller's and unchanged
 * until the end. A commit cannot be cancelled: writers never are. */
struct commit {
    struct operation operation;
    struct list link;
    const struct batch *batch;
    const struct deletion *deletion;
    bool written;      /* it is in the journal */
    struct hold *hold; /* NULL: the data directory is ours alone */
    bool undone;       /* after a failure: nothing of it is left in the database */
    bool torn;         /* after a failure: part of it is, and only a replay can mend that */
    uint64_t news;     /* with a hold: what news_read gave before it was told, COMMIT_NEWS times */
    atomic_bool is_changing; /* with a hold: its files change, or have: see stream.c */
    struct error error;      /* code ERROR_NONE: as invariant 1 says */
};

struct committer_stats {
    uint64_t groups, commits, bytes, failed_groups;
    uint64_t failed_syncs;                  /* in the background */
    uint64_t group_us_total, group_us_most; /* writing and syncing a group, and applying it */
    uint64_t checkpoints, failed_checkpoints;
    uint64_t last_checkpoint_ms; /* clock_monotonic_ms */
};

/* How far the journal is, as the journal thread told after its last job. */
struct committer_told {
    uint64_t sequence;    /* of the segment being written */
    uint64_t bytes_ahead; /* written and not synced */
    bool is_broken;       /* it goes on in a new segment only */
    struct journal_syncs syncs;
};

/* A collection written since the segment began: a member of the dirty table. */
struct committer_dirty {
    struct table_node node;
    struct list link;
    uint64_t generation, count; /* entries, as of the last commit; 0, 0: deleted */
    char path[];
};

struct committer {
    struct loop *loop;
    struct disk *disk;
    struct offload journal_thread; /* one thread: groups in order */
    struct news *news;             /* NULL: the data directory is ours alone */
    struct journal journal;        /* the journal thread's while `busy` */
    struct reserve reserve;        /* likewise */
    uint64_t counters_ahead;       /* likewise: given out since the last sync */
    bool is_relaxed;               /* see above */
    struct committer_told told;
    uint64_t ahead_since_ms; /* the oldest of told.bytes_ahead; clock_monotonic_ms */
    struct list waiting;     /* of struct commit: the next group */
    bool busy;               /* a group is being written, or a segment begun */
    struct table dirty;
    struct list dirty_list;       /* of struct committer_dirty */
    uint64_t segment_bytes;       /* written to the current segment */
    bool sound;                   /* false after a failed group until something was written */
    const char *kept_because;     /* the journal has to stay until a replay has gone over it, no
                                     checkpoint helps any more; NULL: it may go */
    struct deferred begin;        /* the next group, after this turn */
    void (*grown)(void *context); /* segment_bytes has grown; see checkpoint.c */
    void *grown_context;
    struct {
        struct offload_job job;
        struct operation *waiter; /* NULL: nobody */
        bool wanted;              /* as soon as no group is under way */
        struct list dirty;
        uint64_t sequence; /* of the new segment */
        bool sound;        /* and the reserve is there */
        struct committer_told journal;
        struct error error;
    } rotated;
    struct {
        struct offload_job job;
        struct operation *waiter; /* NULL: nobody */
        bool wanted;              /* as soon as no group is under way */
        struct committer_told journal;
        struct error error;
    } synced;
    struct committer_stats stats;
};

/* Opens the journal; replay has been done. news: NULL if the data directory is ours alone. */
MUST_CHECK bool committer_open(struct committer *committer, struct loop *loop, struct disk *disk,
                               struct news *news, struct error *error);

/* From now on appends are answered before they are synced. Only if the data directory is ours
 * alone: another server would build upon what may get lost, in a journal of its own. */
void committer_relax(struct committer *committer);

/* Waits for the group under way and closes. Nothing may be waiting. Then, with the journal still in
 * its place, syncs what is dirty and removes the journal, so that the next start has nothing to
 * replay; if that fails nothing is lost, and *error says why. Blocks. Harmless on all-zero. */
bool committer_close(struct committer *committer, struct error *error);

/* Returns STEP_WAIT. */
enum step committer_start(struct committer *committer, struct commit *commit, struct task *task);

/* Waiting for the journal thread to do something between two groups. */
struct committer_wait {
    struct operation operation;
    struct committer *committer;
};

/* Goes on in a new segment of the journal, between two groups; returns STEP_WAIT. When the
 * operation has ended, `rotated` says what came of it: error, or in dirty the collections that were
 * written before, to be taken by the caller. One at a time. */
enum step committer_rotate(struct committer *committer, struct committer_wait *wait,
                           struct task *task);

/* Syncs what is ahead of the disk, between two groups; returns STEP_WAIT. A failure is told by
 * `sound`, as if a group had failed. One at a time. */
enum step committer_sync(struct committer *committer, struct committer_wait *wait,
                         struct task *task);

/* On the journal thread, at the end of a job. */
struct committer_told committer_look_at_journal(struct committer *committer);

/* For how long the oldest of what was answered has been ahead of the disk; 0: nothing is. */
uint64_t committer_unsynced_ms(const struct committer *committer);

/* A checkpoint could not sync a collection. Unless nothing but files or memory were short it must
 * not be tried again: the kernel tells of a failed sync once, takes the pages for clean, and the
 * next sync succeeds with the data lost. Replay writes it anew from the journal, which stays. */
void committer_note_failed_sync(struct committer *committer, const struct error *error);

/* Helper threads only: makes what was written to a collection durable in its own files. */
MUST_CHECK bool committer_sync_dirty(const struct committer *committer,
                                     const struct committer_dirty *dirty, struct error *error);

/* Gives back what could not be synced, to be tried again at the next checkpoint. */
void committer_return_dirty(struct committer *committer, struct list *dirty);
void committer_free_dirty(struct list *dirty);

#endif
