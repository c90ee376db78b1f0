#include "store/index.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "store/suites.h"

#include <string.h>

#include <check.h>

static const struct index_header header = {
    .generation = 0x0102030405060708,
    .id = "0123456789abcdef",
    .synced_count = 77,
};

static const struct index_entry entry = {
    .counter = 0x0807060504030201,
    .end = 0x100f0e0d0c0b0a09,
    .key = 0x1817161514131211,
    .type = 0x1c1b1a19,
    .expires = 0x201f1e1d,
    .crc = 0x28272625,
    .commits = 0x242322,
    .flags = 0x21,
};

static void assert_same_entry(const struct index_entry *a, const struct index_entry *b)
{
    ck_assert_uint_eq(a->counter, b->counter);
    ck_assert_uint_eq(a->end, b->end);
    ck_assert_uint_eq(a->key, b->key);
    ck_assert_uint_eq(a->type, b->type);
    ck_assert_uint_eq(a->expires, b->expires);
    ck_assert_uint_eq(a->crc, b->crc);
    ck_assert_uint_eq(a->commits, b->commits);
    ck_assert_uint_eq(a->flags, b->flags);
}

START_TEST(test_index_gives_back_its_header)
{
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct index_header read;
    struct error error;

    index_write_header(bytes, &header);
    ck_assert(index_read_header(bytes, &read, &error));
    ck_assert_uint_eq(read.generation, header.generation);
    ck_assert_uint_eq(read.synced_count, header.synced_count);
    ck_assert_mem_eq(read.id, header.id, sizeof read.id);
}
END_TEST

/* docs/file-format.md promises these bytes. */
START_TEST(test_index_header_has_its_bytes_in_place)
{
    unsigned char bytes[INDEX_HEADER_SIZE], zeros[INDEX_MARK_SIZE] = {0};

    index_write_header(bytes, &header);
    ck_assert_mem_eq(bytes, "CutOutIx\1\0\0\0\x80\0\0\0", 16);
    ck_assert_mem_eq(bytes + 16, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    ck_assert_mem_eq(bytes + 24, "0123456789abcdef", 16);
    ck_assert_mem_eq(bytes + 40, zeros, 20);
    ck_assert_uint_eq(bytes_get_u32(bytes + 60),
                      crc32c_extend(0, (struct str){(const char *)bytes, 60}));
    ck_assert_mem_eq(bytes + 64, "\x4d\0\0\0\0\0\0\0", 8);
    ck_assert_mem_eq(bytes + 72, zeros, 20);
    ck_assert_mem_eq(bytes + 96, zeros, INDEX_MARK_SIZE);
}
END_TEST

START_TEST(test_index_refuses_a_flipped_bit_in_the_header)
{
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct index_header read;
    struct error error;

    index_write_header(bytes, &header);
    for (unsigned bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        bool ok = index_read_header(bytes, &read, &error);
        ck_assert_msg(!ok || read.is_torn, "bit %u", bit);
        ck_assert(ok == (bit >= 8 * INDEX_MARKS_AT));
        ck_assert(ok || error.code == ERROR_DAMAGED);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}
END_TEST

START_TEST(test_index_goes_by_the_larger_mark_and_writes_the_other)
{
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct index_header read, next = header;
    struct error error;

    index_write_header(bytes, &header);
    ck_assert(index_read_header(bytes, &read, &error));
    ck_assert_uint_eq(read.mark, 1);
    next.synced_count = 80;
    index_write_mark(bytes + INDEX_MARKS_AT + INDEX_MARK_SIZE, &next);
    ck_assert(index_read_header(bytes, &read, &error));
    ck_assert_uint_eq(read.synced_count, 80);
    ck_assert_uint_eq(read.mark, 0);
    bytes[INDEX_MARKS_AT + INDEX_MARK_SIZE] ^= 1; /* torn: the other still counts */
    ck_assert(index_read_header(bytes, &read, &error));
    ck_assert_uint_eq(read.synced_count, 77);
    ck_assert_uint_eq(read.mark, 1);
    ck_assert(read.is_torn);
}
END_TEST

START_TEST(test_index_refuses_the_mark_of_another_collection)
{
    struct index_header other = header, read;
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct error error;

    other.id[3] ^= 1;
    index_write_header(bytes, &header);
    index_write_mark(bytes + INDEX_MARKS_AT, &other);
    ck_assert(index_read_header(bytes, &read, &error));
    ck_assert(read.is_torn);
    ck_assert_uint_eq(read.synced_count, 0);
}
END_TEST

static void refuse_number_at(size_t at, uint32_t number)
{
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct index_header read;
    struct error error;

    index_write_header(bytes, &header);
    bytes_put_u32(bytes + at, number);
    bytes_put_u32(bytes + 60, crc32c_extend(0, (struct str){(const char *)bytes, 60}));
    ck_assert(!index_read_header(bytes, &read, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
    ck_assert_ptr_nonnull(strstr(error.message, "upgrade"));
}

START_TEST(test_index_of_an_unknown_version_says_to_upgrade)
{
    refuse_number_at(8, 2);
    refuse_number_at(12, 256);
}
END_TEST

START_TEST(test_index_entry_has_its_bytes_in_place)
{
    unsigned char bytes[INDEX_ENTRY_SIZE];
    struct index_entry read;

    index_write_entry(bytes, &entry);
    for (unsigned i = 0; i < sizeof bytes; i++)
        ck_assert_uint_eq(bytes[i], i + 1);
    index_read_entry(bytes, &read);
    assert_same_entry(&read, &entry);
}
END_TEST

START_TEST(test_index_entry_keeps_every_bit)
{
    unsigned char bytes[INDEX_ENTRY_SIZE], again[INDEX_ENTRY_SIZE];
    struct index_entry read;

    for (unsigned bit = 0; bit < 8 * sizeof bytes; bit++) {
        memset(bytes, 0, sizeof bytes);
        bytes[bit / 8] = (unsigned char)(1 << bit % 8);
        index_read_entry(bytes, &read);
        index_write_entry(again, &read);
        ck_assert_mem_eq(bytes, again, sizeof bytes);
    }
}
END_TEST

/* index.h, invariant 2. */
START_TEST(test_index_checksum_covers_every_bit)
{
    unsigned char bytes[INDEX_ENTRY_SIZE];
    char record[] = "[1,{}],\n";
    struct str text = {record, strlen(record)};

    index_write_entry(bytes, &entry);
    uint32_t good = index_entry_crc(5, bytes, text);
    for (unsigned bit = 0; bit < 8 * (INDEX_ENTRY_SIZE - 4); bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        ck_assert_uint_ne(index_entry_crc(5, bytes, text), good);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    for (unsigned bit = 0; bit < 8 * text.length; bit++) {
        record[bit / 8] = (char)(record[bit / 8] ^ 1 << bit % 8);
        ck_assert_uint_ne(index_entry_crc(5, bytes, text), good);
        record[bit / 8] = (char)(record[bit / 8] ^ 1 << bit % 8);
    }
    for (unsigned bit = 0; bit < 32; bit++)
        ck_assert_uint_ne(index_entry_crc(5 ^ UINT32_C(1) << bit, bytes, text), good);
    bytes[INDEX_ENTRY_SIZE - 1] ^= 1;
    ck_assert_uint_eq(index_entry_crc(5, bytes, text), good);
}
END_TEST

/* What is read in pieces is checked in pieces. */
START_TEST(test_index_checksum_goes_on_where_it_ended)
{
    unsigned char bytes[INDEX_ENTRY_SIZE];

    index_write_entry(bytes, &entry);
    ck_assert_uint_eq(crc32c_extend(index_entry_crc(5, bytes, STR("[1,")), STR("{}],\n")),
                      index_entry_crc(5, bytes, STR("[1,{}],\n")));
}
END_TEST

START_TEST(test_index_chains_begin_with_id_and_generation)
{
    struct index_header other = header;

    ck_assert_uint_eq(index_first_crc(&other), index_first_crc(&header));
    other.synced_count++;
    ck_assert_uint_eq(index_first_crc(&other), index_first_crc(&header));
    other.generation++;
    ck_assert_uint_ne(index_first_crc(&other), index_first_crc(&header));
    other = header;
    other.id[15] ^= 1;
    ck_assert_uint_ne(index_first_crc(&other), index_first_crc(&header));
}
END_TEST

/* Another formula would make all that is on disk unreadable. */
START_TEST(test_index_checksums_stay_as_released)
{
    unsigned char bytes[INDEX_ENTRY_SIZE];

    index_write_entry(bytes, &entry);
    ck_assert_uint_eq(index_first_crc(&header), 0x32479574);
    ck_assert_uint_eq(index_entry_crc(5, bytes, STR("[1,{}],\n")), 0xa4e8d631);
}
END_TEST

Suite *suite_index(void)
{
    Suite *suite = suite_create("index");
    TCase *tests = tcase_create("index");

    tcase_add_test(tests, test_index_gives_back_its_header);
    tcase_add_test(tests, test_index_header_has_its_bytes_in_place);
    tcase_add_test(tests, test_index_refuses_a_flipped_bit_in_the_header);
    tcase_add_test(tests, test_index_goes_by_the_larger_mark_and_writes_the_other);
    tcase_add_test(tests, test_index_refuses_the_mark_of_another_collection);
    tcase_add_test(tests, test_index_of_an_unknown_version_says_to_upgrade);
    tcase_add_test(tests, test_index_entry_has_its_bytes_in_place);
    tcase_add_test(tests, test_index_entry_keeps_every_bit);
    tcase_add_test(tests, test_index_checksum_covers_every_bit);
    tcase_add_test(tests, test_index_checksum_goes_on_where_it_ended);
    tcase_add_test(tests, test_index_chains_begin_with_id_and_generation);
    tcase_add_test(tests, test_index_checksums_stay_as_released);
    suite_add_tcase(suite, tests);
    return suite;
}
