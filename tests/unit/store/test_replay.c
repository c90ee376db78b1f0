/* replay.h: after a crash every confirmed thing is there byte for byte, and nothing twice. */
#include "simdisk.h"
#include "store/replay.h"
#include "story.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <check.h>

Suite *suite_replay(void);

static struct simdisk simdisk;
static struct story story;
static struct replay_report report;
static struct error error;
static char why[256];

static void begin(void)
{
    simdisk_init(&simdisk);
    story_init(&story, &simdisk);
}

static void end(void)
{
    story_clear(&story);
    ck_assert_uint_eq(simdisk.open_files, 0);
    ck_assert_uint_eq(simdisk.misuses, 0);
    simdisk_clear(&simdisk);
}

static void assert_recovers(struct simdisk *disk)
{
    ck_assert_msg(story_recovers(&story, disk, why), "%s", why);
}

/* What a killed process leaves: all it wrote. */
static void kill_process(struct simdisk *left)
{
    simdisk_copy(&simdisk, left);
}

/* --- One thing at a time ---------------------------------------------------------------------- */

START_TEST(test_does_nothing_without_a_journal)
{
    ck_assert(replay_run(&simdisk.disk, &report, &error));
    ck_assert_uint_eq(report.segments + report.frames + report.collections + report.refused, 0);
}
END_TEST

START_TEST(test_writes_again_what_the_journal_holds)
{
    struct simdisk left;

    story_tell(&story);
    ck_assert_uint_eq(story.cancelled, 6);
    kill_process(&left);
    ck_assert(replay_run(&left.disk, &report, &error));
    ck_assert_msg(story_check(&story, &left, why), "%s", why);
    ck_assert_uint_eq(report.segments, 1);
    ck_assert_uint_eq(report.collections, STORY_COLLECTIONS);
    ck_assert_uint_eq(report.cancelled, 6);
    ck_assert_uint_eq(report.frames, 10 + 4 + 4 + 6);
    /* Three are of collections that were deleted, and others live in their places. */
    ck_assert_uint_eq(report.batches, 10 - 3);
    ck_assert_uint_eq(report.deletions, 0);
    ck_assert_uint_eq(report.refused, 0);
    simdisk_clear(&left);
}
END_TEST

static void note_loss(struct simdisk *after, void *context)
{
    if (!story_recovers(&story, after, why))
        ++*(unsigned *)context;
}

/* Why a checkpoint whose sync failed is not tried again (sync/committer.h). */
START_TEST(test_a_checkpoint_tried_again_after_a_failed_sync_would_lose_what_was_confirmed)
{
    unsigned losses = 0;

    story_tell_with_checkpoint(&story);
    for (unsigned i = 1; i < 20 && losses == 0; i++) {
        simdisk.fail_at = simdisk.calls + i;
        simdisk.fail_with = EIO;
        story_checkpoint(&story);
        simdisk_calm(&simdisk);
        story_checkpoint(&story);
        (void)simdisk_visit_crashes(&simdisk, 50, i, note_loss, &losses);
        story_append(&story, 0, 1);
        story_commit(&story, 0);
    }
    ck_assert_uint_gt(losses, 0);
}
END_TEST

START_TEST(test_leaves_nothing_to_replay)
{
    struct simdisk left, copy;

    story_tell(&story);
    kill_process(&left);
    assert_recovers(&left);
    simdisk_copy(&left, &copy);
    ck_assert(replay_run(&left.disk, &report, &error));
    ck_assert_uint_eq(report.segments, 0);
    ck_assert(simdisk_equals(&left, &copy));
    simdisk_clear(&left);
    simdisk_clear(&copy);
}
END_TEST

START_TEST(test_passes_over_what_a_checkpoint_vouches_for)
{
    ck_assert(story_open(&story));
    story_append(&story, 0, 3);
    story_commit(&story, 0);
    ck_assert(collection_sync(&simdisk.disk, story.collections[0].path,
                              story.collections[0].now.head.generation,
                              story.collections[0].now.head.count, &error));
    story_append(&story, 0, 1);
    story_commit(&story, 0);
    ck_assert(replay_run(&simdisk.disk, &report, &error));
    ck_assert_uint_eq(report.frames, 2);
    ck_assert_uint_eq(report.batches, 1);
    ck_assert_uint_eq(report.refused, 0);
    ck_assert(story_check(&story, &simdisk, why));
}
END_TEST

static const char notes_index[] = "app.example/ann@x.org/notes/database.index";
static const char notes_data[] = "app.example/ann@x.org/notes/database.1";

START_TEST(test_cuts_what_stands_behind_the_last_batch)
{
    story_tell_with_checkpoint(&story);
    buf_append(simdisk_find(&simdisk, notes_index), STR("rubbish"));
    buf_append(simdisk_find(&simdisk, notes_data), STR("rubbish"));
    assert_recovers(&simdisk);
}
END_TEST

START_TEST(test_cuts_what_a_cancelled_batch_has_left)
{
    enum { INDEX_WRITE = 4 };

    ck_assert(story_open(&story));
    story_append(&story, 0, 3);
    story_commit(&story, 0);
    story_checkpoint(&story);
    story_append(&story, 0, 2);
    story_commit(&story, INDEX_WRITE);
    ck_assert_uint_eq(story.cancelled, 1);
    /* As if cutting back had not come to disk. */
    buf_append(simdisk_find(&simdisk, notes_index), STR("rubbish"));
    buf_append(simdisk_find(&simdisk, notes_data), STR("rubbish"));
    assert_recovers(&simdisk);
}
END_TEST

/* What lies above the checkpoint is not looked at but written again. */
START_TEST(test_trusts_nothing_above_the_checkpoint)
{
    struct buf *bytes;

    ck_assert(story_open(&story));
    story_append(&story, 0, 3);
    story_commit(&story, 0);
    story_append(&story, 0, 2);
    story_commit(&story, 0);
    bytes = simdisk_find(&simdisk, notes_index);
    memset(bytes->data + INDEX_HEADER_SIZE, 0, INDEX_ENTRY_SIZE);
    bytes = simdisk_find(&simdisk, notes_data);
    memset(bytes->data, 0, 20);
    assert_recovers(&simdisk);
}
END_TEST

START_TEST(test_goes_on_with_the_counters_of_a_deleted_collection)
{
    ck_assert(story_open(&story));
    story_append(&story, 0, 3);
    story_commit(&story, 0);
    story_delete(&story, 0);
    story_commit(&story, 0);
    story_append(&story, 0, 1);
    story_commit(&story, 0);
    ck_assert_uint_eq(story.collections[0].now.head.last_counter, 4);
    assert_recovers(&simdisk);
}
END_TEST

START_TEST(test_leaves_a_deleted_collection_deleted_if_its_successor_was_cancelled)
{
    ck_assert(story_open(&story));
    story_append(&story, 0, 3);
    story_commit(&story, 0);
    story_delete(&story, 0);
    story_commit(&story, 0);
    story_checkpoint(&story);
    story_append(&story, 0, 1);
    story_commit(&story, (unsigned)_i);
    if (story.cancelled == 0)
        return;
    ck_assert_int_eq(story.collections[0].now.state, COLLECTION_DELETED);
    ck_assert(story_check(&story, &simdisk, why));
    assert_recovers(&simdisk);
}
END_TEST

START_TEST(test_drops_a_torn_tail)
{
    struct buf *bytes;

    ck_assert(story_open(&story));
    story_append(&story, 0, 3);
    story_commit(&story, 0);
    bytes = simdisk_find(&simdisk, ".journal/0000000000000001");
    buf_append(bytes, str_slice(buf_str(bytes), JOURNAL_HEADER_SIZE, 100));
    assert_recovers(&simdisk);
}
END_TEST

/* --- Where it stops --------------------------------------------------------------------------- */

static void assert_refuses_to_start(const char *text)
{
    struct simdisk before;

    simdisk_copy(&simdisk, &before);
    ck_assert(!replay_run(&simdisk.disk, &report, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
    ck_assert_msg(strstr(error.message, text), "%s", error.message);
    ck_assert_msg(strstr(error.message, ".journal/0000000000000001"), "%s", error.message);
    ck_assert(simdisk_equals(&simdisk, &before));
    simdisk_clear(&before);
}

START_TEST(test_touches_nothing_if_the_journal_is_damaged)
{
    ck_assert(story_open(&story));
    story_append(&story, 0, 3);
    story_commit(&story, 0);
    story_append(&story, 0, 1);
    story_commit(&story, 0);
    simdisk_find(&simdisk, ".journal/0000000000000001")->data[150] ^= 1;
    assert_refuses_to_start("at byte 64");
}
END_TEST

static void commit_strange_frame(enum journal_kind kind, struct str body)
{
    ck_assert(story_open(&story));
    journal_group_add(&story.group, kind, body);
    story_commit(&story, 0);
}

START_TEST(test_stops_at_a_kind_of_frame_it_does_not_know)
{
    commit_strange_frame((enum journal_kind)4, STR("?"));
    assert_refuses_to_start("kind 4");
}
END_TEST

START_TEST(test_stops_at_a_frame_that_does_not_add_up)
{
    commit_strange_frame((enum journal_kind)_i, STR("0123456789"));
    assert_refuses_to_start("byte 64");
}
END_TEST

static void find_no_segment(struct simdisk *after, void *context)
{
    (void)context;
    ck_assert_ptr_null(simdisk_find(after, ".journal/0000000000000002"));
    ck_assert_ptr_nonnull(simdisk_find(after, ".journal/refused-0000000000000002"));
}

static void assert_refuses_the_first_collection(void)
{
    struct collection other;

    ck_assert_msg(replay_run(&simdisk.disk, &report, &error), "%s", error.message);
    ck_assert_uint_eq(report.refused, 1);
    ck_assert_ptr_nonnull(strstr(report.first_refusal.message, story.collections[0].path));
    find_no_segment(&simdisk, NULL);
    (void)simdisk_visit_crashes(&simdisk, 10, 1, find_no_segment, NULL);
    ck_assert(collection_load(&other, &simdisk.disk, story.collections[1].path, &error));
    ck_assert_uint_eq(other.head.count, story.collections[1].now.head.count);
    collection_clear(&other);
    ck_assert(replay_run(&simdisk.disk, &report, &error));
    ck_assert_uint_eq(report.segments, 0);
}

START_TEST(test_forces_no_frame_on_a_database_with_another_history)
{
    story_tell_with_checkpoint(&story);
    /* The crc of the last entry that the checkpoint vouches for. */
    simdisk_find(&simdisk, notes_index)->data[INDEX_HEADER_SIZE + 4 * INDEX_ENTRY_SIZE - 1] ^= 1;
    assert_refuses_the_first_collection();
}
END_TEST

START_TEST(test_forces_no_frame_on_a_database_that_is_too_short)
{
    story_tell_with_checkpoint(&story);
    simdisk_find(&simdisk, notes_index)->length = INDEX_HEADER_SIZE + 3 * INDEX_ENTRY_SIZE;
    assert_refuses_the_first_collection();
}
END_TEST

START_TEST(test_forces_no_frame_on_nothing)
{
    story_tell_with_checkpoint(&story);
    ck_assert(disk_unlink(&simdisk.disk, notes_index, &error));
    assert_refuses_the_first_collection();
}
END_TEST

START_TEST(test_makes_no_collection_over_what_a_checkpoint_vouches_for)
{
    struct buf before = {0};

    ck_assert(story_open(&story));
    story_append(&story, 0, 3);
    story_append(&story, 1, 2);
    story_commit(&story, 0);
    ck_assert(collection_sync(&simdisk.disk, story.collections[0].path, 1, 4, &error));
    simdisk_find(&simdisk, notes_index)->data[INDEX_HEADER_SIZE + 4 * INDEX_ENTRY_SIZE - 1] ^= 1;
    buf_append(&before, buf_str(simdisk_find(&simdisk, notes_index)));
    ck_assert(replay_run(&simdisk.disk, &report, &error));
    ck_assert_uint_eq(report.refused, 1);
    ck_assert(str_equals(buf_str(&before), buf_str(simdisk_find(&simdisk, notes_index))));
    buf_clear(&before);
}
END_TEST

/* A deletion explains why frames before it fit nowhere. */
START_TEST(test_refuses_nothing_of_a_collection_that_was_deleted_later)
{
    story_tell_with_checkpoint(&story);
    story_delete(&story, 0);
    story_commit(&story, 0);
    assert_recovers(&simdisk);
}
END_TEST

START_TEST(test_does_not_forgive_by_the_deletion_of_one_before)
{
    struct deletion deletion = {.generation = 0};
    struct buf body = {0};

    story_tell_with_checkpoint(&story);
    memset(deletion.id, 99, sizeof deletion.id);
    strcpy(deletion.path, story.collections[0].path);
    ck_assert(disk_unlink(&simdisk.disk, notes_index, &error));
    deletion_write_frame(&deletion, &body);
    journal_group_add(&story.group, JOURNAL_DELETION, buf_str(&body));
    story_commit(&story, 0);
    buf_clear(&body);
    assert_refuses_the_first_collection();
}
END_TEST

static void add_single(TCase *single)
{
    tcase_add_checked_fixture(single, begin, end);
    tcase_add_test(single, test_does_nothing_without_a_journal);
    tcase_add_test(single, test_writes_again_what_the_journal_holds);
    tcase_add_test(single, test_leaves_nothing_to_replay);
    tcase_add_test(single,
                   test_a_checkpoint_tried_again_after_a_failed_sync_would_lose_what_was_confirmed);
    tcase_add_test(single, test_passes_over_what_a_checkpoint_vouches_for);
    tcase_add_test(single, test_cuts_what_stands_behind_the_last_batch);
    tcase_add_test(single, test_cuts_what_a_cancelled_batch_has_left);
    tcase_add_test(single, test_trusts_nothing_above_the_checkpoint);
    tcase_add_test(single, test_goes_on_with_the_counters_of_a_deleted_collection);
    tcase_add_loop_test(
        single, test_leaves_a_deleted_collection_deleted_if_its_successor_was_cancelled, 1, 25);
    tcase_add_test(single, test_drops_a_torn_tail);
}

static void add_refusals(TCase *refusals)
{
    tcase_add_checked_fixture(refusals, begin, end);
    tcase_add_test(refusals, test_touches_nothing_if_the_journal_is_damaged);
    tcase_add_test(refusals, test_stops_at_a_kind_of_frame_it_does_not_know);
    tcase_add_loop_test(refusals, test_stops_at_a_frame_that_does_not_add_up, JOURNAL_BATCH,
                        JOURNAL_CANCEL + 1);
    tcase_add_test(refusals, test_forces_no_frame_on_a_database_with_another_history);
    tcase_add_test(refusals, test_forces_no_frame_on_a_database_that_is_too_short);
    tcase_add_test(refusals, test_forces_no_frame_on_nothing);
    tcase_add_test(refusals, test_makes_no_collection_over_what_a_checkpoint_vouches_for);
    tcase_add_test(refusals, test_refuses_nothing_of_a_collection_that_was_deleted_later);
    tcase_add_test(refusals, test_does_not_forgive_by_the_deletion_of_one_before);
}

Suite *suite_replay(void)
{
    Suite *suite = suite_create("replay");
    TCase *single = tcase_create("single"), *refusals = tcase_create("refusals");

    add_single(single);
    add_refusals(refusals);
    suite_add_tcase(suite, single);
    suite_add_tcase(suite, refusals);
    return suite;
}
