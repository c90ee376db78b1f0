#include "http/metrics.h"

#include "base/clock.h"
#include "http/suites.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

static struct http http;
static struct streams streams;
static struct committer committer;
static struct loop loop;
static struct http_settings settings;
static struct buf out;
static const char *reason;

static const char *find_reason(void *context)
{
    (void)context;
    return reason;
}

static void set_up(void)
{
    settings.version = "1.2.3";
    http.services = (struct http_services){.loop = &loop,
                                           .streams = &streams,
                                           .committer = &committer,
                                           .settings = &settings,
                                           .not_ready = find_reason};
}

static void tear_down(void)
{
    buf_clear(&out);
}

static void print(void)
{
    buf_reset(&out);
    metrics_print(&http, &out);
}

/* The value of "\nNAME VALUE\n". */
static const char *value_of(const char *name)
{
    const char *at = buf_str(&out).data;
    size_t length = strlen(name);

    while (at && (strncmp(at, name, length) != 0 || at[length] != ' ')) {
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    ck_assert_msg(at != NULL, "no %s in:\n%s", name, buf_str(&out).data);
    return at + length + 1;
}

static void check_value(const char *name, const char *expected)
{
    const char *value = value_of(name);

    ck_assert_msg(strncmp(value, expected, strlen(expected)) == 0 &&
                      value[strlen(expected)] == '\n',
                  "%s is %.20s, not %s", name, value, expected);
}

static void note(int status, uint64_t duration_us)
{
    struct request request = {.http = &http};

    request.reply.status = status;
    metrics_note_request(&request, 10, duration_us);
}

START_TEST(test_metrics_count_answers_by_class)
{
    note(200, 1);
    note(204, 1);
    note(304, 1);
    note(404, 1);
    note(503, 1);
    note(700, 1);
    print();
    check_value("cutout_requests_total{class=\"2xx\"}", "2");
    check_value("cutout_requests_total{class=\"3xx\"}", "1");
    check_value("cutout_requests_total{class=\"4xx\"}", "1");
    check_value("cutout_requests_total{class=\"5xx\"}", "1");
    check_value("cutout_requests_total{class=\"other\"}", "1");
    check_value("cutout_sent_body_bytes_total", "60");
}
END_TEST

START_TEST(test_metrics_have_a_cumulative_histogram)
{
    note(200, 100);
    note(200, 101);
    note(200, 1000000);
    note(200, 3000000);
    print();
    check_value("cutout_request_duration_seconds_bucket{le=\"0.0001\"}", "1");
    check_value("cutout_request_duration_seconds_bucket{le=\"0.00025\"}", "2");
    check_value("cutout_request_duration_seconds_bucket{le=\"0.5\"}", "2");
    check_value("cutout_request_duration_seconds_bucket{le=\"2\"}", "3");
    check_value("cutout_request_duration_seconds_bucket{le=\"+Inf\"}", "4");
    check_value("cutout_request_duration_seconds_count", "4");
    check_value("cutout_request_duration_seconds_sum", "4.000201");
}
END_TEST

START_TEST(test_metrics_leave_waiting_reads_out_of_the_histogram)
{
    struct request request = {.http = &http, .reply = {.status = 200}};

    request.query.wait_ms = 1;
    metrics_note_request(&request, 0, 5000000);
    print();
    check_value("cutout_request_duration_seconds_count", "0");
    check_value("cutout_requests_total{class=\"2xx\"}", "1");
}
END_TEST

START_TEST(test_metrics_count_objects_that_were_stored)
{
    struct append append = {.outcome = APPEND_STORED, .count = 3};
    struct request request = {.http = &http, .objects_in = 3, .objects_out = 2};

    request.append_wait.append = &append;
    metrics_note_request(&request, 0, 1);
    append.outcome = APPEND_CONFLICT;
    metrics_note_request(&request, 0, 1);
    append.outcome = APPEND_REPLAYED;
    metrics_note_request(&request, 0, 1);
    print();
    check_value("cutout_objects_stored_total", "3");
    check_value("cutout_objects_sent_total", "6");
}
END_TEST

START_TEST(test_metrics_show_the_members_they_name)
{
    http.connection_count = 11;
    http.request_count = 12;
    streams.hits = 13;
    streams.idle_count = 14;
    committer.stats.group_us_total = 15000001;
    committer.dirty.count = 16;
    committer.sound = true;
    loop.task_count = 17;
    print();
    check_value("cutout_connections_accepted_total", "11");
    check_value("cutout_requests_under_way", "12");
    check_value("cutout_collection_hits_total", "13");
    check_value("cutout_collections_idle", "14");
    check_value("cutout_journal_group_seconds_total", "15.000001");
    check_value("cutout_collections_dirty", "16");
    check_value("cutout_journal_sound", "1");
    check_value("cutout_tasks", "17");
    check_value("cutout_build_info{version=\"1.2.3\"}", "1");
}
END_TEST

START_TEST(test_metrics_tell_readiness_and_ages)
{
    clock_hold(1000);
    http.services.started_ms = 400 * 1000;
    committer.stats.last_checkpoint_ms = 990 * 1000;
    print();
    check_value("cutout_ready", "1");
    check_value("cutout_uptime_seconds", "600");
    check_value("cutout_checkpoint_age_seconds", "10");
    reason = "draining";
    print();
    check_value("cutout_ready", "0");
}
END_TEST

/* "NAME VALUE" or "NAME{LABELS} VALUE", as the exposition format wants it. */
static void check_sample(const char *line, const char *family)
{
    ck_assert_msg(strncmp(line, family, strlen(family)) == 0, "%s is not of %s", line, family);
    ck_assert_msg(strncmp(line, "cutout_", 7) == 0, "%s", line);
    const char *value = strrchr(line, ' ') + 1;
    ck_assert_msg(isdigit((unsigned char)*value), "%s", line);
    ck_assert_msg(value[strspn(value, "0123456789.")] == '\0', "%s", line);
}

START_TEST(test_metrics_text_is_well_formed)
{
    char family[128] = "", kind[32] = "";

    print();
    for (char *line = strtok(out.data, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            ck_assert_int_eq(sscanf(line, "# HELP %127s", family), 1);
            ck_assert_msg(line[strlen(line) - 1] == '.', "%s", line);
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            char named[128];

            ck_assert_int_eq(sscanf(line, "# TYPE %127s %31s", named, kind), 2);
            ck_assert_str_eq(named, family);
        } else {
            check_sample(line, family);
            bool counts = str_ends_with(str_of(family), STR("_total"));
            ck_assert_msg((strcmp(kind, "counter") == 0) == counts, "%s: %s", family, kind);
        }
    }
}
END_TEST

Suite *suite_metrics(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tcase = tcase_create("metrics");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, test_metrics_count_answers_by_class);
    tcase_add_test(tcase, test_metrics_have_a_cumulative_histogram);
    tcase_add_test(tcase, test_metrics_leave_waiting_reads_out_of_the_histogram);
    tcase_add_test(tcase, test_metrics_count_objects_that_were_stored);
    tcase_add_test(tcase, test_metrics_show_the_members_they_name);
    tcase_add_test(tcase, test_metrics_tell_readiness_and_ages);
    tcase_add_test(tcase, test_metrics_text_is_well_formed);
    suite_add_tcase(suite, tcase);
    return suite;
}
