/* repair.h, invariants 1 and 4: whenever the power goes, or a call fails. */
#include "store/repair.h"

#include "store/shop.h"
#include "store/suites.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <check.h>

/* --- Every power cut, every failing call -------------------------------------------------------
 */

static const struct {
    const char *name; /* NULL: the index is lost */
    size_t bit;
    unsigned lost;
    bool new_id;
} damages[] = {
    {SHELF_DATA, 8 * 40 + 3, 1, true},
    {SHELF_INDEX, 8 * 200 + 3, 0, false},
    {SHELF_INFO, 8 * 50, 0, false},
    {NULL, 0, 0, true},
};

static struct simdisk *damaged;
static int current;
static unsigned long states;

/* Old or new; and what is not there yet is there when it is repaired again. */
static void judge(struct simdisk *after, void *context)
{
    (void)context;
    states++;
    if (!shop_run_on(&after->disk))
        ck_abort_msg("state %lu: %s", states, shop.error.message);
    unsigned lost = damages[current].lost;
    if (damages[current].name && strcmp(damages[current].name, SHELF_INFO) == 0)
        shelf_assert_sound(&after->disk);
    else
        shop_assert_repaired_on(&after->disk, 0, lost, damages[current].new_id);
}

static void cut_power(struct simdisk *now, void *context)
{
    (void)context;
    struct repair running = shop.repair;

    (void)simdisk_visit_crashes(now, 6, now->calls, judge, NULL);
    shop.repair = running;
}

static void damage_whole(int i)
{
    current = i;
    if (damages[i].name)
        shop_flip(damages[i].name, damages[i].bit);
    else
        ck_assert(disk_unlink(shop.disk, SHELF_INDEX, &shop.error));
}

START_TEST(test_repair_is_done_or_can_be_done_again_after_any_power_cut)
{
    struct simdisk copy;

    states = 0;
    damage_whole(_i);
    simdisk_copy(&shop.simdisk, &copy);
    copy.changed = cut_power;
    ck_assert_msg(shop_run_on(&copy.disk), "%s", shop.error.message);
    copy.changed = NULL;
    /* What it said is on disk when it has said so. */
    (void)simdisk_visit_crashes(&copy, 6, 1, judge, NULL);
    ck_assert_uint_gt(states, 50);
    simdisk_clear(&copy);
}
END_TEST

static bool is_kept(struct simdisk *after, const char *name)
{
    char kept[256];
    const struct buf *then = simdisk_find(damaged, name);

    if (!then)
        return true;
    const struct buf *now = simdisk_find(after, name);
    if (now && str_equals(buf_str(now), buf_str(then)))
        return true;
    snprintf(kept, sizeof kept, "%s%s", SHOP_KEPT_IN, strrchr(name, '/'));
    now = simdisk_find(after, kept);
    return now && str_equals(buf_str(now), buf_str(then));
}

static void judge_kept(struct simdisk *after, void *context)
{
    (void)context;
    states++;
    ck_assert(is_kept(after, SHELF_INDEX));
    ck_assert(is_kept(after, SHELF_DATA));
    ck_assert(is_kept(after, SHELF_INFO));
}

static void cut_power_for_kept(struct simdisk *now, void *context)
{
    (void)simdisk_visit_crashes(now, 20, now->calls, judge_kept, context);
}

START_TEST(test_repair_has_what_was_there_or_its_copy_after_any_power_cut)
{
    struct simdisk before;

    states = 0;
    damage_whole(_i);
    simdisk_copy(&shop.simdisk, &before);
    damaged = &before;
    shop_begin_anew();
    simdisk_clear(&shop.simdisk);
    simdisk_copy(&before, &shop.simdisk);
    shop.disk = &shop.simdisk.disk;
    shop.simdisk.changed = cut_power_for_kept;
    shop_run();
    shop.simdisk.changed = NULL;
    ck_assert_uint_gt(states, 50);
    simdisk_clear(&before);
}
END_TEST

START_TEST(test_repair_can_be_done_again_after_any_failing_call)
{
    unsigned calls;
    struct simdisk before;

    damage_whole(_i);
    simdisk_copy(&shop.simdisk, &before);
    shop.simdisk.calls = 0;
    shop_run();
    calls = shop.simdisk.calls;
    for (unsigned i = 1; i <= calls; i++) {
        struct simdisk copy;

        simdisk_copy(&before, &copy);
        copy.fail_at = i;
        copy.fail_with = ENOSPC;
        if (!shop_run_on(&copy.disk))
            ck_assert_int_eq(shop.error.code, ERROR_NO_SPACE);
        ck_assert_uint_eq(copy.open_files, 0);
        simdisk_calm(&copy);
        judge(&copy, NULL);
        simdisk_clear(&copy);
    }
    simdisk_clear(&before);
}
END_TEST

Suite *suite_repair_faults(void)
{
    enum { DAMAGES = sizeof damages / sizeof *damages };
    Suite *suite = suite_create("repair faults");
    TCase *tests = tcase_create("repair faults");

    tcase_add_checked_fixture(tests, shop_open, shop_close);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, test_repair_is_done_or_can_be_done_again_after_any_power_cut, 0,
                        DAMAGES);
    tcase_add_loop_test(tests, test_repair_has_what_was_there_or_its_copy_after_any_power_cut, 0,
                        DAMAGES);
    tcase_add_loop_test(tests, test_repair_can_be_done_again_after_any_failing_call, 0, DAMAGES);
    suite_add_tcase(suite, tests);
    return suite;
}
