#include "store/database.h"

#include "simdisk.h"
#include "store/collection.h"
#include "store/paths.h"
#include "store/samples.h"
#include "store/suites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

enum { MANY = 700 }; /* more than a search reads at once, several times */

static struct simdisk simdisk;
static struct disk *disk;
static struct error error;
static struct database database;
static struct buf text, out;

static void setup(void)
{
    simdisk_init(&simdisk);
    disk = &simdisk.disk;
}

static void teardown(void)
{
    database_close(&database);
    buf_clear(&text);
    buf_clear(&out);
    ck_assert_uint_eq(simdisk.open_files, 0);
    ck_assert_uint_eq(simdisk.misuses, 0);
    simdisk_clear(&simdisk);
}

static struct buf *find_index(void)
{
    char name[PATHS_SIZE];

    paths_put_index(name, SAMPLE_PATH);
    return simdisk_find(&simdisk, name);
}

static struct buf *find_data(void)
{
    char name[PATHS_SIZE];

    paths_put_data(name, SAMPLE_PATH, SAMPLE_GENERATION);
    return simdisk_find(&simdisk, name);
}

static void assert_same_head(const struct head *a, const struct head *b)
{
    ck_assert_uint_eq(a->generation, b->generation);
    ck_assert_uint_eq(a->count, b->count);
    ck_assert_uint_eq(a->commits, b->commits);
    ck_assert_uint_eq(a->data_end, b->data_end);
    ck_assert_uint_eq(a->last_counter, b->last_counter);
    ck_assert_uint_eq(a->crc, b->crc);
}

static void reopen(const struct head *head)
{
    ck_assert_msg(database_reopen(&database, disk, SAMPLE_PATH, head, &error), "%s", error.message);
}

static void assert_all_is(const struct head *head, const struct buf *records)
{
    ck_assert_msg(database_open(&database, disk, SAMPLE_PATH, &error), "%s", error.message);
    assert_same_head(&database.head, head);
    buf_reset(&out);
    ck_assert_msg(database_read_records(&database, 0, (size_t)head->count, &out, &error), "%s",
                  error.message);
    ck_assert(str_equals(buf_str(&out), buf_str(records)));
    database_close(&database);
}

static void refuse_to_open(const char *file, const char *what)
{
    struct collection collection;

    ck_assert(!database_open(&database, disk, SAMPLE_PATH, &error));
    ck_assert_msg(error.code == ERROR_DAMAGED, "%s", error.message);
    ck_assert_msg(strstr(error.message, file) && strstr(error.message, what), "%s", error.message);
    ck_assert_uint_eq(simdisk.open_files, 0);
    ck_assert(!collection_load(&collection, disk, SAMPLE_PATH, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
}

/* --- Opening --------------------------------------------------------------------------------- */

START_TEST(test_database_opens_where_the_last_batch_ended)
{
    struct head head = sample_fill(disk, (unsigned)_i, &text);

    assert_all_is(&head, &text);
    ck_assert_uint_eq(head.last_counter, (unsigned)_i);
}
END_TEST

START_TEST(test_database_that_is_not_there_is_not_found)
{
    ck_assert(!database_open(&database, disk, SAMPLE_PATH, &error));
    ck_assert_int_eq(error.code, ERROR_NOT_FOUND);
    database_close(&database);
    database_close(&database);
}
END_TEST

START_TEST(test_database_without_data_file_is_damaged)
{
    struct head head = sample_fill(disk, 3, NULL);
    char name[PATHS_SIZE];

    paths_put_data(name, SAMPLE_PATH, SAMPLE_GENERATION);
    ck_assert(disk_unlink(disk, name, &error));
    refuse_to_open("database.3", "not there");
    ck_assert(!database_reopen(&database, disk, SAMPLE_PATH, &head, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
    paths_put_index(name, SAMPLE_PATH);
    ck_assert(disk_unlink(disk, name, &error));
    ck_assert(!database_reopen(&database, disk, SAMPLE_PATH, &head, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
}
END_TEST

START_TEST(test_database_refuses_what_stands_behind_the_last_batch)
{
    (void)sample_fill(disk, 3, NULL);
    buf_append_byte(find_index(), '\0');
    refuse_to_open("database.index", "inside an entry");
    find_index()->length--;
    buf_append(find_data(), STR("[4,{}],\n"));
    refuse_to_open("database.3", "at byte");
}
END_TEST

START_TEST(test_database_refuses_an_index_without_batch_end)
{
    struct head head = sample_fill(disk, 6, NULL);
    struct buf *index = find_index();
    struct index_entry entry;

    /* The last batch has three records. */
    index->length -= INDEX_ENTRY_SIZE;
    index_read_entry((unsigned char *)index->data + index->length - INDEX_ENTRY_SIZE, &entry);
    ck_assert_uint_lt(entry.end, head.data_end);
    find_data()->length = (size_t)entry.end;
    refuse_to_open("database.index", "no end");
}
END_TEST

/* What a checkpoint has vouched for cannot go missing batch by batch either. */
START_TEST(test_database_refuses_less_than_was_synced)
{
    struct head before = sample_fill(disk, 3, NULL), head = before;

    sample_add(disk, &head, 1);
    ck_assert(collection_sync(disk, SAMPLE_PATH, SAMPLE_GENERATION, head.count, &error));
    find_index()->length -= INDEX_ENTRY_SIZE;
    find_data()->length = (size_t)before.data_end;
    refuse_to_open("database.index", "known to be there");
}
END_TEST

START_TEST(test_database_checks_the_record_of_the_last_entry)
{
    struct head head = sample_fill(disk, 6, NULL);

    find_data()->data[head.data_end - 5] ^= 1;
    refuse_to_open("database.index", "does not match its checksum");
}
END_TEST

START_TEST(test_database_checks_a_record_of_many_pieces)
{
    struct head head = sample_fill(disk, 1, &text);
    struct batch batch;
    struct buf large = {0};

    buf_append_byte(&large, '"');
    for (unsigned i = 0; i < 10000; i++)
        buf_append_u64(&large, i * 7919);
    buf_append_byte(&large, '"');
    struct batch_object object = {.text = buf_str(&large)};
    sample_begin(&batch, &head);
    (void)batch_add_record(&batch, &object);
    batch_end_append(&batch);
    buf_append(&text, buf_str(&batch.data));
    sample_apply(disk, &batch, &head);
    assert_all_is(&head, &text);
    find_data()->data[20000] ^= 1;
    refuse_to_open("database.index", "does not match its checksum");
    buf_clear(&large);
}
END_TEST

/* A reader in the loop pays for these and no more: two opens, two reads (and two closes, which the
 * simulated disk does not count). */
START_TEST(test_database_reads_a_tail_with_four_calls)
{
    struct head head = sample_fill(disk, MANY, NULL);

    simdisk_calm(&simdisk);
    reopen(&head);
    ck_assert(database_read_records(&database, head.count - 100, 100, &out, &error));
    ck_assert_uint_eq(simdisk.calls, 4);
}
END_TEST

static const struct disk_calls *whole_calls;
static unsigned bad_reads;

static ssize_t read_torn_header(struct disk *on, int fd, void *data, size_t length, uint64_t offset)
{
    ssize_t result = whole_calls->read_at(on, fd, data, length, offset);

    if (offset == 0 && result > 40 && bad_reads > 0) {
        bad_reads--;
        ((char *)data)[40] ^= 1;
    }
    return result;
}

/* A checkpoint may be writing the header while it is read. */
START_TEST(test_database_reads_a_torn_header_once_more)
{
    struct head head = sample_fill(disk, 3, &text);
    struct disk_calls calls = *disk->calls;

    whole_calls = disk->calls;
    calls.read_at = read_torn_header;
    disk->calls = &calls;
    bad_reads = 2;
    assert_all_is(&head, &text);
    bad_reads = 2;
    reopen(&head);
    ck_assert(database_read_records(&database, 0, 1, &out, &error));
    database_close(&database);
    bad_reads = 100;
    refuse_to_open("database.index", "checksum");
    disk->calls = whole_calls;
}
END_TEST

/* --- Reading --------------------------------------------------------------------------------- */

START_TEST(test_database_reads_any_run_of_records)
{
    struct head head = sample_fill(disk, 300, &text);
    struct index_entry *entries = calloc((size_t)head.count, sizeof *entries);

    reopen(&head);
    ck_assert(database_read_entries(&database, 0, (size_t)head.count, entries, &error));
    for (size_t first = 0; first <= head.count; first += 13) {
        uint64_t start = first > 0 ? entries[first - 1].end : 0;

        for (size_t count = 0; first + count <= head.count; count += 31) {
            uint64_t end = first + count > 0 ? entries[first + count - 1].end : 0;

            buf_reset(&out);
            buf_append(&out, STR("before"));
            ck_assert(database_read_records(&database, first, count, &out, &error));
            ck_assert(str_equals(str_slice(buf_str(&out), 6, out.length),
                                 str_slice(buf_str(&text), start, end - start)));
        }
    }
    free(entries);
}
END_TEST

START_TEST(test_database_entries_are_those_of_the_batch)
{
    struct identity identity = sample_identity(1);
    struct head head = sample_head(&identity, 0);
    struct index_entry entries[5];
    struct batch batch;

    sample_begin(&batch, &head);
    sample_append(&batch, 4, 1);
    struct buf encoded = batch.entries;
    batch.entries = (struct buf){0};
    buf_append(&batch.entries, buf_str(&encoded));
    sample_apply(disk, &batch, &head);
    reopen(&head);
    ck_assert(database_read_entries(&database, 0, 5, entries, &error));
    for (size_t i = 0; i < 5; i++) {
        unsigned char bytes[INDEX_ENTRY_SIZE];

        index_write_entry(bytes, &entries[i]);
        ck_assert_mem_eq(bytes, encoded.data + i * INDEX_ENTRY_SIZE, sizeof bytes);
    }
    buf_clear(&encoded);
}
END_TEST

/* A head is what somebody was told; what is written later is not for him. */
START_TEST(test_database_reader_keeps_to_its_head)
{
    struct head head = sample_fill(disk, 3, &text), later = head;
    uint64_t position;

    sample_add(disk, &later, 2);
    reopen(&head);
    ck_assert(database_find_counter(&database, 3, &position, &error));
    ck_assert_uint_eq(position, head.count);
    ck_assert(database_read_records(&database, 0, (size_t)head.count, &out, &error));
    ck_assert(str_equals(buf_str(&out), buf_str(&text)));
}
END_TEST

START_TEST(test_database_gives_nothing_of_a_chunk_with_a_wrong_byte)
{
    struct head head = sample_fill(disk, 20, NULL);

    find_data()->data[head.data_end - 5] ^= 1;
    reopen(&head);
    buf_append(&out, STR("before"));
    ck_assert(!database_read_records(&database, 0, (size_t)head.count, &out, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
    ck_assert_ptr_nonnull(strstr(error.message, "database.3: at byte"));
    ck_assert_str_eq(out.data, "before");
}
END_TEST

START_TEST(test_database_finds_every_counter)
{
    struct head head = sample_fill(disk, (unsigned)_i, NULL);
    struct index_entry *entries = calloc((size_t)head.count, sizeof *entries);
    uint64_t expected = 0, position;

    reopen(&head);
    ck_assert(database_read_entries(&database, 0, (size_t)head.count, entries, &error));
    for (uint64_t counter = 0; counter <= head.last_counter + 2; counter++) {
        while (expected < head.count &&
               (entries[expected].counter <= counter || entries[expected].flags & INDEX_COMMIT))
            expected++;
        ck_assert(database_find_counter(&database, counter, &position, &error));
        ck_assert_uint_eq(position, expected);
    }
    ck_assert(database_find_counter(&database, UINT64_MAX, &position, &error));
    ck_assert_uint_eq(position, head.count);
    free(entries);
}
END_TEST

/* Counters of a collection that follows a deleted one do not begin at 1. */
START_TEST(test_database_finds_counters_between_gaps)
{
    struct identity identity = sample_identity(1);
    struct head head = sample_head(&identity, 1000);
    uint64_t position;

    for (unsigned i = 0; i < 200; i++) {
        struct batch batch;

        sample_begin(&batch, &head);
        batch.after.last_counter += 10;
        sample_append(&batch, 1, i % 2);
        sample_apply(disk, &batch, &head);
    }
    reopen(&head);
    ck_assert(database_find_counter(&database, 5, &position, &error));
    ck_assert_uint_eq(position, 0);
    for (unsigned i = 0; i < 200; i++) {
        ck_assert(database_find_counter(&database, 1011 + 11 * i - 5, &position, &error));
        ck_assert_uint_eq(position, i + i / 2);
    }
}
END_TEST

START_TEST(test_database_search_takes_few_calls)
{
    struct head head = sample_fill(disk, MANY, NULL);
    uint64_t position;

    reopen(&head);
    simdisk_calm(&simdisk);
    ck_assert(database_find_counter(&database, head.last_counter, &position, &error));
    ck_assert_uint_eq(simdisk.calls, 0);
    ck_assert(database_find_counter(&database, head.last_counter - 50, &position, &error));
    ck_assert_uint_eq(simdisk.calls, 3);
    simdisk_calm(&simdisk);
    ck_assert(database_find_counter(&database, 100, &position, &error));
    ck_assert_uint_le(simdisk.calls, 8);
}
END_TEST

/* --- Writing --------------------------------------------------------------------------------- */

/* database.h, invariant 2. */
START_TEST(test_database_applies_a_batch_twice_as_once)
{
    struct identity identity = sample_identity(1);
    struct head head = sample_head(&identity, 0);
    struct batch first, second;
    bool undone;

    sample_begin(&first, &head);
    sample_append(&first, 2, 0);
    sample_begin(&second, &first.after);
    sample_append(&second, 3, 1);
    ck_assert(database_apply(disk, &first, &undone, &error));
    ck_assert(database_apply(disk, &second, &undone, &error));
    buf_append(&text, buf_str(&first.data));
    buf_append(&text, buf_str(&second.data));
    assert_all_is(&second.after, &text);
    ck_assert(database_apply(disk, &second, &undone, &error));
    assert_all_is(&second.after, &text);
    ck_assert(database_apply(disk, &first, &undone, &error));
    ck_assert(database_apply(disk, &second, &undone, &error));
    assert_all_is(&second.after, &text);
    batch_clear(&first);
    batch_clear(&second);
}
END_TEST

START_TEST(test_database_heals_what_stands_above_the_head)
{
    struct head head = sample_fill(disk, 3, &text);
    struct batch batch;

    buf_append(find_data(), STR("torn"));
    buf_append(find_index(), STR("torn, too"));
    sample_begin(&batch, &head);
    sample_append(&batch, 2, 0);
    buf_append(&text, buf_str(&batch.data));
    sample_apply(disk, &batch, &head);
    assert_all_is(&head, &text);
}
END_TEST

/* Every call fails once. Then the batch is not there, and can be applied after all. */
START_TEST(test_database_undoes_a_write_that_failed)
{
    struct head head = sample_fill(disk, 3, &text);
    struct batch batch;
    bool undone, done = false;
    unsigned call;

    sample_begin(&batch, &head);
    sample_append(&batch, 2, 1);
    for (call = 1; !done; call++) {
        simdisk_calm(&simdisk);
        simdisk.fail_at = call;
        simdisk.fail_with = ENOSPC;
        done = database_apply(disk, &batch, &undone, &error);
        simdisk_calm(&simdisk);
        ck_assert(undone);
        ck_assert_uint_eq(simdisk.open_files, 0);
        if (!done) {
            ck_assert_int_eq(error.code, ERROR_NO_SPACE);
            assert_all_is(&head, &text);
        }
    }
    ck_assert_uint_eq(call, 6); /* two opens, two writes */
    buf_append(&text, buf_str(&batch.data));
    assert_all_is(&batch.after, &text);
    batch_clear(&batch);
}
END_TEST

START_TEST(test_database_says_if_a_write_could_not_be_undone)
{
    struct head head = sample_fill(disk, 3, NULL);
    struct batch batch;
    bool undone;

    sample_begin(&batch, &head);
    sample_append(&batch, 2, 1);
    simdisk_calm(&simdisk);
    simdisk.fail_at = (unsigned)_i;
    simdisk.fail_with = EIO;
    simdisk.fail_from_then_on = true;
    ck_assert(!database_apply(disk, &batch, &undone, &error));
    ck_assert_int_eq(undone, _i < 3); /* could not even be opened: nothing to undo */
    batch_clear(&batch);
}
END_TEST

/* One of the two files cut is not enough: the other would be too long for database_open. */
START_TEST(test_database_undoes_both_files)
{
    struct head head = sample_fill(disk, 3, &text);
    struct batch batch;
    bool undone;

    sample_begin(&batch, &head);
    sample_append(&batch, 2, 1);
    simdisk_calm(&simdisk);
    simdisk.write_most = 7; /* the eighth piece or so fails, in the middle of the entries */
    simdisk.fail_at = 2 + (unsigned)(batch.data.length + 6) / 7 + 3;
    simdisk.fail_with = EIO;
    ck_assert(!database_apply(disk, &batch, &undone, &error));
    ck_assert(undone);
    ck_assert_uint_eq(find_data()->length, head.data_end);
    ck_assert_uint_eq(find_index()->length, INDEX_HEADER_SIZE + head.count * INDEX_ENTRY_SIZE);
    simdisk_calm(&simdisk);
    assert_all_is(&head, &text);
    batch_clear(&batch);
}
END_TEST

static void add_reading_tests(Suite *suite)
{
    TCase *tests = tcase_create("reading");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_database_reads_any_run_of_records);
    tcase_add_test(tests, test_database_entries_are_those_of_the_batch);
    tcase_add_test(tests, test_database_reader_keeps_to_its_head);
    tcase_add_test(tests, test_database_gives_nothing_of_a_chunk_with_a_wrong_byte);
    for (int records = 1; records <= MANY; records = records * 3 + 2)
        tcase_add_loop_test(tests, test_database_finds_every_counter, records, records + 1);
    tcase_add_test(tests, test_database_finds_counters_between_gaps);
    tcase_add_test(tests, test_database_search_takes_few_calls);
    suite_add_tcase(suite, tests);
}

static void add_writing_tests(Suite *suite)
{
    TCase *tests = tcase_create("writing");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_database_applies_a_batch_twice_as_once);
    tcase_add_test(tests, test_database_heals_what_stands_above_the_head);
    tcase_add_test(tests, test_database_undoes_a_write_that_failed);
    tcase_add_loop_test(tests, test_database_says_if_a_write_could_not_be_undone, 1, 5);
    tcase_add_test(tests, test_database_undoes_both_files);
    suite_add_tcase(suite, tests);
}

Suite *suite_database(void)
{
    Suite *suite = suite_create("database");
    TCase *tests = tcase_create("opening");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, test_database_opens_where_the_last_batch_ended, 1, 12);
    tcase_add_test(tests, test_database_that_is_not_there_is_not_found);
    tcase_add_test(tests, test_database_without_data_file_is_damaged);
    tcase_add_test(tests, test_database_refuses_what_stands_behind_the_last_batch);
    tcase_add_test(tests, test_database_refuses_an_index_without_batch_end);
    tcase_add_test(tests, test_database_refuses_less_than_was_synced);
    tcase_add_test(tests, test_database_checks_the_record_of_the_last_entry);
    tcase_add_test(tests, test_database_checks_a_record_of_many_pieces);
    tcase_add_test(tests, test_database_reads_a_tail_with_four_calls);
    tcase_add_test(tests, test_database_reads_a_torn_header_once_more);
    suite_add_tcase(suite, tests);
    add_reading_tests(suite);
    add_writing_tests(suite);
    return suite;
}
