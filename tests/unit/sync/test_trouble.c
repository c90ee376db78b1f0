/* Trouble that was found and mended: each test failed before. */
#include "suites.h"
#include "world.h"

#include "store/paths.h"
#include "store/replay.h"
#include "store/segment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

static struct world world;
static struct disk_calls good;

static void setup(void)
{
    world_open(&world);
    good = world.calls;
}

static void teardown(void)
{
    world_finish_writers(&world);
    world.calls = good;
    world_close(&world);
    world_remove(&world);
}

/* The server is killed: what is on disk now is copied, replayed and read. */
static void check_after_kill(const char *path, const char *wanted, const char *unwanted)
{
    struct world after = {.limits = world.limits};
    struct replay_report report;
    struct collection collection;
    struct database database;
    struct error error;
    struct buf out = {0};
    char command[256];

    (void)snprintf(after.directory, sizeof after.directory, "/tmp/cutout-unit-after-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(after.directory));
    (void)snprintf(command, sizeof command, "cp -a %s/. %s/", world.directory, after.directory);
    ck_assert_int_eq(system(command), 0);
    ck_assert(disk_open(&after.disk, after.directory, &error));
    ck_assert_msg(replay_run(&after.disk, &report, &error), "%s", error.message);
    ck_assert_msg(report.refused == 0, "%s", report.first_refusal.message);
    ck_assert_msg(collection_load(&collection, &after.disk, path, &error), "%s", error.message);
    ck_assert_int_eq(collection.state, COLLECTION_LIVE);
    ck_assert(database_reopen(&database, &after.disk, path, &collection.head, &error));
    ck_assert(database_read_records(&database, 0, collection.head.count, &out, &error));
    ck_assert_msg(strstr(out.data, wanted) != NULL, "acknowledged and lost; there is: %s",
                  out.data);
    ck_assert(!unwanted || !strstr(out.data, unwanted));
    database_close(&database);
    collection_clear(&collection);
    buf_clear(&out);
    disk_close(&after.disk);
    world_remove(&after);
}

/* --- Calls that fail -------------------------------------------------------------------------- */

static unsigned writes, fail_write_from, fail_write_to; /* counted from 1 */

static ssize_t full_write(struct disk *disk, int fd, const void *data, size_t length,
                          uint64_t offset)
{
    unsigned i = __atomic_add_fetch(&writes, 1, __ATOMIC_RELAXED);

    if (i >= fail_write_from && i <= fail_write_to)
        return -ENOSPC;
    return good.write_at(disk, fd, data, length, offset);
}

static void fail_writes(unsigned from, unsigned to)
{
    writes = 0;
    fail_write_from = from;
    fail_write_to = to;
    world.calls.write_at = full_write;
}

/* --- 2: closed to writes, and forgotten by the cache ------------------------------------------ */

START_TEST(test_stream_closed_to_writes_stays_so_when_the_cache_is_full)
{
    world.limits.cached_collections = 0;
    ck_assert_int_eq(world_post(&world, world_notes, "", "[{\"id\":1}]").outcome, APPEND_STORED);
    /* The journal takes the batch; then neither the data file nor the cancelling frame is taken,
     * nor that frame in a new segment. */
    fail_writes(2, 4);
    ck_assert_int_eq(world_post(&world, world_notes, "since=1", "[{\"id\":2}]").outcome,
                     APPEND_FAILED);
    world.calls = good;
    struct world_result result = world_post(&world, world_notes, "since=1", "[{\"id\":3}]");
    if (result.outcome == APPEND_STORED)
        check_after_kill(world_notes, "{\"id\":3}", "{\"id\":2}");
    ck_assert_int_eq(result.code, ERROR_DAMAGED);
}
END_TEST

/* --- 3: a sync that failed -------------------------------------------------------------------- */

static bool is_journal[1024];
static bool sync_fails;

static int open_and_note(struct disk *disk, const char *name, int flags)
{
    int fd = good.open(disk, name, flags);

    if (fd >= 0 && fd < 1024)
        __atomic_store_n(&is_journal[fd], strncmp(name, ".journal", 8) == 0, __ATOMIC_SEQ_CST);
    return fd;
}

/* As the kernel does it: told once, the pages are clean from then on, the next sync is fine. */
static int fail_one_sync(struct disk *disk, int fd)
{
    if (!__atomic_load_n(&is_journal[fd], __ATOMIC_SEQ_CST) &&
        __atomic_exchange_n(&sync_fails, false, __ATOMIC_SEQ_CST))
        return -EIO;
    return good.sync(disk, fd);
}

static void stop_each_turn(void *context)
{
    loop_stop(context);
}

static void open_checkpoint(struct checkpoint *checkpoint)
{
    struct error error;

    world.loop.turn_ended = stop_each_turn;
    world.loop.turn_context = &world.loop;
    world.limits.checkpoint_interval_ms = 1;
    ck_assert(checkpoint_open(checkpoint, &world.committer, &world.loop, &world.helpers,
                              &world.limits, &error));
}

static void close_checkpoint(struct checkpoint *checkpoint)
{
    offload_close(&world.helpers);
    checkpoint_close(checkpoint);
}

static uint64_t rounds(void)
{
    return world.committer.stats.checkpoints + world.committer.stats.failed_checkpoints;
}

static void run_rounds(uint64_t more)
{
    uint64_t end = rounds() + more;
    struct error error;

    for (unsigned turns = 0; rounds() < end && turns < 1000; turns++)
        ck_assert(loop_run(&world.loop, &error));
}

static bool has_segment(uint64_t sequence)
{
    struct segment_list list;
    struct error error;
    bool is_there = false;

    ck_assert(segment_list(&list, &world.disk, ".journal", &error));
    for (size_t i = 0; i < list.count; i++)
        is_there |= list.sequences[i] == sequence;
    segment_list_clear(&list);
    return is_there;
}

START_TEST(test_checkpoint_keeps_the_journal_once_a_sync_of_a_database_has_failed)
{
    struct checkpoint checkpoint;
    struct error error;

    world.calls.open = open_and_note;
    world.calls.sync = fail_one_sync;
    memset(is_journal, 1, sizeof is_journal);
    ck_assert_int_eq(world_post(&world, world_notes, "", "[{\"id\":1}]").outcome, APPEND_STORED);
    uint64_t sequence = world.committer.journal.sequence;
    sync_fails = true;
    open_checkpoint(&checkpoint);
    run_rounds(1);
    ck_assert_uint_eq(world.committer.stats.failed_checkpoints, 1);
    run_rounds(1);
    ck_assert_msg(has_segment(sequence), "the only good copy has been removed");
    close_checkpoint(&checkpoint);
    ck_assert(!committer_close(&world.committer, &error));
    ck_assert_msg(has_segment(sequence), "the only good copy has been removed at the end");
}
END_TEST

/* --- 4: a deletion that failed ---------------------------------------------------------------- */

static bool open_fails;

static int fail_one_open(struct disk *disk, const char *name, int flags)
{
    if (strstr(name, "deleted.json.new") &&
        __atomic_exchange_n(&open_fails, false, __ATOMIC_SEQ_CST))
        return -EMFILE;
    return good.open(disk, name, flags);
}

START_TEST(test_deletion_that_failed_before_anything_was_removed_is_undone)
{
    ck_assert_int_eq(world_post(&world, world_notes, "", "[{\"id\":1}]").outcome, APPEND_STORED);
    world.calls.open = fail_one_open;
    open_fails = true;
    struct world_result result = world_delete(&world, world_notes, "{}");
    ck_assert_int_eq(result.outcome, APPEND_FAILED);
    ck_assert_int_eq(result.code, ERROR_BUSY);
    result = world_post(&world, world_notes, "since=1", "[{\"id\":2}]");
    ck_assert_msg(result.outcome == APPEND_STORED, "%s", result.text);
    check_after_kill(world_notes, "{\"id\":2}", NULL);
    ck_assert_int_eq(world_delete(&world, world_notes, "{}").outcome, APPEND_STORED);
}
END_TEST

/* --- 5: ready again --------------------------------------------------------------------------- */

START_TEST(test_committer_finds_out_without_traffic_that_the_journal_can_be_written_again)
{
    struct checkpoint checkpoint;

    fail_writes(1, 1);
    ck_assert_int_eq(world_post(&world, world_notes, "", "[{}]").outcome, APPEND_FAILED);
    ck_assert(!world.committer.sound);
    open_checkpoint(&checkpoint);
    struct error error;
    for (unsigned turns = 0; !world.committer.sound && turns < 200; turns++)
        ck_assert(loop_run(&world.loop, &error));
    ck_assert_msg(world.committer.sound, "not ready for ever: who is not ready gets no POST");
    close_checkpoint(&checkpoint);
}
END_TEST

/* --- 7: what could not be cut back ------------------------------------------------------------ */

static bool breaks;

/* Half of the index entries, then nothing goes any more. */
static ssize_t write_half(struct disk *disk, int fd, const void *data, size_t length,
                          uint64_t offset)
{
    if (breaks && length == 3 * INDEX_ENTRY_SIZE)
        return good.write_at(disk, fd, data, 2 * INDEX_ENTRY_SIZE, offset);
    if (breaks && length == INDEX_ENTRY_SIZE)
        return -EIO;
    return good.write_at(disk, fd, data, length, offset);
}

static int fail_truncate(struct disk *disk, int fd, uint64_t length)
{
    return breaks ? -EIO : good.truncate(disk, fd, length);
}

START_TEST(test_checkpoint_does_not_vouch_for_what_could_not_be_cut_back)
{
    struct buf out = {0};

    ck_assert_int_eq(world_post(&world, world_notes, "", "[{\"id\":1}]").outcome, APPEND_STORED);
    world.calls.write_at = write_half;
    world.calls.truncate = fail_truncate;
    breaks = true;
    ck_assert_int_eq(world_post(&world, world_notes, "since=1", "[{},{},{}]").outcome,
                     APPEND_FAILED);
    breaks = false;
    world_restart(&world); /* with its last checkpoint */
    ck_assert(world_get(&world, world_notes, "", false, &out));
    ck_assert_ptr_nonnull(strstr(out.data, "[[1,{\"id\":1}]]"));
    buf_clear(&out);
}
END_TEST

/* --- 8: a full disk --------------------------------------------------------------------------- */

static ssize_t write_some(struct disk *disk, int fd, const void *data, size_t length,
                          uint64_t offset)
{
    if (length > 8192)
        return good.write_at(disk, fd, data, 8192, offset);
    return offset > 8000 ? -ENOSPC : good.write_at(disk, fd, data, length, offset);
}

START_TEST(test_journal_gives_back_the_room_of_a_group_that_did_not_fit)
{
    char body[16384];
    uint64_t size;
    struct error error;

    memset(body, 'a', sizeof body);
    memcpy(body, "[{\"id\":\"x\",\"data\":\"", 19);
    memcpy(body + sizeof body - 5, "\"}]\0", 5);
    world.calls.write_at = write_some;
    ck_assert_int_eq(world_post(&world, world_notes, "", body).code, ERROR_NO_SPACE);
    ck_assert(file_size(&world.committer.journal.file, &size, &error));
    ck_assert_uint_eq(size, world.committer.journal.synced);
}
END_TEST

/* --- 10: a file that somebody took away ------------------------------------------------------- */

START_TEST(test_append_to_a_database_whose_file_is_gone_is_damage_not_404)
{
    char name[PATHS_SIZE];
    struct error error;

    ck_assert_int_eq(world_post(&world, world_notes, "", "[{\"id\":1}]").outcome, APPEND_STORED);
    paths_put_data(name, world_notes, 1);
    ck_assert(disk_unlink(&world.disk, name, &error));
    ck_assert_int_eq(world_post(&world, world_notes, "since=1", "[{}]").code, ERROR_DAMAGED);
}
END_TEST

/* --- 1: a far too large item that is no object ------------------------------------------------ */

START_TEST(test_objects_refuses_a_far_too_large_string_in_place_of_an_object)
{
    size_t length = 4 * OBJECTS_PIECE;
    char *body = malloc(length + 1);

    memset(body, 'a', length);
    memcpy(body, "[\"", 2);
    memcpy(body + length - 2, "\"]", 3);
    struct objects objects;
    struct error error = {0};
    bool ok = objects_open(&objects, &world.limits, length, &error);
    for (size_t at = 0; ok && at < length; at += OBJECTS_PIECE)
        ok = objects_feed(&objects, str_slice((struct str){body, length}, at, OBJECTS_PIECE),
                          &error);
    ck_assert(!ok);
    ck_assert_int_eq(error.code, ERROR_TOO_LARGE);
    ck_assert_str_eq(objects.errors.data, "[{\"index\":0,\"code\":\"too_large\",\"message\":"
                                          "\"far more bytes than max_object_bytes\"}]");
    objects_clear(&objects);
    free(body);
}
END_TEST

/* --- 8: slices -------------------------------------------------------------------------------- */

static uint64_t read_bytes, most_in_a_turn;

static ssize_t count_read(struct disk *disk, int fd, void *data, size_t length, uint64_t offset)
{
    ssize_t count = good.read_at(disk, fd, data, length, offset);

    read_bytes += count > 0 ? (uint64_t)count : 0;
    return count;
}

static void end_turn(void *context)
{
    (void)context;
    if (read_bytes > most_in_a_turn)
        most_in_a_turn = read_bytes;
    read_bytes = 0;
}

static void post_large(unsigned count, size_t length)
{
    char *body = malloc(length + 100), query[32];

    for (unsigned i = 0; i < count; i++) {
        int start = sprintf(body, "[{\"id\":%u,\"type\":\"p\",\"data\":\"", i);
        memset(body + start, 'x', length);
        memcpy(body + (size_t)start + length, "\"}]", 4);
        (void)snprintf(query, sizeof query, "since=%u", i);
        ck_assert_int_eq(world_post(&world, world_notes, query, body).outcome, APPEND_STORED);
    }
    free(body);
}

enum { SLICE_MOST = 1 << 20 };

START_TEST(test_pull_counts_what_it_leaves_out_to_a_slice)
{
    struct buf out = {0};

    post_large(100, 60000);
    world.calls.read_at = count_read;
    world.loop.turn_ended = end_turn;
    ck_assert(world_get(&world, world_notes, "exclude=p", false, &out));
    ck_assert_ptr_nonnull(strstr(out.data, "\"objects\":[]"));
    end_turn(NULL);
    ck_assert_uint_le(most_in_a_turn, SLICE_MOST);
    most_in_a_turn = 0;
    ck_assert_int_eq(
        world_post(&world, world_notes, "since=0&exclude=p&client=a&seq=1", "[{}]").outcome,
        APPEND_STORED);
    ck_assert_uint_le(most_in_a_turn, SLICE_MOST);
    world.loop.turn_ended = NULL;
    buf_clear(&out);
}
END_TEST

/* --- 9: no memory ----------------------------------------------------------------------------- */

START_TEST(test_pull_whose_memory_ran_out_fails)
{
    struct query query = {0};
    struct error error;
    char body[16384] = "[{\"type\":\"t\"}";

    for (unsigned i = 0; i < 800; i++)
        strcat(body, ",{\"type\":\"t\"}");
    strcat(body, "]");
    ck_assert_int_eq(world_post(&world, world_notes, "", body).outcome, APPEND_STORED);
    ck_assert(query_parse(&query, STR("include=t"), &error));
    struct task task = {0};
    struct stream *stream = streams_find(&world.streams, world_notes, &error);
    struct pull pull = {.stream = stream, .query = &query, .limits = &world.limits};
    ck_assert_int_eq(pull_run(&pull, &task), STEP_YIELD);
    buf_clear(&pull.body); /* as buf.c does */
    pull.body.failed = true;
    ck_assert_int_eq(pull_run(&pull, &task), STEP_FAIL);
    ck_assert_int_eq(task.error.code, ERROR_NO_MEMORY);
    pull_clear(&pull);
    query_clear(&query);
    stream_release(stream);
}
END_TEST

/* --- 10, 11: groups and batches --------------------------------------------------------------- */

struct poster {
    struct task task;
    struct append_wait wait;
    struct append *append;
    struct stream *stream;
};

static enum step post(struct task *task)
{
    struct poster *poster = OWNER_OF(task, struct poster, task);

    return append_start(&poster->wait, poster->append, poster->stream, task);
}

static void ended(struct task *task)
{
    loop_stop(task->loop);
}

static const struct step_entry steps[] = {STEP(post), {0}};
static const struct task_kind kind = {"post", steps, ended};

static void start(struct poster *poster, const char *path, const char *query_text, struct str body)
{
    struct query query = {0};
    struct objects objects;
    struct error error;

    ck_assert(query_parse(&query, str_of(query_text), &error));
    ck_assert(objects_open(&objects, &world.limits, body.length, &error));
    ck_assert(objects_feed(&objects, body, &error));
    ck_assert(objects_finish(&objects, &error));
    poster->append = append_new(APPEND_OBJECTS, &query, &objects);
    poster->stream = streams_find(&world.streams, path, &error);
    task_start(&poster->task, &world.loop, &kind);
}

static enum append_outcome finish(struct poster *poster)
{
    world_run_task(&world, &poster->task);
    enum append_outcome outcome = poster->wait.append->outcome;
    append_free(&poster->wait.append);
    stream_release(poster->stream);
    return outcome;
}

enum { USERS = 20, LARGE = 1000000 };

START_TEST(test_committer_does_not_put_any_amount_into_one_group)
{
    static struct poster posters[USERS];
    char *body = malloc(LARGE), path[64];

    world.limits.max_object_bytes = 1 << 20;
    memset(body, 'x', LARGE);
    memcpy(body, "[{\"data\":\"", 10);
    memcpy(body + LARGE - 3, "\"}]", 3);
    for (unsigned i = 0; i < USERS; i++) {
        (void)snprintf(path, sizeof path, "d.example/u%u@x.org/notes", i);
        start(&posters[i], path, "", (struct str){body, LARGE});
    }
    for (unsigned i = 0; i < USERS; i++)
        ck_assert_int_eq(finish(&posters[i]), APPEND_STORED);
    ck_assert_uint_ge(world.committer.stats.groups, 2);
    free(body);
}
END_TEST

START_TEST(test_appends_that_go_together_are_within_the_quota_together)
{
    struct poster posters[10] = {0};
    unsigned stored = 0;

    ck_assert_int_eq(world_post(&world, world_notes, "", "[{}]").outcome, APPEND_STORED);
    world.limits.quota_collection = 100;
    for (unsigned i = 0; i < 10; i++)
        start(&posters[i], world_notes, "since=1&include=other",
              STR("[{\"data\":\"123456789012345678901234567890\"}]"));
    for (unsigned i = 0; i < 10; i++)
        stored += finish(&posters[i]) == APPEND_STORED;
    ck_assert_uint_eq(stored, 2);
}
END_TEST

START_TEST(test_appends_of_who_has_seen_everything_go_together)
{
    struct poster posters[10] = {0};

    ck_assert_int_eq(world_post(&world, world_notes, "", "[{}]").outcome, APPEND_STORED);
    uint64_t before = world.committer.stats.commits;
    for (unsigned i = 0; i < 10; i++)
        start(&posters[i], world_notes, i < 8 ? "since=9007199254740991" : "since=1", STR("[{}]"));
    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_eq(finish(&posters[i]), i < 8 ? APPEND_STORED : APPEND_CONFLICT);
    ck_assert_uint_eq(world.committer.stats.commits - before, 1);
}
END_TEST

Suite *suite_trouble(void)
{
    Suite *suite = suite_create("trouble");
    TCase *cases = tcase_create("trouble");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_objects_refuses_a_far_too_large_string_in_place_of_an_object);
    tcase_add_test(cases, test_stream_closed_to_writes_stays_so_when_the_cache_is_full);
    tcase_add_test(cases, test_checkpoint_keeps_the_journal_once_a_sync_of_a_database_has_failed);
    tcase_add_test(cases, test_deletion_that_failed_before_anything_was_removed_is_undone);
    tcase_add_test(cases,
                   test_committer_finds_out_without_traffic_that_the_journal_can_be_written_again);
    tcase_add_test(cases, test_checkpoint_does_not_vouch_for_what_could_not_be_cut_back);
    tcase_add_test(cases, test_journal_gives_back_the_room_of_a_group_that_did_not_fit);
    tcase_add_test(cases, test_append_to_a_database_whose_file_is_gone_is_damage_not_404);
    tcase_add_test(cases, test_pull_counts_what_it_leaves_out_to_a_slice);
    tcase_add_test(cases, test_pull_whose_memory_ran_out_fails);
    tcase_add_test(cases, test_committer_does_not_put_any_amount_into_one_group);
    tcase_add_test(cases, test_appends_that_go_together_are_within_the_quota_together);
    tcase_add_test(cases, test_appends_of_who_has_seen_everything_go_together);
    suite_add_tcase(suite, cases);
    return suite;
}
