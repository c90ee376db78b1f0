/* Heads of requests: what is understood, and everything that is not. */
#include "http/head.h"
#include "http/suites.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <check.h>

static struct request_head head;
static struct error error;

static bool parse(const char *text)
{
    error = (struct error){0};
    return head_parse(&head, str_of(text), STR("x-user"), &error);
}

static void check_str(struct str found, const char *text)
{
    ck_assert_msg(str_equals(found, str_of(text)), "\"%.*s\", not \"%s\"", STR_ARG(found), text);
}

START_TEST(test_what_a_browser_sends_is_understood)
{
    ck_assert(parse("POST /a.example/ann%40b.c/notes?since=1 HTTP/1.1\r\n"
                    "Host: sync.example:8088\r\nOrigin: https://a.example\r\n"
                    "User-Agent: Mozilla/5.0 (X11)\r\nContent-Type: text/plain\r\n"
                    "Authorization: Bearer v1.x\r\nX-Forwarded-For: 192.0.2.1, 192.0.2.2\r\n"
                    "If-None-Match: \"a\"\r\nX-User: ann@b.c/a.example\r\nAccept: */*\r\n"
                    "Expect: 100-continue\r\nContent-Length: 17\r\n\r\n"));
    ck_assert_int_eq(head.method, METHOD_POST);
    ck_assert_str_eq(head.method_name, "POST");
    ck_assert_uint_eq(head.minor, 1);
    check_str(head.target, "/a.example/ann%40b.c/notes?since=1");
    check_str(head.host, "sync.example:8088");
    check_str(head.origin, "https://a.example");
    check_str(head.user_agent, "Mozilla/5.0 (X11)");
    check_str(head.content_type, "text/plain");
    check_str(head.authorization, "Bearer v1.x");
    check_str(head.forwarded_for, "192.0.2.1, 192.0.2.2");
    check_str(head.if_none_match, "\"a\"");
    check_str(head.trusted_user, "ann@b.c/a.example");
    ck_assert(!head.trusted_user_twice);
    ck_assert(head.expects);
    ck_assert(!head.closes);
    ck_assert_uint_eq(head.body_length, 17);
}
END_TEST

START_TEST(test_what_is_not_sent_is_not_there)
{
    ck_assert(parse("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    ck_assert_ptr_null(head.origin.data);
    ck_assert_ptr_null(head.authorization.data);
    ck_assert_ptr_null(head.if_none_match.data);
    ck_assert_ptr_null(head.trusted_user.data);
    ck_assert(!head.expects);
    ck_assert_uint_eq(head.body_length, 0);
}
END_TEST

START_TEST(test_an_empty_header_is_there)
{
    ck_assert(parse("GET / HTTP/1.1\r\nHost:\r\nOrigin: \t \r\n\r\n"));
    ck_assert_ptr_nonnull(head.host.data);
    ck_assert_uint_eq(head.host.length, 0);
    ck_assert_ptr_nonnull(head.origin.data);
    ck_assert_uint_eq(head.origin.length, 0);
}
END_TEST

START_TEST(test_names_of_headers_have_no_case_and_values_no_blanks_around)
{
    ck_assert(parse("GET / HTTP/1.1\r\nhOST:\t h \r\nx-uSER:u\tv\r\n\r\n"));
    check_str(head.host, "h");
    check_str(head.trusted_user, "u\tv");
}
END_TEST

START_TEST(test_a_second_user_of_the_proxy_is_noticed)
{
    ck_assert(parse("GET / HTTP/1.1\r\nHost: h\r\nX-User: a\r\nX-User: b\r\n\r\n"));
    ck_assert(head.trusted_user_twice);
    check_str(head.trusted_user, "b");
    ck_assert(
        head_parse(&head, STR("GET / HTTP/1.1\r\nHost: h\r\nX-User: a\r\n\r\n"), STR(""), &error));
    ck_assert_ptr_null(head.trusted_user.data);
}
END_TEST

static const struct {
    const char *text;
    enum method method;
    const char *name;
} methods[] = {
    {"GET", METHOD_GET, "GET"},      {"HEAD", METHOD_HEAD, "HEAD"},
    {"POST", METHOD_POST, "POST"},   {"OPTIONS", METHOD_OPTIONS, "OPTIONS"},
    {"PUT", METHOD_OTHER, "OTHER"},  {"get", METHOD_OTHER, "OTHER"},
    {"GETT", METHOD_OTHER, "OTHER"}, {"!#$%&'*+-.^_`|~09", METHOD_OTHER, "OTHER"},
};

START_TEST(test_methods_are_told_apart)
{
    char text[64];

    (void)snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: h\r\n\r\n", methods[_i].text);
    ck_assert(parse(text));
    ck_assert_int_eq(head.method, methods[_i].method);
    ck_assert_str_eq(head.method_name, methods[_i].name);
}
END_TEST

static const struct {
    const char *lines;
    bool closes;
} endings[] = {
    {"HTTP/1.1\r\nHost: h\r\n", false},
    {"HTTP/1.1\r\nHost: h\r\nConnection: close\r\n", true},
    {"HTTP/1.1\r\nHost: h\r\nConnection: Keep-Alive, CLOSE\r\n", true},
    {"HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: x, close ,y\r\n", true},
    {"HTTP/1.1\r\nHost: h\r\nConnection: closed\r\n", false},
    {"HTTP/1.0\r\n", true},
    {"HTTP/1.0\r\nConnection: keep-alive\r\n", false},
    {"HTTP/1.0\r\nConnection: keep-alive, close\r\n", true},
    {"HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive\r\n", true},
};

START_TEST(test_whether_the_connection_ends)
{
    char text[256];

    (void)snprintf(text, sizeof text, "GET / %s\r\n", endings[_i].lines);
    ck_assert_msg(parse(text), "%s", error.message);
    ck_assert_int_eq(head.closes, endings[_i].closes);
}
END_TEST

/* Each is read differently by some server that exists. */
static const struct {
    const char *text;
    enum error_code code;
} refused[] = {
    {"GET / HTTP/1.1\nHost: h\n\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\r\n\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", ERROR_BAD_REQUEST},
    {" GET / HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /  HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /\tHTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET\r\n\r\n", ERROR_BAD_REQUEST},
    {"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"G(T / HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"G\xc3\xa9T / HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.2\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.10\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/0.9\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / http/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1x\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET * HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET h:80 HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /\x7f HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /\x1b[2J HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /0123456\x01 HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /\xc0\x80 HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost : h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n Host: h\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\r\nX\x0bY: a\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\r\nX\xc3\xa9: a\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\r\nX: a\x01"
     "b\r\n\r\n",
     ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\r\nX: 0123456\x7f\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\r\nX: \t012345678\x1f\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +4\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -4\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x4\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 04\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4, 4\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4 4\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775808\r\n\r\n",
     ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n",
     ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n",
     ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 4\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.0\r\ntransfer-encoding: xchunked\r\nContent-Length: 4\r\n\r\n",
     ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n", ERROR_BAD_REQUEST},
    {"HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n", ERROR_BAD_REQUEST},
    {"OPTIONS / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n", ERROR_BAD_REQUEST},
    {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\n\r\n", ERROR_EXPECTATION},
    {"POST / HTTP/1.1\r\nHost: h\r\nExpect:\r\n\r\n", ERROR_EXPECTATION},
};

START_TEST(test_what_could_be_read_in_two_ways_is_refused)
{
    ck_assert_msg(!parse(refused[_i].text), "%s", refused[_i].text);
    ck_assert_int_eq(error.code, refused[_i].code);
    ck_assert_uint_gt(strlen(error.message), 10);
}
END_TEST

START_TEST(test_a_nul_byte_is_refused_anywhere)
{
    const char good[] = "GET / HTTP/1.1\r\nHost: h\r\nX: 12345678\r\n\r\n";
    char text[sizeof good];

    for (size_t i = 0; i < sizeof good - 1; i++) {
        memcpy(text, good, sizeof good);
        text[i] = '\0';
        ck_assert_msg(!head_parse(&head, (struct str){text, sizeof good - 1}, STR(""), &error),
                      "at %zu", i);
    }
}
END_TEST

START_TEST(test_a_length_of_nothing_is_no_body)
{
    ck_assert(parse("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"));
    ck_assert(parse("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\n"));
    ck_assert_uint_eq(head.body_length, INT64_MAX);
}
END_TEST

/* --- Where it ends ---------------------------------------------------------------------------- */

static const struct {
    const char *text;
    size_t end;
} ends[] = {
    {"", 0},
    {"GET / HTTP/1.1\r\n", 0},
    {"GET / HTTP/1.1\r\nA: b\r\n\r", 0},
    {"GET / HTTP/1.1\r\nA: b\r\n\r\n", 24},
    {"GET / HTTP/1.1\r\nA: b\r\n\r\nrest\r\n\r\n", 24},
    {"GET / HTTP/1.1\n\nrest", 16},
    {"GET / HTTP/1.1\n\r\nrest", 17},
    {"GET / HTTP/1.1\r\n\rX\r\n\r\n", 22},
    {"\n\n", 2},
};

START_TEST(test_the_end_is_found_wherever_the_bytes_are_cut)
{
    struct str text = str_of(ends[_i].text);
    size_t looked_at = 0, end = 0;

    ck_assert_uint_eq(head_find_end(text, &looked_at), ends[_i].end);
    looked_at = 0;
    for (size_t i = 0; i <= text.length && end == 0; i++)
        end = head_find_end(str_slice(text, 0, i), &looked_at);
    ck_assert_uint_eq(end, ends[_i].end);
    for (size_t cut = 0; cut < text.length; cut++) {
        looked_at = 0;
        end = head_find_end(str_slice(text, 0, cut), &looked_at);
        ck_assert_uint_le(looked_at, cut);
        if (end == 0)
            end = head_find_end(text, &looked_at);
        ck_assert_uint_eq(end, ends[_i].end);
    }
}
END_TEST

/* Else a client could have each of its bytes paid for with a look at all before it. */
START_TEST(test_no_byte_is_looked_at_again_and_again)
{
    char text[1000];
    size_t looked_at = 0;

    memset(text, 'x', sizeof text);
    ck_assert_uint_eq(head_find_end((struct str){text, sizeof text}, &looked_at), 0);
    ck_assert_uint_eq(looked_at, sizeof text);
}
END_TEST

Suite *suite_head(void)
{
    Suite *suite = suite_create("head");
    TCase *tcase = tcase_create("head");

    tcase_add_test(tcase, test_what_a_browser_sends_is_understood);
    tcase_add_test(tcase, test_what_is_not_sent_is_not_there);
    tcase_add_test(tcase, test_an_empty_header_is_there);
    tcase_add_test(tcase, test_names_of_headers_have_no_case_and_values_no_blanks_around);
    tcase_add_test(tcase, test_a_second_user_of_the_proxy_is_noticed);
    tcase_add_loop_test(tcase, test_methods_are_told_apart, 0,
                        (int)(sizeof methods / sizeof *methods));
    tcase_add_loop_test(tcase, test_whether_the_connection_ends, 0,
                        (int)(sizeof endings / sizeof *endings));
    tcase_add_loop_test(tcase, test_what_could_be_read_in_two_ways_is_refused, 0,
                        (int)(sizeof refused / sizeof *refused));
    tcase_add_test(tcase, test_a_nul_byte_is_refused_anywhere);
    tcase_add_test(tcase, test_a_length_of_nothing_is_no_body);
    tcase_add_loop_test(tcase, test_the_end_is_found_wherever_the_bytes_are_cut, 0,
                        (int)(sizeof ends / sizeof *ends));
    tcase_add_test(tcase, test_no_byte_is_looked_at_again_and_again);
    suite_add_tcase(suite, tcase);
    return suite;
}
