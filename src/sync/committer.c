#include "sync/committer.h"

#include "base/clock.h"
#include "sync/group.h"

#include <stdlib.h>
#include <string.h>

enum { GROUP_BYTES_MOST = 16 << 20 }; /* beyond that no further commit joins a group */

static void begin_next(struct committer *committer);

static struct commit *commit_of(struct list *node)
{
    return OWNER_OF(node, struct commit, link);
}

static const char *path_of(const struct commit *commit)
{
    return commit->batch ? commit->batch->path : commit->deletion->path;
}

/* --- The journal, seen from the loop --------------------------------------------------------- */

struct committer_told committer_look_at_journal(struct committer *committer)
{
    const struct journal *journal = &committer->journal;
    struct committer_told told = {.sequence = journal->sequence,
                                  .bytes_ahead = journal->end - journal->synced,
                                  .is_broken = journal->broken,
                                  .syncs = journal->syncs};

    if (told.bytes_ahead == 0)
        committer->counters_ahead = 0;
    return told;
}

uint64_t committer_unsynced_ms(const struct committer *committer)
{
    return committer->told.bytes_ahead > 0 ? clock_monotonic_ms() - committer->ahead_since_ms : 0;
}

/* What a job leaves ahead it has written after its last sync. */
static void take_told(struct committer *committer, const struct committer_told *told,
                      uint64_t started_ms)
{
    if (committer->told.bytes_ahead == 0)
        committer->ahead_since_ms = started_ms;
    committer->told = *told;
}

/* --- Groups ---------------------------------------------------------------------------------- */

static struct committer_dirty *new_dirty(struct committer *committer, const char *path)
{
    size_t length = strlen(path);
    struct committer_dirty *dirty = calloc(1, sizeof *dirty + length + 1);

    if (!dirty)
        return NULL;
    memcpy(dirty->path, path, length + 1);
    dirty->node.key = (struct str){dirty->path, length};
    table_insert(&committer->dirty, &dirty->node);
    list_append(&committer->dirty_list, &dirty->link);
    return dirty;
}

/* Without memory for that the collection would be left out of the next checkpoint, and the journal
 * must not go then: the checkpoint is refused. */
static void note_dirty(struct committer *committer, const struct commit *commit)
{
    struct table_node *node = table_find(&committer->dirty, str_of(path_of(commit)));
    struct committer_dirty *dirty =
        node ? OWNER_OF(node, struct committer_dirty, node) : new_dirty(committer, path_of(commit));

    if (!dirty) {
        committer->kept_because = "memory ran out while noting what is to be synced";
        return;
    }
    if (commit->torn)
        committer->kept_because = "what a failed write has left could not be removed";
    dirty->generation = commit->batch ? commit->batch->after.generation : 0;
    dirty->count = 0;
    if (commit->batch) /* what failed is not there to be vouched for */
        dirty->count = commit->error.code == ERROR_NONE ? commit->batch->after.count
                                                        : commit->batch->before.count;
}

void committer_note_failed_sync(struct committer *committer, const struct error *error)
{
    if (error->code != ERROR_BUSY && error->code != ERROR_NO_MEMORY)
        committer->kept_because = "a sync of a database failed";
}

static void count_group(struct committer *committer, const struct group *group)
{
    struct committer_stats *stats = &committer->stats;
    uint64_t took_us = clock_monotonic_us() - group->started_us;

    committer->sound = group->error.code == ERROR_NONE;
    if (!committer->sound)
        stats->failed_groups++;
    if (group->bytes == 0)
        return;
    stats->groups++;
    stats->bytes += group->bytes;
    stats->group_us_total += took_us;
    if (took_us > stats->group_us_most)
        stats->group_us_most = took_us;
    committer->segment_bytes += group->bytes;
}

static void group_finished(struct offload_job *job)
{
    struct group *group = OWNER_OF(job, struct group, job);
    struct committer *committer = group->committer;

    take_told(committer, &group->journal, group->started_ms);
    count_group(committer, group);
    while (!list_is_empty(&group->commits)) {
        struct commit *commit = commit_of(group->commits.next);

        list_remove(&commit->link);
        if (commit->written) {
            committer->stats.commits++;
            note_dirty(committer, commit);
        }
        operation_end(&commit->operation);
    }
    free(group);
    committer->busy = false;
    begin_next(committer);
    if (committer->grown)
        committer->grown(committer->grown_context);
}

static void fail_waiting(struct committer *committer)
{
    while (!list_is_empty(&committer->waiting)) {
        struct commit *commit = commit_of(committer->waiting.next);

        list_remove(&commit->link);
        commit->undone = true;
        error_set(&commit->error, ERROR_NO_MEMORY, "out of memory to write");
        operation_end(&commit->operation);
    }
}

static size_t length_of(const struct commit *commit)
{
    return commit->batch ? commit->batch->entries.length + commit->batch->data.length
                         : commit->deletion->reason.length;
}

/* Not all at once: what is too much for the journal would fail for all, and all would be there
 * twice in memory. */
static void fill_group(struct committer *committer, struct group *group)
{
    size_t length = 0;

    while (!list_is_empty(&committer->waiting) && length < GROUP_BYTES_MOST) {
        struct list *node = committer->waiting.next;

        length += length_of(commit_of(node));
        list_remove(node);
        list_append(&group->commits, node);
    }
}

static void begin_group(struct committer *committer)
{
    struct group *group = calloc(1, sizeof *group);

    if (!group) {
        fail_waiting(committer);
        return;
    }
    group->job = (struct offload_job){.run = group_run, .finished = group_finished};
    group->committer = committer;
    group->started_us = clock_monotonic_us();
    group->started_ms = clock_monotonic_ms();
    list_init(&group->commits);
    fill_group(committer, group);
    committer->busy = true;
    offload_submit(&committer->journal_thread, &group->job);
}

/* --- Segments and syncs ---------------------------------------------------------------------- */

/* A full disk may have room again once the old segments are gone. */
static bool begin_segment(struct committer *committer, struct error *error)
{
    if (journal_begin_segment(&committer->journal, error))
        return true;
    return error->code == ERROR_NO_SPACE && committer->segment_bytes > 0 &&
           reserve_give_up(&committer->reserve, committer->disk) &&
           journal_begin_segment(&committer->journal, error);
}

static void run_rotation(struct offload_job *job)
{
    struct committer *committer = OWNER_OF(job, struct committer, rotated.job);
    struct error error;

    if (begin_segment(committer, &error))
        committer->rotated.sequence = committer->journal.sequence;
    else
        committer->rotated.error = error;
    committer->rotated.sound = committer->rotated.error.code == ERROR_NONE &&
                               reserve_make(&committer->reserve, committer->disk, &error);
    committer->rotated.journal = committer_look_at_journal(committer);
}

static void rotation_finished(struct offload_job *job)
{
    struct committer *committer = OWNER_OF(job, struct committer, rotated.job);

    take_told(committer, &committer->rotated.journal, 0);
    committer->sound = committer->rotated.sound;
    if (committer->kept_because)
        error_set(&committer->rotated.error, ERROR_IO,
                  "%s: the journal stays until the server is started again",
                  committer->kept_because);
    if (committer->rotated.error.code == ERROR_NONE) {
        committer->segment_bytes = 0;
        list_move_all(&committer->rotated.dirty, &committer->dirty_list);
        for (struct list *node = committer->rotated.dirty.next; node != &committer->rotated.dirty;
             node = node->next)
            table_remove(&committer->dirty, &OWNER_OF(node, struct committer_dirty, link)->node);
    }
    if (committer->rotated.waiter)
        operation_end(committer->rotated.waiter);
    else
        committer_return_dirty(committer, &committer->rotated.dirty);
    committer->rotated.waiter = NULL;
    committer->busy = false;
    begin_next(committer);
}

static void run_sync(struct offload_job *job)
{
    struct committer *committer = OWNER_OF(job, struct committer, synced.job);
    struct error error;

    committer->synced.error.code = ERROR_NONE;
    if (!journal_sync(&committer->journal, &error))
        committer->synced.error = error;
    committer->synced.journal = committer_look_at_journal(committer);
}

/* After a failure what is ahead goes into a new segment, with the next group or, because nobody is
 * sent here who would write one, by the checkpoint that `grown` wakes. */
static void sync_finished(struct offload_job *job)
{
    struct committer *committer = OWNER_OF(job, struct committer, synced.job);

    take_told(committer, &committer->synced.journal, 0);
    committer->busy = false;
    if (committer->synced.error.code != ERROR_NONE) {
        committer->sound = false;
    }
    if (committer->synced.waiter)
        operation_end(committer->synced.waiter);
    committer->synced.waiter = NULL;
    begin_next(committer);
    if (committer->grown)
        committer->grown(committer->grown_context);
}

static void begin_job(struct committer *committer, bool *wanted, struct offload_job *job)
{
    *wanted = false;
    committer->busy = true;
    offload_submit(&committer->journal_thread, job);
}

/* These come before the next group: under load there is always a next group. */
static void begin_next(struct committer *committer)
{
    if (committer->busy)
        return;
    if (committer->synced.wanted) {
        begin_job(committer, &committer->synced.wanted, &committer->synced.job);
    } else if (committer->rotated.wanted) {
        begin_job(committer, &committer->rotated.wanted, &committer->rotated.job);
    } else if (!list_is_empty(&committer->waiting)) {
        begin_group(committer);
    }
}

/* All writers that have something in this turn of the loop go into one group. */
static void begin_after_turn(struct deferred *deferred)
{
    begin_next(OWNER_OF(deferred, struct committer, begin));
}

/* There may be less room than when the server stopped. */
static bool open_journal(struct committer *committer, struct error *error)
{
    if (journal_open(&committer->journal, committer->disk, error))
        return true;
    return error->code == ERROR_NO_SPACE && reserve_give_up(&committer->reserve, committer->disk) &&
           journal_open(&committer->journal, committer->disk, error);
}

bool committer_open(struct committer *committer, struct loop *loop, struct disk *disk,
                    struct news *news, struct error *error)
{
    struct error cause;

    *committer = (struct committer){.loop = loop, .disk = disk, .news = news};
    list_init(&committer->waiting);
    list_init(&committer->dirty_list);
    list_init(&committer->rotated.dirty);
    deferred_init(&committer->begin, begin_after_turn);
    committer->rotated.job =
        (struct offload_job){.run = run_rotation, .finished = rotation_finished};
    committer->synced.job = (struct offload_job){.run = run_sync, .finished = sync_finished};
    committer->stats.last_checkpoint_ms = clock_monotonic_ms();
    committer->sound = reserve_make(&committer->reserve, disk, &cause);
    if (table_init(&committer->dirty, error) && open_journal(committer, error) &&
        offload_open(&committer->journal_thread, loop, 1, error)) {
        committer->told = committer_look_at_journal(committer);
        return true;
    }
    journal_close(&committer->journal);
    table_clear(&committer->dirty);
    *committer = (struct committer){0};
    return false;
}

static void begin_soon(struct committer *committer)
{
    if (!committer->busy && !deferred_is_pending(&committer->begin))
        loop_run_soon(committer->loop, &committer->begin);
}

void committer_relax(struct committer *committer)
{
    committer->is_relaxed = true;
}

static void leave_commit(struct operation *operation)
{
    (void)operation;
}

enum step committer_start(struct committer *committer, struct commit *commit, struct task *task)
{
    list_append(&committer->waiting, &commit->link);
    begin_soon(committer);
    return operation_begin(&commit->operation, task, leave_commit);
}

static void leave_rotation(struct operation *operation)
{
    struct committer *committer = OWNER_OF(operation, struct committer_wait, operation)->committer;

    committer->rotated.wanted = false;
    committer->rotated.waiter = NULL;
}

enum step committer_rotate(struct committer *committer, struct committer_wait *wait,
                           struct task *task)
{
    enum step outcome = operation_begin(&wait->operation, task, leave_rotation);

    wait->committer = committer;
    committer->rotated.error = (struct error){0};
    committer->rotated.waiter = &wait->operation;
    committer->rotated.wanted = true;
    begin_soon(committer);
    return outcome;
}

static void leave_sync(struct operation *operation)
{
    struct committer *committer = OWNER_OF(operation, struct committer_wait, operation)->committer;

    committer->synced.wanted = false;
    committer->synced.waiter = NULL;
}

enum step committer_sync(struct committer *committer, struct committer_wait *wait,
                         struct task *task)
{
    enum step outcome = operation_begin(&wait->operation, task, leave_sync);

    wait->committer = committer;
    committer->synced.waiter = &wait->operation;
    committer->synced.wanted = true;
    begin_soon(committer);
    return outcome;
}

void committer_return_dirty(struct committer *committer, struct list *dirty)
{
    struct list *node, *after;

    list_for_each_safe (node, after, dirty) {
        struct committer_dirty *item = OWNER_OF(node, struct committer_dirty, link);

        list_remove(node);
        if (table_find(&committer->dirty, item->node.key)) {
            free(item);
            continue;
        }
        table_insert(&committer->dirty, &item->node);
        list_append(&committer->dirty_list, node);
    }
}

void committer_free_dirty(struct list *dirty)
{
    struct list *node, *after;

    list_for_each_safe (node, after, dirty) {
        list_remove(node);
        free(OWNER_OF(node, struct committer_dirty, link));
    }
}

bool committer_sync_dirty(const struct committer *committer, const struct committer_dirty *dirty,
                          struct error *error)
{
    if (committer->news)
        return hold_sync(committer->disk, committer->news, dirty->path, dirty->generation,
                         dirty->count, error);
    return collection_sync(committer->disk, dirty->path, dirty->generation, dirty->count, error);
}

static bool sync_all(struct committer *committer, struct error *error)
{
    struct list *node;

    if (committer->kept_because)
        return error_set(error, ERROR_IO, "%s: the journal is kept for the next start",
                         committer->kept_because);
    for (node = committer->dirty_list.next; node != &committer->dirty_list; node = node->next) {
        const struct committer_dirty *dirty = OWNER_OF(node, struct committer_dirty, link);

        if (!committer_sync_dirty(committer, dirty, error))
            return false;
    }
    return true;
}

bool committer_close(struct committer *committer, struct error *error)
{
    if (!committer->loop)
        return true;
    deferred_cancel(&committer->begin);
    offload_close(&committer->journal_thread);
    committer_return_dirty(committer, &committer->rotated.dirty);
    /* Should the last checkpoint fail the journal is all there is. */
    struct error ignored;
    (void)!journal_sync(&committer->journal, &ignored);
    uint64_t next = committer->journal.sequence + 1;
    journal_close(&committer->journal);
    bool ok = sync_all(committer, error) &&
              journal_remove_before(committer->disk, committer->disk->journal, next, error);
    committer_free_dirty(&committer->dirty_list);
    table_clear(&committer->dirty);
    *committer = (struct committer){0};
    return ok;
}
