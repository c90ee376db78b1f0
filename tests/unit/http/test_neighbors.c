#include "http/neighbors.h"

#include "http/suites.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

static struct neighbors neighbors;
static struct error error;

static void setup(void)
{
    neighbors = (struct neighbors){0};
    ck_assert(neighbors_open(&neighbors, &error));
}

static void teardown(void)
{
    neighbors_close(&neighbors);
    neighbors_close(&neighbors);
}

START_TEST(test_neighbors_are_as_many_as_there_may_be)
{
    struct neighbor *first = neighbors_join(&neighbors, "192.0.2.1", 2, &error);

    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_eq(neighbors_join(&neighbors, "192.0.2.1", 2, &error), first);
    ck_assert_ptr_null(neighbors_join(&neighbors, "192.0.2.1", 2, &error));
    ck_assert_int_eq(error.code, ERROR_TOO_OFTEN);
    ck_assert_ptr_nonnull(strstr(error.message, "192.0.2.1 has 2 connections already"));
    ck_assert_ptr_nonnull(neighbors_join(&neighbors, "192.0.2.2", 2, &error));
    neighbors_leave(&neighbors, first);
    ck_assert_ptr_eq(neighbors_join(&neighbors, "192.0.2.1", 2, &error), first);
}
END_TEST

START_TEST(test_neighbors_of_one_customer_are_one)
{
    struct neighbor *one = neighbors_join(&neighbors, "2001:db8:0:1::1", 9, &error);

    ck_assert_ptr_eq(neighbors_join(&neighbors, "2001:db8:0:1:ffff::2", 9, &error), one);
    ck_assert_ptr_ne(neighbors_join(&neighbors, "2001:db8:0:2::1", 9, &error), one);
}
END_TEST

START_TEST(test_neighbors_who_left_leave_nothing_behind)
{
    struct neighbor *all[300];
    char peer[32];

    for (unsigned i = 0; i < 300; i++) {
        (void)snprintf(peer, sizeof peer, "192.0.%u.%u", i / 100, i % 100);
        all[i] = neighbors_join(&neighbors, peer, 1, &error);
        ck_assert_ptr_nonnull(all[i]);
    }
    ck_assert_uint_eq(neighbors.table.count, 300);
    for (unsigned i = 0; i < 300; i++)
        neighbors_leave(&neighbors, all[i]);
    ck_assert_uint_eq(neighbors.table.count, 0);
}
END_TEST

START_TEST(test_neighbors_close_frees_who_is_there_still)
{
    ck_assert_ptr_nonnull(neighbors_join(&neighbors, "192.0.2.1", 1, &error));
    ck_assert_ptr_nonnull(neighbors_join(&neighbors, "unknown", 1, &error));
    neighbors_close(&neighbors);
    ck_assert_ptr_null(table_find(&neighbors.table, STR("192.0.2.1")));
}
END_TEST

Suite *suite_neighbors(void)
{
    Suite *suite = suite_create("neighbors");
    TCase *cases = tcase_create("all");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_neighbors_are_as_many_as_there_may_be);
    tcase_add_test(cases, test_neighbors_of_one_customer_are_one);
    tcase_add_test(cases, test_neighbors_who_left_leave_nothing_behind);
    tcase_add_test(cases, test_neighbors_close_frees_who_is_there_still);
    suite_add_tcase(suite, cases);
    return suite;
}
