#include "sync/committer.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { GROUP_BYTES_MOST = 16 << 20 }; /* beyond that no further commit joins a group */

/* A group on its way through the journal thread. The commits stay their writers', who wait. */
struct group {
    struct offload_job job;
    struct committer *committer;
    struct list commits;
    uint64_t bytes, started_us;
    struct error error; /* why not all of it could be written */
};

static struct commit *commit_of(struct list *node)
{
    return OWNER_OF(node, struct commit, link);
}

static const char *path_of(const struct commit *commit)
{
    return commit->batch ? commit->batch->path : commit->deletion->path;
}

static void fail_commit(struct commit *commit, const struct error *error)
{
    commit->undone = true;
    commit->error = *error;
}

/* Those that have not failed yet. */
static bool put_frames(struct group *group, struct journal_group *frames, struct error *error)
{
    struct buf body = {0};
    bool ok = true;

    for (struct list *node = group->commits.next; ok && node != &group->commits;
         node = node->next) {
        const struct commit *commit = commit_of(node);

        if (commit->error.code != ERROR_NONE)
            continue;
        buf_reset(&body);
        if (commit->batch)
            batch_write_frame(commit->batch, &body);
        else
            deletion_write_frame(commit->deletion, &body);
        ok = buf_ok(&body, error);
        journal_group_add(frames, commit->batch ? JOURNAL_BATCH : JOURNAL_DELETION, buf_str(&body));
    }
    buf_clear(&body);
    return ok && buf_ok(&frames->bytes, error);
}

static bool write_frames(struct group *group, struct error *error)
{
    struct journal_group frames = {0};
    bool ok = put_frames(group, &frames, error);

    if (ok && frames.bytes.length > 0) {
        group->bytes = frames.bytes.length;
        ok = journal_write(&group->committer->journal, &frames, error);
    }
    journal_group_clear(&frames);
    return ok;
}

static void fail_batches(struct group *group, const struct error *error)
{
    group->error = *error;
    for (struct list *node = group->commits.next; node != &group->commits; node = node->next) {
        if (commit_of(node)->batch)
            fail_commit(commit_of(node), error);
    }
}

static void fail_deletions(struct group *group, const struct error *error)
{
    group->error = *error;
    for (struct list *node = group->commits.next; node != &group->commits; node = node->next) {
        if (commit_of(node)->deletion)
            fail_commit(commit_of(node), error);
    }
}

/* Without room the deletions, which make some, get the reserve. */
static void write_group(struct group *group)
{
    struct committer *committer = group->committer;
    struct error error;

    if (!reserve_make(&committer->reserve, committer->disk, &error))
        fail_batches(group, &error);
    if (write_frames(group, &error))
        return;
    fail_batches(group, &error);
    if (error.code != ERROR_NO_SPACE || !reserve_give_up(&committer->reserve, committer->disk) ||
        !write_frames(group, &error))
        fail_deletions(group, &error);
}

static void put_cancel(const struct commit *commit, struct buf *body)
{
    if (commit->batch)
        journal_write_cancel(body, commit->batch->path, commit->batch->identity.id,
                             commit->batch->before.count);
    else
        journal_write_cancel(body, commit->deletion->path, commit->deletion->id,
                             JOURNAL_CANCEL_DELETION);
}

static bool write_cancel(struct committer *committer, const struct commit *commit,
                         struct error *error)
{
    struct journal_group group = {0};
    struct buf body = {0};

    put_cancel(commit, &body);
    journal_group_add(&group, JOURNAL_CANCEL, buf_str(&body));
    bool ok = buf_ok(&body, error) && journal_write(&committer->journal, &group, error);
    journal_group_clear(&group);
    buf_clear(&body);
    return ok;
}

/* On the journal thread. What could not be applied must not come back by a replay. */
static void cancel_commit(struct committer *committer, struct commit *commit)
{
    struct error error;

    if (write_cancel(committer, commit, &error))
        return;
    if (error.code != ERROR_NO_SPACE || !reserve_give_up(&committer->reserve, committer->disk) ||
        !write_cancel(committer, commit, &error))
        commit->undone = false;
}

/* Once its index is gone a deletion cannot be taken back, but done again. */
static bool delete_collection(struct committer *committer, struct commit *commit,
                              struct error *error)
{
    struct disk *disk = committer->disk;
    bool again;

    if (collection_delete(disk, commit->deletion, &commit->undone, error))
        return true;
    bool may_help = error->code == ERROR_NO_SPACE ? reserve_give_up(&committer->reserve, disk)
                                                  : !commit->undone;
    if (may_help && collection_delete(disk, commit->deletion, &again, error))
        return true;
    commit->undone = commit->undone && (!may_help || again);
    return false;
}

static bool change_files(struct committer *committer, struct commit *commit, struct error *error)
{
    if (commit->deletion)
        return delete_collection(committer, commit, error);
    return database_apply(committer->disk, commit->batch, &commit->undone, error);
}

/* While the files change a note says so to other processes; they are told before it goes. What is
 * left of a note that could not be removed is settled by the next holder. */
static bool change_held_files(struct committer *committer, struct commit *commit,
                              struct error *error)
{
    static const struct head nothing;
    struct error ignored;

    if (!hold_note(commit->hold, commit->batch ? &commit->batch->before : &nothing, error))
        return false;
    bool ok = change_files(committer, commit, error);
    commit->news = news_tell(committer->news, path_of(commit));
    if (ok || commit->undone)
        (void)!hold_forget(commit->hold, &ignored);
    return ok;
}

/* Only what failed is an error: on the way there are failures that mean nothing. */
static void apply_commit(struct committer *committer, struct commit *commit)
{
    struct error error;

    commit->written = commit->undone = true;
    if (commit->hold ? change_held_files(committer, commit, &error)
                     : change_files(committer, commit, &error))
        return;
    commit->torn = !commit->undone;
    /* Without its index the collection is deleted; the next start removes the rest of it. */
    if (commit->torn && commit->deletion)
        return;
    cancel_commit(committer, commit);
    commit->error = error;
    if (!commit->undone)
        commit->error.code = ERROR_IO; /* a full disk would mean that nothing was stored */
}

static void run_group(struct offload_job *job)
{
    struct group *group = OWNER_OF(job, struct group, job);
    struct error error;

    write_group(group);
    for (struct list *node = group->commits.next; node != &group->commits; node = node->next) {
        struct commit *commit = commit_of(node);

        if (commit->error.code == ERROR_NONE)
            apply_commit(group->committer, commit);
    }
    /* Before somebody else takes the room that a deletion has made. */
    if (!reserve_make(&group->committer->reserve, group->committer->disk, &error))
        group->error = error;
    if (group->committer->news)
        news_wake_others(group->committer->news);
}

static void begin_next(struct committer *committer);

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
    struct error error;

    while (!list_is_empty(&committer->waiting)) {
        struct commit *commit = commit_of(committer->waiting.next);

        list_remove(&commit->link);
        error_set(&error, ERROR_NO_MEMORY, "out of memory to write");
        fail_commit(commit, &error);
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
    group->job = (struct offload_job){.run = run_group, .finished = group_finished};
    group->committer = committer;
    group->started_us = clock_monotonic_us();
    list_init(&group->commits);
    fill_group(committer, group);
    committer->busy = true;
    offload_submit(&committer->journal_thread, &group->job);
}

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
}

static void rotation_finished(struct offload_job *job)
{
    struct committer *committer = OWNER_OF(job, struct committer, rotated.job);

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

/* A rotation comes before the next group: under load there is always a next group. */
static void begin_next(struct committer *committer)
{
    if (committer->busy)
        return;
    if (committer->rotated.wanted) {
        committer->rotated.wanted = false;
        committer->busy = true;
        offload_submit(&committer->journal_thread, &committer->rotated.job);
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
    committer->stats.last_checkpoint_ms = clock_monotonic_ms();
    committer->sound = reserve_make(&committer->reserve, disk, &cause);
    if (table_init(&committer->dirty, error) && open_journal(committer, error) &&
        offload_open(&committer->journal_thread, loop, 1, error))
        return true;
    journal_close(&committer->journal);
    table_clear(&committer->dirty);
    *committer = (struct committer){0};
    return false;
}

static void leave_commit(struct operation *operation)
{
    (void)operation;
}

enum step committer_start(struct committer *committer, struct commit *commit, struct task *task)
{
    list_append(&committer->waiting, &commit->link);
    if (!committer->busy && !deferred_is_pending(&committer->begin))
        loop_run_soon(committer->loop, &committer->begin);
    return operation_begin(&commit->operation, task, leave_commit);
}

static void leave_rotation(struct operation *operation)
{
    struct committer *committer = OWNER_OF(operation, struct checkpoint_wait, operation)->committer;

    committer->rotated.wanted = false;
    committer->rotated.waiter = NULL;
}

enum step committer_rotate(struct committer *committer, struct checkpoint_wait *wait,
                           struct task *task)
{
    enum step outcome = operation_begin(&wait->operation, task, leave_rotation);

    wait->committer = committer;
    committer->rotated.error = (struct error){0};
    committer->rotated.waiter = &wait->operation;
    committer->rotated.wanted = true;
    if (!committer->busy && !deferred_is_pending(&committer->begin))
        loop_run_soon(committer->loop, &committer->begin);
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
    uint64_t next = committer->journal.sequence + 1;
    journal_close(&committer->journal);
    bool ok = sync_all(committer, error) &&
              journal_remove_before(committer->disk, committer->disk->journal, next, error);
    committer_free_dirty(&committer->dirty_list);
    table_clear(&committer->dirty);
    *committer = (struct committer){0};
    return ok;
}
