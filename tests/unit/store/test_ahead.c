/* journal.h, invariant 5: what was confirmed before it was synced. */
#include "store/frames.h"
#include "store/segment.h"
#include "store/suites.h"

#include <errno.h>
#include <stdio.h>

#include <check.h>

static struct simdisk simdisk;
static struct disk *disk;
static struct error error;
static struct journal journal;

static void begin(void)
{
    simdisk_init(&simdisk);
    disk = &simdisk.disk;
    disk->boot = 1;
    journal = (struct journal){0};
    ck_assert(journal_open(&journal, disk, &error));
}

static void end(void)
{
    journal_close(&journal);
    journal_close(&journal);
    ck_assert_uint_eq(simdisk.open_files, 0);
    ck_assert_uint_eq(simdisk.misuses, 0);
    simdisk_clear(&simdisk);
}

/* As FRAMES does; asserts nothing. */
static bool write_ahead(unsigned first, unsigned last)
{
    struct journal_group group = {0};

    for (unsigned number = first; number <= last; number++)
        journal_group_add(&group, number % 3 == 2 ? JOURNAL_DELETION : JOURNAL_BATCH,
                          frames_body(number));
    bool ok = journal_write_ahead(&journal, &group, &error);
    journal_group_clear(&group);
    return ok;
}

static struct segment read_last_header(void)
{
    struct segment_list list;
    struct segment segment;

    ck_assert(segment_list(&list, disk, ".journal", &error));
    ck_assert(segment_open(&segment, disk, &list, list.count - 1, &error));
    segment_list_clear(&list);
    segment_close(&segment);
    return segment;
}

START_TEST(test_ahead_is_found_in_its_order)
{
    ck_assert(frames_write(&journal, 1, 1, &error) && write_ahead(2, 3) && write_ahead(4, 4) &&
              frames_write(&journal, 5, 5, &error) && write_ahead(6, 6));
    frames_assert(&simdisk, (unsigned[]){1, 2, 3, 4, 5, 6}, 6);
}
END_TEST

START_TEST(test_ahead_makes_no_sync_until_it_is_asked_to)
{
    ck_assert(write_ahead(1, 1));
    uint64_t synced = journal.synced;
    unsigned calls = simdisk.calls;
    ck_assert(write_ahead(2, 2) && write_ahead(3, 3));
    ck_assert_uint_eq(simdisk.calls, calls + 2); /* the writes */
    ck_assert_uint_eq(journal.synced, synced);
    ck_assert_uint_gt(journal.end, journal.synced);
    ck_assert(journal_sync(&journal, &error));
    ck_assert_uint_eq(journal.end, journal.synced);
    ck_assert_uint_eq(simdisk.calls, calls + 3);
    ck_assert(journal_sync(&journal, &error));
    ck_assert_uint_eq(simdisk.calls, calls + 3);
}
END_TEST

START_TEST(test_ahead_is_said_by_the_header_of_its_segment_only)
{
    ck_assert(frames_write(&journal, 1, 1, &error));
    ck_assert(!read_last_header().is_relaxed);
    ck_assert(write_ahead(2, 2));
    ck_assert(read_last_header().is_relaxed);
    ck_assert_uint_eq(read_last_header().boot, 1);
    ck_assert(journal_begin_segment(&journal, &error));
    ck_assert(!read_last_header().is_relaxed);
}
END_TEST

static void check_cut(struct simdisk *after, void *context)
{
    unsigned least = *(unsigned *)context;
    struct reading reading;

    frames_read(after, &reading);
    ck_assert_msg(reading.ok, "%s", reading.error.message);
    ck_assert(!reading.is_strange);
    ck_assert_uint_ge(reading.count, least);
    for (unsigned i = 0; i < reading.count; i++)
        ck_assert_uint_eq(reading.numbers[i], i + 1);
}

static void check_cuts(unsigned least)
{
    (void)simdisk_visit_crashes(&simdisk, 200, least, check_cut, &least);
}

START_TEST(test_ahead_leaves_a_beginning_of_what_was_written_after_a_power_cut)
{
    ck_assert(frames_write(&journal, 1, 2, &error) && write_ahead(3, 4));
    check_cuts(2);
    ck_assert(write_ahead(5, 5) && write_ahead(6, 6));
    check_cuts(2);
    ck_assert(journal_sync(&journal, &error));
    check_cuts(6);
    ck_assert(write_ahead(7, 8) && frames_write(&journal, 9, 9, &error));
    check_cuts(9);
    ck_assert(write_ahead(10, 10) && journal_begin_segment(&journal, &error));
    check_cuts(10);
}
END_TEST

START_TEST(test_ahead_goes_into_the_next_segment_if_it_cannot_be_synced)
{
    ck_assert(write_ahead(1, 2) && write_ahead(3, 3));
    uint64_t sequence = journal.sequence;
    simdisk.fail_at = simdisk.calls + 1;
    simdisk.fail_with = EIO;
    ck_assert(!journal_sync(&journal, &error));
    ck_assert(journal.broken);
    ck_assert_uint_eq(journal.syncs.failed, 1);
    ck_assert(journal_sync(&journal, &error));
    ck_assert_uint_eq(journal.sequence, sequence + 1);
    check_cuts(3);
    ck_assert(frames_write(&journal, 4, 4, &error));
    frames_assert(&simdisk, (unsigned[]){1, 2, 3, 4}, 4);
    check_cuts(4);
}
END_TEST

/* What was confirmed, by frame; a group that was refused is tried again under the same numbers, so
 * that numbers are in order. */
static unsigned confirmed;

static void try_group(bool ahead)
{
    unsigned number = confirmed + 1;

    if (ahead ? write_ahead(number, number) : frames_write(&journal, number, number, &error))
        confirmed = number;
}

static void assert_kill_loses_nothing(void)
{
    struct reading reading;
    struct simdisk left;

    simdisk_copy(&simdisk, &left);
    frames_read(&left, &reading);
    ck_assert_msg(reading.ok, "%s", reading.error.message);
    ck_assert_uint_ge(reading.count, confirmed);
    ck_assert_uint_le(reading.count, confirmed + 1); /* in doubt */
    for (unsigned i = 0; i < reading.count; i++)
        ck_assert_uint_eq(reading.numbers[i], i + 1);
    simdisk_clear(&left);
}

static unsigned fail_number;
static int fail_with;
static bool fail_on;

/* The call fails, once or from then on until the end; then all is well again. */
static void write_with_failure(void)
{
    confirmed = 0;
    ck_assert(write_ahead(1, 1));
    confirmed = 1;
    simdisk.fail_at = simdisk.calls + fail_number;
    simdisk.fail_with = fail_with;
    simdisk.fail_from_then_on = fail_on;
    for (unsigned i = 0; i < 3; i++) {
        try_group(true);
        assert_kill_loses_nothing();
        try_group(true);
        (void)!journal_sync(&journal, &error);
        assert_kill_loses_nothing();
        try_group(false);
        assert_kill_loses_nothing();
        try_group(true);
        (void)!journal_begin_segment(&journal, &error);
        assert_kill_loses_nothing();
    }
    simdisk_calm(&simdisk);
    while (confirmed < 20)
        try_group(confirmed % 2);
    ck_assert(journal_sync(&journal, &error));
    assert_kill_loses_nothing();
    check_cuts(confirmed);
}

START_TEST(test_ahead_survives_a_kill_whatever_call_fails)
{
    static const int failures[] = {EIO, ENOSPC};

    for (fail_number = 1; fail_number < 60; fail_number++) {
        for (unsigned i = 0; i < 4; i++) {
            fail_with = failures[i % 2];
            fail_on = i > 1;
            write_with_failure();
            end();
            begin();
        }
    }
}
END_TEST

START_TEST(test_journal_counts_its_syncs_by_how_long_they_took)
{
    uint64_t count = 0;

    journal.syncs = (struct journal_syncs){0};
    ck_assert(frames_write(&journal, 1, 1, &error) && frames_write(&journal, 2, 2, &error));
    for (size_t i = 0; i < JOURNAL_SYNC_BUCKETS; i++)
        count += journal.syncs.counts[i];
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_ge(journal.syncs.us_total, journal.syncs.us_most);
    ck_assert_uint_eq(journal_sync_bounds_us[JOURNAL_SYNC_BUCKETS - 1], UINT64_MAX);
    for (size_t i = 1; i < JOURNAL_SYNC_BUCKETS; i++)
        ck_assert_uint_gt(journal_sync_bounds_us[i], journal_sync_bounds_us[i - 1]);
}
END_TEST

Suite *suite_ahead(void)
{
    Suite *suite = suite_create("ahead");
    TCase *cases = tcase_create("ahead");

    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_test(cases, test_ahead_is_found_in_its_order);
    tcase_add_test(cases, test_ahead_makes_no_sync_until_it_is_asked_to);
    tcase_add_test(cases, test_ahead_is_said_by_the_header_of_its_segment_only);
    tcase_add_test(cases, test_ahead_leaves_a_beginning_of_what_was_written_after_a_power_cut);
    tcase_add_test(cases, test_ahead_goes_into_the_next_segment_if_it_cannot_be_synced);
    tcase_add_test(cases, test_ahead_survives_a_kill_whatever_call_fails);
    tcase_add_test(cases, test_journal_counts_its_syncs_by_how_long_they_took);
    suite_add_tcase(suite, cases);
    return suite;
}
