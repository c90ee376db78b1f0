#include "store/batch.h"

#include "base/bytes.h"
#include "store/samples.h"
#include "store/suites.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

/* Where the members of a frame's body stand; see batch.c. */
enum {
    AT_GENERATION = 32,
    AT_COUNT = 48,
    AT_COMMITS = 56,
    AT_DATA_END = 64,
    AT_LAST_COUNTER = 72,
    AT_CRC = 80,
    AT_CREATES = 84,
    AT_PATH_LENGTH = 88,
    AT_ENTRIES_LENGTH = 92,
    AT_DATA_LENGTH = 96,
    FIXED_SIZE = 100,
};

static struct batch batch;
static struct error error;

static void begin_new(uint64_t last_counter)
{
    struct identity identity = sample_identity(1);
    struct head head = sample_head(&identity, last_counter);

    sample_begin(&batch, &head);
}

static void teardown(void)
{
    batch_clear(&batch);
}

static struct index_entry entry_at(size_t i)
{
    struct index_entry entry;

    ck_assert_uint_lt(i * INDEX_ENTRY_SIZE, batch.entries.length);
    index_read_entry((const unsigned char *)batch.entries.data + i * INDEX_ENTRY_SIZE, &entry);
    return entry;
}

static uint64_t add(const char *text)
{
    struct batch_object object = {
        .text = str_of(text), .key = 11, .type = 22, .expires = 33, .flags = INDEX_BLOB};

    return batch_add_record(&batch, &object);
}

START_TEST(test_batch_numbers_records_on_from_the_head)
{
    begin_new(41);
    ck_assert_uint_eq(add("{\"a\":1}"), 42);
    ck_assert_uint_eq(add("{}"), 43);
    batch_end_append(&batch);
    ck_assert_str_eq(batch.data.data, "[42,{\"a\":1}],\n[43,{}],\n");
    ck_assert_uint_eq(batch.after.last_counter, 43);
    ck_assert_uint_eq(batch.after.count, 2);
    ck_assert_uint_eq(batch.after.data_end, batch.data.length);
    ck_assert_uint_eq(batch.before.last_counter, 41);
    ck_assert(batch_ok(&batch, &error));
}
END_TEST

START_TEST(test_batch_entries_say_what_and_where)
{
    begin_new(0);
    (void)add("{}");
    (void)add("{\"b\":2}");
    batch_end_append(&batch);
    struct index_entry first = entry_at(0), second = entry_at(1);
    ck_assert_uint_eq(first.counter, 1);
    ck_assert_uint_eq(first.end, strlen("[1,{}],\n"));
    ck_assert_uint_eq(first.key, 11);
    ck_assert_uint_eq(first.type, 22);
    ck_assert_uint_eq(first.expires, 33);
    ck_assert_uint_eq(first.flags, INDEX_BLOB);
    ck_assert_uint_eq(second.counter, 2);
    ck_assert_uint_eq(second.end, batch.data.length);
    ck_assert_uint_eq(second.flags, INDEX_BLOB | INDEX_BATCH_END);
}
END_TEST

START_TEST(test_batch_commit_entry_keeps_client_and_seq)
{
    const uint64_t seq = INDEX_COUNTER_MOST - 1;

    begin_new(0);
    (void)add("{}");
    batch_add_commit(&batch, UINT64_MAX - 1, seq);
    batch_end_append(&batch);
    struct index_entry record = entry_at(0), commit = entry_at(1);
    ck_assert_uint_eq(commit.flags, INDEX_COMMIT | INDEX_BATCH_END);
    ck_assert_uint_eq(record.flags, INDEX_BLOB);
    ck_assert_uint_eq(commit.key, UINT64_MAX - 1);
    ck_assert_uint_eq(commit.type + ((uint64_t)commit.expires << 32), seq);
    ck_assert_uint_eq(commit.counter, record.counter);
    ck_assert_uint_eq(commit.end, record.end);
    ck_assert_uint_eq(batch.after.commits, 1);
    ck_assert_uint_eq(batch.after.count, 2);
    ck_assert_uint_eq(batch.after.last_counter, 1);
}
END_TEST

START_TEST(test_batch_entries_count_the_commits_before_them)
{
    begin_new(0);
    sample_append(&batch, 1, 5);
    sample_append(&batch, 1, 6);
    sample_append(&batch, 1, 0);
    ck_assert_uint_eq(entry_at(0).commits, 0);
    ck_assert_uint_eq(entry_at(1).commits, 0);
    ck_assert_uint_eq(entry_at(2).commits, 1);
    ck_assert_uint_eq(entry_at(3).commits, 1);
    ck_assert_uint_eq(entry_at(4).commits, 2);
    ck_assert_uint_eq(batch.after.commits, 2);
}
END_TEST

START_TEST(test_batch_commits_wrap_in_entries_only)
{
    struct identity identity = sample_identity(1);
    struct head head = sample_head(&identity, 0);

    head.count = head.commits = (UINT64_C(1) << 24) + 2;
    sample_begin(&batch, &head);
    sample_append(&batch, 1, 5);
    ck_assert_uint_eq(entry_at(0).commits, 2);
    ck_assert_uint_eq(entry_at(0).flags, 0);
    ck_assert_uint_eq(batch.after.commits, head.commits + 1);
}
END_TEST

/* From the head on, each over the entry before it. */
static void assert_chained(void)
{
    uint64_t start = batch.before.data_end;
    uint32_t crc = batch.before.crc;

    for (size_t i = 0; i < batch.entries.length / INDEX_ENTRY_SIZE; i++) {
        const unsigned char *encoded = (const unsigned char *)batch.entries.data;
        struct index_entry entry = entry_at(i);
        struct str record =
            str_slice(buf_str(&batch.data), start - batch.before.data_end, entry.end - start);

        ck_assert_uint_eq(entry.crc, index_entry_crc(crc, encoded + i * INDEX_ENTRY_SIZE, record));
        crc = entry.crc;
        start = entry.end;
    }
    ck_assert_uint_eq(batch.after.crc, crc);
    ck_assert_uint_eq(batch.after.data_end, start);
}

START_TEST(test_batch_checksums_are_chained)
{
    begin_new(0);
    sample_append(&batch, 3, 0);
    assert_chained();
    sample_append(&batch, 2, 9);
    sample_append(&batch, 1, 0);
    assert_chained();
    struct head head = batch.after;
    batch_clear(&batch);
    sample_begin(&batch, &head);
    sample_append(&batch, 1, 0);
    assert_chained();
}
END_TEST

/* Each append is all or nothing by itself (index.h, invariant 1). */
START_TEST(test_batch_marks_the_end_of_each_append_only)
{
    static const bool ends[] = {false, false, true, true, false, true};

    begin_new(0);
    sample_append(&batch, 3, 0);
    sample_append(&batch, 1, 0);
    sample_append(&batch, 1, 7);
    for (size_t i = 0; i < sizeof ends; i++)
        ck_assert_int_eq((entry_at(i).flags & INDEX_BATCH_END) != 0, ends[i]);
}
END_TEST

START_TEST(test_batch_end_of_nothing_changes_nothing)
{
    begin_new(0);
    batch_end_append(&batch);
    ck_assert_uint_eq(batch.entries.length, 0);
    sample_append(&batch, 2, 0);
    struct head after = batch.after;
    batch_end_append(&batch);
    ck_assert_mem_eq(&after, &batch.after, sizeof after);
}
END_TEST

START_TEST(test_batch_is_of_no_use_without_counters)
{
    begin_new(INDEX_COUNTER_MOST - 1);
    sample_append(&batch, 1, 0);
    ck_assert(batch_ok(&batch, &error));
    sample_append(&batch, 1, 0);
    ck_assert(!batch_ok(&batch, &error));
    ck_assert_int_eq(error.code, ERROR_QUOTA);
}
END_TEST

START_TEST(test_batch_is_of_no_use_without_memory)
{
    begin_new(0);
    sample_append(&batch, 1, 0);
    batch.entries.failed = true;
    ck_assert(!batch_ok(&batch, &error));
    ck_assert_int_eq(error.code, ERROR_NO_MEMORY);
    batch.entries.failed = false;
    batch.data.failed = true;
    ck_assert(!batch_ok(&batch, &error));
}
END_TEST

/* --- Frames ---------------------------------------------------------------------------------- */

static struct buf frame;

static void setup_frame(void)
{
    struct identity identity = sample_identity(1);
    struct head head = sample_head(&identity, 17);

    head.count = 5;
    head.commits = 2;
    head.data_end = 1000;
    sample_begin(&batch, &head);
    sample_append(&batch, 2, 8);
    sample_append(&batch, 3, 0);
    batch_write_frame(&batch, &frame);
}

static void teardown_frame(void)
{
    teardown();
    buf_clear(&frame);
}

/* And leaves nothing behind. */
static void refuse(struct str body)
{
    struct batch read, empty = {0};

    ck_assert(!batch_read_frame(&read, body, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
    ck_assert_mem_eq(&read, &empty, sizeof read);
}

static void refuse_u64_at(size_t at, uint64_t number)
{
    unsigned char *bytes = (unsigned char *)frame.data + at;
    uint64_t old = bytes_get_u64(bytes);

    bytes_put_u64(bytes, number);
    refuse(buf_str(&frame));
    bytes_put_u64(bytes, old);
}

static void refuse_u32_at(size_t at, uint32_t number)
{
    unsigned char *bytes = (unsigned char *)frame.data + at;
    uint32_t old = bytes_get_u32(bytes);

    bytes_put_u32(bytes, number);
    refuse(buf_str(&frame));
    bytes_put_u32(bytes, old);
}

static void assert_same_batch(const struct batch *a, const struct batch *b)
{
    ck_assert_str_eq(a->path, b->path);
    ck_assert_mem_eq(&a->identity, &b->identity, sizeof a->identity);
    ck_assert_mem_eq(&a->before, &b->before, sizeof(uint64_t) * 5);
    ck_assert_uint_eq(a->before.crc, b->before.crc);
    ck_assert_mem_eq(&a->after, &b->after, sizeof(uint64_t) * 5);
    ck_assert_uint_eq(a->after.crc, b->after.crc);
    ck_assert_int_eq(a->creates, b->creates);
    ck_assert(str_equals(buf_str(&a->entries), buf_str(&b->entries)));
    ck_assert(str_equals(buf_str(&a->data), buf_str(&b->data)));
}

START_TEST(test_batch_comes_back_from_its_frame)
{
    struct batch read;

    ck_assert_msg(batch_read_frame(&read, buf_str(&frame), &error), "%s", error.message);
    assert_same_batch(&read, &batch);
    batch_clear(&read);
}
END_TEST

START_TEST(test_batch_that_creates_comes_back_from_its_frame)
{
    struct batch read;

    teardown_frame();
    begin_new(99);
    sample_append(&batch, 1, 0);
    batch_write_frame(&batch, &frame);
    ck_assert_msg(batch_read_frame(&read, buf_str(&frame), &error), "%s", error.message);
    assert_same_batch(&read, &batch);
    ck_assert(read.creates);
    batch_clear(&read);
}
END_TEST

START_TEST(test_batch_refuses_a_cut_frame)
{
    for (size_t length = 0; length < frame.length; length++) {
        char *copy = buf_copy_text(str_slice(buf_str(&frame), 0, length));

        refuse((struct str){copy, length});
        free(copy);
    }
    buf_append_byte(&frame, '\0');
    refuse(buf_str(&frame));
}
END_TEST

/* Those of the fixed part are covered by the frame's own checksum. */
START_TEST(test_batch_refuses_a_flipped_bit_in_entries_and_records)
{
    size_t start = FIXED_SIZE + strlen(SAMPLE_PATH);

    for (size_t bit = 8 * start; bit < 8 * frame.length; bit++) {
        frame.data[bit / 8] = (char)(frame.data[bit / 8] ^ 1 << bit % 8);
        refuse(buf_str(&frame));
        frame.data[bit / 8] = (char)(frame.data[bit / 8] ^ 1 << bit % 8);
    }
}
END_TEST

START_TEST(test_batch_survives_a_flipped_bit_anywhere)
{
    for (size_t bit = 0; bit < 8 * frame.length; bit++) {
        struct batch read;

        frame.data[bit / 8] = (char)(frame.data[bit / 8] ^ 1 << bit % 8);
        if (batch_read_frame(&read, buf_str(&frame), &error)) {
            struct buf again = {0};

            batch_write_frame(&read, &again);
            ck_assert(str_equals(buf_str(&again), buf_str(&frame)));
            buf_clear(&again);
            batch_clear(&read);
        }
        frame.data[bit / 8] = (char)(frame.data[bit / 8] ^ 1 << bit % 8);
    }
}
END_TEST

START_TEST(test_batch_refuses_a_place_that_cannot_be)
{
    refuse_u64_at(AT_COUNT, UINT64_MAX / INDEX_ENTRY_SIZE);
    refuse_u64_at(AT_COUNT, 1); /* of which two are commit entries */
    refuse_u64_at(AT_COMMITS, 6);
    refuse_u64_at(AT_DATA_END, UINT64_MAX - 10);
    refuse_u64_at(AT_DATA_END, 999);
    refuse_u64_at(AT_LAST_COUNTER, 18); /* which the first record has */
    refuse_u32_at(AT_CRC, 1);
    refuse_u32_at(AT_CREATES, 1);
    refuse_u32_at(AT_CREATES, 2);
}
END_TEST

static void append_number(unsigned bytes, uint64_t number)
{
    unsigned char text[8];

    bytes_put_u64(text, number);
    buf_append(&frame, (struct str){(const char *)text, bytes});
}

/* A frame with lengths that fit together. */
static void write_frame(struct str path, struct str entries, struct str data)
{
    struct str fixed = {frame.data, AT_PATH_LENGTH};
    char *copy = buf_copy_text(fixed);

    buf_reset(&frame);
    buf_append(&frame, (struct str){copy, AT_PATH_LENGTH});
    append_number(4, path.length);
    append_number(4, entries.length);
    append_number(4, data.length);
    buf_append(&frame, path);
    buf_append(&frame, entries);
    buf_append(&frame, data);
    free(copy);
}

START_TEST(test_batch_refuses_what_is_not_whole)
{
    struct str path = STR(SAMPLE_PATH);
    struct str entries = buf_str(&batch.entries), data = buf_str(&batch.data);
    struct batch read;

    write_frame(path, entries, data);
    ck_assert(batch_read_frame(&read, buf_str(&frame), &error));
    batch_clear(&read);
    write_frame(STR("a.org/../notes"), entries, data);
    refuse(buf_str(&frame));
    write_frame(path, STR(""), STR(""));
    refuse(buf_str(&frame));
    write_frame(path, str_slice(entries, 0, entries.length - 1), data);
    refuse(buf_str(&frame));
    write_frame(path, str_slice(entries, 0, entries.length - INDEX_ENTRY_SIZE), data);
    refuse(buf_str(&frame));
    write_frame(path, entries, str_slice(data, 0, data.length - 1));
    refuse(buf_str(&frame));
    write_frame(path, str_slice(entries, INDEX_ENTRY_SIZE, entries.length), data);
    refuse(buf_str(&frame));
}
END_TEST

/* One record before its commit entry, which ends the batch; with a sound chain. */
static void refuse_changed_entry(size_t i, const struct index_entry *changed)
{
    unsigned char *encoded = (unsigned char *)batch.entries.data;
    uint32_t crc = batch.before.crc;
    uint64_t start = batch.before.data_end;

    index_write_entry(encoded + i * INDEX_ENTRY_SIZE, changed);
    for (size_t at = 0; at < batch.entries.length; at += INDEX_ENTRY_SIZE) {
        struct index_entry entry;

        index_read_entry(encoded + at, &entry);
        entry.crc = crc = index_entry_crc(
            crc, encoded + at,
            str_slice(buf_str(&batch.data), start - batch.before.data_end, entry.end - start));
        index_write_entry(encoded + at, &entry);
        start = entry.end;
    }
    write_frame(STR(SAMPLE_PATH), buf_str(&batch.entries), buf_str(&batch.data));
    refuse(buf_str(&frame));
}

static void begin_with_commit(void)
{
    teardown_frame();
    begin_new(7);
    sample_append(&batch, 1, 8);
    batch_write_frame(&batch, &frame);
}

START_TEST(test_batch_refuses_entries_that_make_no_sense)
{
    struct index_entry entry;

    begin_with_commit();
    entry = entry_at(0);
    entry.counter = 7; /* which is given away */
    refuse_changed_entry(0, &entry);
    begin_with_commit();
    entry = entry_at(0);
    entry.flags |= INDEX_COMMIT; /* with a record */
    refuse_changed_entry(0, &entry);
    begin_with_commit();
    entry = entry_at(1);
    entry.flags = INDEX_BATCH_END; /* without a record */
    entry.counter++;
    refuse_changed_entry(1, &entry);
    begin_with_commit();
    entry = entry_at(1);
    entry.counter++; /* of a commit entry */
    refuse_changed_entry(1, &entry);
    begin_with_commit();
    entry = entry_at(1);
    entry.flags = INDEX_COMMIT; /* and no end */
    refuse_changed_entry(1, &entry);
    begin_with_commit();
    entry = entry_at(0);
    entry.counter = INDEX_COUNTER_MOST + 1;
    refuse_changed_entry(0, &entry);
}
END_TEST

static void add_frame_tests(Suite *suite)
{
    TCase *tests = tcase_create("frames");

    tcase_add_checked_fixture(tests, setup_frame, teardown_frame);
    tcase_add_test(tests, test_batch_comes_back_from_its_frame);
    tcase_add_test(tests, test_batch_that_creates_comes_back_from_its_frame);
    tcase_add_test(tests, test_batch_refuses_a_cut_frame);
    tcase_add_test(tests, test_batch_refuses_a_flipped_bit_in_entries_and_records);
    tcase_add_test(tests, test_batch_survives_a_flipped_bit_anywhere);
    tcase_add_test(tests, test_batch_refuses_a_place_that_cannot_be);
    tcase_add_test(tests, test_batch_refuses_what_is_not_whole);
    tcase_add_test(tests, test_batch_refuses_entries_that_make_no_sense);
    suite_add_tcase(suite, tests);
}

Suite *suite_batch(void)
{
    Suite *suite = suite_create("batch");
    TCase *tests = tcase_create("batch");

    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, test_batch_numbers_records_on_from_the_head);
    tcase_add_test(tests, test_batch_entries_say_what_and_where);
    tcase_add_test(tests, test_batch_commit_entry_keeps_client_and_seq);
    tcase_add_test(tests, test_batch_entries_count_the_commits_before_them);
    tcase_add_test(tests, test_batch_commits_wrap_in_entries_only);
    tcase_add_test(tests, test_batch_checksums_are_chained);
    tcase_add_test(tests, test_batch_marks_the_end_of_each_append_only);
    tcase_add_test(tests, test_batch_end_of_nothing_changes_nothing);
    tcase_add_test(tests, test_batch_is_of_no_use_without_counters);
    tcase_add_test(tests, test_batch_is_of_no_use_without_memory);
    suite_add_tcase(suite, tests);
    add_frame_tests(suite);
    return suite;
}
