/* journal.h's invariants, and segment.h's: what is torn goes, what is damaged is not passed over.
 *
 * Frames hold running numbers, with bodies that follow from them. So whatever is read back can be
 * judged: frames from some number on to another, without gaps, byte for byte. */
#include "simdisk.h"
#include "store/journal.h"
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

enum { FRAMES = 64 };

/* Some are longer than sectors, so that they can be torn inside. Kept, for they are compared very
 * often. */
static struct str body_of(unsigned number)
{
    static struct buf bodies[FRAMES];
    struct buf *body = &bodies[number];

    if (body->length == 0) {
        buf_append_format(body, "frame %u", number);
        for (unsigned i = 0; i < number * 997 % 2000; i++)
            buf_append_byte(body, (char)('a' + (number + i) % 26));
    }
    return buf_str(body);
}

static enum journal_kind kind_of(unsigned number)
{
    return number % 3 == 2 ? JOURNAL_DELETION : JOURNAL_BATCH;
}

static void add_frame(struct journal_group *group, unsigned number)
{
    journal_group_add(group, kind_of(number), body_of(number));
}

/* A group of frames [first, last]. */
static bool write_frames(unsigned first, unsigned last)
{
    struct journal_group group = {0};

    for (unsigned number = first; number <= last; number++)
        add_frame(&group, number);
    bool ok = journal_write(&journal, &group, &error);
    journal_group_clear(&group);
    return ok;
}

/* What a journal holds. It is read many thousand times, and ck_assert is not cheap. */
struct reading {
    bool ok, is_strange; /* strange: a good frame that nobody has written */
    unsigned numbers[FRAMES], count;
    struct error error;
};

static void note_frame(struct reading *reading, uint32_t kind, struct str body)
{
    unsigned number = 0;

    for (size_t i = 6; i < body.length && body.data[i] >= '0' && body.data[i] <= '9'; i++)
        number = number * 10 + (unsigned)(body.data[i] - '0');
    reading->is_strange |= number >= FRAMES || reading->count == FRAMES ||
                           !str_equals(body, body_of(number)) || kind != kind_of(number);
    if (!reading->is_strange)
        reading->numbers[reading->count++] = number;
}

static bool read_segment(struct segment *segment, struct reading *reading)
{
    struct segment_frame frame;
    enum segment_found found;

    while ((found = segment_next(segment, &frame, &reading->error)) == SEGMENT_FRAME)
        note_frame(reading, frame.kind, buf_str(&segment->body));
    return found == SEGMENT_END;
}

static void read_journal(struct simdisk *from, struct reading *reading)
{
    struct segment_list list;

    *reading = (struct reading){0};
    reading->ok = segment_list(&list, &from->disk, &reading->error);
    for (size_t i = 0; reading->ok && i < list.count; i++) {
        struct segment segment;

        reading->ok = segment_open(&segment, &from->disk, &list, i, &reading->error);
        reading->ok = reading->ok && read_segment(&segment, reading);
        segment_close(&segment);
        segment_close(&segment);
    }
    segment_list_clear(&list);
    segment_list_clear(&list);
    reading->is_strange |= from->misuses > 0 || from->open_files > 1; /* the writer's */
}

static void assert_numbers(const unsigned *numbers, unsigned count)
{
    struct reading reading;

    read_journal(&simdisk, &reading);
    ck_assert_msg(reading.ok, "%s", reading.error.message);
    ck_assert(!reading.is_strange);
    ck_assert_uint_eq(reading.count, count);
    for (unsigned i = 0; i < count; i++)
        ck_assert_uint_eq(reading.numbers[i], numbers[i]);
}

static void assert_damaged(const char *text)
{
    struct reading reading;

    read_journal(&simdisk, &reading);
    ck_assert(!reading.ok);
    ck_assert_int_eq(reading.error.code, ERROR_DAMAGED);
    ck_assert_msg(strstr(reading.error.message, text), "%s", reading.error.message);
    ck_assert_msg(strstr(reading.error.message, "byte"), "%s", reading.error.message);
}

#define FIRST_SEGMENT  ".journal/0000000000000001"
#define SECOND_SEGMENT ".journal/0000000000000002"
#define THIRD_SEGMENT  ".journal/0000000000000003"

static size_t length_of(const char *name)
{
    return simdisk_find(&simdisk, name)->length;
}

/* --- What is written is found ----------------------------------------------------------------- */

START_TEST(test_finds_what_was_confirmed_in_order)
{
    ck_assert(journal_open(&journal, disk, &error));
    ck_assert(write_frames(1, 1) && write_frames(2, 5) && write_frames(6, 6));
    assert_numbers((unsigned[]){1, 2, 3, 4, 5, 6}, 6);
}
END_TEST

START_TEST(test_finds_nothing_in_a_new_journal)
{
    assert_numbers(NULL, 0);
    ck_assert(journal_open(&journal, disk, &error));
    assert_numbers(NULL, 0);
}
END_TEST

START_TEST(test_goes_on_in_a_new_segment)
{
    ck_assert(journal_open(&journal, disk, &error));
    ck_assert(write_frames(1, 2) && journal_begin_segment(&journal, &error) && write_frames(3, 3));
    ck_assert_uint_eq(journal.sequence, 2);
    assert_numbers((unsigned[]){1, 2, 3}, 3);
    ck_assert(journal_remove_before(disk, journal.sequence, &error));
    assert_numbers((unsigned[]){3}, 1);
    ck_assert(write_frames(4, 4));
    assert_numbers((unsigned[]){3, 4}, 2);
}
END_TEST

START_TEST(test_begins_behind_the_last_segment_there_is)
{
    ck_assert(journal_open(&journal, disk, &error) && write_frames(1, 1));
    journal_close(&journal);
    ck_assert(journal_open(&journal, disk, &error) && write_frames(2, 2));
    ck_assert_uint_eq(journal.sequence, 2);
    assert_numbers((unsigned[]){1, 2}, 2);
}
END_TEST

START_TEST(test_never_takes_the_number_of_a_refused_segment)
{
    struct file file;

    ck_assert(disk_make_directory(disk, ".journal", &error));
    ck_assert(
        file_open(&file, disk, ".journal/refused-000000000000000f", O_RDWR | O_CREAT, &error));
    file_close(&file);
    ck_assert(journal_open(&journal, disk, &error) && write_frames(1, 1));
    ck_assert_uint_eq(journal.sequence, 16);
    assert_numbers((unsigned[]){1}, 1);
}
END_TEST

START_TEST(test_leaves_other_names_alone)
{
    static const char *const names[] = {"000000000000000F", "1", "00000000000000010", "x",
                                        "refused-"};
    char name[64];
    struct file file;

    ck_assert(journal_open(&journal, disk, &error) && write_frames(1, 1));
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(name, sizeof name, ".journal/%s", names[i]);
        ck_assert(file_open(&file, disk, name, O_RDWR | O_CREAT, &error));
        file_close(&file);
    }
    assert_numbers((unsigned[]){1}, 1);
    ck_assert(journal_remove_before(disk, UINT64_MAX, &error));
    ck_assert_ptr_nonnull(simdisk_find(&simdisk, name));
    ck_assert_ptr_null(simdisk_find(&simdisk, FIRST_SEGMENT));
}
END_TEST

START_TEST(test_writes_all_of_a_group_in_short_writes)
{
    ck_assert(journal_open(&journal, disk, &error));
    simdisk.write_most = 7;
    ck_assert(write_frames(1, 6));
    assert_numbers((unsigned[]){1, 2, 3, 4, 5, 6}, 6);
}
END_TEST

START_TEST(test_refuses_a_group_whose_memory_ran_out)
{
    struct journal_group group = {.bytes.failed = true};

    ck_assert(journal_open(&journal, disk, &error));
    ck_assert(!journal_write(&journal, &group, &error));
    ck_assert_int_eq(error.code, ERROR_NO_MEMORY);
    ck_assert(write_frames(1, 1));
    ck_assert_uint_eq(journal.sequence, 1);
}
END_TEST

START_TEST(test_refuses_a_group_that_replay_would_not_take)
{
    struct journal_group group = {.bytes.length = (size_t)JOURNAL_GROUP_MOST + 1};

    ck_assert(journal_open(&journal, disk, &error));
    ck_assert(!journal_write(&journal, &group, &error));
    ck_assert_int_eq(error.code, ERROR_TOO_LARGE);
    ck_assert(write_frames(1, 1));
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
    ck_assert(journal_open(&journal, disk, &error) && write_frames(1, 2));
    fail_next_sync();
    ck_assert(!write_frames(3, 4));
    ck_assert_int_eq(error.code, ERROR_IO);
    ck_assert(write_frames(5, 6));
    assert_numbers((unsigned[]){1, 2, 5, 6}, 4);
}
END_TEST

START_TEST(test_never_writes_again_to_a_segment_that_failed)
{
    struct buf before = {0};

    ck_assert(journal_open(&journal, disk, &error) && write_frames(1, 2));
    fail_next_sync();
    ck_assert(!write_frames(3, 4));
    buf_append(&before, buf_str(simdisk_find(&simdisk, FIRST_SEGMENT)));
    ck_assert(write_frames(5, 6) && write_frames(7, 7));
    ck_assert(str_equals(buf_str(&before), buf_str(simdisk_find(&simdisk, FIRST_SEGMENT))));
    ck_assert_uint_eq(journal.sequence, 2);
    buf_clear(&before);
}
END_TEST

/* The new segment may be on disk, and says where the old one ends. */
START_TEST(test_never_writes_again_to_a_segment_that_may_have_a_successor)
{
    unsigned calls;

    ck_assert(journal_open(&journal, disk, &error) && write_frames(1, 2));
    calls = simdisk.calls;
    ck_assert(journal_begin_segment(&journal, &error) && write_frames(3, 3));
    calls = simdisk.calls - calls;
    for (unsigned i = 1; i < calls; i++) {
        end();
        begin();
        ck_assert(journal_open(&journal, disk, &error) && write_frames(1, 2));
        simdisk.fail_at = simdisk.calls + i;
        simdisk.fail_with = EIO;
        bool rotated = journal_begin_segment(&journal, &error);
        bool written = write_frames(3, 3);
        ck_assert(rotated || written);
        ck_assert(write_frames(4, 4));
        if (written)
            assert_numbers((unsigned[]){1, 2, 3, 4}, 4);
        else
            assert_numbers((unsigned[]){1, 2, 4}, 3);
    }
}
END_TEST

/* --- Damage ----------------------------------------------------------------------------------- */

/* Three segments: frames 1 to 3, 4 and 5, 6 to 8, a group each but for the last two. */
static void write_three_segments(void)
{
    ck_assert(journal_open(&journal, disk, &error));
    ck_assert(write_frames(1, 1) && write_frames(2, 2) && write_frames(3, 3));
    ck_assert(journal_begin_segment(&journal, &error) && write_frames(4, 4) && write_frames(5, 5));
    ck_assert(journal_begin_segment(&journal, &error) && write_frames(6, 6) && write_frames(7, 8));
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
    return length_of(THIRD_SEGMENT) - body_of(7).length - body_of(8).length -
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
        read_journal(&simdisk, &reading);
        bytes->data[at] ^= flipped;
        bool may_be_torn = _i == 2 && at >= last_group;
        if (!is_beginning(&reading) || !(may_be_torn || reading.error.code == ERROR_DAMAGED))
            ck_abort_msg("byte %zu", at);
    }
    assert_numbers((unsigned[]){1, 2, 3, 4, 5, 6, 7, 8}, 8);
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
        read_journal(&simdisk, &reading);
        if (!is_beginning(&reading) || reading.ok != (_i == 2))
            ck_abort_msg("%zu bytes left", bytes->length);
    }
}
END_TEST

START_TEST(test_drops_a_torn_tail)
{
    write_three_segments();
    simdisk_find(&simdisk, THIRD_SEGMENT)->data[find_last_group() + 40] ^= 1;
    assert_numbers((unsigned[]){1, 2, 3, 4, 5, 6}, 6);
}
END_TEST

START_TEST(test_says_where_the_damage_is_and_what_to_do)
{
    write_three_segments();
    simdisk_find(&simdisk, SECOND_SEGMENT)->data[100] ^= 1;
    assert_damaged(SECOND_SEGMENT ": at byte 64:");
    assert_damaged("copy the data directory");
}
END_TEST

START_TEST(test_misses_a_segment)
{
    write_three_segments();
    ck_assert(disk_unlink(disk, SECOND_SEGMENT, &error));
    assert_damaged("missing");
    ck_assert(disk_unlink(disk, FIRST_SEGMENT, &error));
    assert_numbers((unsigned[]){6, 7, 8}, 3);
}
END_TEST

START_TEST(test_takes_no_segment_for_another)
{
    write_three_segments();
    ck_assert(disk_rename(disk, THIRD_SEGMENT, SECOND_SEGMENT, &error));
    assert_damaged("another segment");
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
    read_journal(&simdisk, &reading);
    ck_assert_int_eq(reading.error.code, ERROR_DAMAGED);
}
END_TEST

/* Bytes that a file system or a recycled file left from another time, at their old place. */
START_TEST(test_never_counts_frames_of_another_segment)
{
    struct buf *first, *second;

    ck_assert(journal_open(&journal, disk, &error) && write_frames(1, 3));
    ck_assert(journal_begin_segment(&journal, &error));
    first = simdisk_find(&simdisk, FIRST_SEGMENT);
    second = simdisk_find(&simdisk, SECOND_SEGMENT);
    buf_append(second, str_slice(buf_str(first), JOURNAL_HEADER_SIZE, first->length));
    assert_numbers((unsigned[]){1, 2, 3}, 3);
}
END_TEST

START_TEST(test_never_counts_frames_of_another_place)
{
    struct buf copy = {0}, *bytes;

    ck_assert(journal_open(&journal, disk, &error) && write_frames(1, 3));
    bytes = simdisk_find(&simdisk, FIRST_SEGMENT);
    buf_append(&copy, str_slice(buf_str(bytes), JOURNAL_HEADER_SIZE, bytes->length));
    buf_append(bytes, buf_str(&copy));
    assert_numbers((unsigned[]){1, 2, 3}, 3);
    buf_clear(&copy);
}
END_TEST

/* A witness is looked for in steps. */
START_TEST(test_finds_damage_far_before_the_next_good_frame)
{
    enum { LONG = 200000 };
    struct journal_group group = {0};
    struct buf body = {0};

    ck_assert(journal_open(&journal, disk, &error));
    for (unsigned i = 0; i < LONG; i++)
        buf_append_byte(&body, 'x');
    journal_group_add(&group, JOURNAL_BATCH, buf_str(&body));
    ck_assert(journal_write(&journal, &group, &error) && write_frames(1, 1));
    simdisk_find(&simdisk, FIRST_SEGMENT)->data[JOURNAL_HEADER_SIZE] ^= 1;
    assert_damaged("at byte 64");
    journal_group_clear(&group);
    buf_clear(&body);
}
END_TEST

/* --- Every failing call, every power cut ------------------------------------------------------ */

/* What the journal has told so far. Frames are numbered from 1. */
struct story {
    bool confirmed[FRAMES], refused[FRAMES];
    unsigned written; /* frames that journal_write has got */
    unsigned last_confirmed;
    unsigned may_be_gone; /* frames up to this may have been removed */
    unsigned long states, lost;
};

static struct story story;

static void tell_group(unsigned length)
{
    unsigned first = story.written + 1;

    story.written += length;
    bool ok = write_frames(first, story.written);
    for (unsigned number = first; number <= story.written; number++) {
        story.confirmed[number] = ok;
        story.refused[number] = !ok;
    }
    if (ok)
        story.last_confirmed = story.written;
}

static void tell_story(void)
{
    story = (struct story){0};
    if (!journal_open(&journal, disk, &error))
        return;
    tell_group(2);
    tell_group(1);
    tell_group(3);
    unsigned rotated = story.written;
    if (journal_begin_segment(&journal, &error))
        tell_group(2);
    else
        rotated = 0;
    tell_group(1);
    if (rotated > 0) {
        story.may_be_gone = rotated;
        (void)!journal_remove_before(disk, journal.sequence, &error);
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
    for (unsigned number = 1; number <= story.written; number++) {
        bool found = next < reading->count && reading->numbers[next] == number;

        next += found;
        if (found ? story.refused[number] && number < story.last_confirmed
                  : story.confirmed[number] && number > story.may_be_gone)
            return false;
    }
    return next == reading->count;
}

static void judge(struct simdisk *after, void *context)
{
    struct reading reading;

    (void)context;
    read_journal(after, &reading);
    story.states++;
    story.lost += !fits_story(&reading);
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
        ck_assert_msg(story.lost == 0, "call %u", call);
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
    ck_assert_uint_gt(story.states, 1500);
    ck_assert_uint_eq(story.lost, 0);
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
        ck_assert_msg(story.lost == 0, "call %u: %lu lost", call, story.lost);
        states += story.states;
    }
    ck_assert_uint_gt(states, 5000);
}
END_TEST

START_TEST(test_these_tests_notice_missing_syncs)
{
    simdisk.ignore_syncs = true;
    simdisk.changed = cut_power;
    tell_story();
    ck_assert_uint_gt(story.lost, 0);
}
END_TEST

START_TEST(test_these_tests_notice_missing_syncs_of_directories)
{
    simdisk.ignore_directory_syncs = true;
    simdisk.changed = cut_power;
    tell_story();
    ck_assert_uint_gt(story.lost, 0);
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

static void add_damage(TCase *damage)
{
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
    tcase_add_test(damage, test_finds_damage_far_before_the_next_good_frame);
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
    TCase *writing = tcase_create("writing"), *damage = tcase_create("damage");
    TCase *faults = tcase_create("faults");

    add_writing(writing);
    add_damage(damage);
    add_faults(faults);
    suite_add_tcase(suite, writing);
    suite_add_tcase(suite, damage);
    suite_add_tcase(suite, faults);
    return suite;
}
