/* The list of what lets nobody in any more: what it says, and what is left of it after an accident.
 */
#include "store/revoked.h"

#include "store/simdisk.h"
#include "store/suites.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <check.h>

enum { HEADER = 16, RECORD = 40, NOW = 1000, MOST = 40 };

struct found {
    struct revoked_record records[MOST];
    size_t count;
};

static struct simdisk simdisk;
static struct disk *disk = &simdisk.disk;
static struct error error;

static void setup(void)
{
    simdisk_init(&simdisk);
    ck_assert(revoked_begin(disk, NOW, &error));
}

static void teardown(void)
{
    ck_assert_uint_eq(simdisk.open_files, 0);
    ck_assert_uint_eq(simdisk.misuses, 0);
    simdisk_clear(&simdisk);
}

static struct revoked_record make_record(enum revoked_kind kind, unsigned number)
{
    struct revoked_record record = {.kind = kind, .before = number, .expires = NOW + (int)number};

    memset(record.id, (int)number, sizeof record.id);
    return record;
}

static bool add_to(struct disk *where, enum revoked_kind kind, unsigned number, bool *is_there)
{
    struct revoked_record record = make_record(kind, number);

    return revoked_add(where, NULL, 0, &record, is_there, &error);
}

static void add(unsigned number)
{
    bool is_there;

    ck_assert(add_to(disk, REVOKED_USER, number, &is_there) && !is_there);
}

static bool take(void *context, const struct revoked_record *record, struct error *cause)
{
    struct found *found = context;

    if (found->count == MOST)
        return error_set(cause, ERROR_BUSY, "too many");
    found->records[found->count++] = *record;
    return true;
}

static bool read_from(struct disk *where, uint64_t *offset, struct found *found)
{
    found->count = 0;
    return revoked_read(where, offset, take, found, &error);
}

/* It says 1 to count, in order, and nothing else. */
static void assert_says(struct disk *where, size_t count)
{
    struct found found;
    uint64_t offset = 0;

    ck_assert_msg(read_from(where, &offset, &found), "%s", error.message);
    ck_assert_uint_eq(found.count, count);
    for (unsigned i = 0; i < count; i++) {
        struct revoked_record expected = make_record(REVOKED_USER, i + 1);

        ck_assert_int_eq(found.records[i].kind, expected.kind);
        ck_assert_mem_eq(found.records[i].id, expected.id, sizeof expected.id);
        ck_assert_int_eq(found.records[i].before, expected.before);
        ck_assert_int_eq(found.records[i].expires, expected.expires);
    }
}

static void add_many(unsigned count)
{
    for (unsigned i = 1; i <= count; i++)
        add(i);
}

START_TEST(test_says_what_was_added_and_nothing_before)
{
    assert_says(disk, 0);
    add_many(5);
    assert_says(disk, 5);
}
END_TEST

START_TEST(test_is_read_on_from_where_it_was_read_before)
{
    struct found found;
    uint64_t offset = 0;

    add_many(2);
    ck_assert(read_from(disk, &offset, &found));
    ck_assert_uint_eq(offset, HEADER + 2 * RECORD);
    add(3);
    ck_assert(read_from(disk, &offset, &found));
    ck_assert_uint_eq(found.count, 1);
    ck_assert_int_eq(found.records[0].before, 3);
    ck_assert(read_from(disk, &offset, &found));
    ck_assert_uint_eq(found.count, 0);
}
END_TEST

START_TEST(test_a_reader_that_has_enough_stops_it)
{
    struct found found = {.count = MOST - 1};
    uint64_t offset = 0;

    add_many(2);
    ck_assert(!revoked_read(disk, &offset, take, &found, &error));
    ck_assert_int_eq(error.code, ERROR_BUSY);
    ck_assert_uint_eq(offset, HEADER + RECORD);
}
END_TEST

START_TEST(test_a_proof_is_there_once_and_everything_else_as_often_as_it_is_added)
{
    bool is_there;

    ck_assert(add_to(disk, REVOKED_PROOF, 1, &is_there) && !is_there);
    ck_assert(add_to(disk, REVOKED_PROOF, 1, &is_there) && is_there);
    ck_assert(add_to(disk, REVOKED_PROOF, 2, &is_there) && !is_there);
    ck_assert(add_to(disk, REVOKED_USER, 1, &is_there) && !is_there);
    ck_assert(add_to(disk, REVOKED_USER, 1, &is_there) && !is_there);
    ck_assert(add_to(disk, REVOKED_SESSION, 1, &is_there) && !is_there);
    ck_assert_uint_eq(simdisk_find(&simdisk, ".revoked")->length, HEADER + 5 * RECORD);
}
END_TEST

START_TEST(test_waits_for_others)
{
    simdisk_calm(&simdisk);
    simdisk.fail_at = 2; /* the lock, behind the opening */
    simdisk.fail_with = EAGAIN;
    add(1);
    ck_assert_uint_gt(simdisk.calls, simdisk.fail_at);
    assert_says(disk, 1);
}
END_TEST

START_TEST(test_waits_for_others_and_gives_up)
{
    struct file other = {0};
    bool is_there;

    add(1);
    ck_assert(file_open(&other, disk, ".revoked", O_RDWR, &error) && file_lock(&other, &error));
    ck_assert(!add_to(disk, REVOKED_USER, 2, &is_there));
    ck_assert_int_eq(error.code, ERROR_BUSY);
    file_close(&other);
    add(2);
    assert_says(disk, 2);
}
END_TEST

/* --- Accidents -------------------------------------------------------------------------------- */

/* After a power cut within the adding of a record, those before it are there, and another can be
 * added. */
static size_t told;

static void assert_survived(struct simdisk *after, void *context)
{
    struct found found;
    uint64_t offset = 0;
    bool is_there;

    (void)context;
    ck_assert_msg(read_from(&after->disk, &offset, &found), "%s", error.message);
    ck_assert_uint_ge(found.count, told);
    ck_assert_uint_le(found.count, told + 1);
    assert_says(&after->disk, found.count);
    ck_assert(add_to(&after->disk, REVOKED_USER, (unsigned)found.count + 1, &is_there));
    assert_says(&after->disk, found.count + 1);
}

static void cut_power(struct simdisk *now, void *context)
{
    (void)simdisk_visit_crashes(now, 200, 1, assert_survived, context);
}

START_TEST(test_what_was_told_survives_a_power_cut_at_any_moment)
{
    simdisk.changed = cut_power;
    for (told = 0; told < 20; told++)
        add((unsigned)told + 1);
    cut_power(&simdisk, NULL);
}
END_TEST

/* All before the failed one, perhaps that one, and the one that was added after it. */
static void assert_survived_failure(struct simdisk *after, void *context)
{
    struct found found;
    uint64_t offset = 0;

    (void)context;
    ck_assert_msg(read_from(&after->disk, &offset, &found), "%s", error.message);
    ck_assert(found.count == told + 1 || found.count == told + 2);
    for (size_t i = 0; i < told; i++)
        ck_assert_int_eq(found.records[i].before, (int)i + 1);
    ck_assert_int_eq(found.records[found.count - 1].before, (int)told + 2);
}

START_TEST(test_a_call_that_fails_is_told_and_takes_nothing_away)
{
    bool is_there, ok = false;

    for (unsigned call = 1; !ok; call++) {
        simdisk_clear(&simdisk);
        setup();
        if (_i > 0)
            add_many((unsigned)_i);
        simdisk_calm(&simdisk);
        simdisk.fail_at = call;
        simdisk.fail_with = EIO;
        ok = add_to(disk, REVOKED_USER, (unsigned)_i + 1, &is_there);
        ck_assert(ok || error.code == ERROR_IO);
        simdisk_calm(&simdisk);
        add((unsigned)_i + 2);
        told = (size_t)_i;
        (void)simdisk_visit_crashes(&simdisk, 50, call, assert_survived_failure, NULL);
    }
}
END_TEST

START_TEST(test_a_flipped_bit_is_damage_unless_it_is_in_the_last_record)
{
    struct found found;
    struct buf *bytes;

    add_many(3);
    bytes = simdisk_find(&simdisk, ".revoked");
    for (size_t bit = 0; bit < 8 * bytes->length; bit++) {
        uint64_t offset = 0;
        bool is_last = bit / 8 >= HEADER + 2 * RECORD;

        bytes->data[bit / 8] ^= (char)(1 << bit % 8);
        bool ok = read_from(disk, &offset, &found);
        ck_assert(is_last ? ok && found.count == 2 : !ok && error.code == ERROR_DAMAGED);
        bytes->data[bit / 8] ^= (char)(1 << bit % 8);
    }
}
END_TEST

START_TEST(test_a_record_that_was_cut_off_is_written_over)
{
    struct buf *bytes;

    add_many(3);
    bytes = simdisk_find(&simdisk, ".revoked");
    bytes->length -= (size_t)_i;
    assert_says(disk, 2);
    add(3);
    assert_says(disk, 3);
}
END_TEST

START_TEST(test_records_count_at_their_own_place_only)
{
    struct found found;
    struct buf *bytes;
    uint64_t offset = 0;

    add_many(3);
    bytes = simdisk_find(&simdisk, ".revoked");
    memcpy(bytes->data + HEADER, bytes->data + HEADER + RECORD, RECORD);
    ck_assert(!read_from(disk, &offset, &found));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
}
END_TEST

/* --- Beginning -------------------------------------------------------------------------------- */

START_TEST(test_a_beginning_leaves_out_what_has_expired)
{
    struct found found;
    uint64_t offset = 0;

    add_many(10);
    ck_assert(revoked_begin(disk, NOW, &error));
    assert_says(disk, 10);
    ck_assert(revoked_begin(disk, NOW + 7, &error));
    ck_assert(read_from(disk, &offset, &found));
    ck_assert_uint_eq(found.count, 3);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(found.records[i].before, 8 + i);
    add(11);
    ck_assert(read_from(disk, &offset, &found));
    ck_assert_uint_eq(found.count, 1);
}
END_TEST

static void assert_kept(struct simdisk *after, void *context)
{
    struct found found;
    uint64_t offset = 0;

    (void)context;
    ck_assert_msg(read_from(&after->disk, &offset, &found), "%s", error.message);
    ck_assert(found.count == 10 || found.count == 3);
    ck_assert_int_eq(found.records[found.count - 1].before, 10);
}

static void cut_power_at_start(struct simdisk *now, void *context)
{
    (void)simdisk_visit_crashes(now, 200, 1, assert_kept, context);
}

START_TEST(test_a_beginning_loses_nothing_in_a_power_cut)
{
    add_many(10);
    simdisk.changed = cut_power_at_start;
    ck_assert(revoked_begin(disk, NOW + 7, &error));
}
END_TEST

/* Whatever fails in a start, and though no second sync makes up for it: what is added after the
 * next start stays. */
START_TEST(test_a_beginning_makes_up_for_one_that_failed)
{
    bool ok = false;

    for (unsigned call = 1; !ok; call++) {
        simdisk_clear(&simdisk);
        simdisk_init(&simdisk);
        simdisk_calm(&simdisk);
        simdisk.fail_at = call;
        simdisk.fail_with = EIO;
        ok = revoked_begin(disk, NOW, &error);
        simdisk_calm(&simdisk);
        ck_assert(ok || revoked_begin(disk, NOW, &error));
        add(1);
        told = 1;
        (void)simdisk_visit_crashes(&simdisk, 50, call, assert_survived, NULL);
    }
}
END_TEST

START_TEST(test_no_beginning_on_a_damaged_list)
{
    add_many(3);
    simdisk_find(&simdisk, ".revoked")->data[HEADER] ^= 1;
    ck_assert(!revoked_begin(disk, NOW, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
}
END_TEST

Suite *suite_revoked(void)
{
    Suite *suite = suite_create("revoked");
    TCase *cases = tcase_create("revoked");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_says_what_was_added_and_nothing_before);
    tcase_add_test(cases, test_is_read_on_from_where_it_was_read_before);
    tcase_add_test(cases, test_a_reader_that_has_enough_stops_it);
    tcase_add_test(cases, test_a_proof_is_there_once_and_everything_else_as_often_as_it_is_added);
    tcase_add_test(cases, test_waits_for_others);
    tcase_add_test(cases, test_waits_for_others_and_gives_up);
    tcase_add_test(cases, test_what_was_told_survives_a_power_cut_at_any_moment);
    tcase_add_loop_test(cases, test_a_call_that_fails_is_told_and_takes_nothing_away, 0, 3);
    tcase_add_test(cases, test_a_flipped_bit_is_damage_unless_it_is_in_the_last_record);
    tcase_add_loop_test(cases, test_a_record_that_was_cut_off_is_written_over, 1, 40);
    tcase_add_test(cases, test_records_count_at_their_own_place_only);
    tcase_add_test(cases, test_a_beginning_leaves_out_what_has_expired);
    tcase_add_test(cases, test_a_beginning_loses_nothing_in_a_power_cut);
    tcase_add_test(cases, test_a_beginning_makes_up_for_one_that_failed);
    tcase_add_test(cases, test_no_beginning_on_a_damaged_list);
    suite_add_tcase(suite, cases);
    return suite;
}
