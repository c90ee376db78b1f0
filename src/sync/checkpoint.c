#include "sync/checkpoint.h"

#include "base/clock.h"

#include <stdlib.h>

enum { PROBE_MS = 1000 }; /* a full disk is noticed to have room again within this */

static struct checkpoint *checkpoint_of(struct task *task)
{
    return OWNER_OF(task, struct checkpoint, task);
}

/* While the journal cannot be written nobody may be sent here who would write: so it is tried now
 * and then whether it can again. */
static enum step wait_for_work(struct task *task)
{
    struct checkpoint *checkpoint = checkpoint_of(task);
    uint64_t interval_ms = checkpoint->limits->checkpoint_interval_ms;

    checkpoint->is_probing = !checkpoint->committer->sound;
    if (checkpoint->is_probing && interval_ms > PROBE_MS)
        interval_ms = PROBE_MS;
    return pause_start(&checkpoint->pause, interval_ms, task);
}

static enum step begin_segment(struct task *task)
{
    struct checkpoint *checkpoint = checkpoint_of(task);

    bool sound = checkpoint->committer->sound;

    if (checkpoint->committer->segment_bytes == 0 && sound &&
        list_is_empty(&checkpoint->committer->dirty_list))
        return STEP_DONE;
    /* A new segment would be of no use: none may go. But a journal that could not be written has to
     * be tried: who is not ready gets no POST to try it with. */
    if (checkpoint->committer->kept_because && sound)
        return task_fail(task, ERROR_IO, "%s: the journal stays until the server is started again",
                         checkpoint->committer->kept_because);
    return committer_rotate(checkpoint->committer, &checkpoint->wait, task);
}

static bool take_dirty(struct checkpoint *checkpoint)
{
    struct list *node;

    list_move_all(&checkpoint->dirty, &checkpoint->committer->rotated.dirty);
    checkpoint->count = 0;
    for (node = checkpoint->dirty.next; node != &checkpoint->dirty; node = node->next)
        checkpoint->count++;
    checkpoint->items = calloc(checkpoint->count + 1, sizeof(struct committer_dirty *));
    if (!checkpoint->items)
        return false;
    size_t i = 0;
    for (node = checkpoint->dirty.next; node != &checkpoint->dirty; node = node->next)
        checkpoint->items[i++] = OWNER_OF(node, struct committer_dirty, link);
    return true;
}

/* On a helper thread: syncs that wait side by side share the file system's own commits. */
static void sync_share(struct offload_job *job)
{
    struct checkpoint_job *share = OWNER_OF(job, struct checkpoint_job, job);
    const struct checkpoint *checkpoint = share->checkpoint;
    struct error error;

    for (size_t i = share->first; i < checkpoint->count; i += checkpoint->job_count) {
        const struct committer_dirty *dirty = checkpoint->items[i];

        if (!committer_sync_dirty(checkpoint->committer, dirty, &error)) {
            share->error = error;
            return;
        }
    }
}

static void remove_segments(struct offload_job *job)
{
    struct checkpoint_job *share = OWNER_OF(job, struct checkpoint_job, job);
    struct committer *committer = share->checkpoint->committer;

    struct error error;

    if (!journal_remove_before(committer->disk, committer->disk->journal,
                               committer->rotated.sequence, &error))
        share->error = error;
}

static void job_finished(struct offload_job *job)
{
    struct checkpoint_job *share = OWNER_OF(job, struct checkpoint_job, job);
    struct checkpoint *checkpoint = share->checkpoint;

    if (share->error.code != ERROR_NONE && job->run == sync_share)
        committer_note_failed_sync(checkpoint->committer, &share->error);
    if (share->error.code != ERROR_NONE && checkpoint->error.code == ERROR_NONE)
        checkpoint->error = share->error;
    if (--checkpoint->unfinished == 0)
        operation_end(&checkpoint->work);
}

static void submit(struct checkpoint *checkpoint, size_t i, void (*run)(struct offload_job *))
{
    struct checkpoint_job *share = &checkpoint->jobs[i];

    *share = (struct checkpoint_job){
        .job = {.run = run, .finished = job_finished}, .checkpoint = checkpoint, .first = i};
    checkpoint->unfinished++;
    offload_submit(checkpoint->helpers, &share->job);
}

/* Only at the end of the server, when the helpers have come to rest. */
static void leave_work(struct operation *operation)
{
    (void)operation;
}

static enum step sync_collections(struct task *task)
{
    struct checkpoint *checkpoint = checkpoint_of(task);

    if (checkpoint->committer->rotated.error.code != ERROR_NONE) {
        task->error = checkpoint->committer->rotated.error;
        return STEP_FAIL;
    }
    if (!take_dirty(checkpoint))
        return task_fail(task, ERROR_NO_MEMORY, "out of memory for a checkpoint");
    enum step outcome = operation_begin(&checkpoint->work, task, leave_work);
    checkpoint->job_count = checkpoint->helpers->thread_count;
    for (size_t i = 0; i < checkpoint->job_count; i++)
        submit(checkpoint, i, sync_share);
    return outcome;
}

static enum step drop_journal(struct task *task)
{
    struct checkpoint *checkpoint = checkpoint_of(task);

    if (checkpoint->error.code != ERROR_NONE) {
        task->error = checkpoint->error;
        return STEP_FAIL;
    }
    enum step outcome = operation_begin(&checkpoint->work, task, leave_work);
    submit(checkpoint, 0, remove_segments);
    return outcome;
}

/* All is synced by now. Segments that could not be removed would be replayed once more, which
 * changes nothing. */
static enum step finish_round(struct task *task)
{
    struct checkpoint *checkpoint = checkpoint_of(task);

    committer_free_dirty(&checkpoint->dirty);
    checkpoint->committer->stats.checkpoints++;
    checkpoint->committer->stats.last_checkpoint_ms = clock_monotonic_ms();
    task->error = checkpoint->error;
    return checkpoint->error.code == ERROR_NONE ? STEP_DONE : STEP_FAIL;
}

static const struct step_entry checkpoint_steps[] = {
    STEP(wait_for_work), STEP(begin_segment), STEP(sync_collections),
    STEP(drop_journal),  STEP(finish_round),  {0},
};

static void end_round(struct task *task);

static const struct task_kind checkpoint_kind = {"checkpoint", checkpoint_steps, end_round};

static void start_round(struct deferred *deferred)
{
    struct checkpoint *checkpoint = OWNER_OF(deferred, struct checkpoint, task.resume);

    task_start(&checkpoint->task, checkpoint->committer->loop, &checkpoint_kind);
}

/* The next round begins in a turn of its own: one that fails at once must not hold up the loop. */
static void end_round(struct task *task)
{
    struct checkpoint *checkpoint = checkpoint_of(task);

    if (task->error.code != ERROR_NONE && !checkpoint->closing)
        checkpoint->committer->stats.failed_checkpoints++;
    checkpoint->last_error = task->error;
    committer_return_dirty(checkpoint->committer, &checkpoint->dirty);
    free(checkpoint->items);
    checkpoint->items = NULL;
    checkpoint->error = (struct error){0};
    if (checkpoint->closing)
        return;
    deferred_init(&task->resume, start_round);
    loop_run_next_turn(checkpoint->committer->loop, &task->resume);
}

static void on_grown(void *context)
{
    struct checkpoint *checkpoint = context;
    const struct committer *committer = checkpoint->committer;
    bool is_full =
        committer->segment_bytes > checkpoint->limits->journal_bytes && !committer->kept_because;

    if (!checkpoint->is_probing && (is_full || !committer->sound))
        pause_end(&checkpoint->pause);
}

bool checkpoint_open(struct checkpoint *checkpoint, struct committer *committer, struct loop *loop,
                     struct offload *helpers, const struct limits *limits, struct error *error)
{
    *checkpoint = (struct checkpoint){.committer = committer, .helpers = helpers, .limits = limits};
    list_init(&checkpoint->dirty);
    committer->grown = on_grown;
    committer->grown_context = checkpoint;
    task_start(&checkpoint->task, loop, &checkpoint_kind);
    if (task_is_under_way(&checkpoint->task))
        return true;
    *error = checkpoint->task.error;
    return false;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    if (!checkpoint->committer)
        return;
    checkpoint->closing = true;
    checkpoint->committer->grown = NULL;
    task_cancel(&checkpoint->task);
    deferred_cancel(&checkpoint->task.resume);
    checkpoint->committer = NULL;
}
