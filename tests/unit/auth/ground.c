#include "ground.h"

#include "base/clock.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include <check.h>

struct ground ground;

static void start(void)
{
    struct error error;

    ck_assert(loop_open(&ground.loop, &error) &&
              offload_open(&ground.helpers, &ground.loop, 2, &error));
    ck_assert_msg(disk_open(&ground.disk, ground.directory, &error), "%s", error.message);
    ground.calls = *ground.disk.calls;
    ground.disk.calls = &ground.calls;
    ck_assert_msg(revoked_begin(&ground.disk, clock_unix_seconds(), &error), "%s", error.message);
    ck_assert_msg(
        revocations_open(&ground.revocations, &ground.disk, NULL, &ground.helpers, &error), "%s",
        error.message);
}

static void stop(void)
{
    offload_close(&ground.helpers);
    revocations_close(&ground.revocations);
    disk_close(&ground.disk);
    loop_close(&ground.loop);
}

void ground_open(void)
{
    ground = (struct ground){0};
    (void)snprintf(ground.directory, sizeof ground.directory, "/tmp/cutout-unit-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(ground.directory));
    start();
}

void ground_restart(void)
{
    stop();
    start();
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *where)
{
    (void)info;
    (void)flag;
    (void)where;
    return remove(path);
}

void ground_close(void)
{
    stop();
    (void)nftw(ground.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void stop_loop(struct task *task)
{
    loop_stop(task->loop);
}

struct error ground_run(step_fn *step)
{
    const struct step_entry steps[] = {{"step", step}, {0}};
    const struct task_kind kind = {"test", steps, stop_loop};
    struct task task = {0};
    struct error error;

    task_start(&task, &ground.loop, &kind);
    if (task_is_under_way(&task))
        ck_assert(loop_run(&ground.loop, &error));
    return task.error;
}
