#include "app/share.h"

#include "base/log.h"
#include "store/heir.h"

enum { LOOK_EVERY_MS = 2000 };

bool share_open(struct share *share, struct disk *disk, struct error *error)
{
    unsigned settled = 0;

    share->disk = disk;
    if (!disk->is_shared)
        return true;
    if (!place_take(&share->place, disk, error) ||
        !news_open(&share->news, disk, &share->place, error) ||
        !heir_settle(disk, &share->news, &share->place, &settled, error))
        return false;
    if (settled > 0)
        log_write(LOG_NOTICE, "settled what a server left that died");
    return true;
}

struct news *share_news(struct share *share)
{
    return share->news.map ? &share->news : NULL;
}

static void hear(struct ready *ready)
{
    streams_hear_news(OWNER_OF(ready, struct share, ready)->streams);
}

/* --- What others left --------------------------------------------------------------------------
 */

static struct share *share_of(struct task *task)
{
    return OWNER_OF(task, struct share, task);
}

static void look(struct offload_job *job)
{
    struct share *share = OWNER_OF(job, struct share, job);
    struct error error;

    share->error.code = ERROR_NONE;
    if (!heir_settle_all(share->disk, &share->news, &share->settled, &error))
        share->error = error;
}

static void looked(struct offload_job *job)
{
    struct share *share = OWNER_OF(job, struct share, job);

    share->job_is_running = false;
    operation_end(&share->work);
}

/* The helper goes on; only nobody waits for it any more. */
static void leave_work(struct operation *operation)
{
    (void)operation;
}

static enum step look_for_the_dead(struct task *task)
{
    struct share *share = share_of(task);

    if (share->job_is_running)
        return STEP_NEXT;
    share->job = (struct offload_job){.run = look, .finished = looked};
    share->job_is_running = true;
    enum step outcome = operation_begin(&share->work, task, leave_work);
    offload_submit(share->helpers, &share->job);
    return outcome;
}

static enum step report(struct task *task)
{
    struct share *share = share_of(task);

    if (share->settled > 0)
        log_write(LOG_NOTICE, "settled what %u servers left that died", share->settled);
    if (share->error.code != ERROR_NONE && share->error.code != share->said_error)
        log_write(LOG_ERROR, "cannot settle what a server left that died: %s",
                  share->error.message);
    share->said_error = share->error.code;
    share->settled = 0;
    return pause_start(&share->pause, LOOK_EVERY_MS, task);
}

static const struct step_entry heir_steps[] = {STEP(look_for_the_dead), STEP(report), {0}};

static void look_again(struct task *task);

static const struct task_kind heir_kind = {"heir", heir_steps, look_again};

static void look_again(struct task *task)
{
    if (task->error.code == ERROR_NONE)
        task_start(task, task->loop, &heir_kind);
}

/* -----------------------------------------------------------------------------------------------
 */

bool share_listen(struct share *share, struct loop *loop, struct streams *streams,
                  struct offload *helpers, struct error *error)
{
    share->streams = streams;
    share->helpers = helpers;
    if (!share_news(share))
        return true;
    if (!ready_open(&share->ready, loop, share->news.socket_fd, hear, error))
        return false;
    task_start(&share->task, loop, &heir_kind);
    return true;
}

void share_stop(struct share *share)
{
    task_cancel(&share->task);
    ready_close(&share->ready);
}

void share_close(struct share *share)
{
    news_close(&share->news);
    place_release(&share->place);
}
