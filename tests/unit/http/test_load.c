#include "http/load.h"

#include "http/suites.h"

#include <check.h>

enum { SECOND_US = 1000 * 1000 };

/* Looks twice a second, for so long; of each half second so many microseconds were used. */
static void use(struct load *load, unsigned seconds, uint64_t used_us)
{
    for (unsigned i = 0; i < 2 * seconds; i++)
        load_look(load, load->wall_us + SECOND_US / 2, load->cpu_us + used_us);
}

START_TEST(test_load_is_the_share_of_a_core_after_a_while)
{
    struct load load = {0};

    load_look(&load, 77 * (uint64_t)SECOND_US, 5 * (uint64_t)SECOND_US);
    ck_assert_uint_eq(load.share, 0);
    use(&load, 1, SECOND_US / 2);
    ck_assert_uint_gt(load.share, 50);
    ck_assert_uint_lt(load.share, 200);
    use(&load, 60, SECOND_US / 2);
    ck_assert_uint_gt(load.share, 950);
    use(&load, 60, SECOND_US / 8);
    ck_assert_uint_gt(load.share, 230);
    ck_assert_uint_lt(load.share, 270);
    use(&load, 120, 0);
    ck_assert_uint_lt(load.share, 30);
}
END_TEST

START_TEST(test_load_of_a_loop_that_slept_long_is_what_it_was_meanwhile)
{
    struct load load = {.wall_us = 1, .cpu_us = 0, .share = 900};

    load_look(&load, 3600 * (uint64_t)SECOND_US, 1);
    ck_assert_uint_eq(load.share, 0);
    load_look(&load, load.wall_us, 5);
    ck_assert_uint_eq(load.share, 0);
    load_look(&load, load.wall_us + 20 * SECOND_US, load.cpu_us + 40 * (uint64_t)SECOND_US);
    ck_assert_uint_eq(load.share, LOAD_FULL);
}
END_TEST

static const struct {
    unsigned share;
    uint64_t least, most, asked;
} cases[] = {
    {0, 0, 1800, 0},        {LOAD_BUSY, 0, 1800, 0},
    {850, 0, 1800, 900},    {LOAD_FULL, 0, 1800, 1800},
    {0, 60, 1800, 60},      {LOAD_FULL, 60, 1800, 1800},
    {LOAD_FULL, 60, 0, 60}, {LOAD_FULL, 900, 600, 900},
    {LOAD_FULL, 0, 0, 0},
};

START_TEST(test_load_poll_time_grows_from_least_to_most)
{
    const struct load load = {.share = cases[_i].share};

    ck_assert_uint_eq(load_poll_time(&load, cases[_i].least, cases[_i].most), cases[_i].asked);
}
END_TEST

Suite *suite_load(void)
{
    Suite *suite = suite_create("load");
    TCase *cases_of = tcase_create("all");

    tcase_add_test(cases_of, test_load_is_the_share_of_a_core_after_a_while);
    tcase_add_test(cases_of, test_load_of_a_loop_that_slept_long_is_what_it_was_meanwhile);
    tcase_add_loop_test(cases_of, test_load_poll_time_grows_from_least_to_most, 0,
                        sizeof cases / sizeof cases[0]);
    suite_add_tcase(suite, cases_of);
    return suite;
}
