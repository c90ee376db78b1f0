/* segment.h: what is torn goes, what is damaged is not passed over. */
#include "frames.h"
#include "store/segment.h"

#include <string.h>

#include <check.h>

Suite *suite_segment(void);

static struct simdisk simdisk;
static struct disk *disk;
static struct error error;
static struct journal journal;

static void begin(void)
{
    simdisk_init(&simdisk);
    disk = &simdisk.disk;
    journal = (struct journal){0};
}

static void end(void)
{
    journal_close(&journal);
    journal_close(&journal);
    ck_assert_uint_eq(simdisk.open_files, 0);
    ck_assert_uint_eq(simdisk.misuses, 0);
    simdisk_clear(&simdisk);
}

static size_t length_of(const char *name)
{
    return simdisk_find(&simdisk, name)->length;
}

/* Three segments: frames 1 to 3, 4 and 5, 6 to 8, a group each but for the last two. */
static void write_three_segments(void)
{
    ck_assert(journal_open(&journal, disk, &error));
    ck_assert(frames_write(&journal, 1, 1, &error) && frames_write(&journal, 2, 2, &error) &&
              frames_write(&journal, 3, 3, &error));
    ck_assert(journal_begin_segment(&journal, &error) && frames_write(&journal, 4, 4, &error) &&
              frames_write(&journal, 5, 5, &error));
    ck_assert(journal_begin_segment(&journal, &error) && frames_write(&journal, 6, 6, &error) &&
              frames_write(&journal, 7, 8, &error));
    journal_close(&journal);
}

/* Are these the numbers [1, count], but not all there are? */
static bool is_beginning(const struct reading *reading)
{
    bool ok = !reading->is_strange && reading->count < 8;

    for (unsigned i = 0; i < reading->count; i++)
        ok &= reading->numbers[i] == i + 1;
    return ok;
}

/* Where the last group begins: below that all is known to have been durable. */
static size_t find_last_group(void)
{
    return length_of(THIRD_SEGMENT) - frames_body(7).length - frames_body(8).length -
           2 * JOURNAL_FRAME_SIZE;
}

/* One of each byte; a checksum misses none or all. */
START_TEST(test_finds_a_flipped_bit)
{
    static const char *const names[] = {FIRST_SEGMENT, SECOND_SEGMENT, THIRD_SEGMENT};
    struct buf *bytes;

    write_three_segments();
    size_t last_group = find_last_group();
    bytes = simdisk_find(&simdisk, names[_i]);
    for (size_t at = 0; at < bytes->length; at++) {
        struct reading reading;
        char flipped = (char)(1 << at % 8);

        bytes->data[at] ^= flipped;
        frames_read(&simdisk, &reading);
        bytes->data[at] ^= flipped;
        bool may_be_torn = _i == 2 && at >= last_group;
        if (!is_beginning(&reading) || !(may_be_torn || reading.error.code == ERROR_DAMAGED))
            ck_abort_msg("byte %zu", at);
    }
    frames_assert(&simdisk, (unsigned[]){1, 2, 3, 4, 5, 6, 7, 8}, 8);
}
END_TEST

START_TEST(test_takes_a_cut_for_damage_where_that_can_be_known)
{
    static const char *const names[] = {FIRST_SEGMENT, SECOND_SEGMENT, THIRD_SEGMENT};
    struct buf *bytes;

    write_three_segments();
    bytes = simdisk_find(&simdisk, names[_i]);
    while (bytes->length > 0) {
        struct reading reading;

        bytes->length--;
        frames_read(&simdisk, &reading);
        if (!is_beginning(&reading) || reading.ok != (_i == 2))
            ck_abort_msg("%zu bytes left", bytes->length);
    }
}
END_TEST

START_TEST(test_drops_a_torn_tail)
{
    write_three_segments();
    simdisk_find(&simdisk, THIRD_SEGMENT)->data[find_last_group() + 40] ^= 1;
    frames_assert(&simdisk, (unsigned[]){1, 2, 3, 4, 5, 6}, 6);
}
END_TEST

START_TEST(test_says_where_the_damage_is_and_what_to_do)
{
    write_three_segments();
    simdisk_find(&simdisk, SECOND_SEGMENT)->data[100] ^= 1;
    frames_assert_damaged(&simdisk, SECOND_SEGMENT ": at byte 64:");
    frames_assert_damaged(&simdisk, "copy the data directory");
}
END_TEST

START_TEST(test_misses_a_segment)
{
    write_three_segments();
    ck_assert(disk_unlink(disk, SECOND_SEGMENT, &error));
    frames_assert_damaged(&simdisk, "missing");
    ck_assert(disk_unlink(disk, FIRST_SEGMENT, &error));
    frames_assert(&simdisk, (unsigned[]){6, 7, 8}, 3);
}
END_TEST

START_TEST(test_takes_no_segment_for_another)
{
    write_three_segments();
    ck_assert(disk_rename(disk, THIRD_SEGMENT, SECOND_SEGMENT, &error));
    frames_assert_damaged(&simdisk, "another segment");
}
END_TEST

START_TEST(test_says_to_upgrade_for_a_later_version)
{
    unsigned char header[JOURNAL_HEADER_SIZE];
    struct segment segment = {.sequence = 1};
    struct reading reading;
    struct buf *bytes;

    write_three_segments();
    segment_write_header(header, &segment);
    bytes = simdisk_find(&simdisk, FIRST_SEGMENT);
    memcpy(bytes->data, header, sizeof header);
    bytes->data[8] = 2;
    frames_read(&simdisk, &reading);
    ck_assert_int_eq(reading.error.code, ERROR_DAMAGED);
}
END_TEST

/* Bytes that a file system or a recycled file left from another time, at their old place. */
START_TEST(test_never_counts_frames_of_another_segment)
{
    struct buf *first, *second;

    ck_assert(journal_open(&journal, disk, &error) && frames_write(&journal, 1, 3, &error));
    ck_assert(journal_begin_segment(&journal, &error));
    first = simdisk_find(&simdisk, FIRST_SEGMENT);
    second = simdisk_find(&simdisk, SECOND_SEGMENT);
    buf_append(second, str_slice(buf_str(first), JOURNAL_HEADER_SIZE, first->length));
    frames_assert(&simdisk, (unsigned[]){1, 2, 3}, 3);
}
END_TEST

START_TEST(test_never_counts_frames_of_another_place)
{
    struct buf copy = {0}, *bytes;

    ck_assert(journal_open(&journal, disk, &error) && frames_write(&journal, 1, 3, &error));
    bytes = simdisk_find(&simdisk, FIRST_SEGMENT);
    buf_append(&copy, str_slice(buf_str(bytes), JOURNAL_HEADER_SIZE, bytes->length));
    buf_append(bytes, buf_str(&copy));
    frames_assert(&simdisk, (unsigned[]){1, 2, 3}, 3);
    buf_clear(&copy);
}
END_TEST

START_TEST(test_takes_a_frame_across_the_end_for_damage)
{
    unsigned char header[JOURNAL_HEADER_SIZE];
    struct segment second = {.sequence = 2, .previous_sequence = 1};

    ck_assert(journal_open(&journal, disk, &error) && frames_write(&journal, 1, 1, &error));
    ck_assert(journal_begin_segment(&journal, &error));
    second.previous_end = length_of(FIRST_SEGMENT) - 1;
    segment_write_header(header, &second);
    memcpy(simdisk_find(&simdisk, SECOND_SEGMENT)->data, header, sizeof header);
    frames_assert_damaged(&simdisk, "at byte 64");
}
END_TEST

/* A witness is looked for in steps: it may stand across the end of one. */
START_TEST(test_finds_damage_far_before_the_next_good_frame)
{
    enum { STEP = 8192, ACROSS = 8 };

    for (unsigned i = 0; i < 4 * ACROSS; i++) {
        struct journal_group group = {0};
        struct buf body = {0};

        end();
        begin();
        ck_assert(journal_open(&journal, disk, &error));
        for (unsigned n = 2 * STEP - JOURNAL_FRAME_SIZE - 3 * ACROSS + i; n > 0; n--)
            buf_append_byte(&body, 'x');
        journal_group_add(&group, JOURNAL_BATCH, buf_str(&body));
        ck_assert(journal_write(&journal, &group, &error) && frames_write(&journal, 1, 1, &error));
        simdisk_find(&simdisk, FIRST_SEGMENT)->data[JOURNAL_HEADER_SIZE] ^= 1;
        frames_assert_damaged(&simdisk, "at byte 64");
        journal_group_clear(&group);
        buf_clear(&body);
    }
}
END_TEST

Suite *suite_segment(void)
{
    enum { TIMEOUT = 20 }; /* under a sanitizer */
    Suite *suite = suite_create("segment");
    TCase *damage = tcase_create("damage");

    tcase_set_timeout(damage, TIMEOUT);
    tcase_add_checked_fixture(damage, begin, end);
    tcase_add_loop_test(damage, test_finds_a_flipped_bit, 0, 3);
    tcase_add_loop_test(damage, test_takes_a_cut_for_damage_where_that_can_be_known, 0, 3);
    tcase_add_test(damage, test_drops_a_torn_tail);
    tcase_add_test(damage, test_says_where_the_damage_is_and_what_to_do);
    tcase_add_test(damage, test_misses_a_segment);
    tcase_add_test(damage, test_takes_no_segment_for_another);
    tcase_add_test(damage, test_says_to_upgrade_for_a_later_version);
    tcase_add_test(damage, test_never_counts_frames_of_another_segment);
    tcase_add_test(damage, test_never_counts_frames_of_another_place);
    tcase_add_test(damage, test_takes_a_frame_across_the_end_for_damage);
    tcase_add_test(damage, test_finds_damage_far_before_the_next_good_frame);
    suite_add_tcase(suite, damage);
    return suite;
}
