#include "auth/suites.h"

#include "auth/login.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

enum { NOW = 1000000, LIFETIME = 3600 };

static struct access access;
static struct login login;
static struct token who;
static struct buf answer;
static struct error error;

static void open_login(bool dev)
{
    struct keys keys;

    access = (struct access){0};
    ck_assert(keys_make(&keys, &error) && access_open(&access, &keys, &error));
    ck_assert(login_open(&login, &access, dev, LIFETIME, &error));
    answer = (struct buf){0};
}

static void setup(void)
{
    open_login(true);
}

static void teardown(void)
{
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
    ck_assert_int_eq(login_run(&attempt, &login, NOW, &task), STEP_NEXT);
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
                                         " dev:%s:ann@example.org", "eyJhbGciOiJSUzI1NiJ9.e30.x"};

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
    suite_add_tcase(suite, tests);
    return suite;
}
