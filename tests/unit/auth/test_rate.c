#include "auth/suites.h"

#include "auth/rate.h"

#include <stdio.h>

#include <check.h>

enum { START_MS = 5000000, BURST = 4, PERIOD_MS = 60000, TURN_MS = PERIOD_MS / BURST };

static struct rate rate;
static uint64_t wait_s;
static const struct str ann = STR_INIT("ann@example.org"), bob = STR_INIT("bob@example.org");

static void setup(void)
{
    struct error error;

    ck_assert(rate_open(&rate, &error));
    rate_set(&rate, BURST, PERIOD_MS);
    wait_s = 0;
}

static void teardown(void)
{
    rate_close(&rate);
}

static void take_all(struct str name, uint64_t now_ms)
{
    for (unsigned i = 0; i < BURST; i++)
        ck_assert(rate_take(&rate, name, now_ms, &wait_s));
    ck_assert(!rate_take(&rate, name, now_ms, &wait_s));
}

START_TEST(test_gives_as_many_turns_at_once_as_there_are_and_says_how_long_to_wait)
{
    take_all(ann, START_MS);
    ck_assert_uint_eq(wait_s, TURN_MS / 1000);
}
END_TEST

START_TEST(test_a_refused_turn_costs_nothing)
{
    take_all(ann, START_MS);
    for (unsigned i = 0; i < 100; i++)
        ck_assert(!rate_take(&rate, ann, START_MS + TURN_MS - 1, &wait_s));
    ck_assert_uint_eq(wait_s, 1);
    ck_assert(rate_take(&rate, ann, START_MS + TURN_MS, &wait_s));
    ck_assert(!rate_take(&rate, ann, START_MS + TURN_MS, &wait_s));
}
END_TEST

START_TEST(test_looking_takes_no_turn)
{
    for (unsigned i = 0; i < 100; i++)
        ck_assert(rate_has(&rate, ann, START_MS, &wait_s));
    take_all(ann, START_MS);
    ck_assert(!rate_has(&rate, ann, START_MS, &wait_s));
    ck_assert_uint_eq(wait_s, TURN_MS / 1000);
}
END_TEST

START_TEST(test_a_bucket_never_holds_more_than_it_can)
{
    take_all(ann, START_MS);
    take_all(ann, START_MS + 100 * PERIOD_MS);
}
END_TEST

START_TEST(test_gives_no_more_than_its_rate_in_the_long_run)
{
    unsigned taken = 0;

    for (uint64_t at = 0; at < 100 * PERIOD_MS; at += 100)
        taken += rate_take(&rate, ann, START_MS + at, &wait_s);
    ck_assert_uint_eq(taken, BURST + 100 * BURST - 1);
}
END_TEST

START_TEST(test_names_have_turns_of_their_own)
{
    take_all(ann, START_MS);
    take_all(bob, START_MS);
}
END_TEST

/* Of one row of buckets, 18 in a hundred would be empty. */
START_TEST(test_names_that_have_none_left_take_nothing_from_others)
{
    unsigned refused = 0;
    char name[32];

    for (unsigned i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof name, "busy%u@example.org", i);
        while (rate_take(&rate, str_of(name), START_MS, &wait_s))
            continue;
    }
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "quiet%u@example.org", i);
        refused += !rate_has(&rate, str_of(name), START_MS, &wait_s);
    }
    ck_assert_uint_lt(refused, 20);
}
END_TEST

START_TEST(test_nobody_gets_turns_back_because_others_take_theirs)
{
    char name[32];

    for (unsigned i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof name, "busy%u@example.org", i);
        while (rate_take(&rate, str_of(name), START_MS, &wait_s))
            continue;
    }
    for (unsigned i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof name, "quiet%u@example.org", i);
        (void)rate_take(&rate, str_of(name), START_MS, &wait_s);
    }
    for (unsigned i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof name, "busy%u@example.org", i);
        ck_assert_msg(!rate_has(&rate, str_of(name), START_MS, &wait_s), "%s", name);
    }
}
END_TEST

START_TEST(test_without_a_limit_there_is_always_a_turn)
{
    rate_set(&rate, 0, PERIOD_MS);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert(rate_take(&rate, ann, START_MS, &wait_s));
    rate_set(&rate, BURST, PERIOD_MS);
    take_all(ann, START_MS);
}
END_TEST

static bool share(const char *first, const char *second)
{
    unsigned char room[2][8];

    return str_equals(rate_name_address(first, room[0]), rate_name_address(second, room[1]));
}

START_TEST(test_a_network_of_ipv6_is_one_client)
{
    ck_assert(share("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
    ck_assert(!share("2001:db8:1:2::1", "2001:db8:1:3::1"));
    ck_assert(!share("127.0.0.1", "127.0.0.2"));
    ck_assert(!share("::ffff:127.0.0.1", "::ffff:127.0.0.2"));
    ck_assert(share("unix:", "unix:"));
}
END_TEST

Suite *suite_rate(void)
{
    Suite *suite = suite_create("rate");
    TCase *cases = tcase_create("rate");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_gives_as_many_turns_at_once_as_there_are_and_says_how_long_to_wait);
    tcase_add_test(cases, test_a_refused_turn_costs_nothing);
    tcase_add_test(cases, test_looking_takes_no_turn);
    tcase_add_test(cases, test_a_bucket_never_holds_more_than_it_can);
    tcase_add_test(cases, test_gives_no_more_than_its_rate_in_the_long_run);
    tcase_add_test(cases, test_names_have_turns_of_their_own);
    tcase_add_test(cases, test_names_that_have_none_left_take_nothing_from_others);
    tcase_add_test(cases, test_nobody_gets_turns_back_because_others_take_theirs);
    tcase_add_test(cases, test_without_a_limit_there_is_always_a_turn);
    tcase_add_test(cases, test_a_network_of_ipv6_is_one_client);
    suite_add_tcase(suite, cases);
    return suite;
}
