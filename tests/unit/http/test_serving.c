/* What is served without any collection, over real sockets: site_steps.c and admin_steps.c. */
#include "http/folder.h"
#include "http/suites.h"
#include "http/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

static struct wire wire;
static struct folder folder;

static void set_up(void)
{
    folder_make(&folder);
    wire_open(&wire);
}

static void tear_down(void)
{
    wire_close(&wire);
    folder_remove(&folder);
}

static void serve_folder(void)
{
    struct error error;
    struct site_settings settings = {.client_path = folder_path(&folder, ".client"),
                                     .document_root = folder.path};

    site_close(&wire.site);
    folder_write(&folder, "index.html", STR("<p>top"));
    folder_write(&folder, "a b.js", STR("let it;"));
    folder_write(&folder, "empty.css", STR(""));
    folder_write(&folder, ".client", STR("Sync.baseUrl = null;"));
    ck_assert(site_open(&wire.site, &settings, &error));
}

static const char *ask(const char *head)
{
    return wire_ask(&wire, &wire.http, head);
}

static const char *ask_admin(const char *head)
{
    return wire_ask(&wire, &wire.admin, head);
}

static void check_status(const char *answer, int status)
{
    ck_assert_msg(strtol(answer + strlen("HTTP/1.1 "), NULL, 10) == status, "%s", answer);
}

static void check_has(const char *answer, const char *text)
{
    ck_assert_msg(strstr(answer, text) != NULL, "no \"%s\" in:\n%s", text, answer);
}

static void check_has_no(const char *answer, const char *text)
{
    ck_assert_msg(strstr(answer, text) == NULL, "\"%s\" in:\n%s", text, answer);
}

static const char *body_of(const char *answer)
{
    return strstr(answer, "\r\n\r\n") + 4;
}

START_TEST(test_files_are_served_with_type_tag_and_policy)
{
    serve_folder();
    const char *answer = ask("GET / HTTP/1.1\r\nHost: h\r\n");
    check_status(answer, 200);
    ck_assert_str_eq(body_of(answer), "<p>top");
    check_has(answer, "Content-Type: text/html; charset=utf-8\r\n");
    check_has(answer, "Cache-Control: no-cache\r\n");
    check_has(answer, "ETag: \"");
    check_has(answer, "Content-Security-Policy: default-src 'self'; ");
    check_has(answer, "Referrer-Policy: same-origin\r\n");
    check_has(answer, "X-Content-Type-Options: nosniff\r\n");
}
END_TEST

START_TEST(test_files_are_found_by_the_decoded_path)
{
    serve_folder();
    ck_assert_str_eq(body_of(ask("GET /a%20b.js?x=1 HTTP/1.1\r\nHost: h\r\n")), "let it;");
    check_status(ask("GET /a%2 HTTP/1.1\r\nHost: h\r\n"), 400);
    check_status(ask("GET /.client HTTP/1.1\r\nHost: h\r\n"), 404);
    check_status(ask("GET /%2e%2e/etc/passwd HTTP/1.1\r\nHost: h\r\n"), 404);
    check_status(ask("GET /none HTTP/1.1\r\nHost: h\r\n"), 404);
}
END_TEST

START_TEST(test_an_empty_file_has_an_empty_answer)
{
    serve_folder();
    const char *answer = ask("GET /empty.css HTTP/1.1\r\nHost: h\r\n");
    check_status(answer, 200);
    check_has(answer, "Content-Length: 0\r\n");
    ck_assert_str_eq(body_of(answer), "");
}
END_TEST

START_TEST(test_head_has_the_length_and_no_body)
{
    serve_folder();
    const char *answer = ask("HEAD / HTTP/1.1\r\nHost: h\r\n");
    check_status(answer, 200);
    check_has(answer, "Content-Length: 6\r\n");
    ck_assert_str_eq(body_of(answer), "");
}
END_TEST

/* How If-None-Match is written around the tag; %s stands for it. */
static const struct {
    const char *format;
    int status;
} conditions[] = {
    {"%s", 304},    {"W/%s", 304},         {"\"x\", %s", 304}, {"%s , \"x\"", 304}, {"*", 304},
    {"\"x\"", 200}, {"\"x\", \"y\"", 200}, {"x%s", 200},       {"", 200},
};

static void put_condition(char *out, size_t size, const char *format, const char *etag)
{
    const char *mark = strstr(format, "%s");
    int before = mark ? (int)(mark - format) : (int)strlen(format);

    (void)snprintf(out, size, "GET / HTTP/1.1\r\nHost: h\r\nIf-None-Match: %.*s%s%s\r\n", before,
                   format, mark ? etag : "", mark ? mark + 2 : "");
}

START_TEST(test_if_none_match_is_answered_304)
{
    char head[256];

    serve_folder();
    put_condition(head, sizeof head, conditions[_i].format,
                  site_find(&wire.site, STR("/"))->content->etag);
    const char *answer = ask(head);
    check_status(answer, conditions[_i].status);
    check_has(answer, "ETag: \"");
    if (conditions[_i].status == 304)
        ck_assert_str_eq(body_of(answer), "");
}
END_TEST

START_TEST(test_the_client_learns_the_host_that_it_came_from)
{
    serve_folder();
    wire.settings.base_path = STR("/sync");
    const char *answer = ask("GET /sync/syncclient.js HTTP/1.1\r\nHost: a.example:8088\r\n");
    check_status(answer, 200);
    check_has(answer, "Content-Type: text/javascript; charset=utf-8\r\n");
    ck_assert_str_eq(body_of(answer), "Sync.baseUrl = \"http://a.example:8088/sync\";");
}
END_TEST

START_TEST(test_the_client_learns_the_public_url_instead)
{
    serve_folder();
    wire.settings.public_url = STR("https://sync.example/s");
    ck_assert_str_eq(body_of(ask("GET /syncclient.js HTTP/1.1\r\nHost: a.example\r\n")),
                     "Sync.baseUrl = \"https://sync.example/s\";");
}
END_TEST

static const char *const bad_hosts[] = {
    "Host: a\"b\r\n",        "Host: a b\r\n",
    "Host: a/b\r\n",         "Host: \r\n",
    "Host: u@a.example\r\n", "Host: a:0x1\r\n",
    "Host: a.example:\r\n",  "Host: </script>\r\n",
    "Host: \xc3\xa9\r\n",    "",
};

START_TEST(test_no_other_host_gets_into_the_client)
{
    char head[128];

    serve_folder();
    (void)snprintf(head, sizeof head, "GET /syncclient.js HTTP/1.1\r\n%s", bad_hosts[_i]);
    check_status(ask(head), 400);
}
END_TEST

START_TEST(test_without_a_client_it_is_not_found)
{
    check_status(ask("GET /syncclient.js HTTP/1.1\r\nHost: a\r\n"), 404);
}
END_TEST

START_TEST(test_everything_is_below_the_base_path)
{
    wire.settings.base_path = STR("/sync");
    check_status(ask("GET /sync/info HTTP/1.1\r\nHost: a\r\n"), 200);
    check_status(ask("GET /info HTTP/1.1\r\nHost: a\r\n"), 404);
    check_status(ask("GET /syncinfo HTTP/1.1\r\nHost: a\r\n"), 404);
    check_status(ask("GET /else/info HTTP/1.1\r\nHost: a\r\n"), 404);
    check_status(ask("GET /sync HTTP/1.1\r\nHost: a\r\n"), 404);
}
END_TEST

START_TEST(test_info_has_the_limits_of_this_moment)
{
    wire.limits.max_post_bytes = 11;
    wire.limits.max_wait_ms = 55000;
    wire.limits.quota_collection = 13;
    const char *answer = ask("GET /info HTTP/1.1\r\nHost: a\r\nOrigin: http://x.example\r\n");
    check_has(answer, "\"version\":\"1.2.3\"");
    check_has(answer, "\"max_post_bytes\":11,");
    check_has(answer, "\"max_wait\":55,");
    check_has(answer, "\"quota_collection\":13,");
    check_has(answer, "\"features\":[\"blobs\",\"client\",");
    check_has(answer, "Access-Control-Allow-Origin: http://x.example\r\n");
}
END_TEST

START_TEST(test_a_busy_server_asks_for_slower_polling)
{
    check_has_no(ask("GET /info HTTP/1.1\r\nHost: a\r\n"), "X-Sync-Poll-Time");
    wire.settings.poll_time_s = 60;
    wire.settings.busy_poll_time_s = 1860;
    check_has(ask("GET /info HTTP/1.1\r\nHost: a\r\n"), "\r\nX-Sync-Poll-Time: 60\r\n");
    wire.http.load.share = (LOAD_BUSY + LOAD_FULL) / 2;
    check_has(ask("GET /info HTTP/1.1\r\nHost: a\r\n"), "\r\nX-Sync-Poll-Time: 960\r\n");
}
END_TEST

START_TEST(test_health_says_ok_even_when_not_ready)
{
    wire.not_ready = "draining";
    check_has(ask_admin("GET /health HTTP/1.1\r\nHost: a\r\n"), "{\"status\":\"ok\"}");
    check_has(ask_admin("GET /livez HTTP/1.1\r\nHost: a\r\n"), "{\"status\":\"ok\"}");
}
END_TEST

START_TEST(test_ready_is_503_with_the_reason)
{
    check_status(ask_admin("GET /ready HTTP/1.1\r\nHost: a\r\n"), 200);
    wire.not_ready = "draining";
    const char *answer = ask_admin("GET /readyz HTTP/1.1\r\nHost: a\r\n");
    check_status(answer, 503);
    check_has(answer, "{\"status\":\"not ready\",\"reason\":\"draining\"}");
}
END_TEST

START_TEST(test_metrics_are_prometheus_text)
{
    (void)ask("GET /info HTTP/1.1\r\nHost: a\r\n");
    const char *answer = ask_admin("GET /metrics HTTP/1.1\r\nHost: a\r\n");
    check_has(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    check_has(answer, "\ncutout_build_info{version=\"1.2.3\"} 1\n");
    check_has(answer, "\ncutout_requests_total{class=\"2xx\"} 1\n");
}
END_TEST

START_TEST(test_status_shows_what_is_under_way)
{
    wire.checkpoint.last_error = (struct error){.code = ERROR_IO, .message = "no \"disk\""};
    wire.streams.hits = 5;
    const char *answer = ask_admin("GET /status HTTP/1.1\r\nHost: a\r\n");
    check_status(answer, 200);
    check_has(answer, "{\"version\":\"1.2.3\",");
    check_has(answer, "\"instance\":7,");
    check_has(answer, "\"durability\":\"always\"");
    check_has(answer, "\"hits\":5");
    check_has(answer, "\"checkpoint_error\":\"no \\\"disk\\\"\"}");
    check_has(answer, "\"task_count\":1,\"tasks\":[]}");
}
END_TEST

START_TEST(test_drain_asks_the_top_floor)
{
    check_status(ask_admin("POST /drain HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"), 200);
    ck_assert_uint_eq(wire.drains, 1);
}
END_TEST

START_TEST(test_drain_is_refused_to_pages)
{
    check_status(ask_admin("POST /drain HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
                           "Origin: http://evil.example\r\n"),
                 403);
    ck_assert_uint_eq(wire.drains, 0);
}
END_TEST

START_TEST(test_admin_is_not_on_the_public_face)
{
    check_status(ask("GET /status HTTP/1.1\r\nHost: a\r\n"), 404);
    check_status(ask("GET /metrics HTTP/1.1\r\nHost: a\r\n"), 404);
    check_status(ask("POST /drain HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"), 405);
    check_has_no(ask_admin("GET /health HTTP/1.1\r\nHost: a\r\nOrigin: http://x.example\r\n"),
                 "Access-Control");
}
END_TEST

START_TEST(test_every_answer_has_left_when_it_is_read)
{
    serve_folder();
    (void)ask("GET / HTTP/1.1\r\nHost: h\r\n");
    ck_assert_uint_eq(wire.http.request_count, 0);
    ck_assert_uint_eq(wire.http.unsent_count, 0);
    ck_assert_uint_eq(site_find(&wire.site, STR("/"))->content->holders, 1);
}
END_TEST

static void add_admin_tests(TCase *tcase)
{
    tcase_add_test(tcase, test_a_busy_server_asks_for_slower_polling);
    tcase_add_test(tcase, test_health_says_ok_even_when_not_ready);
    tcase_add_test(tcase, test_ready_is_503_with_the_reason);
    tcase_add_test(tcase, test_metrics_are_prometheus_text);
    tcase_add_test(tcase, test_status_shows_what_is_under_way);
    tcase_add_test(tcase, test_drain_asks_the_top_floor);
    tcase_add_test(tcase, test_drain_is_refused_to_pages);
    tcase_add_test(tcase, test_admin_is_not_on_the_public_face);
}

Suite *suite_serving(void)
{
    Suite *suite = suite_create("serving");
    TCase *tcase = tcase_create("serving");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, test_files_are_served_with_type_tag_and_policy);
    tcase_add_test(tcase, test_files_are_found_by_the_decoded_path);
    tcase_add_test(tcase, test_an_empty_file_has_an_empty_answer);
    tcase_add_test(tcase, test_head_has_the_length_and_no_body);
    tcase_add_loop_test(tcase, test_if_none_match_is_answered_304, 0,
                        sizeof conditions / sizeof *conditions);
    tcase_add_test(tcase, test_the_client_learns_the_host_that_it_came_from);
    tcase_add_test(tcase, test_the_client_learns_the_public_url_instead);
    tcase_add_loop_test(tcase, test_no_other_host_gets_into_the_client, 0,
                        sizeof bad_hosts / sizeof *bad_hosts);
    tcase_add_test(tcase, test_without_a_client_it_is_not_found);
    tcase_add_test(tcase, test_everything_is_below_the_base_path);
    tcase_add_test(tcase, test_info_has_the_limits_of_this_moment);
    tcase_add_test(tcase, test_every_answer_has_left_when_it_is_read);
    add_admin_tests(tcase);
    suite_add_tcase(suite, tcase);
    return suite;
}
