/* Group commit and checkpoints. That groups lose nothing is in test_append.c and in the store's own
 * tests; here is how they are shared, and when the journal goes. */
#include "suites.h"
#include "world.h"

#include "store/segment.h"

#include <errno.h>
#include <fcntl.h>
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

static unsigned synced;
static int (*good_sync)(struct disk *, int);

static int count_sync(struct disk *disk, int fd)
{
    __atomic_fetch_add(&synced, 1, __ATOMIC_RELAXED);
    return good_sync(disk, fd);
}

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

static void start(struct poster *poster, unsigned number)
{
    struct query query = {.limit = UINT64_MAX};
    struct objects objects;
    struct error error;
    char path[64];

    (void)snprintf(path, sizeof path, "d.example/u%u@x.org/notes", number);
    ck_assert(objects_open(&objects, &world.limits, 4, &error));
    ck_assert(objects_feed(&objects, STR("[{}]"), &error));
    ck_assert(objects_finish(&objects, &error));
    poster->append = append_new(APPEND_OBJECTS, &query, &objects);
    poster->stream = streams_find(&world.streams, path, &error);
    task_start(&poster->task, &world.loop, &kind);
}

enum { USERS = 50 };

START_TEST(test_committer_shares_one_sync_among_all_users_of_a_turn)
{
    struct poster posters[USERS] = {0};

    good_sync = world.calls.sync;
    world.calls.sync = count_sync;
    synced = 0;
    for (unsigned i = 0; i < USERS; i++)
        start(&posters[i], i);
    for (unsigned i = 0; i < USERS; i++) {
        world_run_task(&world, &posters[i].task);
        ck_assert_int_eq(posters[i].wait.append->outcome, APPEND_STORED);
        append_free(&posters[i].wait.append);
        stream_release(posters[i].stream);
    }
    ck_assert_uint_eq(world.committer.stats.groups, 1);
    ck_assert_uint_eq(world.committer.stats.commits, USERS);
    ck_assert_uint_eq(synced, 1);
    world.calls.sync = good_sync;
}
END_TEST

static size_t count_segments(void)
{
    struct segment_list list;
    struct error error;

    ck_assert(segment_list(&list, &world.disk, ".journal", &error));
    size_t count = list.count;
    segment_list_clear(&list);
    return count;
}

START_TEST(test_committer_leaves_nothing_to_replay_when_it_closes)
{
    ck_assert_int_eq(world_post(&world, world_notes, "", "[{}]").outcome, APPEND_STORED);
    struct error error;
    ck_assert(committer_close(&world.committer, &error));
    ck_assert_uint_eq(count_segments(), 0);
    struct database database;
    ck_assert(database_open(&database, &world.disk, world_notes, &error));
    ck_assert_uint_eq(database.header.synced_count, 1);
    database_close(&database);
}
END_TEST

static void run_until_checkpoint(uint64_t done, uint64_t failed)
{
    struct error error;

    while (world.committer.stats.checkpoints < done ||
           world.committer.stats.failed_checkpoints < failed) {
        ck_assert(loop_run(&world.loop, &error));
    }
}

static void stop_each_turn(void *context)
{
    loop_stop(context);
}

static void close_checkpoint(struct checkpoint *checkpoint)
{
    offload_close(&world.helpers);
    checkpoint_close(checkpoint);
}

START_TEST(test_checkpoint_comes_when_the_journal_has_grown)
{
    struct checkpoint checkpoint;
    struct error error;

    world.loop.turn_ended = stop_each_turn;
    world.loop.turn_context = &world.loop;
    world.limits.journal_bytes = 1;
    ck_assert(checkpoint_open(&checkpoint, &world.committer, &world.loop, &world.helpers,
                              &world.limits, &error));
    ck_assert_int_eq(world_post(&world, world_notes, "", "[{}]").outcome, APPEND_STORED);
    run_until_checkpoint(1, 0);
    ck_assert_uint_eq(count_segments(), 1);
    ck_assert(list_is_empty(&world.committer.dirty_list));
    struct database database;
    ck_assert(database_open(&database, &world.disk, world_notes, &error));
    ck_assert_uint_eq(database.header.synced_count, 1);
    database_close(&database);
    close_checkpoint(&checkpoint);
}
END_TEST

START_TEST(test_checkpoint_comes_when_the_time_is_over)
{
    struct checkpoint checkpoint;
    struct error error;

    world.loop.turn_ended = stop_each_turn;
    world.loop.turn_context = &world.loop;
    world.limits.checkpoint_interval_ms = 1;
    ck_assert_int_eq(world_post(&world, world_notes, "", "[{}]").outcome, APPEND_STORED);
    ck_assert(checkpoint_open(&checkpoint, &world.committer, &world.loop, &world.helpers,
                              &world.limits, &error));
    run_until_checkpoint(1, 0);
    ck_assert_uint_eq(count_segments(), 1);
    close_checkpoint(&checkpoint);
}
END_TEST

static bool sync_fails;

/* The journal's own segments stay well; the databases' files do not. */
static int fail_directory_sync(struct disk *disk, const char *name)
{
    if (sync_fails && strncmp(name, ".journal", 8) != 0)
        return -EMFILE; /* this may be tried again, a failed sync may not */
    (void)disk;
    return 0;
}

START_TEST(test_checkpoint_that_fails_keeps_the_journal_and_is_tried_again)
{
    struct checkpoint checkpoint;
    struct error error;
    struct buf out = {0};

    world.loop.turn_ended = stop_each_turn;
    world.loop.turn_context = &world.loop;
    world.limits.checkpoint_interval_ms = 1;
    world.calls.sync_directory = fail_directory_sync;
    sync_fails = true;
    ck_assert_int_eq(world_post(&world, world_notes, "", "[{\"id\":1}]").outcome, APPEND_STORED);
    ck_assert(checkpoint_open(&checkpoint, &world.committer, &world.loop, &world.helpers,
                              &world.limits, &error));
    run_until_checkpoint(0, 1);
    ck_assert_uint_gt(count_segments(), 1);
    ck_assert_uint_eq(world.committer.stats.checkpoints, 0);
    sync_fails = false;
    run_until_checkpoint(1, 1);
    ck_assert_uint_eq(count_segments(), 1);
    close_checkpoint(&checkpoint);
    ck_assert(world_get(&world, world_notes, "", false, &out));
    ck_assert_ptr_nonnull(strstr(out.data, "[1,{\"id\":1}]"));
    buf_clear(&out);
}
END_TEST

static struct disk_calls good;

/* --- A full disk ----------------------------------------------------------------------------- */

static int64_t room; /* bytes that can still be written */

static ssize_t write_into_room(struct disk *disk, int fd, const void *data, size_t length,
                               uint64_t offset)
{
    if (room < (int64_t)length)
        return -ENOSPC;
    room -= (int64_t)length;
    return good.write_at(disk, fd, data, length, offset);
}

static int unlink_for_room(struct disk *disk, const char *name)
{
    int fd = good.open(disk, name, O_RDONLY);
    int64_t size = fd >= 0 ? good.size(disk, fd) : 0;

    if (fd >= 0)
        good.close(disk, fd);
    room += size;
    return good.unlink(disk, name);
}

static void fill_disk(void)
{
    good = world.calls;
    world.calls.write_at = write_into_room;
    world.calls.unlink = unlink_for_room;
    room = 0;
}

static enum error_code append(const char *query)
{
    return world_post(&world, world_notes, query, "[{}]").code;
}

START_TEST(test_committer_deletes_when_not_a_byte_is_free)
{
    struct buf out = {0};

    ck_assert_int_eq(append(""), ERROR_NONE);
    fill_disk();
    ck_assert_int_eq(append("since=1"), ERROR_NO_SPACE);
    ck_assert_int_eq(world_delete(&world, world_notes, "{\"why\":1}").outcome, APPEND_STORED);
    ck_assert(world_get(&world, world_notes, "", false, &out));
    ck_assert_str_eq(out.data, "{\"collection_deleted\":{\"why\":1}}");
    buf_clear(&out);
    ck_assert(!world.committer.sound);
}
END_TEST

START_TEST(test_committer_leaves_what_is_left_of_the_reserve_to_deletions)
{
    ck_assert_int_eq(append(""), ERROR_NONE);
    fill_disk();
    ck_assert(reserve_give_up(&world.committer.reserve, &world.disk));
    room -= 8192;
    ck_assert_int_eq(append("since=1"), ERROR_NO_SPACE);
    ck_assert(!world.committer.sound);
    ck_assert_int_eq(world_delete(&world, world_notes, "{}").outcome, APPEND_STORED);
    room = 2 * RESERVE_SIZE;
    ck_assert_int_eq(append(""), ERROR_NONE);
    ck_assert(world.committer.sound);
    world_restart(&world);
    ck_assert_int_eq(append("since=2"), ERROR_NONE);
}
END_TEST

/* Ready again without anybody having to write; and the segments that no longer count are gone. */
START_TEST(test_checkpoint_finds_out_that_a_full_disk_has_room_again)
{
    struct checkpoint checkpoint;
    struct error error;

    world.loop.turn_ended = stop_each_turn;
    world.loop.turn_context = &world.loop;
    ck_assert(checkpoint_open(&checkpoint, &world.committer, &world.loop, &world.helpers,
                              &world.limits, &error));
    ck_assert_int_eq(append(""), ERROR_NONE);
    fill_disk();
    ck_assert_int_eq(append("since=1"), ERROR_NO_SPACE);
    world.limits.checkpoint_interval_ms = 1;
    run_until_checkpoint(1, 0); /* the reserve makes it possible */
    ck_assert(!world.committer.sound);
    room = 4 * RESERVE_SIZE;
    while (!world.committer.sound)
        ck_assert(loop_run(&world.loop, &error));
    close_checkpoint(&checkpoint);
}
END_TEST

Suite *suite_committer(void)
{
    Suite *suite = suite_create("committer");
    TCase *cases = tcase_create("committer");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_committer_shares_one_sync_among_all_users_of_a_turn);
    tcase_add_test(cases, test_committer_leaves_nothing_to_replay_when_it_closes);
    tcase_add_test(cases, test_checkpoint_comes_when_the_journal_has_grown);
    tcase_add_test(cases, test_checkpoint_comes_when_the_time_is_over);
    tcase_add_test(cases, test_checkpoint_that_fails_keeps_the_journal_and_is_tried_again);
    tcase_add_test(cases, test_committer_deletes_when_not_a_byte_is_free);
    tcase_add_test(cases, test_committer_leaves_what_is_left_of_the_reserve_to_deletions);
    tcase_add_test(cases, test_checkpoint_finds_out_that_a_full_disk_has_room_again);
    suite_add_tcase(suite, cases);
    return suite;
}
