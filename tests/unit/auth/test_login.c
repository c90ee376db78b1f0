#include "auth/suites.h"

#include "auth/login.h"
#include "ground.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

enum { NOW = 1000000, LIFETIME = 3600, SESSION_LIFETIME = 10000 };

static struct access access;
static struct login login;
static struct token who;
static struct buf answer;
static struct error error;
static int64_t now;

static void open_login(bool dev)
{
    struct keys keys;

    access = (struct access){0};
    ck_assert(keys_make(&keys, &error) && access_open(&access, &keys, &error));
    ck_assert(login_open(&login, &access, dev, LIFETIME, &error));
    ground_open();
    access.revocations = login.revocations = &ground.revocations;
    login.session_lifetime = SESSION_LIFETIME;
    now = NOW;
    answer = (struct buf){0};
}

static void setup(void)
{
    open_login(true);
}

static void teardown(void)
{
    login_close(&login);
    ground_close();
    access_close(&access);
    buf_clear(&answer);
}

/* In the pattern "%s" stands for the dev token. */
static void verify(const char *pattern, const char *audience)
{
    struct str rest = str_of(pattern), before;
    struct buf assertion = {0};

    (void)str_split(&rest, '%', &before);
    buf_append(&assertion, before);
    if (rest.data) {
        buf_append_text(&assertion, login.dev_token);
        buf_append(&assertion, str_slice(rest, 1, rest.length));
    }
    buf_reset(&answer);
    struct login_attempt attempt = {.assertion = assertion};
    struct task task = {0};
    buf_append_text(&attempt.audience, audience);
    ck_assert_int_eq(login_run(&attempt, &login, now, &task), STEP_NEXT);
    ck_assert(login_end(&attempt, &answer, &error));
    who = attempt.who;
    login_clear(&attempt);
}

static void assert_failure(const char *reason)
{
    ck_assert_msg(strstr(answer.data, "{\"status\":\"failure\",\"reason\":\"") == answer.data, "%s",
                  answer.data);
    ck_assert_msg(strstr(answer.data, reason), "%s", answer.data);
    ck_assert_ptr_null(strstr(answer.data, "auth"));
    ck_assert_str_eq(who.user, "");
}

START_TEST(test_login_gives_a_token_that_lets_in)
{
    struct credentials credentials = {.peer = "127.0.0.1"};
    struct address address;
    bool by_proxy;

    verify("dev:%s:ann@Example.ORG", "https://app.example");
    ck_assert_ptr_nonnull(strstr(answer.data, "{\"status\":\"okay\",\"email\":\"ann@example.org\","
                                              "\"audience\":\"https://app.example\","
                                              "\"expires\":1003600000,\"expires_in\":3600,"
                                              "\"issuer\":\"dev\",\"auth\":{\"query\":{\"auth\":"));
    ck_assert_str_eq(who.user, "ann@example.org");
    ck_assert_str_eq(who.audience.host, "app.example");
    const char *begin = strstr(answer.data, "\"v1.") + 1;
    credentials.query_token = (struct str){begin, (size_t)(strchr(begin, '"') - begin)};
    ck_assert(address_parse(&address, STR("/app.example/ann@example.org/notes"), &error));
    ck_assert(
        access_check(&access, &credentials, &address, NOW + LIFETIME - 1, &by_proxy, NULL, &error));
    ck_assert(
        !access_check(&access, &credentials, &address, NOW + LIFETIME, &by_proxy, NULL, &error));
}
END_TEST

START_TEST(test_login_keeps_the_case_of_the_local_part)
{
    verify("dev:%s:Ann.B+x@EXAMPLE.org", "https://app.example");
    ck_assert_str_eq(who.user, "Ann.B+x@example.org");
}
END_TEST

START_TEST(test_login_wants_the_token_of_this_start)
{
    static const char *const wrong[] = {"dev::ann@example.org",
                                        "dev:ann@example.org",
                                        "dev:",
                                        "dev:0123456789abcdef0123456789abcdef:ann@example.org",
                                        "dev:%s0:ann@example.org",
                                        "dev: %s:ann@example.org"};

    verify(wrong[_i], "https://app.example");
    assert_failure("the dev token is wrong");
}
END_TEST

START_TEST(test_login_makes_another_token_each_time)
{
    struct login other;

    ck_assert_uint_eq(strlen(login.dev_token), LOGIN_DEV_TOKEN_SIZE - 1);
    ck_assert(login_open(&other, &access, true, LIFETIME, &error));
    ck_assert_str_ne(other.dev_token, login.dev_token);
    login_close(&other);
}
END_TEST

START_TEST(test_login_wants_an_address)
{
    static const char *const wrong[] = {"dev:%s:",
                                        "dev:%s",
                                        "dev:%s:ann",
                                        "dev:%s:@example.org",
                                        "dev:%s:ann@",
                                        "dev:%s:ann@exa mple.org",
                                        "dev:%s:ann@example.org:x",
                                        "dev:%s:a/../b@c/d"};

    verify(wrong[_i], "https://app.example");
    assert_failure("names no e-mail address");
}
END_TEST

START_TEST(test_login_wants_an_audience_that_is_an_origin)
{
    static const char *const wrong[] = {"", "app.example", "https://app.example/x",
                                        "http://victim.com:x@attacker.com"};

    verify("dev:%s:ann@example.org", wrong[_i]);
    assert_failure("is no origin");
}
END_TEST

START_TEST(test_login_refuses_other_assertions)
{
    static const char *const others[] = {"", "x", "DEV:%s:ann@example.org",
                                         " dev:%s:ann@example.org", "e30.e30.x"};

    verify(others[_i], "https://app.example");
    assert_failure("no kind of login here takes this assertion");
}
END_TEST

START_TEST(test_login_of_developers_is_off_unless_it_is_on)
{
    teardown();
    open_login(false);
    ck_assert_str_eq(login.dev_token, "");
    verify("dev:%s:ann@example.org", "https://app.example"); /* an empty token is none */
    assert_failure("dev login is off");
}
END_TEST

/* The token of the last answer. */
static struct str given_token(void)
{
    const char *begin = strstr(answer.data, "\"v1.");

    ck_assert_msg(begin, "%s", answer.data);
    return (struct str){begin + 1, (size_t)(strchr(begin + 1, '"') - begin - 1)};
}

static void renew(const char *audience)
{
    char assertion[TOKEN_MOST];
    struct str token = given_token();

    (void)snprintf(assertion, sizeof assertion, "%.*s", STR_ARG(token));
    verify(assertion, audience);
}

START_TEST(test_login_gives_a_new_token_for_one_that_is_good_and_the_session_goes_on)
{
    struct token first;

    verify("dev:%s:ann@example.org", "https://app.example");
    first = who;
    ck_assert_int_eq(first.began, NOW);
    now = NOW + LIFETIME - 1;
    renew("https://app.example");
    ck_assert_str_eq(who.user, "ann@example.org");
    ck_assert_str_eq(who.session, first.session);
    ck_assert_int_eq(who.began, NOW);
    ck_assert_int_eq(who.issued, now);
    ck_assert_int_eq(who.expires, now + LIFETIME);
}
END_TEST

START_TEST(test_login_begins_another_session_each_time)
{
    struct token first;

    verify("dev:%s:ann@example.org", "https://app.example");
    first = who;
    verify("dev:%s:ann@example.org", "https://app.example");
    ck_assert_str_ne(who.session, first.session);
}
END_TEST

START_TEST(test_login_gives_no_token_for_one_that_has_expired)
{
    verify("dev:%s:ann@example.org", "https://app.example");
    now = NOW + LIFETIME;
    renew("https://app.example");
    assert_failure("expired");
}
END_TEST

START_TEST(test_login_gives_no_token_beyond_the_end_of_the_session)
{
    verify("dev:%s:ann@example.org", "https://app.example");
    for (now = NOW; now < NOW + SESSION_LIFETIME - LIFETIME / 2; now += LIFETIME / 2)
        renew("https://app.example");
    ck_assert_int_eq(who.expires, NOW + SESSION_LIFETIME);
    login.session_lifetime = now - NOW;
    renew("https://app.example");
    assert_failure("as long as one may");
}
END_TEST

START_TEST(test_login_gives_no_token_for_another_audience)
{
    static const char *const others[] = {"https://other.example", "http://app.example",
                                         "https://app.example:8443"};

    verify("dev:%s:ann@example.org", "https://app.example");
    renew(others[_i]);
    assert_failure("for another audience");
}
END_TEST

START_TEST(test_login_takes_no_token_that_somebody_made)
{
    verify("v1.once.e30.AAAA", "https://app.example");
    assert_failure("signature");
}
END_TEST

START_TEST(test_login_is_for_the_audiences_that_are_served)
{
    static const char *const served[] = {"https://app.example", "http://localhost:8080"};

    login.audiences = served;
    login.audience_count = 2;
    verify("dev:%s:ann@example.org", "https://app.example/");
    ck_assert_str_eq(who.user, "ann@example.org");
    renew("http://localhost:8080");
    assert_failure("for another audience");
    verify("dev:%s:ann@example.org", "https://app.example:8443");
    assert_failure("is not for the users of that audience");
    login.audience_count = 1;
    verify("dev:%s:ann@example.org", "http://localhost:8080");
    assert_failure("is not for the users of that audience");
}
END_TEST

START_TEST(test_login_lets_nobody_in_whose_assertion_could_not_be_used_up)
{
    struct login_attempt attempt = {
        .login = &login, .now = NOW, .who = {.user = "ann@example.org"}};

    error_set(&attempt.use.error, ERROR_NO_SPACE, ".revoked: no space");
    ck_assert(!login_end(&attempt, &answer, &error));
    ck_assert_int_eq(error.code, ERROR_NO_SPACE);
    ck_assert_uint_eq(answer.length, 0);
}
END_TEST

START_TEST(test_login_admits_an_address_as_often_as_is_said)
{
    uint64_t wait_s = 0;

    rate_set(&login.by_address, 2, 60000);
    ck_assert(login_admit(&login, "192.0.2.1", 1, &wait_s, &error));
    ck_assert(login_admit(&login, "192.0.2.1", 1, &wait_s, &error));
    ck_assert(!login_admit(&login, "192.0.2.1", 1, &wait_s, &error));
    ck_assert_int_eq(error.code, ERROR_TOO_OFTEN);
    ck_assert_uint_eq(wait_s, 30);
    ck_assert(login_admit(&login, "192.0.2.2", 1, &wait_s, &error));
}
END_TEST

START_TEST(test_login_lets_a_user_in_as_often_as_is_said)
{
    struct login_attempt attempt = {.login = &login, .who = {.user = "ann@example.org"}};
    struct task task = {0};

    rate_set(&login.by_user, 1, 60000);
    ck_assert_int_eq(login_count(&attempt, 1, &task), STEP_NEXT);
    ck_assert_int_eq(login_count(&attempt, 1, &task), STEP_FAIL);
    ck_assert_int_eq(task.error.code, ERROR_TOO_OFTEN);
    ck_assert_uint_eq(attempt.wait_s, 60);
    memcpy(attempt.failure, "refused", sizeof "refused"); /* no login */
    ck_assert_int_eq(login_count(&attempt, 1, &task), STEP_NEXT);
}
END_TEST

START_TEST(test_login_takes_the_longest_address_and_none_longer)
{
    char assertion[400], local[300];

    for (unsigned length = 242; length < 300; length += 57) { /* 242 + "@example.org": 254 */
        memset(local, 'a', length);
        local[length] = '\0';
        (void)snprintf(assertion, sizeof assertion, "dev:%%s:%s@example.org", local);
        verify(assertion, "https://app.example");
        if (length == 242)
            ck_assert_uint_eq(strlen(who.user), 254);
        else
            assert_failure("names no e-mail address");
    }
}
END_TEST

Suite *suite_login(void)
{
    Suite *suite = suite_create("login");
    TCase *tests = tcase_create("login");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_login_gives_a_token_that_lets_in);
    tcase_add_test(tests, test_login_keeps_the_case_of_the_local_part);
    tcase_add_loop_test(tests, test_login_wants_the_token_of_this_start, 0, 6);
    tcase_add_test(tests, test_login_makes_another_token_each_time);
    tcase_add_loop_test(tests, test_login_wants_an_address, 0, 8);
    tcase_add_loop_test(tests, test_login_wants_an_audience_that_is_an_origin, 0, 4);
    tcase_add_loop_test(tests, test_login_refuses_other_assertions, 0, 5);
    tcase_add_test(tests, test_login_of_developers_is_off_unless_it_is_on);
    tcase_add_test(tests, test_login_takes_the_longest_address_and_none_longer);
    tcase_add_test(tests,
                   test_login_gives_a_new_token_for_one_that_is_good_and_the_session_goes_on);
    tcase_add_test(tests, test_login_begins_another_session_each_time);
    tcase_add_test(tests, test_login_gives_no_token_for_one_that_has_expired);
    tcase_add_test(tests, test_login_gives_no_token_beyond_the_end_of_the_session);
    tcase_add_loop_test(tests, test_login_gives_no_token_for_another_audience, 0, 3);
    tcase_add_test(tests, test_login_takes_no_token_that_somebody_made);
    tcase_add_test(tests, test_login_is_for_the_audiences_that_are_served);
    tcase_add_test(tests, test_login_lets_nobody_in_whose_assertion_could_not_be_used_up);
    tcase_add_test(tests, test_login_admits_an_address_as_often_as_is_said);
    tcase_add_test(tests, test_login_lets_a_user_in_as_often_as_is_said);
    suite_add_tcase(suite, tests);
    return suite;
}
