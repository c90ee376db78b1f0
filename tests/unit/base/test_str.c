#include "base/str.h"

#include "base/suites.h"

#include <check.h>

static const struct str none = {NULL, 0};

static void assert_str(struct str str, const char *expected)
{
    ck_assert_uint_eq(str.length, str_of(expected).length);
    ck_assert(str_equals(str, str_of(expected)));
}

START_TEST(test_str_of_null_is_empty)
{
    ck_assert_uint_eq(str_of(NULL).length, 0);
    ck_assert_uint_eq(str_of("").length, 0);
    ck_assert_uint_eq(str_of("abc").length, 3);
    ck_assert_uint_eq(STR("a\0b").length, 3);
}
END_TEST

START_TEST(test_str_equals_compares_every_byte_and_the_length)
{
    ck_assert(str_equals(STR("a\0b"), STR("a\0b")));
    ck_assert(!str_equals(STR("a\0b"), STR("a\0c")));
    ck_assert(!str_equals(STR("ab"), STR("abc")));
    ck_assert(!str_equals(STR("abc"), STR("ab")));
    ck_assert(!str_equals(STR("ab"), STR("aB")));
    ck_assert(str_equals(none, STR("")));
    ck_assert(!str_equals(none, STR("a")));
}
END_TEST

START_TEST(test_str_equals_nocase_folds_ascii_letters_only)
{
    ck_assert(str_equals_nocase(STR("AbZz"), STR("aBzZ")));
    ck_assert(!str_equals_nocase(STR("ab"), STR("abc")));
    ck_assert(!str_equals_nocase(STR("ab"), STR("ac")));
    ck_assert(!str_equals_nocase(STR("@"), STR("`")));
    ck_assert(!str_equals_nocase(STR("["), STR("{")));
    ck_assert(!str_equals_nocase(STR("\xc4"), STR("\xe4")));
    ck_assert(str_equals_nocase(none, STR("")));
}
END_TEST

START_TEST(test_str_starts_and_ends_with)
{
    ck_assert(str_starts_with(STR("abc"), STR("ab")));
    ck_assert(str_starts_with(STR("abc"), STR("abc")));
    ck_assert(str_starts_with(STR("abc"), none));
    ck_assert(str_starts_with(none, none));
    ck_assert(!str_starts_with(STR("abc"), STR("bc")));
    ck_assert(!str_starts_with(STR("ab"), STR("abc")));
    ck_assert(str_ends_with(STR("abc"), STR("bc")));
    ck_assert(str_ends_with(STR("abc"), STR("abc")));
    ck_assert(str_ends_with(STR("abc"), none));
    ck_assert(!str_ends_with(STR("abc"), STR("ab")));
    ck_assert(!str_ends_with(STR("bc"), STR("abc")));
}
END_TEST

START_TEST(test_str_find_byte_gives_the_first_or_the_length)
{
    ck_assert_uint_eq(str_find_byte(STR("abcb"), 'b'), 1);
    ck_assert_uint_eq(str_find_byte(STR("abc"), 'x'), 3);
    ck_assert_uint_eq(str_find_byte(STR("a\0b"), 'b'), 2);
    ck_assert_uint_eq(str_find_byte(STR("abc"), '\0'), 3);
    ck_assert_uint_eq(str_find_byte(none, 'x'), 0);
}
END_TEST

START_TEST(test_str_slice_stays_inside)
{
    struct str text = STR("hello");

    assert_str(str_slice(text, 1, 3), "ell");
    assert_str(str_slice(text, 1, SIZE_MAX), "ello");
    assert_str(str_slice(text, 5, 1), "");
    assert_str(str_slice(text, SIZE_MAX, SIZE_MAX), "");
    ck_assert_ptr_eq(str_slice(text, 9, 1).data, text.data + text.length);
    ck_assert_ptr_null(str_slice(none, 1, 1).data);
}
END_TEST

START_TEST(test_str_trim_takes_blanks_and_tabs_off_both_ends)
{
    assert_str(str_trim(STR(" \ta b\t ")), "a b");
    assert_str(str_trim(STR("a")), "a");
    assert_str(str_trim(STR(" \t ")), "");
    assert_str(str_trim(STR("\na\r")), "\na\r");
    assert_str(str_trim(none), "");
}
END_TEST

static const struct {
    const char *text, *parts[5];
} splits[] = {
    {"a,,b", {"a", "", "b", NULL}}, {"", {"", NULL}},        {",", {"", "", NULL}},
    {"a,", {"a", "", NULL}},        {",a", {"", "a", NULL}}, {"a;b", {"a;b", NULL}},
};

START_TEST(test_str_split_gives_every_part_once)
{
    struct str rest = str_of(splits[_i].text), part;

    for (const char *const *expected = splits[_i].parts; *expected; expected++) {
        ck_assert(str_split(&rest, ',', &part));
        assert_str(part, *expected);
    }
    ck_assert(!str_split(&rest, ',', &part));
    ck_assert(!str_split(&rest, ',', &part));
}
END_TEST

static const struct {
    const char *text;
    uint64_t most, number;
} numbers[] = {
    {"0", 0, 0},
    {"7", 7, 7},
    {"10", UINT64_MAX, 10},
    {"9007199254740991", UINT64_MAX, UINT64_C(9007199254740991)},
    {"18446744073709551615", UINT64_MAX, UINT64_MAX},
};

START_TEST(test_str_parse_u64_reads_decimal_numbers)
{
    uint64_t number = 1234;

    ck_assert(str_parse_u64(str_of(numbers[_i].text), numbers[_i].most, &number));
    ck_assert_uint_eq(number, numbers[_i].number);
}
END_TEST

static const struct {
    struct str text;
    uint64_t most;
} no_numbers[] = {
    {STR_INIT(""), UINT64_MAX},
    {STR_INIT("-1"), UINT64_MAX},
    {STR_INIT("+1"), UINT64_MAX},
    {STR_INIT(" 1"), UINT64_MAX},
    {STR_INIT("1 "), UINT64_MAX},
    {STR_INIT("1\0"), UINT64_MAX},
    {STR_INIT("/"), UINT64_MAX},
    {STR_INIT(":"), UINT64_MAX},
    {STR_INIT("1x"), UINT64_MAX},
    {STR_INIT("1.0"), UINT64_MAX},
    {STR_INIT("01"), UINT64_MAX},
    {STR_INIT("00"), UINT64_MAX},
    {STR_INIT("8"), 7},
    {STR_INIT("18446744073709551616"), UINT64_MAX}, /* the sum overflows */
    {STR_INIT("18446744073709551620"), UINT64_MAX}, /* the product does */
    {STR_INIT("99999999999999999999999"), UINT64_MAX},
};

START_TEST(test_str_parse_u64_refuses_the_rest_and_leaves_the_number_alone)
{
    uint64_t number = 1234;

    ck_assert(!str_parse_u64(no_numbers[_i].text, no_numbers[_i].most, &number));
    ck_assert_uint_eq(number, 1234);
}
END_TEST

Suite *suite_str(void)
{
    Suite *suite = suite_create("str");
    TCase *tests = tcase_create("str");

    tcase_add_test(tests, test_str_of_null_is_empty);
    tcase_add_test(tests, test_str_equals_compares_every_byte_and_the_length);
    tcase_add_test(tests, test_str_equals_nocase_folds_ascii_letters_only);
    tcase_add_test(tests, test_str_starts_and_ends_with);
    tcase_add_test(tests, test_str_find_byte_gives_the_first_or_the_length);
    tcase_add_test(tests, test_str_slice_stays_inside);
    tcase_add_test(tests, test_str_trim_takes_blanks_and_tabs_off_both_ends);
    tcase_add_loop_test(tests, test_str_split_gives_every_part_once, 0,
                        (int)(sizeof splits / sizeof *splits));
    tcase_add_loop_test(tests, test_str_parse_u64_reads_decimal_numbers, 0,
                        (int)(sizeof numbers / sizeof *numbers));
    tcase_add_loop_test(tests, test_str_parse_u64_refuses_the_rest_and_leaves_the_number_alone, 0,
                        (int)(sizeof no_numbers / sizeof *no_numbers));
    suite_add_tcase(suite, tests);
    return suite;
}
