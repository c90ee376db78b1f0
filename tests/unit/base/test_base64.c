#include "base/base64.h"

#include "base/suites.h"

#include <stdlib.h>

#include <check.h>

static bool decode(const char *text, struct buf *out)
{
    buf_reset(out);
    return base64_decode(str_of(text), out);
}

START_TEST(test_base64_takes_either_alphabet_with_padding_or_without)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"Zg==", "f"},
        {"Zg", "f"},
        {"Z28=", "go"},
        {"Z28", "go"},
        {"Zm9v", "foo"},
        {"Zm9vYg", "foob"},
        {"+/+/", "\xfb\xff\xbf"},
        {"-_-_", "\xfb\xff\xbf"},
        {"Zm9vYmFy", "foobar"},
        {"Zm9vYmE=", "fooba"},
    };
    struct buf out = {0};

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        ck_assert_msg(decode(pairs[i][0], &out), "%s", pairs[i][0]);
        ck_assert_uint_eq(out.length, strlen(pairs[i][1]));
        ck_assert_int_eq(memcmp(out.data, pairs[i][1], out.length), 0);
    }
    buf_clear(&out);
}
END_TEST

START_TEST(test_base64_refuses_whatever_has_another_spelling)
{
    static const char *const bad[] = {
        "A",
        "AB",
        "Zm9=",
        "Zg=",
        "Zg===",
        "=",
        "==",
        "====",
        "Zm 9v",
        "Zm9v\n",
        "Zh==",
        "Zm9",
        "+_AA",
        "Zg==Zg",
        "Z%67=",
        "Zm9v=",
        "Zm9v==",
        "\xc3\xa4"
        "AA",
    };
    struct buf out = {0};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!decode(bad[i], &out), "%s", bad[i]);
    buf_clear(&out);
}
END_TEST

START_TEST(test_base64_decodes_every_byte_at_every_place)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789+/";
    struct buf out = {0};

    for (unsigned byte = 0; byte < 256; byte++) {
        char text[] = {digits[byte >> 2], digits[(byte & 3) << 4 | byte >> 4],
                       digits[(byte & 15) << 2 | byte >> 6], digits[byte & 63], '\0'};

        ck_assert(decode(text, &out));
        ck_assert_uint_eq(out.length, 3);
        for (size_t i = 0; i < 3; i++)
            ck_assert_uint_eq((unsigned char)out.data[i], byte);
    }
    buf_clear(&out);
}
END_TEST

Suite *suite_base64(void)
{
    Suite *suite = suite_create("base64");
    TCase *tests = tcase_create("base64");

    tcase_add_test(tests, test_base64_takes_either_alphabet_with_padding_or_without);
    tcase_add_test(tests, test_base64_refuses_whatever_has_another_spelling);
    tcase_add_test(tests, test_base64_decodes_every_byte_at_every_place);
    suite_add_tcase(suite, tests);
    return suite;
}
