#include "base/clock.h"

#include "base/suites.h"

#include <time.h>

#include <check.h>

enum { HELD = 1500000000 };

START_TEST(test_clock_monotonic_never_goes_back_and_both_units_agree)
{
    uint64_t before_us = clock_monotonic_us(), ms = clock_monotonic_ms();
    uint64_t after_us = clock_monotonic_us();

    ck_assert_uint_le(before_us, after_us);
    ck_assert_uint_ge(ms, before_us / 1000);
    ck_assert_uint_le(ms, after_us / 1000);
}
END_TEST

START_TEST(test_clock_monotonic_is_the_systems_monotonic_clock)
{
    struct timespec before, after;
    uint64_t us;

    (void)clock_gettime(CLOCK_MONOTONIC, &before);
    us = clock_monotonic_us();
    (void)clock_gettime(CLOCK_MONOTONIC, &after);
    ck_assert_uint_ge(us, (uint64_t)before.tv_sec * 1000000 + (uint64_t)before.tv_nsec / 1000);
    ck_assert_uint_le(us, (uint64_t)after.tv_sec * 1000000 + (uint64_t)after.tv_nsec / 1000);
}
END_TEST

START_TEST(test_clock_unix_seconds_is_the_systems_time)
{
    struct timespec before, after;
    int64_t seconds;

    (void)clock_gettime(CLOCK_REALTIME, &before);
    seconds = clock_unix_seconds();
    (void)clock_gettime(CLOCK_REALTIME, &after);
    ck_assert_int_ge(seconds, before.tv_sec);
    ck_assert_int_le(seconds, after.tv_sec);
}
END_TEST

START_TEST(test_clock_hold_holds_both_and_lets_go)
{
    clock_hold(HELD);
    ck_assert_int_eq(clock_unix_seconds(), HELD);
    ck_assert_uint_eq(clock_monotonic_ms(), UINT64_C(1000) * HELD);
    clock_hold(HELD + 1);
    ck_assert_int_eq(clock_unix_seconds(), HELD + 1);
    ck_assert_uint_eq(clock_monotonic_ms(), UINT64_C(1000) * (HELD + 1));
    clock_hold(0);
    ck_assert_int_gt(clock_unix_seconds(), HELD + 1);
    ck_assert_uint_ne(clock_monotonic_ms(), UINT64_C(1000) * (HELD + 1));
}
END_TEST

START_TEST(test_clock_monotonic_us_is_never_held)
{
    uint64_t before = clock_monotonic_us();

    clock_hold(1);
    ck_assert_uint_ge(clock_monotonic_us(), before);
    clock_hold(INT64_C(1) << 40);
    ck_assert_uint_lt(clock_monotonic_us(), UINT64_C(1000000) << 40);
    clock_hold(0);
}
END_TEST

Suite *suite_clock(void)
{
    Suite *suite = suite_create("clock");
    TCase *tests = tcase_create("clock");

    tcase_add_test(tests, test_clock_monotonic_never_goes_back_and_both_units_agree);
    tcase_add_test(tests, test_clock_monotonic_is_the_systems_monotonic_clock);
    tcase_add_test(tests, test_clock_unix_seconds_is_the_systems_time);
    tcase_add_test(tests, test_clock_hold_holds_both_and_lets_go);
    tcase_add_test(tests, test_clock_monotonic_us_is_never_held);
    suite_add_tcase(suite, tests);
    return suite;
}
