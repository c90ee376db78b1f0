/* Whatever becomes of the bytes of a database, who reads it gets what was written or an error. */
#include "store/database.h"

#include "simdisk.h"
#include "store/paths.h"
#include "store/samples.h"
#include "store/suites.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

enum { RECORDS = 100 };

static struct simdisk simdisk;
static struct disk *disk;
static struct error error;
static struct head head;
static struct buf text, out, *index_file, *data_file;
static struct index_entry *entries; /* as they were */

/* As long as they are right. */
static void note_entries(void)
{
    struct database database;

    free(entries);
    entries = calloc((size_t)head.count, sizeof *entries);
    ck_assert(database_open(&database, disk, SAMPLE_PATH, &error));
    ck_assert(database_read_entries(&database, 0, (size_t)head.count, entries, &error));
    database_close(&database);
}

static void setup(void)
{
    char name[PATHS_SIZE];

    simdisk_init(&simdisk);
    disk = &simdisk.disk;
    head = sample_fill(disk, RECORDS, &text);
    paths_put_index(name, SAMPLE_PATH);
    index_file = simdisk_find(&simdisk, name);
    paths_put_data(name, SAMPLE_PATH, SAMPLE_GENERATION);
    data_file = simdisk_find(&simdisk, name);
    note_entries();
}

static void teardown(void)
{
    free(entries);
    buf_clear(&text);
    buf_clear(&out);
    ck_assert_uint_eq(simdisk.open_files, 0);
    simdisk_clear(&simdisk);
}

static void flip(struct buf *file, size_t bit)
{
    file->data[bit / 8] = (char)(file->data[bit / 8] ^ 1 << bit % 8);
}

/* Read from first on, by this head. */
static bool read_all(struct database *database, uint64_t first)
{
    buf_reset(&out);
    return database_read_records(database, first, (size_t)(head.count - first), &out, &error);
}

static void assert_read_is_right(bool is_read, uint64_t first)
{
    uint64_t start = first > 0 ? entries[first - 1].end : 0;

    if (is_read)
        ck_assert(str_equals(buf_str(&out), str_slice(buf_str(&text), start, text.length)));
    else
        ck_assert_msg(error.code == ERROR_DAMAGED, "%s", error.message);
}

/* A reader who knows nothing, and one who has a head from before. Returns whether both noticed. */
static bool is_noticed(void)
{
    struct database database;
    bool is_open;

    simdisk.file_count = 0; /* nothing is open: the table of descriptors need not grow for ever */
    is_open = database_open(&database, disk, SAMPLE_PATH, &error);
    if (is_open) {
        ck_assert_mem_eq(&database.head, &head, sizeof(uint64_t) * 5);
        ck_assert_uint_eq(database.head.crc, head.crc);
    }
    bool is_read = is_open && read_all(&database, 0);
    assert_read_is_right(is_read, 0);
    bool noticed = !is_read;
    database_close(&database);
    ck_assert(database_reopen(&database, disk, SAMPLE_PATH, &head, &error));
    is_read = read_all(&database, 0);
    assert_read_is_right(is_read, 0);
    database_close(&database);
    return noticed && !is_read;
}

START_TEST(test_rot_of_any_bit_of_the_index_is_noticed)
{
    ck_assert(!is_noticed());
    for (size_t bit = 0; bit < 8 * index_file->length; bit++) {
        flip(index_file, bit);
        ck_assert_msg(is_noticed(), "bit %zu", bit);
        flip(index_file, bit);
    }
    ck_assert(!is_noticed());
}
END_TEST

START_TEST(test_rot_of_any_bit_of_the_data_is_noticed)
{
    for (size_t bit = 0; bit < 8 * data_file->length; bit++) {
        flip(data_file, bit);
        ck_assert_msg(is_noticed(), "bit %zu", bit);
        flip(data_file, bit);
    }
    ck_assert(!is_noticed());
}
END_TEST

START_TEST(test_rot_that_cuts_the_index_anywhere_is_noticed)
{
    for (index_file->length--; index_file->length > 0; index_file->length--)
        ck_assert_msg(is_noticed(), "byte %zu", index_file->length);
}
END_TEST

START_TEST(test_rot_that_cuts_the_data_anywhere_is_noticed)
{
    for (data_file->length--; data_file->length > 0; data_file->length--)
        ck_assert_msg(is_noticed(), "byte %zu", data_file->length);
}
END_TEST

static void swap(char *a, char *b, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char byte = a[i];

        a[i] = b[i];
        b[i] = byte;
    }
}

START_TEST(test_rot_that_swaps_or_repeats_entries_is_noticed)
{
    char *first = index_file->data + INDEX_HEADER_SIZE;

    for (size_t i = 0; i + 1 < head.count; i++) {
        char *entry = first + i * INDEX_ENTRY_SIZE;
        char next[INDEX_ENTRY_SIZE];

        swap(entry, entry + INDEX_ENTRY_SIZE, INDEX_ENTRY_SIZE);
        ck_assert(is_noticed());
        swap(entry, entry + INDEX_ENTRY_SIZE, INDEX_ENTRY_SIZE);
        memcpy(next, entry + INDEX_ENTRY_SIZE, sizeof next);
        memcpy(entry + INDEX_ENTRY_SIZE, entry, sizeof next);
        ck_assert(is_noticed());
        memcpy(entry + INDEX_ENTRY_SIZE, next, sizeof next);
    }
    ck_assert(!is_noticed());
}
END_TEST

static void zero_sectors(struct buf *file)
{
    for (size_t at = 0; at < file->length; at += SIMDISK_SECTOR) {
        size_t length = file->length - at < SIMDISK_SECTOR ? file->length - at : SIMDISK_SECTOR;
        char old[SIMDISK_SECTOR];

        memcpy(old, file->data + at, length);
        memset(file->data + at, 0, length);
        ck_assert(is_noticed());
        memcpy(file->data + at, old, length);
    }
}

START_TEST(test_rot_of_a_sector_is_noticed)
{
    zero_sectors(index_file);
    zero_sectors(data_file);
    ck_assert(!is_noticed());
}
END_TEST

START_TEST(test_rot_of_a_file_of_another_database_is_noticed)
{
    struct identity identity = sample_identity(5);
    struct head other = sample_head(&identity, 0);
    char *old = malloc(data_file->length + index_file->length);
    struct batch batch;
    bool undone;

    /* The same records, so that nothing but the chain tells them apart. */
    memcpy(old, index_file->data, index_file->length);
    batch_begin(&batch, "a.org/u@b.org/other", &identity, &other, true);
    sample_append(&batch, 3, 0);
    ck_assert(database_apply(disk, &batch, &undone, &error));
    const struct buf *strange = simdisk_find(&simdisk, "a.org/u@b.org/other/database.index");
    memcpy(index_file->data, strange->data, INDEX_HEADER_SIZE);
    ck_assert(is_noticed());
    memcpy(index_file->data, old, INDEX_HEADER_SIZE);
    memcpy(index_file->data + INDEX_HEADER_SIZE, strange->data + INDEX_HEADER_SIZE,
           INDEX_ENTRY_SIZE);
    ck_assert(is_noticed());
    batch_clear(&batch);
    free(old);
}
END_TEST

/* --- database.h, invariant 3 ----------------------------------------------------------------- */

/* All above counter, or an error: nothing may be passed over. */
static void assert_none_is_missed(uint64_t counter)
{
    struct database database;
    uint64_t first = 0, right = 0;

    simdisk.file_count = 0;
    while (right < head.count &&
           (entries[right].counter <= counter || entries[right].flags & INDEX_COMMIT))
        right++;
    ck_assert(database_reopen(&database, disk, SAMPLE_PATH, &head, &error));
    bool is_read = database_find_counter(&database, counter, &first, &error);
    if (is_read)
        is_read = read_all(&database, first);
    database_close(&database);
    if (is_read)
        ck_assert_uint_eq(first, right);
    assert_read_is_right(is_read, right);
}

/* In a database that is searched by halves. */
static void search_around(size_t i)
{
    uint64_t counter = entries[i].counter;

    assert_none_is_missed(0);
    assert_none_is_missed(counter - 1);
    assert_none_is_missed(counter);
    assert_none_is_missed(counter + 1);
}

static const size_t fills[] = {RECORDS, 400};

START_TEST(test_rot_hides_nothing_from_who_asks_for_what_is_new)
{
    /* Counter, flags, end: what a search or the check of its result looks at. */
    static const size_t bits[] = {0, 1, 2, 3, 5, 6, 7, 8, 9, 40, 63, 64, 65, 70, 127, 258, 259};

    for (unsigned i = RECORDS; i < fills[_i]; i++) {
        struct batch batch;

        sample_begin(&batch, &head);
        sample_append(&batch, 1, i % 3 ? 0 : i);
        buf_append(&text, buf_str(&batch.data));
        sample_apply(disk, &batch, &head);
    }
    note_entries();
    for (size_t i = 0; i < head.count; i++) {
        for (size_t k = 0; k < sizeof bits / sizeof *bits; k++) {
            size_t bit = 8 * (INDEX_HEADER_SIZE + i * INDEX_ENTRY_SIZE) + bits[k];

            flip(index_file, bit);
            search_around(i);
            flip(index_file, bit);
        }
    }
}
END_TEST

Suite *suite_rot(void)
{
    Suite *suite = suite_create("rot");
    TCase *tests = tcase_create("rot");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, test_rot_of_any_bit_of_the_index_is_noticed);
    tcase_add_test(tests, test_rot_of_any_bit_of_the_data_is_noticed);
    tcase_add_test(tests, test_rot_that_cuts_the_index_anywhere_is_noticed);
    tcase_add_test(tests, test_rot_that_cuts_the_data_anywhere_is_noticed);
    tcase_add_test(tests, test_rot_that_swaps_or_repeats_entries_is_noticed);
    tcase_add_test(tests, test_rot_of_a_sector_is_noticed);
    tcase_add_test(tests, test_rot_of_a_file_of_another_database_is_noticed);
    tcase_add_loop_test(tests, test_rot_hides_nothing_from_who_asks_for_what_is_new, 0,
                        sizeof fills / sizeof *fills);
    suite_add_tcase(suite, tests);
    return suite;
}
