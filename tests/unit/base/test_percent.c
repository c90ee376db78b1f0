#include "base/percent.h"

#include "base/suites.h"

#include <string.h>

#include <check.h>

static const struct {
    struct str text;
    bool form;
    struct str decoded;
} good[] = {
    {STR_INIT(""), false, STR_INIT("")},
    {STR_INIT("plain"), false, STR_INIT("plain")},
    {STR_INIT("%41"), false, STR_INIT("A")},
    {STR_INIT("a%2Fb%2fc"), false, STR_INIT("a/b/c")},
    {STR_INIT("%C3%A4%f0"), false, STR_INIT("\xc3\xa4\xf0")},
    {STR_INIT("%01%7f%fF%10"), false, STR_INIT("\x01\x7f\xff\x10")},
    {STR_INIT("%2541"), false, STR_INIT("%41")},
    {STR_INIT("a+b"), false, STR_INIT("a+b")},
    {STR_INIT("a+b++"), true, STR_INIT("a b  ")},
    {STR_INIT("%2B+%2b"), true, STR_INIT("+ +")},
    {STR_INIT("/?#\xff"), false, STR_INIT("/?#\xff")},
};

START_TEST(test_percent_decode_reads_escapes)
{
    struct buf out = {0};

    buf_append_byte(&out, '>');
    ck_assert(percent_decode(good[_i].text, good[_i].form, &out));
    ck_assert(str_equals(str_slice(buf_str(&out), 1, out.length), good[_i].decoded));
    ck_assert_int_eq(out.data[0], '>');
    buf_clear(&out);
}
END_TEST

static const char *const bad[] = {
    "%",   "a%",    "%4",   "a%4", "%zz",   "%4z", "%z4", "% 41",   "%+1",
    "%-1", "%4%41", "%%41", "%00", "a%00b", "%4g", "%G4", "%u0041",
};

START_TEST(test_percent_decode_refuses_bad_escapes_and_nul)
{
    struct buf out = {0};

    ck_assert(!percent_decode(str_of(bad[_i]), false, &out));
    buf_clear(&out);
    ck_assert(!percent_decode(str_of(bad[_i]), true, &out));
    buf_clear(&out);
}
END_TEST

/* What stands behind the text is not part of it, even if it would complete an escape. */
START_TEST(test_percent_decode_does_not_read_beyond_its_text)
{
    struct buf out = {0};
    struct str text = STR("%41");

    ck_assert(!percent_decode(str_slice(text, 0, 2), false, &out));
    ck_assert(!percent_decode(str_slice(text, 0, 1), false, &out));
    buf_clear(&out);
}
END_TEST

/* Reading on to the end from each blank would take half a minute, and the test's time be up. */
START_TEST(test_percent_decode_of_many_blanks_reads_the_text_once)
{
    static char text[2000000];
    struct buf out = {0};

    memset(text, '+', sizeof text);
    ck_assert(percent_decode((struct str){text, sizeof text}, true, &out));
    ck_assert_uint_eq(out.length, sizeof text);
    ck_assert_uint_eq(str_find_byte(buf_str(&out), '+'), sizeof text);
    buf_clear(&out);
}
END_TEST

START_TEST(test_percent_encode_keeps_the_plain_and_codes_the_rest)
{
    struct buf out = {0};

    percent_encode(STR("AZaz09-._~@"), &out);
    ck_assert_str_eq(out.data, "AZaz09-._~@");
    buf_reset(&out);
    percent_encode(STR("a/b %+?&=:\0\x7f\xc3\xa4[`{^,?"), &out);
    ck_assert_str_eq(out.data, "a%2Fb%20%25%2B%3F%26%3D%3A%00%7F%C3%A4%5B%60%7B%5E%2C%3F");
    buf_clear(&out);
}
END_TEST

START_TEST(test_percent_decode_undoes_encode_for_every_byte_but_nul)
{
    struct buf coded = {0}, back = {0};
    char all[255];

    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)(i + 1);
    percent_encode((struct str){all, sizeof all}, &coded);
    /* 62 letters and digits and five signs stay; the others take three bytes. */
    ck_assert_uint_eq(coded.length, 67 + 3 * (255 - 67));
    ck_assert(percent_decode(buf_str(&coded), false, &back));
    ck_assert(str_equals(buf_str(&back), (struct str){all, sizeof all}));
    buf_reset(&back);
    ck_assert(percent_decode(buf_str(&coded), true, &back));
    ck_assert(str_equals(buf_str(&back), (struct str){all, sizeof all}));
    buf_clear(&coded);
    buf_clear(&back);
}
END_TEST

START_TEST(test_percent_hex_value_knows_22_digits)
{
    static const char digits[] = "0123456789abcdef", capitals[] = "ABCDEF";
    int known = 0;

    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(percent_hex_value(digits[i]), i);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(percent_hex_value(capitals[i]), i + 10);
    for (int byte = 0; byte < 256; byte++)
        known += percent_hex_value((char)byte) != -1;
    ck_assert_int_eq(known, 22);
}
END_TEST

Suite *suite_percent(void)
{
    Suite *suite = suite_create("percent");
    TCase *tests = tcase_create("percent");

    tcase_add_loop_test(tests, test_percent_decode_reads_escapes, 0,
                        (int)(sizeof good / sizeof *good));
    tcase_add_loop_test(tests, test_percent_decode_refuses_bad_escapes_and_nul, 0,
                        (int)(sizeof bad / sizeof *bad));
    tcase_add_test(tests, test_percent_decode_does_not_read_beyond_its_text);
    tcase_add_test(tests, test_percent_decode_of_many_blanks_reads_the_text_once);
    tcase_add_test(tests, test_percent_encode_keeps_the_plain_and_codes_the_rest);
    tcase_add_test(tests, test_percent_decode_undoes_encode_for_every_byte_but_nul);
    tcase_add_test(tests, test_percent_hex_value_knows_22_digits);
    suite_add_tcase(suite, tests);
    return suite;
}
