#include "sync/syncer.h"

static struct syncer *syncer_of(struct task *task)
{
    return OWNER_OF(task, struct syncer, task);
}

static enum step wait_for_interval(struct task *task)
{
    struct syncer *syncer = syncer_of(task);

    return pause_start(&syncer->pause, syncer->interval_ms, task);
}

/* A new segment is begun by who has something to write, or by the checkpoint that tries. */
static enum step sync_journal(struct task *task)
{
    struct committer *committer = syncer_of(task)->committer;

    if (committer->told.bytes_ahead == 0 || committer->told.is_broken)
        return STEP_DONE;
    return committer_sync(committer, &syncer_of(task)->wait, task);
}

static const struct step_entry syncer_steps[] = {STEP(wait_for_interval), STEP(sync_journal), {0}};

static void end_round(struct task *task);

static const struct task_kind syncer_kind = {"syncer", syncer_steps, end_round};

static void start_round(struct deferred *deferred)
{
    struct syncer *syncer = OWNER_OF(deferred, struct syncer, task.resume);

    task_start(&syncer->task, syncer->committer->loop, &syncer_kind);
}

/* In a turn of its own, as a round may have failed at once. */
static void end_round(struct task *task)
{
    const struct syncer *syncer = syncer_of(task);

    if (syncer->closing)
        return;
    deferred_init(&task->resume, start_round);
    loop_run_next_turn(syncer->committer->loop, &task->resume);
}

bool syncer_open(struct syncer *syncer, struct committer *committer, uint64_t interval_ms,
                 struct error *error)
{
    *syncer = (struct syncer){.committer = committer, .interval_ms = interval_ms};
    task_start(&syncer->task, committer->loop, &syncer_kind);
    if (task_is_under_way(&syncer->task))
        return true;
    *error = syncer->task.error;
    return false;
}

void syncer_close(struct syncer *syncer)
{
    if (!syncer->committer)
        return;
    syncer->closing = true;
    task_cancel(&syncer->task);
    deferred_cancel(&syncer->task.resume);
    syncer->committer = NULL;
}
