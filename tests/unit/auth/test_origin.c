#include "auth/suites.h"

#include "auth/origin.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

static const struct {
    const char *text, *canonical, *host;
    bool secure;
    unsigned port;
} good[] = {
    {"https://app.example", "https://app.example", "app.example", true, 443},
    {"https://app.example:443", "https://app.example", "app.example", true, 443},
    {"https://app.example:8443", "https://app.example:8443", "app.example", true, 8443},
    {"http://app.example:80", "http://app.example", "app.example", false, 80},
    {"http://app.example:443", "http://app.example:443", "app.example", false, 443},
    {"https://app.example:80", "https://app.example:80", "app.example", true, 80},
    {"http://localhost:65535", "http://localhost:65535", "localhost", false, 65535},
    {"http://127.0.0.1:1", "http://127.0.0.1:1", "127.0.0.1", false, 1},
    {"http://[::1]", "http://[::1]", "[::1]", false, 80},
    {"https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443", "[2001:db8::1]", true, 8443},
    {"https://app.example/", "https://app.example", "app.example", true, 443},
    {"http://app.example:8080/", "http://app.example:8080", "app.example", false, 8080},
};

START_TEST(test_origin_takes_scheme_host_and_port)
{
    struct origin origin;
    struct error error;

    ck_assert_msg(origin_parse(&origin, str_of(good[_i].text), &error), "%s", error.message);
    ck_assert_str_eq(origin.text, good[_i].canonical);
    ck_assert_str_eq(origin.host, good[_i].host);
    ck_assert(origin.secure == good[_i].secure);
    ck_assert_uint_eq(origin.port, good[_i].port);
}
END_TEST

START_TEST(test_origin_is_canonical_once_and_for_all)
{
    struct origin origin, again;
    struct error error;

    ck_assert(origin_parse(&origin, str_of(good[_i].text), &error));
    ck_assert(origin_parse(&again, str_of(origin.text), &error));
    ck_assert_str_eq(again.text, origin.text);
}
END_TEST

/* Each of these is read as another site by some parser. */
static const char *const bad[] = {
    "",
    "null",
    "app.example",
    "//app.example",
    "https:/app.example",
    "https:app.example",
    "https://",
    "https:///",
    "https://:443",
    "ftp://app.example",
    "HTTPS://app.example",
    "https://App.example",
    "https://app.example.",
    "https://app..example",
    "https://.app.example",
    "https://-app.example",
    "https://app.example/path",
    "https://app.example//",
    "https://app.example?query",
    "https://app.example#part",
    "https://user@app.example",
    "https://victim.com:x@attacker.com",
    "https://user:pass@app.example",
    "https://app.example:",
    "https://app.example:0",
    "https://app.example:080",
    "https://app.example:65536",
    "https://app.example:-1",
    "https://app.example:+1",
    "https://app.example: 1",
    "https://app.example:1:2",
    "https://app.example:18446744073709551616",
    " https://app.example",
    "https://app.example ",
    "https://app example",
    "https://app.example\n",
    "https://app.example\\@attacker.com",
    "https://app.example%2eattacker.com",
    "https://xn--\xc3\xa4.example",
    "https://[::1",
    "https://::1",
    "https://[::1]x",
    "https://[::1]:",
    "https://[0:0:0:0:0:0:0:1]",
    "https://0x7f.1",
    "https://127.1",
    "https://2130706433",
    "https://app.example, https://attacker.com",
};

START_TEST(test_origin_refuses_what_two_parsers_could_read_differently)
{
    struct origin origin;
    struct error error;

    ck_assert_msg(!origin_parse(&origin, str_of(bad[_i]), &error), "%s", bad[_i]);
    ck_assert_int_eq(error.code, ERROR_BAD_PARAMETER);
    ck_assert_ptr_nonnull(strstr(error.message, "is no origin"));
}
END_TEST

START_TEST(test_origin_refuses_bytes_behind_its_end)
{
    struct origin origin;
    struct error error;

    ck_assert(!origin_parse(&origin, STR("https://app.example\0.attacker.com"), &error));
    ck_assert(!origin_parse(&origin, STR("https://app.example:443\0"), &error));
}
END_TEST

START_TEST(test_origin_holds_the_longest_host)
{
    char text[8 + 255 + 1] = "https://";
    struct origin origin;
    struct error error;
    size_t length = 8;

    for (unsigned label = 0; label < 4; label++) {
        unsigned letters = label < 3 ? 63 : 61; /* 3 * 64 + 61 = 253 */

        memset(text + length, 'a', letters);
        length += letters;
        text[length++] = '.';
    }
    struct str longest = {text, length - 1};
    ck_assert(origin_parse(&origin, longest, &error));
    ck_assert_uint_eq(strlen(origin.host), 253);
    text[length - 1] = 'a'; /* one more */
    ck_assert(!origin_parse(&origin, (struct str){text, length}, &error));
}
END_TEST

Suite *suite_origin(void)
{
    Suite *suite = suite_create("origin");
    TCase *tests = tcase_create("origin");

    tcase_add_loop_test(tests, test_origin_takes_scheme_host_and_port, 0,
                        (int)(sizeof good / sizeof *good));
    tcase_add_loop_test(tests, test_origin_is_canonical_once_and_for_all, 0,
                        (int)(sizeof good / sizeof *good));
    tcase_add_loop_test(tests, test_origin_refuses_what_two_parsers_could_read_differently, 0,
                        (int)(sizeof bad / sizeof *bad));
    tcase_add_test(tests, test_origin_refuses_bytes_behind_its_end);
    tcase_add_test(tests, test_origin_holds_the_longest_host);
    suite_add_tcase(suite, tests);
    return suite;
}
