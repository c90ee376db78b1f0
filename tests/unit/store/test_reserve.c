#include "store/reserve.h"

#include "simdisk.h"
#include "store/suites.h"

#include <errno.h>

#include <check.h>

static struct simdisk simdisk;
static struct reserve reserve;
static struct error error;

static void setup(void)
{
    simdisk_init(&simdisk);
    reserve = (struct reserve){0};
}

static void teardown(void)
{
    ck_assert_uint_eq(simdisk.open_files, 0);
    ck_assert_uint_eq(simdisk.misuses, 0);
    simdisk_clear(&simdisk);
}

static void assert_is_whole(void)
{
    ck_assert(reserve.is_there);
    ck_assert_uint_eq(simdisk_find(&simdisk, ".reserve")->length, RESERVE_SIZE);
}

START_TEST(test_reserve_takes_the_room_that_it_gives_up)
{
    ck_assert(reserve_make(&reserve, &simdisk.disk, &error));
    assert_is_whole();
    ck_assert(reserve_give_up(&reserve, &simdisk.disk));
    ck_assert(!reserve.is_there);
    ck_assert_ptr_null(simdisk_find(&simdisk, ".reserve"));
    ck_assert(!reserve_give_up(&reserve, &simdisk.disk));
    ck_assert(reserve_make(&reserve, &simdisk.disk, &error));
    assert_is_whole();
}
END_TEST

START_TEST(test_reserve_of_an_earlier_run_is_taken_over_and_completed)
{
    ck_assert(reserve_make(&reserve, &simdisk.disk, &error));
    simdisk_find(&simdisk, ".reserve")->length = 65536 * 3 + 7;
    reserve = (struct reserve){0};
    ck_assert(reserve_make(&reserve, &simdisk.disk, &error));
    ck_assert(reserve.is_there);
    ck_assert_uint_ge(simdisk_find(&simdisk, ".reserve")->length, RESERVE_SIZE);
    reserve = (struct reserve){0};
    ck_assert(reserve_give_up(&reserve, &simdisk.disk));
}
END_TEST

/* Half of it would be in the way of what is to be saved. */
START_TEST(test_reserve_that_does_not_fit_takes_nothing)
{
    for (unsigned call = 1;; call++) {
        simdisk.fail_at = simdisk.calls + call;
        simdisk.fail_with = ENOSPC;
        bool made = reserve_make(&reserve, &simdisk.disk, &error);
        simdisk_calm(&simdisk);
        ck_assert(made == reserve.is_there);
        if (made)
            break;
        ck_assert_int_eq(error.code, ERROR_NO_SPACE);
        ck_assert_ptr_null(simdisk_find(&simdisk, ".reserve"));
    }
    assert_is_whole();
}
END_TEST

Suite *suite_reserve(void)
{
    Suite *suite = suite_create("reserve");
    TCase *cases = tcase_create("reserve");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_reserve_takes_the_room_that_it_gives_up);
    tcase_add_test(cases, test_reserve_of_an_earlier_run_is_taken_over_and_completed);
    tcase_add_test(cases, test_reserve_that_does_not_fit_takes_nothing);
    suite_add_tcase(suite, cases);
    return suite;
}
