/* journal.h: what was confirmed is found, what was refused is not. */
#include "frames.h"
#include "store/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <check.h>

Suite *suite_journal(void);

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

/* --- What is written is found ----------------------------------------------------------------- */

START_TEST(test_finds_what_was_confirmed_in_order)
{
    ck_assert(journal_open(&journal, disk, &error));
    ck_assert(frames_write(&journal, 1, 1, &error) && frames_write(&journal, 2, 5, &error) &&
              frames_write(&journal, 6, 6, &error));
    frames_assert(&simdisk, (unsigned[]){1, 2, 3, 4, 5, 6}, 6);
}
END_TEST

START_TEST(test_finds_nothing_in_a_new_journal)
{
    frames_assert(&simdisk, NULL, 0);
    ck_assert(journal_open(&journal, disk, &error));
    frames_assert(&simdisk, NULL, 0);
}
END_TEST

START_TEST(test_goes_on_in_a_new_segment)
{
    ck_assert(journal_open(&journal, disk, &error));
    ck_assert(frames_write(&journal, 1, 2, &error) && journal_begin_segment(&journal, &error) &&
              frames_write(&journal, 3, 3, &error));
    ck_assert_uint_eq(journal.sequence, 2);
    frames_assert(&simdisk, (unsigned[]){1, 2, 3}, 3);
    ck_assert(journal_remove_before(disk, ".journal", journal.sequence, &error));
    frames_assert(&simdisk, (unsigned[]){3}, 1);
    ck_assert(frames_write(&journal, 4, 4, &error));
    frames_assert(&simdisk, (unsigned[]){3, 4}, 2);
}
END_TEST

START_TEST(test_begins_behind_the_last_segment_there_is)
{
    ck_assert(journal_open(&journal, disk, &error) && frames_write(&journal, 1, 1, &error));
    journal_close(&journal);
    ck_assert(journal_open(&journal, disk, &error) && frames_write(&journal, 2, 2, &error));
    ck_assert_uint_eq(journal.sequence, 2);
    frames_assert(&simdisk, (unsigned[]){1, 2}, 2);
}
END_TEST

START_TEST(test_never_takes_the_number_of_a_refused_segment)
{
    struct file file;

    ck_assert(disk_make_directory(disk, ".journal", &error));
    ck_assert(
        file_open(&file, disk, ".journal/refused-000000000000000f", O_RDWR | O_CREAT, &error));
    file_close(&file);
    ck_assert(journal_open(&journal, disk, &error) && frames_write(&journal, 1, 1, &error));
    ck_assert_uint_eq(journal.sequence, 16);
    frames_assert(&simdisk, (unsigned[]){1}, 1);
}
END_TEST

START_TEST(test_leaves_other_names_alone)
{
    static const char *const names[] = {"000000000000000F", "1", "00000000000000010", "x",
                                        "refused-"};
    char name[64];
    struct file file;

    ck_assert(journal_open(&journal, disk, &error) && frames_write(&journal, 1, 1, &error));
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(name, sizeof name, ".journal/%s", names[i]);
        ck_assert(file_open(&file, disk, name, O_RDWR | O_CREAT, &error));
        file_close(&file);
    }
    frames_assert(&simdisk, (unsigned[]){1}, 1);
    ck_assert(journal_remove_before(disk, ".journal", UINT64_MAX, &error));
    ck_assert_ptr_nonnull(simdisk_find(&simdisk, name));
    ck_assert_ptr_null(simdisk_find(&simdisk, FIRST_SEGMENT));
}
END_TEST

START_TEST(test_writes_all_of_a_group_in_short_writes)
{
    ck_assert(journal_open(&journal, disk, &error));
    simdisk.write_most = 7;
    ck_assert(frames_write(&journal, 1, 6, &error));
    frames_assert(&simdisk, (unsigned[]){1, 2, 3, 4, 5, 6}, 6);
}
END_TEST

START_TEST(test_refuses_a_group_whose_memory_ran_out)
{
    struct journal_group group = {.bytes.failed = true};

    ck_assert(journal_open(&journal, disk, &error));
    ck_assert(!journal_write(&journal, &group, &error));
    ck_assert_int_eq(error.code, ERROR_NO_MEMORY);
    ck_assert(frames_write(&journal, 1, 1, &error));
    ck_assert_uint_eq(journal.sequence, 1);
}
END_TEST

START_TEST(test_refuses_a_group_that_replay_would_not_take)
{
    struct journal_group group = {.bytes.length = (size_t)JOURNAL_GROUP_MOST + 1};

    ck_assert(journal_open(&journal, disk, &error));
    ck_assert(!journal_write(&journal, &group, &error));
    ck_assert_int_eq(error.code, ERROR_TOO_LARGE);
    ck_assert(frames_write(&journal, 1, 1, &error));
    ck_assert_uint_eq(journal.sequence, 1);
}
END_TEST

START_TEST(test_reads_the_cancel_it_wrote)
{
    static const unsigned char id[INDEX_ID_SIZE] = "0123456789abcde";
    struct journal_cancel cancel;
    struct buf body = {0};

    journal_write_cancel(&body, "app.example/u@x.org/b", id, 1234567890123);
    ck_assert(journal_read_cancel(buf_str(&body), &cancel, &error));
    ck_assert(str_equals(cancel.path, STR("app.example/u@x.org/b")));
    ck_assert_mem_eq(cancel.id, id, sizeof id);
    ck_assert_uint_eq(cancel.count, 1234567890123);
    for (size_t length = 0; length < body.length; length++) {
        struct str part = str_slice(buf_str(&body), 0, length);

        if (!journal_read_cancel(part, &cancel, &error))
            ck_assert_int_eq(error.code, ERROR_DAMAGED);
        else
            ck_assert_uint_gt(length, INDEX_ID_SIZE + 8 + 18);
    }
    buf_clear(&body);
}
END_TEST

/* --- What failed is not ----------------------------------------------------------------------- */

static void fail_next_sync(void)
{
    simdisk.fail_at = simdisk.calls + 2; /* behind the write */
    simdisk.fail_with = EIO;
}

START_TEST(test_forgets_a_refused_group_once_a_later_one_is_confirmed)
{
    ck_assert(journal_open(&journal, disk, &error) && frames_write(&journal, 1, 2, &error));
    fail_next_sync();
    ck_assert(!frames_write(&journal, 3, 4, &error));
    ck_assert_int_eq(error.code, ERROR_IO);
    ck_assert(frames_write(&journal, 5, 6, &error));
    frames_assert(&simdisk, (unsigned[]){1, 2, 5, 6}, 4);
}
END_TEST

START_TEST(test_never_writes_again_to_a_segment_that_failed)
{
    struct buf before = {0};

    ck_assert(journal_open(&journal, disk, &error) && frames_write(&journal, 1, 2, &error));
    fail_next_sync();
    ck_assert(!frames_write(&journal, 3, 4, &error));
    buf_append(&before, buf_str(simdisk_find(&simdisk, FIRST_SEGMENT)));
    ck_assert(frames_write(&journal, 5, 6, &error) && frames_write(&journal, 7, 7, &error));
    ck_assert(str_equals(buf_str(&before), buf_str(simdisk_find(&simdisk, FIRST_SEGMENT))));
    ck_assert_uint_eq(journal.sequence, 2);
    buf_clear(&before);
}
END_TEST

/* The new segment may be on disk, and says where the old one ends. */
START_TEST(test_never_writes_again_to_a_segment_that_may_have_a_successor)
{
    unsigned calls;

    ck_assert(journal_open(&journal, disk, &error) && frames_write(&journal, 1, 2, &error));
    calls = simdisk.calls;
    ck_assert(journal_begin_segment(&journal, &error) && frames_write(&journal, 3, 3, &error));
    calls = simdisk.calls - calls;
    for (unsigned i = 1; i < calls; i++) {
        end();
        begin();
        ck_assert(journal_open(&journal, disk, &error) && frames_write(&journal, 1, 2, &error));
        simdisk.fail_at = simdisk.calls + i;
        simdisk.fail_with = EIO;
        bool rotated = journal_begin_segment(&journal, &error);
        bool written = frames_write(&journal, 3, 3, &error);
        ck_assert(rotated || written);
        ck_assert(frames_write(&journal, 4, 4, &error));
        if (written)
            frames_assert(&simdisk, (unsigned[]){1, 2, 3, 4}, 4);
        else
            frames_assert(&simdisk, (unsigned[]){1, 2, 4}, 3);
    }
}
END_TEST

/* --- Every failing call, every power cut ------------------------------------------------------ */

/* What the journal has told so far. Frames are numbered from 1. */
struct told {
    bool confirmed[FRAMES], refused[FRAMES];
    unsigned written; /* frames that journal_write has got */
    unsigned last_confirmed;
    unsigned may_be_gone; /* frames up to this may have been removed */
    unsigned long states, lost;
};

static struct told told;

static void tell_group(unsigned length)
{
    unsigned first = told.written + 1;

    told.written += length;
    bool ok = frames_write(&journal, first, told.written, &error);
    for (unsigned number = first; number <= told.written; number++) {
        told.confirmed[number] = ok;
        told.refused[number] = !ok;
    }
    if (ok)
        told.last_confirmed = told.written;
}

static void tell_story(void)
{
    told = (struct told){0};
    if (!journal_open(&journal, disk, &error))
        return;
    tell_group(2);
    tell_group(1);
    tell_group(3);
    unsigned rotated = told.written;
    if (journal_begin_segment(&journal, &error))
        tell_group(2);
    else
        rotated = 0;
    tell_group(1);
    if (rotated > 0) {
        told.may_be_gone = rotated;
        (void)!journal_remove_before(disk, ".journal", journal.sequence, &error);
    }
    tell_group(2);
    journal_close(&journal);
}

/* Invariants 1 to 3. */
static bool fits_story(const struct reading *reading)
{
    unsigned next = 0;

    if (!reading->ok || reading->is_strange)
        return false;
    for (unsigned number = 1; number <= told.written; number++) {
        bool found = next < reading->count && reading->numbers[next] == number;

        next += found;
        if (found ? told.refused[number] && number < told.last_confirmed
                  : told.confirmed[number] && number > told.may_be_gone)
            return false;
    }
    return next == reading->count;
}

static void judge(struct simdisk *after, void *context)
{
    struct reading reading;

    (void)context;
    frames_read(after, &reading);
    told.states++;
    told.lost += !fits_story(&reading);
}

struct failure {
    int errnum;
    bool from_then_on;
};

static const struct failure failures[] = {
    {EIO, false}, {ENOSPC, false}, {EIO, true}, {ENOSPC, true}};

START_TEST(test_survives_every_failing_call)
{
    for (unsigned call = 1;; call++) {
        end();
        begin();
        simdisk.fail_at = call;
        simdisk.fail_with = failures[_i].errnum;
        simdisk.fail_from_then_on = failures[_i].from_then_on;
        tell_story();
        bool is_last = simdisk.calls < call;
        journal_close(&journal);
        ck_assert_uint_eq(simdisk.open_files, 0);
        simdisk_calm(&simdisk);
        judge(&simdisk, NULL);
        ck_assert_msg(told.lost == 0, "call %u", call);
        if (is_last)
            break;
        ck_assert_uint_lt(call, 200);
    }
}
END_TEST

enum { CUTS_EACH = 900 };

static void cut_power(struct simdisk *now, void *context)
{
    (void)simdisk_visit_crashes(now, CUTS_EACH, now->calls, judge, context);
}

static void cut_power_a_little(struct simdisk *now, void *context)
{
    (void)simdisk_visit_crashes(now, CUTS_EACH / 60, now->calls, judge, context);
}

START_TEST(test_loses_nothing_confirmed_in_any_power_cut)
{
    simdisk.changed = cut_power;
    tell_story();
    ck_assert_uint_gt(told.states, 1500);
    ck_assert_uint_eq(told.lost, 0);
}
END_TEST

START_TEST(test_loses_nothing_confirmed_when_a_sync_fails_before_the_power)
{
    unsigned long states = 0;

    for (unsigned call = 1; call < 60; call++) {
        end();
        begin();
        simdisk.fail_at = call;
        simdisk.fail_with = EIO;
        simdisk.changed = cut_power_a_little;
        tell_story();
        ck_assert_msg(told.lost == 0, "call %u: %lu lost", call, told.lost);
        states += told.states;
    }
    ck_assert_uint_gt(states, 5000);
}
END_TEST

START_TEST(test_these_tests_notice_missing_syncs)
{
    simdisk.ignore_syncs = true;
    simdisk.changed = cut_power;
    tell_story();
    ck_assert_uint_gt(told.lost, 0);
}
END_TEST

START_TEST(test_these_tests_notice_missing_syncs_of_directories)
{
    simdisk.ignore_directory_syncs = true;
    simdisk.changed = cut_power;
    tell_story();
    ck_assert_uint_gt(told.lost, 0);
}
END_TEST

static void add_writing(TCase *writing)
{
    tcase_add_checked_fixture(writing, begin, end);
    tcase_add_test(writing, test_finds_what_was_confirmed_in_order);
    tcase_add_test(writing, test_finds_nothing_in_a_new_journal);
    tcase_add_test(writing, test_goes_on_in_a_new_segment);
    tcase_add_test(writing, test_begins_behind_the_last_segment_there_is);
    tcase_add_test(writing, test_never_takes_the_number_of_a_refused_segment);
    tcase_add_test(writing, test_leaves_other_names_alone);
    tcase_add_test(writing, test_writes_all_of_a_group_in_short_writes);
    tcase_add_test(writing, test_refuses_a_group_whose_memory_ran_out);
    tcase_add_test(writing, test_refuses_a_group_that_replay_would_not_take);
    tcase_add_test(writing, test_reads_the_cancel_it_wrote);
    tcase_add_test(writing, test_forgets_a_refused_group_once_a_later_one_is_confirmed);
    tcase_add_test(writing, test_never_writes_again_to_a_segment_that_failed);
    tcase_add_test(writing, test_never_writes_again_to_a_segment_that_may_have_a_successor);
}

static void add_faults(TCase *faults)
{
    tcase_add_checked_fixture(faults, begin, end);
    tcase_add_loop_test(faults, test_survives_every_failing_call, 0, 4);
    tcase_add_test(faults, test_loses_nothing_confirmed_in_any_power_cut);
    tcase_add_test(faults, test_loses_nothing_confirmed_when_a_sync_fails_before_the_power);
    tcase_add_test(faults, test_these_tests_notice_missing_syncs);
    tcase_add_test(faults, test_these_tests_notice_missing_syncs_of_directories);
}

Suite *suite_journal(void)
{
    Suite *suite = suite_create("journal");
    TCase *writing = tcase_create("writing"), *faults = tcase_create("faults");

    add_writing(writing);
    add_faults(faults);
    suite_add_tcase(suite, writing);
    suite_add_tcase(suite, faults);
    return suite;
}
