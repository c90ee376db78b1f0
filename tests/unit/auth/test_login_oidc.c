/* Logging in at an issuer that runs in the same loop: how its keys come, go and stay. */
#include "auth/suites.h"

#include "auth/login_kind.h"
#include "base/clock.h"
#include "signer.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <string.h>

#include <check.h>

enum { START = 1000000, MOST = 8, MINUTE = 60, TIMEOUT_MS = 60000, OK = 200, BROKEN = 500 };

struct asker {
    struct task task;
    struct login_attempt attempt;
};

static struct loop loop;
static struct fetches fetches;
static struct documents documents;
static struct access access;
static struct login login;
static struct evhttp *peer;
static struct signer first, second;
static const struct signer *published;
static char url[64], line[256];
static const char *lines[] = {line};
static unsigned asked_metadata, asked_keys;
static int peer_status;
static int64_t now;
static struct asker asker;
static struct error error;

static void answer(struct evhttp_request *request, void *context)
{
    bool wants_keys = strcmp(evhttp_request_get_uri(request), "/keys") == 0;
    struct buf body = {0};

    (void)context;
    *(wants_keys ? &asked_keys : &asked_metadata) += 1;
    if (wants_keys) {
        buf_append_text(&body, "{\"keys\":[");
        signer_put_key(published, "", &body);
        buf_append_text(&body, "]}");
    } else {
        buf_append_format(&body, "{\"issuer\":\"%s\",\"jwks_uri\":\"%s/keys\"}", url, url);
    }
    ck_assert_int_eq(
        evbuffer_add(evhttp_request_get_output_buffer(request), body.data, body.length), 0);
    ck_assert_int_eq(evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                                       "application/json"),
                     0);
    evhttp_send_reply(request, peer_status, NULL, NULL);
    buf_clear(&body);
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
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(address.sin_port));
    (void)snprintf(line, sizeof line, "%s app=https://app.example email", url);
    evhttp_set_gencb(peer, answer, NULL);
    asked_metadata = asked_keys = 0;
    peer_status = OK;
    published = &first;
}

static void set_time(int64_t seconds)
{
    now = seconds;
    clock_hold(seconds);
}

static void setup(void)
{
    struct keys keys;

    set_time(START);
    signer_open(&first, "first", 0);
    signer_open(&second, "second", 0);
    ck_assert(loop_open(&loop, &error) && fetches_open(&fetches, &loop, MOST, NULL, &error));
    ck_assert(documents_open(&documents, &fetches, MOST, TIMEOUT_MS, &error));
    open_peer();
    access = (struct access){0};
    ck_assert(keys_make(&keys, &error) && access_open(&access, &keys, &error));
    ck_assert(login_open(&login, &access, false, MINUTE, &error));
    login.documents = &documents;
    login.oidc_issuers = lines;
    login.oidc_issuer_count = 1;
    login.oidc_token_age = 10 * MINUTE;
}

static void teardown(void)
{
    login_clear(&asker.attempt);
    login_close(&login);
    access_close(&access);
    documents_close(&documents);
    fetches_close(&fetches);
    evhttp_free(peer);
    loop_close(&loop);
    signer_close(&first);
    signer_close(&second);
    clock_hold(0);
}

static enum step run(struct task *task)
{
    struct asker *self = OWNER_OF(task, struct asker, task);

    return login_run(&self->attempt, &login, now, task);
}

static void ended(struct task *task)
{
    error = task->error;
    loop_stop(&loop);
}

static const struct step_entry steps[] = {STEP(run), {0}};
static const struct task_kind kind = {"log in", steps, ended};

static void start(const struct signer *signer)
{
    char payload[512];

    login_clear(&asker.attempt);
    asker = (struct asker){0};
    (void)snprintf(payload, sizeof payload,
                   "{\"iss\":\"%s\",\"sub\":\"s\",\"aud\":\"app\",\"iat\":%lld,\"exp\":%lld,"
                   "\"email\":\"ann@example.org\",\"email_verified\":true}",
                   url, (long long)now, (long long)now + MINUTE);
    signer_sign(signer, payload, &asker.attempt.assertion);
    buf_append_text(&asker.attempt.audience, "https://app.example");
    task_start(&asker.task, &loop, &kind);
}

/* The user, or why not. */
static const char *log_in(const struct signer *signer)
{
    start(signer);
    if (task_is_under_way(&asker.task))
        ck_assert(loop_run(&loop, &error));
    if (error.code != ERROR_NONE)
        return error.message;
    return asker.attempt.failure[0] ? asker.attempt.failure : asker.attempt.who.user;
}

START_TEST(test_login_oidc_asks_the_issuer_once)
{
    ck_assert_str_eq(log_in(&first), "ann@example.org");
    ck_assert_str_eq(asker.attempt.issuer, url);
    ck_assert_int_eq(asker.attempt.proof_ends, START + MINUTE);
    ck_assert_str_eq(log_in(&first), "ann@example.org");
    ck_assert_uint_eq(asked_metadata, 1);
    ck_assert_uint_eq(asked_keys, 1);
}
END_TEST

START_TEST(test_login_oidc_asks_again_for_a_key_it_does_not_know_once_a_minute)
{
    ck_assert_str_eq(log_in(&first), "ann@example.org");
    published = &second;
    set_time(START + MINUTE - 1);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_nonnull(strstr(log_in(&second), "not signed with a key"));
    ck_assert_uint_eq(asked_keys, 1);
    set_time(START + MINUTE);
    ck_assert_str_eq(log_in(&second), "ann@example.org");
    ck_assert_ptr_nonnull(strstr(log_in(&first), "not signed with a key"));
    ck_assert_uint_eq(asked_keys, 2);
    ck_assert_uint_eq(asked_metadata, 1);
}
END_TEST

START_TEST(test_login_oidc_asks_again_when_a_key_has_changed_under_its_name)
{
    ck_assert_str_eq(log_in(&first), "ann@example.org");
    signer_close(&second);
    signer_open(&second, first.id, 0);
    published = &second;
    set_time(START + MINUTE);
    ck_assert_str_eq(log_in(&second), "ann@example.org");
}
END_TEST

START_TEST(test_login_oidc_keeps_the_keys_while_the_issuer_is_down)
{
    ck_assert_str_eq(log_in(&first), "ann@example.org");
    peer_status = BROKEN;
    set_time(START + MINUTE);
    ck_assert_ptr_nonnull(strstr(log_in(&second), "not signed with a key"));
    ck_assert_str_eq(log_in(&first), "ann@example.org");
    set_time(START + 2 * 60 * MINUTE);
    ck_assert_str_eq(log_in(&first), "ann@example.org");
    set_time(START + 25 * 60 * MINUTE);
    ck_assert_ptr_nonnull(strstr(log_in(&first), "status 500"));
    ck_assert_int_eq(error.code, ERROR_BUSY);
    peer_status = OK;
    set_time(START + 25 * 60 * MINUTE + MINUTE);
    ck_assert_str_eq(log_in(&first), "ann@example.org");
}
END_TEST

START_TEST(test_login_oidc_can_be_given_up_while_it_waits)
{
    start(&first);
    ck_assert(task_is_under_way(&asker.task));
    task_cancel(&asker.task);
    login_clear(&asker.attempt);
    ck_assert_str_eq(log_in(&first), "ann@example.org");
}
END_TEST

START_TEST(test_login_oidc_minds_that_an_issuer_is_struck_out_meanwhile)
{
    start(&first);
    login.oidc_issuer_count = 0;
    ck_assert(loop_run(&loop, &error));
    ck_assert_ptr_nonnull(strstr(asker.attempt.failure, "there is no oidc_issuer"));
    ck_assert_str_eq(asker.attempt.who.user, "");
}
END_TEST

Suite *suite_login_oidc(void)
{
    Suite *suite = suite_create("login_oidc");
    TCase *tests = tcase_create("login_oidc");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_login_oidc_asks_the_issuer_once);
    tcase_add_test(tests, test_login_oidc_asks_again_for_a_key_it_does_not_know_once_a_minute);
    tcase_add_test(tests, test_login_oidc_asks_again_when_a_key_has_changed_under_its_name);
    tcase_add_test(tests, test_login_oidc_keeps_the_keys_while_the_issuer_is_down);
    tcase_add_test(tests, test_login_oidc_can_be_given_up_while_it_waits);
    tcase_add_test(tests, test_login_oidc_minds_that_an_issuer_is_struck_out_meanwhile);
    suite_add_tcase(suite, tests);
    return suite;
}
