#include "store/paths.h"

#include "store/suites.h"

#include <string.h>

#include <check.h>

static const char path[] = "a.org/u@b.org/notes";

START_TEST(test_paths_names_the_files_of_a_collection)
{
    char name[PATHS_SIZE];

    paths_put_info(name, path);
    ck_assert_str_eq(name, "a.org/u@b.org/notes/collection.json");
    paths_put_index(name, path);
    ck_assert_str_eq(name, "a.org/u@b.org/notes/database.index");
    paths_put_data(name, path, 7);
    ck_assert_str_eq(name, "a.org/u@b.org/notes/database.7");
    paths_put_deleted(name, path);
    ck_assert_str_eq(name, "a.org/u@b.org/notes/deleted.json");
}
END_TEST

START_TEST(test_paths_names_what_is_above)
{
    char name[PATHS_SIZE];

    paths_put_directory(name, path, 0);
    ck_assert_str_eq(name, "a.org/u@b.org/notes");
    paths_put_directory(name, path, 1);
    ck_assert_str_eq(name, "a.org/u@b.org");
    paths_put_directory(name, path, 2);
    ck_assert_str_eq(name, "a.org");
    paths_put_directory(name, path, 3);
    ck_assert_str_eq(name, ".");
}
END_TEST

START_TEST(test_paths_has_room_for_the_longest)
{
    struct address address;
    char longest[sizeof address.path], name[PATHS_SIZE];

    memset(longest, 'x', sizeof longest);
    longest[ADDRESS_NAME_MOST] = longest[2 * ADDRESS_NAME_MOST + 1] = '/';
    longest[sizeof longest - 1] = '\0';
    ck_assert(paths_check(str_of(longest)));
    paths_put_data(name, longest, UINT64_MAX);
    ck_assert_str_eq(name + strlen(longest), "/database.18446744073709551615");
}
END_TEST

static const char *const urls[] = {
    "/a.org/u@b.org/notes",        "/a.org/u@b.org/x/y/z",    "/a.org/u@b.org/...",
    "/a.org/u@b.org/.hidden",      "/a.org/u@b.org/-",        "/a.org/u@b.org/%252e%252e",
    "/a.org/u@b.org/a+b~_%20%ff",  "/a.org/u@b.org/\xc3\xa4", "/[::1]/u@b.org/n",
    "/a_b.org/!#$&'*@b.org/(n),;", "/a.org/...@b.org/n",      "/127.0.0.1/u@b.org/database.index",
};

/* What the journal holds for such an address would be refused after a crash otherwise. */
START_TEST(test_paths_takes_what_an_address_makes)
{
    struct address address;
    struct error error;

    if (address_parse(&address, str_of(urls[_i]), &error))
        ck_assert_msg(paths_check(str_of(address.path)), "%s", address.path);
    else
        ck_assert_int_eq(error.code, ERROR_BAD_PATH);
}
END_TEST

START_TEST(test_paths_takes_a_bucket_of_dots)
{
    ck_assert(paths_check(STR("a.org/u@b.org/...")));
    ck_assert(paths_check(STR("a.org/u@b.org/.x")));
}
END_TEST

static const struct str bad[] = {
    STR_INIT(""),
    STR_INIT("a.org"),
    STR_INIT("a.org/u@b.org"),
    STR_INIT("a.org/u@b.org/"),
    STR_INIT("a.org/u@b.org/n/"),
    STR_INIT("a.org/u@b.org/n/m"),
    STR_INIT("/u@b.org/n"),
    STR_INIT("a.org//n"),
    STR_INIT("a.org/u@b.org/."),
    STR_INIT("a.org/u@b.org/.."),
    STR_INIT("../u@b.org/n"),
    STR_INIT("a.org/../n"),
    STR_INIT(".journal/u@b.org/n"),
    STR_INIT("a.org/u@b.org/a b"),
    STR_INIT("a.org/u@b.org/a\0b"),
    STR_INIT("a.org/u@b.org/a\\b"),
    STR_INIT("a.org/u@b.org/a\xc3\xa4"),
    STR_INIT("a.org/u@b.org/"
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
             "xxxxxxxxxxxxxxxx"),
    {NULL, 0},
};

START_TEST(test_paths_refuses_what_leads_elsewhere)
{
    ck_assert_msg(!paths_check(bad[_i]), "%.*s", STR_ARG(bad[_i]));
}
END_TEST

Suite *suite_paths(void)
{
    Suite *suite = suite_create("paths");
    TCase *tests = tcase_create("paths");

    tcase_add_test(tests, test_paths_names_the_files_of_a_collection);
    tcase_add_test(tests, test_paths_names_what_is_above);
    tcase_add_test(tests, test_paths_has_room_for_the_longest);
    tcase_add_loop_test(tests, test_paths_takes_what_an_address_makes, 0,
                        sizeof urls / sizeof *urls);
    tcase_add_test(tests, test_paths_takes_a_bucket_of_dots);
    tcase_add_loop_test(tests, test_paths_refuses_what_leads_elsewhere, 0,
                        sizeof bad / sizeof *bad);
    suite_add_tcase(suite, tests);
    return suite;
}
