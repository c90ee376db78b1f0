#include "http/ranges.h"

#include "http/suites.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

/* "start+length ..." */
static const struct {
    const char *header;
    uint64_t length;
    enum ranges_kind kind;
    const char *parts;
} cases[] = {
    {"bytes=0-0", 10, RANGES_SOME, "0+1 "},
    {"bytes=0-9", 10, RANGES_SOME, "0+10 "},
    {"bytes=3-", 10, RANGES_SOME, "3+7 "},
    {"bytes=-3", 10, RANGES_SOME, "7+3 "},
    {"bytes=-30", 10, RANGES_SOME, "0+10 "},
    {"bytes=9-99999999999999999999999", 10, RANGES_SOME, "9+1 "},
    {"bytes=0-0,-1, 4-5 ,", 10, RANGES_SOME, "0+1 9+1 4+2 "},
    {"bytes=10-,2-3", 10, RANGES_SOME, "2+2 "},
    {"BYTES=1-1", 10, RANGES_SOME, "1+1 "},
    {"bytes=10-", 10, RANGES_UNSATISFIABLE, ""},
    {"bytes=18446744073709551615-", 10, RANGES_UNSATISFIABLE, ""},
    {"bytes=99999999999999999999999-", 10, RANGES_UNSATISFIABLE, ""},
    {"bytes=-0", 10, RANGES_UNSATISFIABLE, ""},
    {"bytes=0-", 0, RANGES_UNSATISFIABLE, ""},
    {"bytes=-1", 0, RANGES_UNSATISFIABLE, ""},
    {"bytes=0-,5-", 10, RANGES_NONE, ""},
    {"bytes=5-4", 10, RANGES_NONE, ""},
    {"bytes=5-4,1-1", 10, RANGES_NONE, ""},
    {"bytes=", 10, RANGES_NONE, ""},
    {"bytes=,", 10, RANGES_NONE, ""},
    {"bytes=-", 10, RANGES_NONE, ""},
    {"bytes=1", 10, RANGES_NONE, ""},
    {"bytes=1-2-3", 10, RANGES_NONE, ""},
    {"bytes=+1-2", 10, RANGES_NONE, ""},
    {"bytes=1 -2", 10, RANGES_NONE, ""},
    {"byte=1-2", 10, RANGES_NONE, ""},
    {"bytes 1-2", 10, RANGES_NONE, ""},
    {"", 10, RANGES_NONE, ""},
};

START_TEST(test_ranges_as_the_standard_reads_them)
{
    struct ranges ranges;
    char said[200] = "";
    size_t length = 0;

    ck_assert_msg(ranges_parse(&ranges, str_of(cases[_i].header), cases[_i].length) ==
                      cases[_i].kind,
                  "%s", cases[_i].header);
    for (size_t i = 0; cases[_i].kind == RANGES_SOME && i < ranges.count; i++)
        length += (size_t)snprintf(said + length, sizeof said - length, "%llu+%llu ",
                                   (unsigned long long)ranges.parts[i].start,
                                   (unsigned long long)ranges.parts[i].length);
    ck_assert_str_eq(said, cases[_i].parts);
}
END_TEST

START_TEST(test_ranges_has_a_limit_to_their_number)
{
    struct ranges ranges;
    char header[200] = "bytes=";

    for (int i = 0; i < RANGES_MOST; i++)
        (void)strcat(header, "0-0,");
    ck_assert_int_eq(ranges_parse(&ranges, str_of(header), 1000), RANGES_SOME);
    ck_assert_uint_eq(ranges.count, RANGES_MOST);
    (void)strcat(header, "0-0");
    ck_assert_int_eq(ranges_parse(&ranges, str_of(header), 1000), RANGES_NONE);
    ck_assert_int_eq(ranges_parse(&ranges, (struct str){0}, 1000), RANGES_NONE);
}
END_TEST

Suite *suite_ranges(void)
{
    Suite *suite = suite_create("ranges");
    TCase *tests = tcase_create("ranges");

    tcase_add_loop_test(tests, test_ranges_as_the_standard_reads_them, 0,
                        sizeof cases / sizeof *cases);
    tcase_add_test(tests, test_ranges_has_a_limit_to_their_number);
    suite_add_tcase(suite, tests);
    return suite;
}
