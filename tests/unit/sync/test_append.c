/* Appending: the rules of judge.h in their order, through writer, committer and disk. */
#include "suites.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

static struct world_result post(const char *query, const char *body)
{
    return world_post(&world, world_notes, query, body);
}

#define ASSERT_STORED(result, first, how_many)                                                     \
    do {                                                                                           \
        struct world_result stored = (result);                                                     \
        ck_assert_msg(stored.outcome == APPEND_STORED, "outcome %d %s", (int)stored.outcome,       \
                      stored.text);                                                                \
        ck_assert_uint_eq(stored.first_counter, first);                                            \
        ck_assert_uint_eq(stored.count, how_many);                                                 \
    } while (0)

static const char *get(const char *query)
{
    static struct buf out;

    return world_get(&world, world_notes, query, false, &out) ? out.data : "";
}

START_TEST(test_append_gives_one_counter_an_object_in_order)
{
    ASSERT_STORED(post("", "[{\"id\":1},{\"id\":2},{\"id\":1}]"), 1, 3);
    ASSERT_STORED(post("since=3", "[{}]"), 4, 1);
    ck_assert_ptr_nonnull(strstr(get("since=2"), "[[3,{\"id\":1}],\n[4,{}]]"));
}
END_TEST

START_TEST(test_append_refuses_what_has_not_seen_everything)
{
    ASSERT_STORED(post("", "[{\"id\":1}]"), 1, 1);
    ck_assert_int_eq(post("", "[{\"id\":2}]").outcome, APPEND_CONFLICT);
    ck_assert_int_eq(post("since=0", "[{\"id\":2}]").outcome, APPEND_CONFLICT);
    ck_assert_ptr_null(strstr(get(""), "\"id\":2"));
}
END_TEST

START_TEST(test_append_of_a_refused_array_stores_nothing_of_it)
{
    struct world_result result = post("", "[{\"id\":1},{\"type\":2}]");

    ck_assert_int_eq(result.code, ERROR_BAD_OBJECTS);
    ck_assert_str_eq(get(""), "{\"objects\":[]}");
}
END_TEST

START_TEST(test_append_with_the_same_seq_is_replayed_before_any_other_check)
{
    struct world_result result;

    ASSERT_STORED(post("client=a&seq=1", "[{\"id\":1},{\"id\":2}]"), 1, 2);
    ASSERT_STORED(post("client=b&seq=1&since=2", "[{\"id\":3}]"), 3, 1);
    result = post("client=a&seq=1&since=99&collection_id=wrong", "[{\"id\":1},{\"id\":2}]");
    ck_assert_int_eq(result.outcome, APPEND_REPLAYED);
    ck_assert_uint_eq(result.first_counter, 1);
    ck_assert_uint_eq(result.count, 2);
    ck_assert_uint_eq(result.client_seq, 1);
}
END_TEST

START_TEST(test_append_knows_an_older_seq_and_refuses_an_unknown_one)
{
    struct world_result result;

    ASSERT_STORED(post("client=a&seq=2", "[{\"id\":1}]"), 1, 1);
    ASSERT_STORED(post("client=a&seq=5&since=1", "[{\"id\":2},{\"id\":3}]"), 2, 2);
    result = post("client=a&seq=2", "[{\"id\":1}]");
    ck_assert_int_eq(result.outcome, APPEND_REPLAYED);
    ck_assert_uint_eq(result.first_counter, 1);
    ck_assert_uint_eq(result.count, 1);
    ck_assert_uint_eq(result.client_seq, 5);
    result = post("client=a&seq=3&since=3", "[{\"id\":4}]");
    ck_assert_int_eq(result.outcome, APPEND_FAILED);
    ck_assert_int_eq(result.code, ERROR_SEQ_OLD);
}
END_TEST

START_TEST(test_append_remembers_seqs_across_a_restart)
{
    struct world_result result;

    ASSERT_STORED(post("client=a&seq=1", "[{\"id\":1}]"), 1, 1);
    world_restart(&world);
    result = post("client=a&seq=1", "[{\"id\":1}]");
    ck_assert_int_eq(result.outcome, APPEND_REPLAYED);
    ck_assert_uint_eq(result.first_counter, 1);
}
END_TEST

START_TEST(test_append_of_an_old_client_learns_that_it_was_stored)
{
    struct world_result result;

    ASSERT_STORED(post("", "[{\"id\":1,\"data\":[1, 2]},{\"id\":2}]"), 1, 2);
    result = post("", "[{\"id\":1,\"data\":[1,2]}, {\"id\":2}]");
    ck_assert_int_eq(result.outcome, APPEND_REPLAYED);
    ck_assert_uint_eq(result.first_counter, 1);
    ck_assert_uint_eq(result.count, 2);
    /* Not exactly this array: part of it, more than it, or with another order. */
    ck_assert_int_eq(post("", "[{\"id\":1,\"data\":[1,2]}]").outcome, APPEND_CONFLICT);
    ck_assert_int_eq(post("", "[{\"id\":1,\"data\":[1,2]},{\"id\":2},{}]").outcome,
                     APPEND_CONFLICT);
    ck_assert_int_eq(post("", "[{\"id\":2},{\"id\":1,\"data\":[1,2]}]").outcome, APPEND_CONFLICT);
    ck_assert_int_eq(post("since=1", "[{\"id\":2}]").outcome, APPEND_REPLAYED);
    /* A client with seq has its own way. */
    ck_assert_int_eq(post("client=a&seq=1", "[{\"id\":1,\"data\":[1,2]},{\"id\":2}]").outcome,
                     APPEND_CONFLICT);
}
END_TEST

START_TEST(test_append_looks_only_at_types_its_filter_lets_through)
{
    ASSERT_STORED(post("", "[{\"id\":1,\"type\":\"note\"}]"), 1, 1);
    ck_assert_int_eq(post("include=note", "[{\"id\":2}]").outcome, APPEND_CONFLICT);
    ASSERT_STORED(post("include=todo", "[{\"id\":3,\"type\":\"todo\"}]"), 2, 1);
    ck_assert_int_eq(post("exclude=note", "[{\"id\":4}]").outcome, APPEND_CONFLICT);
    ASSERT_STORED(post("exclude=note&exclude=todo", "[{\"id\":5}]"), 3, 1);
    ck_assert_int_eq(post("exclude=note&exclude=todo", "[{\"id\":6}]").outcome, APPEND_CONFLICT);
}
END_TEST

START_TEST(test_append_to_another_collection_changes_nothing)
{
    ck_assert_int_eq(post("collection_id=abc", "[{}]").outcome, APPEND_CHANGED);
    ck_assert_str_eq(get(""), "{\"objects\":[]}");
    ASSERT_STORED(post("", "[{}]"), 1, 1);
    ck_assert_int_eq(post("collection_id=abc&since=1", "[{}]").outcome, APPEND_CHANGED);
}
END_TEST

START_TEST(test_append_behind_the_end_means_the_stream_is_gone)
{
    char id[STREAM_ID_TEXT_SIZE], query[128];

    ASSERT_STORED(post("", "[{}]"), 1, 1);
    world_put_id(&world, world_notes, id);
    (void)snprintf(query, sizeof query, "since=2&collection_id=%s", id);
    ck_assert_int_eq(post(query, "[{\"id\":1}]").outcome, APPEND_CHANGED);
    ASSERT_STORED(post("since=2", "[{\"id\":1}]"), 2, 1);
}
END_TEST

START_TEST(test_append_beyond_the_quota_is_refused)
{
    world.limits.quota_collection = 60;
    ASSERT_STORED(post("", "[{\"id\":\"0123456789\"}]"), 1, 1);
    struct world_result result =
        post("since=1", "[{\"id\":\"01234567890123456789012345678901234567890\"}]");
    ck_assert_int_eq(result.code, ERROR_QUOTA);
    ck_assert_ptr_nonnull(strstr(result.text, "quota_collection"));
    ASSERT_STORED(post("since=1", "[{\"id\":\"0\"}]"), 2, 1);
}
END_TEST

START_TEST(test_append_after_a_deletion_begins_anew_with_higher_counters)
{
    char first[STREAM_ID_TEXT_SIZE], second[STREAM_ID_TEXT_SIZE], query[128];

    ASSERT_STORED(post("", "[{},{}]"), 1, 2);
    world_put_id(&world, world_notes, first);
    ck_assert_int_eq(world_delete(&world, world_notes, "{\"reason\":\"x\"}").outcome,
                     APPEND_STORED);
    (void)snprintf(query, sizeof query, "since=2&collection_id=%s", first);
    ck_assert_int_eq(post(query, "[{}]").outcome, APPEND_CHANGED);
    ck_assert_int_eq(post("since=2", "[{}]").outcome, APPEND_CHANGED);
    world_restart(&world);
    ck_assert_str_eq(get(""), "{\"collection_deleted\":{\"reason\":\"x\"}}");
    ASSERT_STORED(post("", "[{\"id\":9}]"), 3, 1);
    world_put_id(&world, world_notes, second);
    ck_assert_str_ne(first, second);
    ck_assert_int_eq(post(query, "[{}]").outcome, APPEND_CHANGED);
    world_restart(&world);
    ck_assert_ptr_nonnull(strstr(get(""), "[[3,{\"id\":9}]]"));
}
END_TEST

/* Not where its stream is by then: that may have been deleted and begun anew by another server. */
START_TEST(test_append_knows_the_collection_it_was_stored_in)
{
    char id[STREAM_ID_TEXT_SIZE];

    struct world_result first = post("client=a&seq=1", "[{}]");
    world_put_id(&world, world_notes, id);
    ck_assert_str_eq(first.id, id);
    struct world_result again = post("client=a&seq=1", "[{}]");
    ck_assert_int_eq(again.outcome, APPEND_REPLAYED);
    ck_assert_str_eq(again.id, id);
    ck_assert_int_eq(world_delete(&world, world_notes, "{}").outcome, APPEND_STORED);
    struct world_result second = post("", "[{}]");
    world_put_id(&world, world_notes, id);
    ck_assert_str_eq(second.id, id);
    ck_assert_str_ne(second.id, first.id);
}
END_TEST

START_TEST(test_append_deleting_what_is_not_there_is_no_error)
{
    ck_assert_int_eq(world_delete(&world, world_notes, "{}").outcome, APPEND_STORED);
    ck_assert_str_eq(get(""), "{\"objects\":[]}");
}
END_TEST

static int failing_errno;

static ssize_t fail_write(struct disk *disk, int fd, const void *data, size_t length,
                          uint64_t offset)
{
    (void)disk;
    (void)fd;
    (void)data;
    (void)length;
    (void)offset;
    return -failing_errno;
}

static int fail_sync(struct disk *disk, int fd)
{
    (void)disk;
    (void)fd;
    return -failing_errno;
}

/* Nothing is acknowledged, nothing is seen, and when the disk is well again all goes on. */
static void check_recovery(enum error_code expected, const struct disk_calls *good)
{
    struct world_result result = post("since=1&client=a&seq=1", "[{\"id\":\"lost\"}]");

    ck_assert_int_eq(result.outcome, APPEND_FAILED);
    ck_assert_int_eq(result.code, expected);
    ck_assert(!world.committer.sound);
    world.calls = *good;
    ck_assert_ptr_null(strstr(get(""), "lost"));
    ASSERT_STORED(post("since=1&client=a&seq=1", "[{\"id\":\"again\"}]"), 2, 1);
    ck_assert(world.committer.sound);
    world_restart(&world);
    ck_assert_ptr_nonnull(strstr(get(""), "[[1,{\"id\":1}],\n[2,{\"id\":\"again\"}]]"));
}

START_TEST(test_append_survives_a_full_disk)
{
    struct disk_calls good = world.calls;

    ASSERT_STORED(post("", "[{\"id\":1}]"), 1, 1);
    failing_errno = ENOSPC;
    world.calls.write_at = fail_write;
    check_recovery(ERROR_NO_SPACE, &good);
}
END_TEST

START_TEST(test_append_survives_a_failed_sync)
{
    struct disk_calls good = world.calls;

    ASSERT_STORED(post("", "[{\"id\":1}]"), 1, 1);
    failing_errno = EIO;
    world.calls.sync = fail_sync;
    check_recovery(ERROR_IO, &good);
}
END_TEST

static unsigned writes_until_failure;
static ssize_t (*good_write)(struct disk *, int, const void *, size_t, uint64_t);

static ssize_t fail_later_write(struct disk *disk, int fd, const void *data, size_t length,
                                uint64_t offset)
{
    if (writes_until_failure > 0 && --writes_until_failure == 0)
        return -ENOSPC;
    return good_write(disk, fd, data, length, offset);
}

/* Journal first, then data, then index: the second or third write fails, once. */
START_TEST(test_append_that_cannot_be_applied_is_cancelled)
{
    struct disk_calls good = world.calls;

    ASSERT_STORED(post("", "[{\"id\":1}]"), 1, 1);
    good_write = good.write_at;
    writes_until_failure = (unsigned)_i;
    world.calls.write_at = fail_later_write;
    struct world_result result = post("since=1", "[{\"id\":\"cancelled\"}]");
    ck_assert_int_eq(result.outcome, APPEND_FAILED);
    ck_assert_int_eq(result.code, ERROR_NO_SPACE);
    world.calls = good;
    ck_assert_ptr_null(strstr(get(""), "cancelled"));
    ASSERT_STORED(post("since=1", "[{\"id\":2}]"), 2, 1);
    ck_assert_ptr_nonnull(strstr(get(""), "[[1,{\"id\":1}],\n[2,{\"id\":2}]]"));
    world_restart(&world);
    ck_assert_ptr_nonnull(strstr(get(""), "[[1,{\"id\":1}],\n[2,{\"id\":2}]]"));
}
END_TEST

/* Several at once: one goes through, the rest is told; none is lost. */
struct racer {
    struct task task;
    struct append_wait wait;
    struct stream *stream;
};

static enum step race(struct task *task)
{
    struct racer *racer = OWNER_OF(task, struct racer, task);

    return append_start(&racer->wait, racer->wait.append, racer->stream, task);
}

static void race_ended(struct task *task)
{
    loop_stop(task->loop);
}

static const struct step_entry race_steps[] = {STEP(race), {0}};
static const struct task_kind race_kind = {"race", race_steps, race_ended};

static struct append *new_append(const char *query_text, const char *body)
{
    struct query query = {0};
    struct objects objects;
    struct error error;

    ck_assert(query_parse(&query, str_of(query_text), &error));
    ck_assert(objects_open(&objects, &world.limits, strlen(body), &error));
    ck_assert(objects_feed(&objects, str_of(body), &error));
    ck_assert(objects_finish(&objects, &error));
    return append_new(APPEND_OBJECTS, &query, &objects);
}

enum { RACERS = 8 };

static void start_racer(struct racer *racer, const char *query, const char *body)
{
    struct error error;

    racer->stream = streams_find(&world.streams, world_notes, &error);
    racer->wait.append = new_append(query, body);
    task_start(&racer->task, &world.loop, &race_kind);
}

static void finish_racers(struct racer *racers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        world_run_task(&world, &racers[i].task);
        stream_release(racers[i].stream);
    }
}

START_TEST(test_append_of_many_at_once_lets_one_through)
{
    struct racer racers[RACERS] = {0};
    unsigned stored = 0;

    for (size_t i = 0; i < RACERS; i++) {
        char body[32];

        (void)snprintf(body, sizeof body, "[{\"id\":%zu}]", i);
        start_racer(&racers[i], "", body);
    }
    finish_racers(racers, RACERS);
    for (size_t i = 0; i < RACERS; i++) {
        stored += racers[i].wait.append->outcome == APPEND_STORED;
        ck_assert(racers[i].wait.append->outcome == APPEND_STORED ||
                  racers[i].wait.append->outcome == APPEND_CONFLICT);
        append_free(&racers[i].wait.append);
    }
    ck_assert_uint_eq(stored, 1);
}
END_TEST

START_TEST(test_append_joins_those_it_does_not_depend_on)
{
    struct racer racers[RACERS] = {0};
    uint64_t groups;

    ASSERT_STORED(post("", "[{\"id\":0,\"type\":\"start\"}]"), 1, 1);
    groups = world.committer.stats.groups;
    for (size_t i = 0; i < RACERS; i++) {
        char query[64], body[64];

        (void)snprintf(query, sizeof query, "include=t%zu&client=c%zu&seq=1", i, i);
        (void)snprintf(body, sizeof body, "[{\"id\":1,\"type\":\"t%zu\"}]", i);
        start_racer(&racers[i], query, body);
    }
    finish_racers(racers, RACERS);
    for (size_t i = 0; i < RACERS; i++) {
        ck_assert_int_eq(racers[i].wait.append->outcome, APPEND_STORED);
        ck_assert_uint_eq(racers[i].wait.append->first_counter, 2 + i);
        append_free(&racers[i].wait.append);
    }
    ck_assert_uint_eq(world.committer.stats.groups, groups + 1);
    world_restart(&world);
    ck_assert_int_eq(post("client=c3&seq=1", "[{\"id\":1}]").outcome, APPEND_REPLAYED);
}
END_TEST

START_TEST(test_append_is_finished_when_its_client_has_gone)
{
    struct racer racer = {0};

    start_racer(&racer, "", "[{\"id\":\"left behind\"}]");
    task_cancel(&racer.task);
    ck_assert_ptr_null(racer.wait.append);
    stream_release(racer.stream);
    ck_assert_int_eq(post("", "[{\"id\":2}]").outcome, APPEND_CONFLICT);
    ck_assert_ptr_nonnull(strstr(get(""), "left behind"));
}
END_TEST

Suite *suite_append(void)
{
    Suite *suite = suite_create("append");
    TCase *cases = tcase_create("append");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_append_gives_one_counter_an_object_in_order);
    tcase_add_test(cases, test_append_refuses_what_has_not_seen_everything);
    tcase_add_test(cases, test_append_of_a_refused_array_stores_nothing_of_it);
    tcase_add_test(cases, test_append_with_the_same_seq_is_replayed_before_any_other_check);
    tcase_add_test(cases, test_append_knows_an_older_seq_and_refuses_an_unknown_one);
    tcase_add_test(cases, test_append_remembers_seqs_across_a_restart);
    tcase_add_test(cases, test_append_of_an_old_client_learns_that_it_was_stored);
    tcase_add_test(cases, test_append_looks_only_at_types_its_filter_lets_through);
    tcase_add_test(cases, test_append_to_another_collection_changes_nothing);
    tcase_add_test(cases, test_append_behind_the_end_means_the_stream_is_gone);
    tcase_add_test(cases, test_append_beyond_the_quota_is_refused);
    tcase_add_test(cases, test_append_after_a_deletion_begins_anew_with_higher_counters);
    tcase_add_test(cases, test_append_knows_the_collection_it_was_stored_in);
    tcase_add_test(cases, test_append_deleting_what_is_not_there_is_no_error);
    tcase_add_test(cases, test_append_survives_a_full_disk);
    tcase_add_test(cases, test_append_survives_a_failed_sync);
    tcase_add_loop_test(cases, test_append_that_cannot_be_applied_is_cancelled, 2, 4);
    tcase_add_test(cases, test_append_of_many_at_once_lets_one_through);
    tcase_add_test(cases, test_append_joins_those_it_does_not_depend_on);
    tcase_add_test(cases, test_append_is_finished_when_its_client_has_gone);
    suite_add_tcase(suite, cases);
    return suite;
}
