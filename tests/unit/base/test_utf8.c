#include "base/utf8.h"

#include "base/suites.h"

#include <check.h>

enum { END = 0x110000, SURROGATES = 0xd800, SURROGATES_END = 0xe000 };

/* By the table of RFC 3629, section 3, whether code is allowed or not. */
static struct str encode(unsigned code, size_t length, char *to)
{
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = length; i-- > 1; code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)(marks[length] | code);
    return (struct str){to, length};
}

static size_t shortest(unsigned code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

START_TEST(test_utf8_accepts_every_character_and_no_surrogate)
{
    char memory[4];

    for (unsigned code = 0; code < END; code++) {
        bool surrogate = code >= SURROGATES && code < SURROGATES_END;

        if (utf8_check(encode(code, shortest(code), memory)) == surrogate)
            ck_abort_msg("U+%04X", code);
    }
}
END_TEST

START_TEST(test_utf8_refuses_every_overlong_form)
{
    char memory[4];

    for (unsigned code = 0; code < 0x10000; code++) {
        for (size_t length = shortest(code) + 1; length <= 4; length++) {
            if (utf8_check(encode(code, length, memory)))
                ck_abort_msg("U+%04X in %zu bytes", code, length);
        }
    }
}
END_TEST

static const struct str bad[] = {
    STR_INIT("\x80"), /* nothing to continue */
    STR_INIT("\xbf"),
    STR_INIT("\xc0\x80"),
    STR_INIT("\xc1\xbf"),
    STR_INIT("\xf4\x90\x80\x80"), /* U+110000 */
    STR_INIT("\xf5\x80\x80\x80"),
    STR_INIT("\xf8\x88\x80\x80\x80"),
    STR_INIT("\xfe"),
    STR_INIT("\xff"),
    STR_INIT("\xc3"), /* no end */
    STR_INIT("\xe2\x82"),
    STR_INIT("\xf0\x9f\x8d"),
    STR_INIT("\xc3"
             "a"), /* a letter where a character goes on */
    STR_INIT("\xe2\x82"
             "a"),
    STR_INIT("\xe2"
             "a\xac"),
    STR_INIT("\xf0\x9f\x8d"
             "a"),
    STR_INIT("\xf0\x9f"
             "a\xaa"),
    STR_INIT("\xc3\xc3\xa4"),
    STR_INIT("\xc3\xa4\xa4"),
    STR_INIT("\xe0\xa0\xc0"), /* the bounds hold for the first byte only */
    STR_INIT("\xed\xa0\x80\xed\xb0\x80"),
};

START_TEST(test_utf8_refuses_what_is_not_utf8)
{
    ck_assert(!utf8_check(bad[_i]));
}
END_TEST

/* Wherever it stands between whole words of ASCII. */
START_TEST(test_utf8_finds_a_bad_byte_behind_any_number_of_good_ones)
{
    char text[40];

    for (size_t before = 0; before < sizeof text; before++) {
        for (unsigned byte = 0; byte < 0x100; byte++) {
            memset(text, 'a', sizeof text);
            text[before] = (char)byte;
            ck_assert_int_eq(utf8_check((struct str){text, sizeof text}), byte < 0x80);
        }
    }
}
END_TEST

START_TEST(test_utf8_accepts_any_mixture_of_lengths)
{
    ck_assert(utf8_check(STR("a\0\xc3\xa4z\xe2\x82\xac\xf0\x9f\x8d\xaa\xed\x9f\xbf\xee\x80\x80!")));
    ck_assert(utf8_check(STR("\xe0\xa0\x80\xe0\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
    ck_assert(utf8_check(STR("")));
    ck_assert(utf8_check((struct str){NULL, 0}));
}
END_TEST

START_TEST(test_utf8_feed_does_not_care_where_the_pieces_end)
{
    struct str text = STR("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x8d\xaa"
                          "b");
    const char *complete = "yynynnynnnyy"; /* after how many bytes a character has ended */

    for (size_t cut = 0; cut <= text.length; cut++) {
        struct utf8 utf8 = {0};

        ck_assert(utf8_feed(&utf8, str_slice(text, 0, cut)));
        ck_assert((utf8.left == 0) == (complete[cut] == 'y'));
        ck_assert(utf8_feed(&utf8, (struct str){NULL, 0}));
        ck_assert(utf8_feed(&utf8, str_slice(text, cut, text.length)));
        ck_assert_int_eq(utf8.left, 0);
    }
}
END_TEST

START_TEST(test_utf8_feed_remembers_bounds_between_pieces)
{
    struct utf8 utf8 = {0};

    ck_assert(utf8_feed(&utf8, STR("\xed")));
    ck_assert(!utf8_feed(&utf8, STR("\xa0")));
    utf8 = (struct utf8){0};
    ck_assert(utf8_feed(&utf8, STR("\xe0")));
    ck_assert(!utf8_feed(&utf8, STR("\x9f")));
}
END_TEST

START_TEST(test_utf8_trim_takes_off_only_a_character_without_end)
{
    struct str text = STR("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x8d\xaa"
                          "b");
    size_t kept[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};

    for (size_t cut = 0; cut <= text.length; cut++)
        ck_assert_uint_eq(utf8_trim(str_slice(text, 0, cut)).length, kept[cut]);
}
END_TEST

START_TEST(test_utf8_trim_leaves_what_was_never_a_character)
{
    ck_assert_uint_eq(utf8_trim((struct str){NULL, 0}).length, 0);
    ck_assert_uint_eq(utf8_trim(STR("\x80\x80\x80\x80\x80")).length, 5);
    ck_assert_uint_eq(utf8_trim(STR("\x80")).length, 1);
    ck_assert_uint_eq(utf8_trim(STR("a\xff")).length, 2);
    ck_assert_uint_eq(utf8_trim(STR("\xc3\xa4\xa4")).length, 3);
}
END_TEST

Suite *suite_utf8(void)
{
    Suite *suite = suite_create("utf8");
    TCase *tests = tcase_create("utf8");

    tcase_add_test(tests, test_utf8_accepts_every_character_and_no_surrogate);
    tcase_add_test(tests, test_utf8_refuses_every_overlong_form);
    tcase_add_loop_test(tests, test_utf8_refuses_what_is_not_utf8, 0,
                        (int)(sizeof bad / sizeof *bad));
    tcase_add_test(tests, test_utf8_finds_a_bad_byte_behind_any_number_of_good_ones);
    tcase_add_test(tests, test_utf8_accepts_any_mixture_of_lengths);
    tcase_add_test(tests, test_utf8_feed_does_not_care_where_the_pieces_end);
    tcase_add_test(tests, test_utf8_feed_remembers_bounds_between_pieces);
    tcase_add_test(tests, test_utf8_trim_takes_off_only_a_character_without_end);
    tcase_add_test(tests, test_utf8_trim_leaves_what_was_never_a_character);
    suite_add_tcase(suite, tests);
    return suite;
}
