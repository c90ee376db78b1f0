#include "loop/offload.h"
#include "loop/task.h"
#include "suites.h"

#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>

#include <check.h>

enum { JOBS = 200 };

static struct loop loop;
static struct offload offload;
static unsigned finished;
static unsigned order[JOBS];

struct job {
    struct offload_job job;
    unsigned number;
    sem_t *wait; /* NULL: does not wait */
    bool ran, signals_blocked;
    struct operation *waiter;
};

static void run_job(struct offload_job *offload_job)
{
    struct job *job = OWNER_OF(offload_job, struct job, job);
    sigset_t blocked;

    if (job->wait)
        sem_wait(job->wait);
    job->signals_blocked =
        pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0 && sigismember(&blocked, SIGTERM) == 1;
    job->ran = true;
}

static void job_finished(struct offload_job *offload_job)
{
    struct job *job = OWNER_OF(offload_job, struct job, job);

    ck_assert(job->ran);
    ck_assert(job->signals_blocked);
    order[finished++] = job->number;
    if (job->waiter)
        operation_end(job->waiter);
    if (offload.unfinished == 0)
        loop_stop(&loop);
}

static void init(struct job *job, unsigned number)
{
    *job = (struct job){.job = {.run = run_job, .finished = job_finished}, .number = number};
}

static void setup(void)
{
    struct error error;

    finished = 0;
    ck_assert(loop_open(&loop, &error));
}

static void teardown(void)
{
    offload_close(&offload);
    offload_close(&offload);
    loop_close(&loop);
}

static void open_threads(unsigned count)
{
    struct error error;

    ck_assert_msg(offload_open(&offload, &loop, count, &error), "%s", error.message);
    ck_assert_uint_eq(offload.thread_count, count);
}

static void run(void)
{
    struct error error;

    ck_assert(loop_run(&loop, &error));
}

START_TEST(test_offload_with_one_thread_keeps_the_order)
{
    struct job jobs[JOBS];

    open_threads(1);
    for (unsigned i = 0; i < JOBS; i++) {
        init(&jobs[i], i);
        offload_submit(&offload, &jobs[i].job);
    }
    run();
    ck_assert_uint_eq(finished, JOBS);
    for (unsigned i = 0; i < JOBS; i++)
        ck_assert_uint_eq(order[i], i);
}
END_TEST

static void stop_loop(void *context)
{
    loop_stop(context);
}

/* One job waits until another, behind it, has run: on another thread then. */
START_TEST(test_offload_with_several_threads_runs_side_by_side)
{
    struct job held, jobs[JOBS];
    sem_t go;

    open_threads(4);
    sem_init(&go, 0, 0);
    init(&held, JOBS);
    held.wait = &go;
    offload_submit(&offload, &held.job);
    for (unsigned i = 0; i + 1 < JOBS; i++) {
        init(&jobs[i], i);
        offload_submit(&offload, &jobs[i].job);
    }
    while (finished + 1 < JOBS) {
        struct error error;

        loop.turn_ended = stop_loop;
        loop.turn_context = &loop;
        ck_assert(loop_run(&loop, &error));
    }
    ck_assert(!held.ran);
    sem_post(&go);
    loop.turn_ended = NULL;
    run();
    ck_assert_uint_eq(order[JOBS - 1], JOBS);
    sem_destroy(&go);
}
END_TEST

START_TEST(test_offload_closing_finishes_what_was_queued)
{
    struct job jobs[JOBS];

    open_threads(2);
    for (unsigned i = 0; i < JOBS; i++) {
        init(&jobs[i], i);
        offload_submit(&offload, &jobs[i].job);
    }
    offload_close(&offload);
    ck_assert_uint_eq(finished, JOBS);
}
END_TEST

struct waiter {
    struct task task;
    struct operation operation;
    struct job *job;
    bool went_on;
};

static void leave(struct operation *operation)
{
    OWNER_OF(operation, struct waiter, operation)->job->waiter = NULL;
}

static enum step wait_for_job(struct task *task)
{
    struct waiter *waiter = OWNER_OF(task, struct waiter, task);

    waiter->job->waiter = &waiter->operation;
    offload_submit(&offload, &waiter->job->job);
    return operation_begin(&waiter->operation, task, leave);
}

static enum step go_on(struct task *task)
{
    OWNER_OF(task, struct waiter, task)->went_on = true;
    return STEP_DONE;
}

static void waiter_ended(struct task *task)
{
    loop_stop(task->loop);
}

static const struct step_entry steps[] = {STEP(wait_for_job), STEP(go_on), {0}};
static const struct task_kind kind = {"waits", steps, waiter_ended};

START_TEST(test_offload_wakes_the_task_that_waits)
{
    struct job job;
    struct waiter waiter = {.job = &job};

    open_threads(1);
    init(&job, 0);
    task_start(&waiter.task, &loop, &kind);
    while (task_is_under_way(&waiter.task))
        run();
    ck_assert(waiter.went_on);
}
END_TEST

START_TEST(test_offload_job_outlives_the_task_that_left_it)
{
    struct job job;
    struct waiter waiter = {.job = &job};
    sem_t go;

    open_threads(1);
    sem_init(&go, 0, 0);
    init(&job, 0);
    job.wait = &go;
    task_start(&waiter.task, &loop, &kind);
    task_cancel(&waiter.task);
    ck_assert_uint_eq(finished, 0);
    sem_post(&go);
    run();
    ck_assert_uint_eq(finished, 1);
    ck_assert(!waiter.went_on);
    sem_destroy(&go);
}
END_TEST

Suite *suite_offload(void)
{
    Suite *suite = suite_create("offload");
    TCase *cases = tcase_create("offload");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_offload_with_one_thread_keeps_the_order);
    tcase_add_test(cases, test_offload_with_several_threads_runs_side_by_side);
    tcase_add_test(cases, test_offload_closing_finishes_what_was_queued);
    tcase_add_test(cases, test_offload_wakes_the_task_that_waits);
    tcase_add_test(cases, test_offload_job_outlives_the_task_that_left_it);
    suite_add_tcase(suite, cases);
    return suite;
}
