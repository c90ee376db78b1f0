#include "http/proxy_header.h"

#include "http/suites.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4        "\xc0\x00\x02\x01\xc6\x33\x64\x01\x01\x00\x01\xbb"
#define V6                                                                                         \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"                                                   \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08\x01\x00\x01\xbb"

/* Each is followed by a request, which is not part of it. */
static const struct {
    struct str header;
    const char *source;
    bool is_local;
} good[] = {
    {STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"), "192.0.2.1", false},
    {STR_INIT("PROXY TCP6 2001:db8::7 2001:db8::8 0 65535\r\n"), "2001:db8::7", false},
    {STR_INIT("PROXY TCP6 2001:0DB8:0:0::7 ::1 1 1\r\n"), "2001:db8::7", false},
    {STR_INIT("PROXY UNKNOWN\r\n"), "", false},
    {STR_INIT("PROXY UNKNOWN ffff:f::ffff ffff::ffff 65535 65535\r\n"), "", false},
    {STR_INIT(SIGNATURE "\x21\x11\0\x0c" V4), "192.0.2.1", false},
    {STR_INIT(SIGNATURE "\x21\x11\0\x0f" V4 "tlv"), "192.0.2.1", false},
    {STR_INIT(SIGNATURE "\x21\x21\0\x24" V6), "2001:db8::7", false},
    {STR_INIT(SIGNATURE "\x20\0\0\0"), "", true},
    {STR_INIT(SIGNATURE "\x20\x11\0\x0c" V4), "", true},
    {STR_INIT(SIGNATURE "\x21\0\0\0"), "", false},
    {STR_INIT(SIGNATURE "\x21\x12\0\x0c" V4), "", false},
    {STR_INIT(SIGNATURE "\x21\x31\0\x02xx"), "", false},
};
enum { GOOD_COUNT = sizeof good / sizeof good[0] };

START_TEST(test_proxy_header_names_the_client_and_ends_where_it_ends)
{
    static const char after[] = "GET / HTTP/1.1\r\n";
    struct proxy_header header;
    struct error error;
    char text[256];
    size_t length;

    memcpy(text, good[_i].header.data, good[_i].header.length);
    memcpy(text + good[_i].header.length, after, sizeof after);
    struct str bytes = {text, good[_i].header.length + sizeof after};
    ck_assert_int_eq(proxy_header_read(&header, bytes, &length, &error), PROXY_HEADER_READ);
    ck_assert_uint_eq(length, good[_i].header.length);
    ck_assert_str_eq(header.source, good[_i].source);
    ck_assert_int_eq(header.is_local, good[_i].is_local);
}
END_TEST

START_TEST(test_proxy_header_that_is_cut_anywhere_is_waited_for)
{
    struct proxy_header header;
    struct error error;
    size_t length;

    for (size_t cut = 0; cut < good[_i].header.length; cut++) {
        struct str bytes = str_slice(good[_i].header, 0, cut);

        ck_assert_msg(proxy_header_read(&header, bytes, &length, &error) == PROXY_HEADER_MORE,
                      "cut at %zu", cut);
    }
}
END_TEST

static const struct str bad[] = {
    STR_INIT("GET / HTTP/1.1\r\n"),
    STR_INIT("PROXY"
             "\r\n"),
    STR_INIT("PROXY \r\n"),
    STR_INIT("PROXY TCP4\r\n"),
    STR_INIT("PROXY TCP5 192.0.2.1 198.51.100.1 1 1\r\n"),
    STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n"),
    STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 1 1 1\r\n"),
    STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 1 1 \r\n"),
    STR_INIT("PROXY TCP4  192.0.2.1 198.51.100.1 1 1\r\n"),
    STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 1 1\n"),
    STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 1 1\n\r\n"),
    STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 65536 1\r\n"),
    STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 -1 1\r\n"),
    STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.1 1 x\r\n"),
    STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.999 1 1\r\n"),
    STR_INIT("PROXY TCP4 192.0.2 198.51.100.1 1 1\r\n"),
    STR_INIT("PROXY TCP4 2001:db8::7 2001:db8::8 1 1\r\n"),
    STR_INIT("PROXY TCP6 192.0.2.1 198.51.100.1 1 1\r\n"),
    STR_INIT("PROXY TCP4 192.0.2.1\0 198.51.100.1 1 1\r\n"),
    STR_INIT("PROXY tcp4 192.0.2.1 198.51.100.1 1 1\r\n"),
    STR_INIT("proxy TCP4 192.0.2.1 198.51.100.1 1 1\r\n"),
    STR_INIT(
        "PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxx\r\n"),
    STR_INIT(SIGNATURE "\x11\x11\0\x0c" V4),
    STR_INIT(SIGNATURE "\x22\x11\0\x0c" V4),
    STR_INIT(SIGNATURE "\x21\x11\0\x0b" V4),
    STR_INIT(SIGNATURE "\x21\x21\0\x23" V6),
    STR_INIT(SIGNATURE "\x21\x11\x08\x01" V4),
    STR_INIT("\r\n\r\n\0\r\nQUIT\r\n"),
    STR_INIT("\r\n\r\nGET"),
};

START_TEST(test_proxy_header_that_is_none_is_refused_with_a_reason)
{
    struct proxy_header header;
    struct error error;
    size_t length;

    ck_assert_int_eq(proxy_header_read(&header, bad[_i], &length, &error), PROXY_HEADER_BAD);
    ck_assert_int_eq(error.code, ERROR_BAD_REQUEST);
    ck_assert_ptr_nonnull(strstr(error.message, "PROXY protocol: "));
    ck_assert_str_eq(header.source, "");
}
END_TEST

Suite *suite_proxy_header(void)
{
    Suite *suite = suite_create("proxy_header");
    TCase *cases = tcase_create("all");

    tcase_add_loop_test(cases, test_proxy_header_names_the_client_and_ends_where_it_ends, 0,
                        GOOD_COUNT);
    tcase_add_loop_test(cases, test_proxy_header_that_is_cut_anywhere_is_waited_for, 0, GOOD_COUNT);
    tcase_add_loop_test(cases, test_proxy_header_that_is_none_is_refused_with_a_reason, 0,
                        sizeof bad / sizeof bad[0]);
    suite_add_tcase(suite, cases);
    return suite;
}
