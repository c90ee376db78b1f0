/* Documents of other servers, from one that runs in the same loop and counts what it is asked. */
#include "auth/suites.h"

#include "auth/documents.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <string.h>

#include <check.h>

enum { START = 1000000, MOST = 3, MINUTE = 60, HOUR = 3600, TIMEOUT_MS = 60000, OK = 200 };

/* Who asks; counts how often its step ran. */
struct asker {
    struct task task;
    struct document_wait wait;
    const char *url;
    unsigned flags, runs;
    int status;
    enum error_code error;
    char body[16];
};

static struct loop loop;
static struct fetches fetches;
static struct documents documents;
static struct evhttp *peer;
static char url[64];
static unsigned asked, askers_left;
static int peer_status;
static const char *peer_body;
static struct evhttp_request *held; /* asked "/held": answered by hand */
static struct error error;

static void answer_held(void)
{
    evhttp_send_reply(held, OK, NULL, NULL);
    held = NULL;
}

static void answer(struct evhttp_request *request, void *context)
{
    (void)context;
    asked++;
    if (strcmp(evhttp_request_get_uri(request), "/held") == 0) {
        held = request;
        loop_stop(&loop);
        return;
    }
    ck_assert_int_gt(
        evbuffer_add_printf(evhttp_request_get_output_buffer(request), "%s", peer_body), 0);
    evhttp_send_reply(request, peer_status, NULL, NULL);
}

static void open_peer(void)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;

    peer = evhttp_new(loop.base);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(peer, "127.0.0.1", 0);
    ck_assert_ptr_nonnull(bound);
    ck_assert_int_eq(
        getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &length), 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/document", ntohs(address.sin_port));
    evhttp_set_gencb(peer, answer, NULL);
    asked = 0;
    peer_status = OK;
    peer_body = "first";
}

static void setup(void)
{
    clock_hold(START);
    ck_assert(loop_open(&loop, &error) && fetches_open(&fetches, &loop, MOST, NULL, &error));
    ck_assert(documents_open(&documents, &fetches, MOST, TIMEOUT_MS, &error));
    open_peer();
}

static void teardown(void)
{
    documents_close(&documents);
    fetches_close(&fetches);
    evhttp_free(peer);
    loop_close(&loop);
    clock_hold(0);
}

static enum step ask(struct task *task)
{
    struct asker *asker = OWNER_OF(task, struct asker, task);

    asker->runs++;
    enum step outcome = documents_get(&documents, &asker->wait, asker->url, asker->flags, task);
    if (outcome != STEP_NEXT)
        return outcome;
    const struct document_answer *found = asker->wait.answer;
    asker->status = found->status;
    asker->error = found->error.code;
    (void)snprintf(asker->body, sizeof asker->body, "%.*s", (int)found->body.length,
                   found->body.data ? found->body.data : "");
    return STEP_NEXT;
}

static void ended(struct task *task)
{
    (void)task;
    if (--askers_left == 0)
        loop_stop(&loop);
}

static const struct step_entry steps[] = {STEP(ask), {0}};
static const struct task_kind kind = {"ask", steps, ended};

static void start(struct asker *asker, const char *what, unsigned flags)
{
    *asker = (struct asker){.url = what, .flags = flags};
    askers_left++;
    task_start(&asker->task, &loop, &kind);
}

static struct asker get(const char *what, unsigned flags)
{
    static struct asker asker;

    start(&asker, what, flags);
    if (askers_left > 0)
        ck_assert(loop_run(&loop, &error));
    return asker;
}

START_TEST(test_asks_once_and_keeps_a_good_answer_for_an_hour)
{
    struct asker first = get(url, 0);

    ck_assert_int_eq(first.status, OK);
    ck_assert_str_eq(first.body, "first");
    ck_assert_uint_eq(first.runs, 2);
    peer_body = "second";
    clock_hold(START + HOUR - 1);
    ck_assert_str_eq(get(url, 0).body, "first");
    ck_assert_uint_eq(asked, 1);
    clock_hold(START + HOUR);
    ck_assert_str_eq(get(url, 0).body, "second");
    ck_assert_uint_eq(asked, 2);
}
END_TEST

START_TEST(test_all_who_ask_at_a_time_wait_for_one_fetch)
{
    struct asker askers[5];

    for (unsigned i = 0; i < 5; i++)
        start(&askers[i], url, 0);
    ck_assert(loop_run(&loop, &error));
    for (unsigned i = 0; i < 5; i++)
        ck_assert_str_eq(askers[i].body, "first");
    ck_assert_uint_eq(asked, 1);
}
END_TEST

START_TEST(test_who_goes_away_takes_the_document_from_nobody_else)
{
    struct asker first, second;

    start(&first, url, 0);
    start(&second, url, 0);
    task_cancel(&first.task);
    ck_assert_uint_eq(first.runs, 1);
    memset(&first, 0, sizeof first);
    ck_assert(loop_run(&loop, &error));
    ck_assert_str_eq(second.body, "first");
}
END_TEST

START_TEST(test_a_bad_answer_is_kept_for_a_minute)
{
    peer_status = 404;
    ck_assert_int_eq(get(url, 0).status, 404);
    peer_status = OK;
    clock_hold(START + MINUTE - 1);
    ck_assert_int_eq(get(url, DOCUMENTS_NEW).status, 404);
    clock_hold(START + MINUTE);
    ck_assert_int_eq(get(url, 0).status, OK);
    ck_assert_uint_eq(asked, 2);
}
END_TEST

START_TEST(test_a_new_one_is_asked_for_once_a_minute)
{
    ck_assert_str_eq(get(url, 0).body, "first");
    peer_body = "second";
    clock_hold(START + MINUTE - 1);
    ck_assert_str_eq(get(url, DOCUMENTS_NEW).body, "first");
    clock_hold(START + MINUTE);
    ck_assert_str_eq(get(url, DOCUMENTS_NEW).body, "second");
    ck_assert_uint_eq(asked, 2);
}
END_TEST

START_TEST(test_an_old_good_one_will_do_for_who_says_so_and_for_a_day)
{
    ck_assert_str_eq(get(url, 0).body, "first");
    peer_status = 500;
    peer_body = "broken";
    for (int64_t now = START + HOUR; now < START + 24 * HOUR; now += HOUR) {
        clock_hold(now);
        ck_assert_str_eq(get(url, DOCUMENTS_OR_OLD).body, "first");
        ck_assert_str_eq(get(url, 0).body, "broken");
    }
    clock_hold(START + 24 * HOUR);
    ck_assert_str_eq(get(url, DOCUMENTS_OR_OLD).body, "broken");
    peer_status = OK;
    peer_body = "second";
    clock_hold(START + 25 * HOUR);
    ck_assert_str_eq(get(url, DOCUMENTS_OR_OLD).body, "second");
    peer_status = 500;
    clock_hold(START + 26 * HOUR);
    ck_assert_str_eq(get(url, DOCUMENTS_OR_OLD).body, "second");
}
END_TEST

START_TEST(test_no_answer_is_an_answer_that_says_why)
{
    evhttp_free(peer);
    ck_assert_int_eq(get(url, 0).error, ERROR_IO);
    ck_assert_int_eq(get("no URL", 0).error, ERROR_CONF);
    ck_assert_int_eq(get("ftp://localhost/", 0).error, ERROR_IO);
    open_peer();
}
END_TEST

START_TEST(test_who_may_be_asked_is_no_secret_kept_by_the_cache)
{
    ck_assert_int_eq(get(url, 0).status, OK);
    ck_assert_int_eq(get(url, DOCUMENTS_ONLY_PUBLIC).error, ERROR_FORBIDDEN);
    ck_assert_int_eq(get(url, 0).status, OK);
    ck_assert_uint_eq(asked, 1);
}
END_TEST

static void get_path(const char *path)
{
    static char text[96];

    (void)snprintf(text, sizeof text, "%.*s%s", (int)(strrchr(url, '/') - url), url, path);
    ck_assert_int_eq(get(text, 0).status, OK);
}

START_TEST(test_the_one_longest_not_asked_for_gives_way)
{
    get_path("/1");
    get_path("/2");
    get_path("/3");
    get_path("/1");
    ck_assert_uint_eq(asked, 3);
    get_path("/4");
    ck_assert_uint_eq(documents.table.count, MOST);
    get_path("/1");
    ck_assert_uint_eq(asked, 4);
    get_path("/2");
    ck_assert_uint_eq(asked, 5);
}
END_TEST

START_TEST(test_refuses_more_than_can_be_under_way_and_gives_way_to_none)
{
    struct asker askers[MOST + 1];
    char urls[MOST + 1][96];

    for (unsigned i = 0; i <= MOST; i++) {
        (void)snprintf(urls[i], sizeof urls[i], "%s%u", url, i);
        start(&askers[i], urls[i], 0);
    }
    ck_assert_int_eq(askers[MOST].task.error.code, ERROR_BUSY);
    ck_assert(loop_run(&loop, &error));
    for (unsigned i = 0; i < MOST; i++)
        ck_assert_int_eq(askers[i].status, OK);
    get_path("/document3");
}
END_TEST

START_TEST(test_a_fetch_that_could_not_begin_is_no_answer_to_be_kept)
{
    struct asker first, second;

    fetches.most = 1;
    start(&first, "http://127.0.0.1:1/", 0);
    start(&second, url, 0);
    ck_assert_int_eq(second.task.error.code, ERROR_BUSY);
    ck_assert(loop_run(&loop, &error));
    ck_assert_int_eq(get(url, 0).status, OK);
}
END_TEST

START_TEST(test_refuses_a_url_that_is_too_long)
{
    char text[4096];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    struct asker asker = get(text, 0);
    ck_assert_int_eq(asker.task.error.code, ERROR_CONF);
}
END_TEST

START_TEST(test_closes_while_something_is_fetched)
{
    struct asker asker;
    char text[96];

    (void)snprintf(text, sizeof text, "%.*s/held", (int)(strrchr(url, '/') - url), url);
    start(&asker, text, 0);
    ck_assert(loop_run(&loop, &error));
    ck_assert_ptr_nonnull(held);
    task_cancel(&asker.task);
    documents_close(&documents);
    ck_assert_uint_eq(fetches.count, 0);
    answer_held();
}
END_TEST

Suite *suite_documents(void)
{
    Suite *suite = suite_create("documents");
    TCase *cases = tcase_create("documents");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_asks_once_and_keeps_a_good_answer_for_an_hour);
    tcase_add_test(cases, test_all_who_ask_at_a_time_wait_for_one_fetch);
    tcase_add_test(cases, test_who_goes_away_takes_the_document_from_nobody_else);
    tcase_add_test(cases, test_a_bad_answer_is_kept_for_a_minute);
    tcase_add_test(cases, test_a_new_one_is_asked_for_once_a_minute);
    tcase_add_test(cases, test_an_old_good_one_will_do_for_who_says_so_and_for_a_day);
    tcase_add_test(cases, test_no_answer_is_an_answer_that_says_why);
    tcase_add_test(cases, test_who_may_be_asked_is_no_secret_kept_by_the_cache);
    tcase_add_test(cases, test_the_one_longest_not_asked_for_gives_way);
    tcase_add_test(cases, test_refuses_more_than_can_be_under_way_and_gives_way_to_none);
    tcase_add_test(cases, test_a_fetch_that_could_not_begin_is_no_answer_to_be_kept);
    tcase_add_test(cases, test_refuses_a_url_that_is_too_long);
    tcase_add_test(cases, test_closes_while_something_is_fetched);
    suite_add_tcase(suite, cases);
    return suite;
}
