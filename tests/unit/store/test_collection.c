#include "store/collection.h"

#include "simdisk.h"
#include "store/database.h"
#include "store/paths.h"
#include "store/samples.h"
#include "store/suites.h"

#include <errno.h>
#include <string.h>

#include <check.h>

#define REASON "{\"reason\":\"moved \xc3\xa4 \\n \\u0000\",\"client_id\":\"x\"}"

static struct simdisk simdisk;
static struct disk *disk;
static struct error error;
static struct collection collection;

static void setup(void)
{
    simdisk_init(&simdisk);
    disk = &simdisk.disk;
}

static void teardown(void)
{
    collection_clear(&collection);
    collection_clear(&collection);
    ck_assert_uint_eq(simdisk.open_files, 0);
    ck_assert_uint_eq(simdisk.misuses, 0);
    simdisk_clear(&simdisk);
}

static void load_from(struct disk *from)
{
    collection_clear(&collection);
    ck_assert_msg(collection_load(&collection, from, SAMPLE_PATH, &error), "%s", error.message);
}

static void assert_deleted(uint64_t last_counter)
{
    ck_assert_int_eq(collection.state, COLLECTION_DELETED);
    ck_assert_uint_eq(collection.head.last_counter, last_counter);
    ck_assert_uint_eq(collection.head.generation, SAMPLE_GENERATION);
    ck_assert_uint_eq(collection.head.count, 0);
    ck_assert(str_equals(buf_str(&collection.reason), STR(REASON)));
}

static void assert_live(const struct head *head)
{
    struct identity identity = sample_identity(1);

    ck_assert_int_eq(collection.state, COLLECTION_LIVE);
    ck_assert_mem_eq(&collection.identity.id, &identity.id, sizeof identity.id);
    ck_assert_mem_eq(&collection.identity.secret, &identity.secret, sizeof identity.secret);
    ck_assert_int_eq(collection.identity.created, SAMPLE_CREATED);
    ck_assert_uint_eq(collection.head.count, head->count);
    ck_assert_uint_eq(collection.head.crc, head->crc);
    ck_assert_uint_eq(collection.head.last_counter, head->last_counter);
    ck_assert_uint_eq(collection.head.generation, head->generation);
}

static struct deletion make_deletion(unsigned char id, uint64_t last_counter)
{
    struct deletion deletion = {
        .path = SAMPLE_PATH, .last_counter = last_counter, .generation = SAMPLE_GENERATION};

    memset(deletion.id, id, sizeof deletion.id);
    buf_append(&deletion.reason, STR(REASON));
    return deletion;
}

static void delete_it(uint64_t last_counter)
{
    struct deletion deletion = make_deletion(1, last_counter);

    ck_assert_msg(collection_delete(disk, &deletion, &(bool){0}, &error), "%s", error.message);
    deletion_clear(&deletion);
}

static struct buf *find_file(void (*put_name)(char *, const char *))
{
    char name[PATHS_SIZE];

    put_name(name, SAMPLE_PATH);
    return simdisk_find(&simdisk, name);
}

static struct buf *find_data(void)
{
    char name[PATHS_SIZE];

    paths_put_data(name, SAMPLE_PATH, SAMPLE_GENERATION);
    return simdisk_find(&simdisk, name);
}

/* --- States ---------------------------------------------------------------------------------- */

START_TEST(test_collection_nobody_wrote_to_is_absent)
{
    load_from(disk);
    ck_assert_int_eq(collection.state, COLLECTION_ABSENT);
    ck_assert_uint_eq(collection.head.last_counter, 0);
    ck_assert_uint_eq(collection.head.generation, 0);
}
END_TEST

START_TEST(test_collection_is_live_once_written_to)
{
    struct head head = sample_fill(disk, 5, NULL);

    load_from(disk);
    assert_live(&head);
}
END_TEST

START_TEST(test_collection_info_is_readable)
{
    (void)sample_fill(disk, 1, NULL);
    struct str text = buf_str(find_file(paths_put_info));
    ck_assert(str_starts_with(text, STR("{\"format\":1,"
                                        "\"id\":\"01010101010101010101010101010101\","
                                        "\"secret\":\"02020202020202020202020202020202\","
                                        "\"created\":1700000000,"
                                        "\"path\":\"" SAMPLE_PATH "\",\"crc\":")));
    ck_assert(str_ends_with(text, STR("}\n")));
}
END_TEST

START_TEST(test_collection_deleted_says_why_and_where_counters_ended)
{
    struct head head = sample_fill(disk, 5, NULL);

    delete_it(head.last_counter);
    load_from(disk);
    assert_deleted(5);
    ck_assert_ptr_null(find_file(paths_put_index));
    ck_assert_ptr_null(find_file(paths_put_info));
    ck_assert_ptr_null(find_data());
}
END_TEST

START_TEST(test_collection_reason_is_readable_and_unchanged)
{
    (void)sample_fill(disk, 1, NULL);
    delete_it(1);
    struct str text = buf_str(find_file(paths_put_deleted));
    ck_assert(str_starts_with(text, STR("{\"format\":1,"
                                        "\"id\":\"01010101010101010101010101010101\","
                                        "\"last_counter\":1,\"generation\":3,\"crc\":")));
    ck_assert(str_ends_with(text, STR("}\n" REASON "\n")));
}
END_TEST

START_TEST(test_collection_keeps_a_long_reason)
{
    struct deletion deletion = make_deletion(1, 1);

    (void)sample_fill(disk, 1, NULL);
    for (unsigned i = 0; i < 300000; i++)
        buf_append_u64(&deletion.reason, i);
    buf_append_byte(&deletion.reason, '\n');
    ck_assert(collection_delete(disk, &deletion, &(bool){0}, &error));
    load_from(disk);
    ck_assert(str_equals(buf_str(&collection.reason), buf_str(&deletion.reason)));
    deletion_clear(&deletion);
}
END_TEST

START_TEST(test_collection_begins_anew_over_a_deleted_one)
{
    (void)sample_fill(disk, 5, NULL);
    delete_it(5);
    struct head head = sample_fill(disk, 2, NULL);
    load_from(disk);
    assert_live(&head);
    ck_assert_ptr_null(find_file(paths_put_deleted));
}
END_TEST

START_TEST(test_collection_deletion_may_be_repeated)
{
    (void)sample_fill(disk, 5, NULL);
    delete_it(5);
    delete_it(5);
    load_from(disk);
    assert_deleted(5);
}
END_TEST

START_TEST(test_collection_deletion_of_another_leaves_this_one)
{
    struct head head = sample_fill(disk, 5, NULL);
    struct deletion deletion = make_deletion(9, 100);

    ck_assert(collection_delete(disk, &deletion, &(bool){0}, &error));
    load_from(disk);
    assert_live(&head);
    ck_assert_ptr_null(find_file(paths_put_deleted));
    deletion_clear(&deletion);
}
END_TEST

/* By replay, over nothing at all. */
START_TEST(test_collection_deletion_makes_what_it_needs)
{
    delete_it(7);
    load_from(disk);
    assert_deleted(7);
}
END_TEST

START_TEST(test_collection_with_a_damaged_index_can_be_deleted)
{
    (void)sample_fill(disk, 5, NULL);
    find_file(paths_put_index)->data[3] ^= 1;
    ck_assert(!collection_load(&collection, disk, SAMPLE_PATH, &error));
    delete_it(5);
    load_from(disk);
    assert_deleted(5);
}
END_TEST

/* --- Failures -------------------------------------------------------------------------------- */

/* Every call fails once: there is then what was there before, and a second attempt works. */
START_TEST(test_collection_that_could_not_be_made_is_what_it_was)
{
    struct identity identity = sample_identity(1);
    struct head head = sample_head(&identity, 5);
    bool undone, done = false;
    struct batch batch;

    (void)sample_fill(disk, 5, NULL);
    delete_it(5);
    sample_begin(&batch, &head);
    sample_append(&batch, 2, 1);
    for (unsigned call = 1; !done; call++) {
        simdisk_calm(&simdisk);
        simdisk.fail_at = call;
        simdisk.fail_with = ENOSPC;
        done = database_apply(disk, &batch, &undone, &error);
        simdisk_calm(&simdisk);
        ck_assert(undone);
        load_from(disk);
        if (done)
            assert_live(&batch.after);
        else
            assert_deleted(5);
    }
    batch_clear(&batch);
}
END_TEST

START_TEST(test_collection_whose_making_cannot_be_undone_is_told)
{
    struct identity identity = sample_identity(1);
    struct head head = sample_head(&identity, 0);
    struct batch batch;
    bool undone;

    sample_begin(&batch, &head);
    sample_append(&batch, 2, 1);
    simdisk_calm(&simdisk);
    simdisk.fail_at = 10;
    simdisk.fail_with = EIO;
    simdisk.fail_from_then_on = true;
    ck_assert(!database_apply(disk, &batch, &undone, &error));
    ck_assert(!undone);
    batch_clear(&batch);
}
END_TEST

START_TEST(test_collection_that_could_not_be_deleted_can_be_later)
{
    struct deletion deletion = make_deletion(1, 5);
    bool done = false;

    for (unsigned call = 1; !done; call++) {
        struct head head = sample_fill(disk, 5, NULL);

        simdisk_calm(&simdisk);
        simdisk.fail_at = call;
        simdisk.fail_with = EIO;
        (void)!collection_delete(disk, &deletion, &(bool){0}, &error);
        done = simdisk.calls < call;
        simdisk_calm(&simdisk);
        load_from(disk);
        if (collection.state == COLLECTION_LIVE)
            assert_live(&head);
        else
            assert_deleted(5);
        ck_assert(collection_delete(disk, &deletion, &(bool){0}, &error));
        load_from(disk);
        assert_deleted(5);
    }
    deletion_clear(&deletion);
}
END_TEST

static void expect_no_deletion(struct simdisk *after, void *name)
{
    ck_assert_ptr_null(simdisk_find(after, name));
}

START_TEST(test_collection_that_was_not_deleted_does_not_look_so_after_a_power_cut)
{
    struct deletion deletion = make_deletion(1, 5);
    bool done = false, undone;
    char name[PATHS_SIZE];

    paths_put_deleted(name, SAMPLE_PATH);
    for (unsigned call = 1; !done; call++) {
        (void)sample_fill(disk, 5, NULL);
        simdisk_calm(&simdisk);
        simdisk.fail_at = call;
        simdisk.fail_with = EIO;
        bool ok = collection_delete(disk, &deletion, &undone, &error);
        done = simdisk.calls < call;
        simdisk_calm(&simdisk);
        if (!ok && undone)
            (void)simdisk_visit_crashes(&simdisk, 50, call, expect_no_deletion, name);
        simdisk_clear(&simdisk);
        setup();
    }
    deletion_clear(&deletion);
}
END_TEST

START_TEST(test_collection_load_that_failed_says_so)
{
    struct head head = sample_fill(disk, 5, NULL);
    bool done = false;

    for (unsigned call = 1; !done; call++) {
        simdisk_calm(&simdisk);
        simdisk.fail_at = call;
        simdisk.fail_with = EMFILE;
        done = collection_load(&collection, disk, SAMPLE_PATH, &error);
        if (!done) {
            ck_assert_int_eq(error.code, ERROR_BUSY);
            ck_assert_int_eq(collection.state, COLLECTION_ABSENT);
            ck_assert_uint_eq(simdisk.open_files, 0);
        }
    }
    assert_live(&head);
}
END_TEST

/* --- Checkpoints ----------------------------------------------------------------------------- */

static uint64_t synced_count(void)
{
    struct index_header header;
    const struct buf *index = find_file(paths_put_index);

    ck_assert(index_read_header((const unsigned char *)index->data, &header, &error));
    return header.synced_count;
}

static void sync_it(uint64_t generation, uint64_t count)
{
    ck_assert_msg(collection_sync(disk, SAMPLE_PATH, generation, count, &error), "%s",
                  error.message);
}

START_TEST(test_collection_sync_notes_how_much_is_synced)
{
    struct head head = sample_fill(disk, 5, NULL);

    sync_it(SAMPLE_GENERATION, head.count - 1);
    ck_assert_uint_eq(synced_count(), head.count - 1);
    sync_it(SAMPLE_GENERATION, head.count);
    ck_assert_uint_eq(synced_count(), head.count);
    sync_it(SAMPLE_GENERATION, 1);
    ck_assert_uint_eq(synced_count(), head.count);
    load_from(disk);
    assert_live(&head);
}
END_TEST

/* Of a batch that was cancelled nobody vouches, or a later one in its place would not be replayed.
 */
START_TEST(test_collection_sync_vouches_for_nothing_that_is_not_there)
{
    struct head head = sample_fill(disk, 5, NULL);

    sync_it(SAMPLE_GENERATION, head.count + 3);
    ck_assert_uint_eq(synced_count(), head.count);
    load_from(disk);
    assert_live(&head);
}
END_TEST

START_TEST(test_collection_sync_of_another_generation_notes_nothing)
{
    (void)sample_fill(disk, 5, NULL);
    sync_it(SAMPLE_GENERATION + 1, 5);
    sync_it(0, 0);
    ck_assert_uint_eq(synced_count(), 0);
}
END_TEST

START_TEST(test_collection_sync_of_nothing_is_no_error)
{
    sync_it(1, 1);
    (void)sample_fill(disk, 5, NULL);
    delete_it(5);
    sync_it(0, 0);
    load_from(disk);
    assert_deleted(5);
}
END_TEST

START_TEST(test_collection_sync_refuses_a_damaged_header)
{
    (void)sample_fill(disk, 5, NULL);
    find_file(paths_put_index)->data[3] ^= 1;
    ck_assert(!collection_sync(disk, SAMPLE_PATH, SAMPLE_GENERATION, 5, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
    ck_assert_ptr_nonnull(strstr(error.message, "database.index"));
}
END_TEST

START_TEST(test_collection_sync_that_failed_says_so)
{
    struct head head = sample_fill(disk, 5, NULL);
    bool done = false;
    unsigned call;

    for (call = 1; !done; call++) {
        simdisk_calm(&simdisk);
        simdisk.fail_at = call;
        simdisk.fail_with = EIO;
        done = collection_sync(disk, SAMPLE_PATH, SAMPLE_GENERATION, head.count, &error);
        simdisk_calm(&simdisk);
        ck_assert_uint_eq(simdisk.open_files, 0);
        load_from(disk);
        assert_live(&head);
    }
    ck_assert_uint_gt(call, 15);
}
END_TEST

static struct head expected_head;

static void expect_live(struct simdisk *after, void *context)
{
    (void)context;
    load_from(&after->disk);
    assert_live(&expected_head);
}

static void expect_deleted(struct simdisk *after, void *context)
{
    (void)context;
    load_from(&after->disk);
    assert_deleted(5);
}

START_TEST(test_collection_synced_survives_a_power_cut)
{
    expected_head = sample_fill(disk, 200, NULL);
    sync_it(SAMPLE_GENERATION, expected_head.count);
    ck_assert_uint_ge(simdisk_visit_crashes(&simdisk, 100, 1, expect_live, NULL), 1);
    ck_assert_uint_eq(synced_count(), expected_head.count);
}
END_TEST

START_TEST(test_collection_deletion_synced_survives_a_power_cut)
{
    struct head head = sample_fill(disk, 5, NULL);

    sync_it(SAMPLE_GENERATION, head.count);
    delete_it(5);
    sync_it(0, 0);
    ck_assert_uint_ge(simdisk_visit_crashes(&simdisk, 100, 1, expect_deleted, NULL), 1);
}
END_TEST

/* While the header is written, and after it. */
static void visit_header(struct simdisk *now, void *context)
{
    simdisk_visit_crashes(now, 20, 1, expect_live, context);
}

START_TEST(test_collection_header_survives_a_power_cut_while_it_is_written)
{
    struct head head = sample_fill(disk, 5, NULL);

    sync_it(SAMPLE_GENERATION, head.count);
    expected_head = head;
    sample_add(disk, &expected_head, 1);
    /* All is durable but what the last call is about to note. */
    sync_it(SAMPLE_GENERATION, head.count);
    simdisk.changed = visit_header;
    sync_it(SAMPLE_GENERATION, expected_head.count);
    simdisk.changed = NULL;
    ck_assert_uint_eq(synced_count(), expected_head.count);
}
END_TEST

/* --- Frames ---------------------------------------------------------------------------------- */

START_TEST(test_deletion_comes_back_from_its_frame)
{
    struct deletion deletion = make_deletion(1, INDEX_COUNTER_MOST), read;
    struct buf frame = {0};

    deletion_write_frame(&deletion, &frame);
    ck_assert(deletion_read_frame(&read, buf_str(&frame), &error));
    ck_assert_str_eq(read.path, SAMPLE_PATH);
    ck_assert_mem_eq(read.id, deletion.id, sizeof read.id);
    ck_assert_uint_eq(read.last_counter, INDEX_COUNTER_MOST);
    ck_assert_uint_eq(read.generation, SAMPLE_GENERATION);
    ck_assert(str_equals(buf_str(&read.reason), STR(REASON)));
    deletion_clear(&read);
    deletion_clear(&read);
    deletion_clear(&deletion);
    buf_clear(&frame);
}
END_TEST

static void refuse_frame(struct str body)
{
    struct deletion read, empty = {0};

    ck_assert(!deletion_read_frame(&read, body, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
    ck_assert_mem_eq(&read, &empty, sizeof read);
}

START_TEST(test_deletion_refuses_a_frame_that_does_not_add_up)
{
    struct deletion deletion = make_deletion(1, INDEX_COUNTER_MOST + 1);
    struct buf frame = {0};

    deletion_write_frame(&deletion, &frame);
    refuse_frame(buf_str(&frame));
    frame.data[22] = 0; /* the highest byte in use of the counter */
    frame.data[30] = 0x7f;
    refuse_frame(buf_str(&frame));
    frame.data[30] = 0;
    for (size_t length = 0; length < 36 + strlen(SAMPLE_PATH); length++)
        refuse_frame(str_slice(buf_str(&frame), 0, length));
    memcpy(frame.data + 36, "..", 2);
    refuse_frame(buf_str(&frame));
    deletion_clear(&deletion);
    buf_clear(&frame);
}
END_TEST

static void add_state_tests(Suite *suite)
{
    TCase *tests = tcase_create("states");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_collection_nobody_wrote_to_is_absent);
    tcase_add_test(tests, test_collection_is_live_once_written_to);
    tcase_add_test(tests, test_collection_info_is_readable);
    tcase_add_test(tests, test_collection_deleted_says_why_and_where_counters_ended);
    tcase_add_test(tests, test_collection_reason_is_readable_and_unchanged);
    tcase_add_test(tests, test_collection_keeps_a_long_reason);
    tcase_add_test(tests, test_collection_begins_anew_over_a_deleted_one);
    tcase_add_test(tests, test_collection_deletion_may_be_repeated);
    tcase_add_test(tests, test_collection_deletion_of_another_leaves_this_one);
    tcase_add_test(tests, test_collection_deletion_makes_what_it_needs);
    tcase_add_test(tests, test_collection_with_a_damaged_index_can_be_deleted);
    tcase_add_test(tests, test_collection_that_could_not_be_made_is_what_it_was);
    tcase_add_test(tests, test_collection_whose_making_cannot_be_undone_is_told);
    tcase_add_test(tests, test_collection_that_could_not_be_deleted_can_be_later);
    tcase_add_test(tests, test_collection_that_was_not_deleted_does_not_look_so_after_a_power_cut);
    tcase_add_test(tests, test_collection_load_that_failed_says_so);
    suite_add_tcase(suite, tests);
}

Suite *suite_collection(void)
{
    Suite *suite = suite_create("collection");
    TCase *tests = tcase_create("checkpoints");

    add_state_tests(suite);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_collection_sync_notes_how_much_is_synced);
    tcase_add_test(tests, test_collection_sync_vouches_for_nothing_that_is_not_there);
    tcase_add_test(tests, test_collection_sync_of_another_generation_notes_nothing);
    tcase_add_test(tests, test_collection_sync_of_nothing_is_no_error);
    tcase_add_test(tests, test_collection_sync_refuses_a_damaged_header);
    tcase_add_test(tests, test_collection_sync_that_failed_says_so);
    tcase_add_test(tests, test_collection_synced_survives_a_power_cut);
    tcase_add_test(tests, test_collection_deletion_synced_survives_a_power_cut);
    tcase_add_test(tests, test_collection_header_survives_a_power_cut_while_it_is_written);
    tcase_add_test(tests, test_deletion_comes_back_from_its_frame);
    tcase_add_test(tests, test_deletion_refuses_a_frame_that_does_not_add_up);
    suite_add_tcase(suite, tests);
    return suite;
}
