#include "suites.h"
#include "world.h"

#include <check.h>

static struct world world;

static void setup(void)
{
    world_open(&world);
}

static void teardown(void)
{
    world_close(&world);
    world_remove(&world);
}

struct waiter {
    struct task task;
    struct watch watch;
    struct stream *stream;
    struct query query;
    uint64_t wait_ms;
    bool woken;
};

static struct waiter *waiter_of(struct task *task)
{
    return OWNER_OF(task, struct waiter, task);
}

static enum step hold(struct task *task)
{
    struct waiter *waiter = waiter_of(task);

    return watch_start(&waiter->watch, waiter->stream, &waiter->query, waiter->wait_ms, task);
}

static enum step note(struct task *task)
{
    waiter_of(task)->woken = true;
    return STEP_DONE;
}

static void ended(struct task *task)
{
    struct waiter *waiter = waiter_of(task);

    watch_end(&waiter->watch);
    loop_stop(task->loop);
}

static const struct step_entry steps[] = {STEP(hold), STEP(note), {0}};
static const struct task_kind kind = {"wait", steps, ended};

static void start(struct waiter *waiter, const char *query, uint64_t wait_ms)
{
    struct error error;

    *waiter = (struct waiter){.wait_ms = wait_ms};
    ck_assert(query_parse(&waiter->query, str_of(query), &error));
    waiter->stream = streams_find(&world.streams, world_notes, &error);
    ck_assert(stream_load(waiter->stream, &error));
    task_start(&waiter->task, &world.loop, &kind);
    ck_assert(task_is_under_way(&waiter->task));
}

static void finish(struct waiter *waiter)
{
    task_cancel(&waiter->task);
    query_clear(&waiter->query);
    stream_release(waiter->stream);
}

static void post(const char *query, const char *body)
{
    ck_assert_int_eq(world_post(&world, world_notes, query, body).outcome, APPEND_STORED);
}

enum { LONG_MS = 3600000 };

START_TEST(test_watch_wakes_all_who_wait_for_what_was_appended)
{
    struct waiter one, two;

    post("", "[{}]");
    start(&one, "", LONG_MS);
    start(&two, "", LONG_MS);
    post("since=1", "[{}]");
    world_run_task(&world, &one.task);
    world_run_task(&world, &two.task);
    ck_assert(one.woken && two.woken);
    finish(&one);
    finish(&two);
}
END_TEST

START_TEST(test_watch_sleeps_through_what_its_filter_leaves_out)
{
    struct waiter notes, others;

    post("", "[{}]");
    start(&notes, "include=note", LONG_MS);
    start(&others, "exclude=note", LONG_MS);
    post("since=1&client=a&seq=1", "[{\"type\":\"todo\"}]");
    world_run_task(&world, &others.task);
    ck_assert(task_is_under_way(&notes.task));
    post("since=2", "[{\"type\":\"note\"}]");
    world_run_task(&world, &notes.task);
    ck_assert(notes.woken);
    finish(&notes);
    finish(&others);
}
END_TEST

START_TEST(test_watch_wakes_for_the_beginning_and_the_end_of_a_collection)
{
    struct waiter waiter;

    start(&waiter, "include=note", LONG_MS);
    post("", "[{\"type\":\"todo\"}]");
    world_run_task(&world, &waiter.task);
    ck_assert(waiter.woken);
    finish(&waiter);
    start(&waiter, "include=note", LONG_MS);
    world_delete(&world, world_notes, "{}");
    world_run_task(&world, &waiter.task);
    ck_assert(waiter.woken);
    finish(&waiter);
}
END_TEST

START_TEST(test_watch_ends_when_its_time_is_over)
{
    struct waiter waiter;

    start(&waiter, "", 1);
    world_run_task(&world, &waiter.task);
    ck_assert(waiter.woken);
    finish(&waiter);
}
END_TEST

START_TEST(test_watch_of_a_cancelled_task_is_forgotten)
{
    struct waiter waiter;

    start(&waiter, "", LONG_MS);
    task_cancel(&waiter.task);
    ck_assert(!waiter.woken);
    ck_assert(list_is_empty(&waiter.stream->watches));
    finish(&waiter);
    post("", "[{}]");
}
END_TEST

Suite *suite_watch(void)
{
    Suite *suite = suite_create("watch");
    TCase *cases = tcase_create("watch");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_watch_wakes_all_who_wait_for_what_was_appended);
    tcase_add_test(cases, test_watch_sleeps_through_what_its_filter_leaves_out);
    tcase_add_test(cases, test_watch_wakes_for_the_beginning_and_the_end_of_a_collection);
    tcase_add_test(cases, test_watch_ends_when_its_time_is_over);
    tcase_add_test(cases, test_watch_of_a_cancelled_task_is_forgotten);
    suite_add_tcase(suite, cases);
    return suite;
}
