/* What several servers leave on one disk, and what the first to start makes of it. */
#include "store/samples.h"
#include "store/simdisk.h"
#include "store/suites.h"

#include "base/clock.h"
#include "store/collection.h"
#include "store/journals.h"
#include "store/replay.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <check.h>

static struct simdisk simdisk;
static struct disk *disk;
static struct journal journals[4]; /* of places 1 to 3 */
static struct replay_report report;
static struct error error;

/* What is done now is done by the server in this place. */
static void be(unsigned place)
{
    place_put_directory(disk->journal, place);
}

static void setup(void)
{
    simdisk_init(&simdisk);
    disk = &simdisk.disk;
    for (unsigned place = 1; place <= 3; place++) {
        be(0);
        ck_assert(disk_make_directory(disk, disk->journal, &error));
        be(place);
        ck_assert_msg(journal_open(&journals[place], disk, &error), "%s", error.message);
    }
}

static void teardown(void)
{
    for (unsigned place = 1; place <= 3; place++)
        journal_close(&journals[place]);
    ck_assert_uint_eq(simdisk.open_files, 0);
    simdisk_clear(&simdisk);
}

/* The next frame is later. */
static void let_time_pass(void)
{
    uint64_t now = clock_monotonic_us();

    while (clock_monotonic_us() == now)
        continue;
}

static void write_frame(unsigned place, enum journal_kind kind, struct buf *body)
{
    struct journal_group group = {0};

    be(place);
    let_time_pass();
    journal_group_add(&group, kind, buf_str(body));
    ck_assert_msg(journal_write(&journals[place], &group, &error), "%s", error.message);
    journal_group_clear(&group);
    buf_clear(body);
}

/* A batch of so many records behind *head, in the journal of a place; *head moves on. */
static void write_batch(unsigned place, struct head *head, unsigned records, bool apply)
{
    struct buf body = {0};
    struct batch batch;
    bool undone;

    sample_begin(&batch, head);
    sample_append(&batch, records, place);
    batch_write_frame(&batch, &body);
    write_frame(place, JOURNAL_BATCH, &body);
    if (apply)
        ck_assert(database_apply(disk, &batch, &undone, &error));
    *head = batch.after;
    batch_clear(&batch);
}

static void write_deletion(unsigned place, const struct head *head)
{
    struct deletion deletion = {.last_counter = head->last_counter, .generation = head->generation};
    struct identity identity = sample_identity(head->generation == SAMPLE_GENERATION ? 1 : 2);
    struct buf body = {0};

    memcpy(deletion.path, SAMPLE_PATH, sizeof SAMPLE_PATH);
    memcpy(deletion.id, identity.id, sizeof deletion.id);
    buf_append(&deletion.reason, STR("{}"));
    deletion_write_frame(&deletion, &body);
    write_frame(place, JOURNAL_DELETION, &body);
    deletion_clear(&deletion);
}

static struct head begin(void)
{
    struct identity identity = sample_identity(1);

    return sample_head(&identity, 0);
}

static struct collection replay(void)
{
    struct collection collection;

    be(0);
    ck_assert_msg(replay_run(disk, &report, &error), "%s", error.message);
    ck_assert_msg(report.refused == 0, "%s", report.first_refusal.message);
    ck_assert_msg(collection_load(&collection, disk, SAMPLE_PATH, &error), "%s", error.message);
    return collection;
}

static void assert_replays_to(const struct head *head)
{
    struct collection collection = replay();

    ck_assert_int_eq(collection.state, COLLECTION_LIVE);
    ck_assert_uint_eq(collection.head.count, head->count);
    ck_assert_uint_eq(collection.head.crc, head->crc);
    ck_assert_uint_eq(collection.head.data_end, head->data_end);
    collection_clear(&collection);
    collection = replay(); /* nothing is left to do */
    ck_assert_uint_eq(report.frames, 0);
    ck_assert_uint_eq(collection.head.crc, head->crc);
    collection_clear(&collection);
}

START_TEST(test_several_journals_are_replayed_in_one_order)
{
    struct head head = begin();

    write_batch(2, &head, 3, false);
    write_batch(1, &head, 2, false);
    write_batch(1, &head, 1, false);
    write_batch(2, &head, 4, false);
    write_batch(1, &head, 2, false);
    assert_replays_to(&head);
}
END_TEST

START_TEST(test_several_journals_are_replayed_over_what_was_applied)
{
    struct head head = begin();

    write_batch(1, &head, 3, true);
    write_batch(2, &head, 2, true);
    write_batch(1, &head, 1, true);
    assert_replays_to(&head);
}
END_TEST

START_TEST(test_batch_of_one_who_died_gives_way_to_the_next)
{
    struct head head = begin();

    write_batch(1, &head, 3, true);
    struct head lost = head;
    write_batch(1, &lost, 7, false); /* dies before it is applied: nobody was told */
    write_batch(2, &head, 2, true);
    write_batch(2, &head, 1, true);
    assert_replays_to(&head);
}
END_TEST

START_TEST(test_batch_of_one_who_died_gives_way_below_a_checkpoint)
{
    struct head head = begin();

    write_batch(2, &head, 3, true);
    struct head lost = head;
    write_batch(1, &lost, 2, false);
    write_batch(2, &head, 2, true);
    write_batch(2, &head, 4, true);
    ck_assert(collection_sync(disk, SAMPLE_PATH, head.generation, head.count, &error));
    ck_assert(journal_begin_segment(&journals[2], &error) &&
              journal_remove_before(disk, disk->journal, journals[2].sequence, &error));
    assert_replays_to(&head);
}
END_TEST

START_TEST(test_batch_of_one_who_died_is_there_if_nothing_took_its_place)
{
    struct head head = begin();

    write_batch(2, &head, 3, true);
    write_batch(1, &head, 2, false);
    assert_replays_to(&head);
}
END_TEST

START_TEST(test_deletion_of_one_who_died_does_not_count_if_others_went_on)
{
    struct head head = begin();

    write_batch(1, &head, 3, true);
    write_deletion(1, &head);
    write_batch(2, &head, 2, true);
    assert_replays_to(&head);
}
END_TEST

START_TEST(test_deletion_of_one_who_died_counts_if_nobody_went_on)
{
    struct head head = begin();

    write_batch(2, &head, 3, true);
    if (_i == 1)
        ck_assert(collection_sync(disk, SAMPLE_PATH, head.generation, head.count, &error));
    write_deletion(1, &head);
    struct collection collection = replay();
    ck_assert_int_eq(collection.state, COLLECTION_DELETED);
    ck_assert_uint_eq(collection.head.last_counter, head.last_counter);
    collection_clear(&collection);
}
END_TEST

/* The server in this place has checkpointed: all is on disk, and its journal is gone. */
static void forget_journal(unsigned place)
{
    journal_close(&journals[place]);
    be(place);
    ck_assert_msg(journal_remove_before(disk, disk->journal, UINT64_MAX, &error), "%s",
                  error.message);
}

static void delete_now(unsigned place, const struct head *head)
{
    struct deletion deletion = {.last_counter = head->last_counter, .generation = head->generation};
    struct identity identity = sample_identity(1);
    bool undone;

    write_deletion(place, head);
    memcpy(deletion.path, SAMPLE_PATH, sizeof SAMPLE_PATH);
    memcpy(deletion.id, identity.id, sizeof deletion.id);
    buf_append(&deletion.reason, STR("{}"));
    ck_assert(collection_delete(disk, &deletion, &undone, &error));
    deletion_clear(&deletion);
}

START_TEST(test_deleted_collection_stays_deleted_when_only_another_journal_tells_of_it)
{
    struct head head = begin();
    struct collection collection;

    write_batch(1, &head, 3, true);
    delete_now(2, &head);
    forget_journal(2);
    collection = replay();
    ck_assert_int_eq(collection.state, COLLECTION_DELETED);
    ck_assert_uint_eq(collection.head.last_counter, head.last_counter);
    collection_clear(&collection);
}
END_TEST

/* Its owner died before he had told anybody; the journal of who went on is gone. */
START_TEST(test_deletion_of_one_who_died_does_not_end_what_others_have_synced_since)
{
    struct head head = begin();

    write_batch(1, &head, 3, true);
    write_deletion(1, &head);
    write_batch(2, &head, 2, true);
    ck_assert(collection_sync(disk, SAMPLE_PATH, head.generation, head.count, &error));
    forget_journal(2);
    assert_replays_to(&head);
}
END_TEST

static void assert_deleted_at(const struct head *head)
{
    struct collection collection = replay();

    ck_assert_int_eq(collection.state, COLLECTION_DELETED);
    ck_assert_uint_eq(collection.head.last_counter, head->last_counter);
    ck_assert_uint_eq(collection.head.generation, head->generation);
    collection_clear(&collection);
}

START_TEST(test_deletion_of_one_who_died_takes_no_counters_back)
{
    struct head head = begin();

    write_batch(1, &head, 3, true);
    write_deletion(1, &head);
    write_batch(2, &head, 2, true);
    delete_now(2, &head);
    forget_journal(2);
    assert_deleted_at(&head);
}
END_TEST

START_TEST(test_deletion_of_one_who_died_does_not_bring_back_what_others_deleted)
{
    struct head head = begin();

    write_batch(1, &head, 3, true);
    write_deletion(2, &head);
    write_batch(1, &head, 2, true);
    delete_now(3, &head);
    forget_journal(3);
    assert_deleted_at(&head);
}
END_TEST

static void expect_the_end(struct simdisk *after, void *context)
{
    struct disk *before = disk;

    disk = &after->disk;
    assert_deleted_at(context);
    disk = before;
}

static void cut_the_power(struct simdisk *now, void *context)
{
    (void)simdisk_visit_crashes(now, 10, 1, expect_the_end, context);
}

/* In the middle of a replay, when some journals are gone and others are not, too. */
START_TEST(test_deletion_of_one_who_died_does_not_count_if_the_power_goes_in_replay)
{
    struct head head = begin();

    write_batch(2, &head, 3, true);
    write_deletion(3, &head);
    write_batch(2, &head, 2, true);
    delete_now(1, &head);
    ck_assert(disk_sync_directory(disk, ".journal", &error));
    ck_assert(disk_sync_directory(disk, ".", &error));
    simdisk.changed = cut_the_power;
    simdisk.context = &head;
    assert_deleted_at(&head);
    simdisk.changed = NULL;
}
END_TEST

START_TEST(test_rest_of_a_deleted_collection_in_another_journal_is_no_damage)
{
    struct head head = begin();
    struct collection collection;

    write_batch(2, &head, 3, true);
    write_batch(1, &head, 2, true);
    delete_now(2, &head);
    forget_journal(2);
    collection = replay();
    ck_assert_int_eq(collection.state, COLLECTION_DELETED);
    collection_clear(&collection);
}
END_TEST

/* Its making is in the journal, but what it made has not reached the disk. */
static struct head begin_other(unsigned place, uint64_t generation, uint64_t last_counter)
{
    struct identity identity = sample_identity(2);
    struct head head = sample_head(&identity, last_counter);
    struct index_header header = {0};
    struct buf body = {0};
    struct batch batch;

    memcpy(header.id, identity.id, sizeof header.id);
    header.generation = head.generation = generation;
    head.crc = index_first_crc(&header);
    batch_begin(&batch, SAMPLE_PATH, &identity, &head, true);
    sample_append(&batch, 3, 0);
    batch_write_frame(&batch, &body);
    write_frame(place, JOURNAL_BATCH, &body);
    head = batch.after;
    batch_clear(&batch);
    return head;
}

START_TEST(test_batch_that_begins_a_collection_ends_the_one_before)
{
    struct head head = begin();

    write_batch(1, &head, 3, true);
    write_batch(1, &head, 2, true);
    delete_now(2, &head);
    forget_journal(2);
    ck_assert(disk_unlink(disk, SAMPLE_PATH "/deleted.json", &error));
    head = begin_other(1, SAMPLE_GENERATION + 1, head.last_counter);
    assert_replays_to(&head);
}
END_TEST

START_TEST(test_batch_that_begins_a_collection_explains_the_rest_of_the_one_before)
{
    struct head head = begin();

    write_batch(2, &head, 3, true);
    write_batch(1, &head, 2, true);
    delete_now(2, &head);
    forget_journal(2);
    ck_assert(disk_unlink(disk, SAMPLE_PATH "/deleted.json", &error));
    head = begin_other(1, SAMPLE_GENERATION + 1, head.last_counter);
    assert_replays_to(&head);
}
END_TEST

/* Its first batch failed and was cancelled; that its name went, too, was lost with the power. */
START_TEST(test_deletion_stays_beside_an_index_without_a_header)
{
    struct identity identity = sample_identity(2);
    struct collection deleted;
    struct head head = begin();
    struct file index = {0};
    struct buf cancel = {0};

    write_batch(1, &head, 3, true);
    delete_now(2, &head);
    forget_journal(2);
    (void)begin_other(1, SAMPLE_GENERATION + 1, head.last_counter);
    journal_write_cancel(&cancel, SAMPLE_PATH, identity.id, 0);
    write_frame(1, JOURNAL_CANCEL, &cancel);
    ck_assert(file_open(&index, disk, SAMPLE_PATH "/database.index", O_RDWR | O_CREAT, &error));
    ck_assert(file_truncate(&index, 2ul * INDEX_HEADER_SIZE, &error));
    file_close(&index);
    be(0);
    ck_assert_msg(replay_run(disk, &report, &error), "%s", error.message);
    ck_assert(collection_load_deleted(&deleted, disk, SAMPLE_PATH, &error));
    ck_assert_uint_eq(deleted.head.generation, head.generation);
    collection_clear(&deleted);
}
END_TEST

START_TEST(test_collection_of_one_who_died_gives_way_when_the_other_journal_is_gone)
{
    struct head head = begin();

    (void)begin_other(1, SAMPLE_GENERATION, 0);
    write_batch(2, &head, 2, true);
    ck_assert(collection_sync(disk, SAMPLE_PATH, SAMPLE_GENERATION, head.count, &error));
    forget_journal(2);
    assert_replays_to(&head);
}
END_TEST

/* The power went in the middle of a replay: the index was gone, deleted.json not yet there. */
START_TEST(test_deletion_ends_what_one_who_died_began_in_the_same_generation)
{
    struct head head = begin();
    struct collection collection;

    (void)begin_other(1, SAMPLE_GENERATION, 0);
    write_batch(2, &head, 2, true);
    forget_journal(2);
    write_deletion(1, &head);
    ck_assert(disk_unlink(disk, SAMPLE_PATH "/database.index", &error));
    collection = replay();
    ck_assert_int_eq(collection.state, COLLECTION_DELETED);
    ck_assert_uint_eq(collection.head.last_counter, head.last_counter);
    ck_assert_uint_eq(collection.head.generation, head.generation);
    collection_clear(&collection);
}
END_TEST

START_TEST(test_deletion_ends_an_earlier_collection)
{
    struct head head = begin(), later;
    struct collection collection;

    write_batch(1, &head, 3, true);
    later = head;
    later.generation++;
    later.last_counter += 5;
    write_deletion(2, &later);
    collection = replay();
    ck_assert_int_eq(collection.state, COLLECTION_DELETED);
    ck_assert_uint_eq(collection.head.last_counter, later.last_counter);
    ck_assert_uint_eq(collection.head.generation, later.generation);
    collection_clear(&collection);
}
END_TEST

static void find_mark(struct simdisk *after, void *context)
{
    const struct head *head = context;
    struct index_header header;

    ck_assert(database_read_header(&after->disk, SAMPLE_PATH, &header, &error));
    ck_assert_uint_eq(header.synced_count, head->count);
}

/* One who was killed has written the mark, and not synced it. */
START_TEST(test_mark_is_synced_before_the_journals_go)
{
    enum { MARKS = 2 * INDEX_MARK_SIZE, AT_MARKS = INDEX_HEADER_SIZE - MARKS };
    const char index[] = SAMPLE_PATH "/database.index";
    struct head head = begin();
    struct file file = {0};
    struct simdisk synced;
    struct str marks;

    write_batch(1, &head, 3, true);
    write_batch(2, &head, 2, true);
    ck_assert(collection_sync(disk, SAMPLE_PATH, head.generation, 0, &error));
    simdisk_copy(&simdisk, &synced);
    ck_assert(collection_sync(&synced.disk, SAMPLE_PATH, head.generation, head.count, &error));
    marks = str_slice(buf_str(simdisk_find(&synced, index)), AT_MARKS, INDEX_HEADER_SIZE);
    ck_assert(file_open(&file, disk, index, O_RDWR, &error));
    ck_assert(file_write_at(&file, marks, AT_MARKS, &error));
    file_close(&file);
    simdisk_clear(&synced);
    assert_replays_to(&head);
    (void)simdisk_visit_crashes(&simdisk, 10, 1, find_mark, &head);
}
END_TEST

START_TEST(test_place_is_the_first_that_nobody_has)
{
    struct place one, two, three;
    uint64_t numbers;

    ck_assert(place_take(&one, disk, &error));
    ck_assert_uint_eq(one.number, 1);
    ck_assert_str_eq(disk->journal, ".journal/1");
    ck_assert(place_take(&two, disk, &error));
    ck_assert_uint_eq(two.number, 2);
    ck_assert_str_eq(disk->journal, ".journal/2");
    ck_assert(!place_try(&three, disk, 1, &error));
    ck_assert_int_eq(error.code, ERROR_BUSY);
    ck_assert(!place_try(&three, disk, 7, &error));
    ck_assert_int_eq(error.code, ERROR_NOT_FOUND);
    place_release(&one);
    ck_assert(place_try(&three, disk, 1, &error));
    ck_assert(place_list(disk, &numbers, &error));
    ck_assert_uint_eq(numbers, 1u << 1 | 1u << 2 | 1u << 3); /* the third is a journal's */
    place_release(&two);
    place_release(&three);
    place_release(&three);
}
END_TEST

START_TEST(test_place_are_no_more_than_there_can_be)
{
    struct place places[PLACES_MOST], one_more;

    for (unsigned i = 0; i < PLACES_MOST; i++) {
        ck_assert_msg(place_take(&places[i], disk, &error), "%s", error.message);
        ck_assert_uint_eq(places[i].number, i + 1);
    }
    ck_assert(!place_take(&one_more, disk, &error));
    ck_assert_int_eq(error.code, ERROR_BUSY);
    for (unsigned i = 0; i < PLACES_MOST; i++)
        place_release(&places[i]);
}
END_TEST

Suite *suite_several(void)
{
    Suite *suite = suite_create("several");
    TCase *tests = tcase_create("several");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_several_journals_are_replayed_in_one_order);
    tcase_add_test(tests, test_several_journals_are_replayed_over_what_was_applied);
    tcase_add_test(tests, test_batch_of_one_who_died_gives_way_to_the_next);
    tcase_add_test(tests, test_batch_of_one_who_died_gives_way_below_a_checkpoint);
    tcase_add_test(tests, test_batch_of_one_who_died_is_there_if_nothing_took_its_place);
    tcase_add_test(tests, test_deletion_of_one_who_died_does_not_count_if_others_went_on);
    tcase_add_loop_test(tests, test_deletion_of_one_who_died_counts_if_nobody_went_on, 0, 2);
    tcase_add_test(tests,
                   test_deleted_collection_stays_deleted_when_only_another_journal_tells_of_it);
    tcase_add_test(tests, test_deletion_of_one_who_died_does_not_end_what_others_have_synced_since);
    tcase_add_test(tests, test_deletion_of_one_who_died_takes_no_counters_back);
    tcase_add_test(tests, test_deletion_of_one_who_died_does_not_bring_back_what_others_deleted);
    tcase_add_test(tests, test_deletion_of_one_who_died_does_not_count_if_the_power_goes_in_replay);
    tcase_add_test(tests, test_rest_of_a_deleted_collection_in_another_journal_is_no_damage);
    tcase_add_test(tests, test_batch_that_begins_a_collection_ends_the_one_before);
    tcase_add_test(tests, test_batch_that_begins_a_collection_explains_the_rest_of_the_one_before);
    tcase_add_test(tests, test_deletion_stays_beside_an_index_without_a_header);
    tcase_add_test(tests, test_collection_of_one_who_died_gives_way_when_the_other_journal_is_gone);
    tcase_add_test(tests, test_deletion_ends_what_one_who_died_began_in_the_same_generation);
    tcase_add_test(tests, test_deletion_ends_an_earlier_collection);
    tcase_add_test(tests, test_mark_is_synced_before_the_journals_go);
    tcase_add_test(tests, test_place_is_the_first_that_nobody_has);
    tcase_add_test(tests, test_place_are_no_more_than_there_can_be);
    suite_add_tcase(suite, tests);
    return suite;
}
