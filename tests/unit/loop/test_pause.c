#include "loop/pause.h"
#include "suites.h"

#include <event2/event.h>

#include <check.h>

enum { LONG_MS = 3600000 };

static struct loop loop;

struct sleeper {
    struct task task;
    struct pause pause;
    uint64_t wait_ms;
    bool woke;
};

static enum step sleep_now(struct task *task)
{
    struct sleeper *sleeper = OWNER_OF(task, struct sleeper, task);

    return pause_start(&sleeper->pause, sleeper->wait_ms, task);
}

static enum step wake(struct task *task)
{
    OWNER_OF(task, struct sleeper, task)->woke = true;
    return STEP_DONE;
}

static void ended(struct task *task)
{
    loop_stop(task->loop);
}

static const struct step_entry steps[] = {STEP(sleep_now), STEP(wake), {0}};
static const struct task_kind kind = {"sleep", steps, ended};

static void setup(void)
{
    struct error error;

    ck_assert(loop_open(&loop, &error));
}

static void teardown(void)
{
    loop_close(&loop);
}

static void run(void)
{
    struct error error;

    ck_assert(loop_run(&loop, &error));
}

START_TEST(test_pause_ends_by_itself)
{
    struct sleeper sleeper = {.wait_ms = 1};

    task_start(&sleeper.task, &loop, &kind);
    ck_assert(!sleeper.woke);
    run();
    ck_assert(sleeper.woke);
    ck_assert_ptr_null(sleeper.pause.timer);
}
END_TEST

START_TEST(test_pause_can_be_ended_before_its_time)
{
    struct sleeper sleeper = {.wait_ms = LONG_MS};

    task_start(&sleeper.task, &loop, &kind);
    pause_end(&sleeper.pause);
    pause_end(&sleeper.pause);
    ck_assert(!sleeper.woke);
    run();
    ck_assert(sleeper.woke);
}
END_TEST

START_TEST(test_pause_of_a_cancelled_task_leaves_no_timer)
{
    struct sleeper sleeper = {.wait_ms = LONG_MS};

    task_start(&sleeper.task, &loop, &kind);
    task_cancel(&sleeper.task);
    ck_assert(!sleeper.woke);
    ck_assert_ptr_null(sleeper.pause.timer);
    ck_assert_int_eq(event_base_get_num_events(loop.base, EVENT_BASE_COUNT_ADDED), 0);
    pause_end(&sleeper.pause);
}
END_TEST

START_TEST(test_pause_may_be_used_again)
{
    struct sleeper sleeper = {.wait_ms = 1};

    for (int i = 0; i < 3; i++) {
        sleeper.woke = false;
        task_start(&sleeper.task, &loop, &kind);
        run();
        ck_assert(sleeper.woke);
    }
}
END_TEST

Suite *suite_pause(void)
{
    Suite *suite = suite_create("pause");
    TCase *cases = tcase_create("pause");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_pause_ends_by_itself);
    tcase_add_test(cases, test_pause_can_be_ended_before_its_time);
    tcase_add_test(cases, test_pause_of_a_cancelled_task_leaves_no_timer);
    tcase_add_test(cases, test_pause_may_be_used_again);
    suite_add_tcase(suite, cases);
    return suite;
}
