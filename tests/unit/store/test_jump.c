/* jump.h: no counter is used twice, wherever the power is cut. */
#include "store/jump.h"

#include "store/accident.h"
#include "store/samples.h"
#include "store/suites.h"

#include <errno.h>

#include <check.h>

struct told {
    uint64_t highest; /* counter that a client has seen */
    uint64_t durable; /* entries that must not get lost */
};

static void check_after_cut(struct simdisk *after, void *context)
{
    const struct told *told = context;
    struct journal kept = accident.journal;

    accident.disk = &after->disk;
    accident.journal = (struct journal){0};
    accident_start(2);
    bool is_behind;
    struct head head = accident_load(&is_behind);
    ck_assert_uint_ge(head.count, told->durable);
    ck_assert(is_behind || head.last_counter >= told->highest);
    uint64_t first = accident_append(1, false, true).last_counter;
    ck_assert_uint_gt(first, told->highest);
    accident_assert_behind(false);
    (void)accident_append(2, true, true);
    accident_start(2);
    accident_assert_behind(false);
    journal_close(&accident.journal);
    accident.journal = kept;
    accident.disk = &accident.simdisk.disk;
}

static void check_cuts(struct told *told, bool is_ahead, struct head head)
{
    told->highest = head.last_counter;
    if (!is_ahead)
        told->durable = head.count;
    (void)simdisk_visit_crashes(&accident.simdisk, 100, head.count, check_after_cut, told);
}

START_TEST(test_no_counter_is_used_twice_wherever_the_power_is_cut)
{
    struct told told = {0};

    accident_start(1);
    for (unsigned round = 0; round < 4; round++) {
        check_cuts(&told, false, accident_append(2, false, true));
        check_cuts(&told, true, accident_append(3, true, true));
        check_cuts(&told, true, accident_append(1, true, true));
        ck_assert(journal_sync(&accident.journal, &accident.error));
        bool is_behind;
        check_cuts(&told, false, accident_load(&is_behind));
        check_cuts(&told, true, accident_append(1, true, true));
        accident_checkpoint();
        check_cuts(&told, false, accident_load(&is_behind));
        check_cuts(&told, true, accident_append(1, true, true));
        check_cuts(&told, true, accident_append(2, true, true));
    }
}
END_TEST

/* So far that the frames of the collection are lost, and parts of its files are not. */
static void forget_journal(struct simdisk *after, void *context)
{
    struct buf *bytes = simdisk_find(after, ".journal/0000000000000004");

    if (bytes && bytes->length > JOURNAL_HEADER_SIZE)
        bytes->length = JOURNAL_HEADER_SIZE;
    check_after_cut(after, context);
}

START_TEST(test_no_counter_is_used_twice_if_all_that_was_ahead_is_lost)
{
    struct told told = {0};

    accident_start(1);
    told.durable = accident_append(3, false, true).count;
    (void)accident_append(1, true, true);
    bool is_behind;
    accident_checkpoint();
    told.durable = accident_load(&is_behind).count;
    for (unsigned i = 0; i < 5; i++) {
        told.highest = accident_append(i + 1, true, true).last_counter;
        ck_assert_uint_eq(accident.journal.sequence, 4);
        (void)simdisk_visit_crashes(&accident.simdisk, 300, i, forget_journal, &told);
    }
}
END_TEST

/* --- Getting ready to jump -------------------------------------------------------------------- */

/* Behind, with two batches above the mark that clients have seen: both whole, as it happens. */
static struct told begin_jump(void)
{
    const struct head head = accident_tear();
    bool is_behind;

    accident_start(1);
    return (struct told){.highest = accident_load(&is_behind).last_counter, .durable = head.count};
}

static void try_cuts(struct simdisk *now, void *context)
{
    now->changed = NULL; /* until this is done */
    (void)simdisk_visit_crashes(now, 30, now->calls, check_after_cut, context);
    now->changed = try_cuts;
}

START_TEST(test_no_counter_is_used_twice_if_the_power_is_cut_while_getting_ready)
{
    struct told told = begin_jump();
    struct batch batch;

    accident.simdisk.changed = try_cuts;
    accident.simdisk.context = &told;
    accident_make_batch(&batch, 2);
    ck_assert(batch.jumps);
    ck_assert(jump_prepare(accident.disk, &batch, &accident.error));
    accident.simdisk.changed = NULL;
    told.durable = batch.before.count;
    (void)simdisk_visit_crashes(&accident.simdisk, 100, 1, check_after_cut, &told);
    batch_clear(&batch);
}
END_TEST

START_TEST(test_jump_that_is_ready_is_not_made_ready_again)
{
    struct told told = begin_jump();
    struct batch batch;

    accident_make_batch(&batch, 1);
    ck_assert(jump_prepare(accident.disk, &batch, &accident.error));
    simdisk_calm(&accident.simdisk);
    accident.simdisk.ignore_syncs = true; /* it would be seen */
    ck_assert(jump_prepare(accident.disk, &batch, &accident.error));
    ck_assert_uint_le(accident.simdisk.calls, 5);
    batch_clear(&batch);
    /* The batch never comes to be: the floor holds. */
    accident_assert_behind(false);
    accident_make_batch(&batch, 1);
    ck_assert(!batch.jumps);
    ck_assert_uint_eq(batch.after.last_counter, told.highest + LOSSES_JUMP + 1);
    batch_clear(&batch);
}
END_TEST

/* Each call fails, once; and then it is tried again. */
START_TEST(test_jump_gets_ready_after_any_failure)
{
    bool failed = true;

    for (unsigned call = 1; failed; call++) {
        struct told told = begin_jump();
        struct batch batch;

        accident_make_batch(&batch, 2);
        simdisk_calm(&accident.simdisk);
        accident.simdisk.fail_at = call;
        accident.simdisk.fail_with = EIO;
        failed = !jump_prepare(accident.disk, &batch, &accident.error);
        simdisk_calm(&accident.simdisk);
        ck_assert(jump_prepare(accident.disk, &batch, &accident.error));
        told.durable = batch.before.count;
        (void)simdisk_visit_crashes(&accident.simdisk, 30, call, check_after_cut, &told);
        batch_clear(&batch);
        ck_assert_uint_gt(call, failed ? 0 : 10);
        accident_end();
        accident_begin();
    }
}
END_TEST

Suite *suite_jump(void)
{
    Suite *suite = suite_create("jump");
    TCase *cases = tcase_create("jump");

    tcase_add_checked_fixture(cases, accident_begin, accident_end);
    tcase_add_test(cases, test_no_counter_is_used_twice_if_the_power_is_cut_while_getting_ready);
    tcase_add_test(cases, test_jump_that_is_ready_is_not_made_ready_again);
    tcase_add_test(cases, test_jump_gets_ready_after_any_failure);
    tcase_add_test(cases, test_no_counter_is_used_twice_wherever_the_power_is_cut);
    tcase_add_test(cases, test_no_counter_is_used_twice_if_all_that_was_ahead_is_lost);
    suite_add_tcase(suite, cases);
    return suite;
}
