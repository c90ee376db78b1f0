#include "auth/suites.h"

#include "auth/access.h"
#include "ground.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

enum { NOW = 1000000 };

static struct access access;
static struct address notes;
static struct credentials none;
static struct error error;
static struct buf text;
static bool by_proxy;

static void make_token(const char *user, const char *audience, int64_t expires)
{
    struct token token = {.session = "0123456789abcdef", .issued = NOW, .expires = expires};

    memcpy(token.user, user, strlen(user) + 1);
    ck_assert(origin_parse(&token.audience, str_of(audience), &error));
    buf_reset(&text);
    ck_assert(token_make(&access.keys, &token, &text, &error));
}

static void setup(void)
{
    struct keys keys;

    access = (struct access){0};
    none = (struct credentials){.peer = "127.0.0.1"};
    ck_assert(keys_make(&keys, &error) && access_open(&access, &keys, &error));
    ck_assert_uint_eq(keys.count, 0); /* taken over */
    ck_assert(address_parse(&notes, STR("/app.example/ann@example.org/notes"), &error));
    make_token("ann@example.org", "https://app.example", NOW + 100);
}

static void teardown(void)
{
    access_close(&access);
    access_close(&access);
    buf_clear(&text);
}

static bool check_at(const struct credentials *credentials, int64_t now)
{
    return access_check(&access, credentials, &notes, now, &by_proxy, NULL, &error);
}

static bool check_token(struct str token)
{
    struct credentials credentials = none;

    credentials.query_token = token;
    return check_at(&credentials, NOW);
}

static bool check_header(const char *authorization)
{
    struct credentials credentials = none;

    credentials.authorization = str_of(authorization);
    return check_at(&credentials, NOW);
}

START_TEST(test_access_is_for_the_user_and_site_of_the_token)
{
    ck_assert_msg(check_token(buf_str(&text)), "%s", error.message);
    ck_assert(!by_proxy);
    make_token("ann@example.org", "http://app.example:8080", NOW + 100); /* the host counts */
    ck_assert(check_token(buf_str(&text)));
}
END_TEST

START_TEST(test_access_is_for_nobody_else)
{
    static const char *const others[][2] = {
        {"bob@example.org", "https://app.example"},
        {"Ann@example.org", "https://app.example"},
        {"ann@example.or", "https://app.example"},
        {"ann@example.orgx", "https://app.example"},
        {"ann@example.org", "https://other.example"},
        {"ann@example.org", "https://app.example.com"},
        {"ann@example.org", "https://x.app.example"},
    };

    make_token(others[_i][0], others[_i][1], NOW + 100);
    for (unsigned again = 0; again < 2; again++) { /* also when it is remembered */
        ck_assert(!check_token(buf_str(&text)));
        ck_assert_int_eq(error.code, ERROR_UNAUTHORIZED);
    }
}
END_TEST

START_TEST(test_access_wants_credentials)
{
    ck_assert(!check_at(&none, NOW));
    ck_assert_int_eq(error.code, ERROR_UNAUTHORIZED);
    ck_assert_ptr_nonnull(strstr(error.message, "log in first"));
}
END_TEST

START_TEST(test_access_takes_a_bearer_token)
{
    struct buf header = {0};

    buf_append(&header, STR("Bearer "));
    buf_append(&header, buf_str(&text));
    ck_assert(check_header(header.data));
    memcpy(header.data, "bEARER ", 7);
    ck_assert(check_header(header.data));
    memcpy(header.data, "Basic_ ", 7);
    ck_assert(!check_header(header.data));
    ck_assert(!check_header("Bearer "));
    ck_assert(!check_header("Bearer"));
    buf_clear(&header);
}
END_TEST

START_TEST(test_access_by_query_goes_before_the_header)
{
    struct credentials credentials = none;
    struct buf header = {0};

    buf_append(&header, STR("Bearer "));
    buf_append(&header, buf_str(&text));
    credentials.authorization = buf_str(&header);
    credentials.query_token = STR("v1.once.bad.bad");
    ck_assert(!check_at(&credentials, NOW));
    buf_clear(&header);
}
END_TEST

START_TEST(test_access_ends_with_the_token_though_it_is_remembered)
{
    struct credentials credentials = none;

    credentials.query_token = buf_str(&text);
    ck_assert(check_at(&credentials, NOW) && check_at(&credentials, NOW + 99));
    ck_assert(!check_at(&credentials, NOW + 100));
    ck_assert_ptr_nonnull(strstr(error.message, "expired"));
}
END_TEST

START_TEST(test_access_refuses_every_flipped_bit_of_a_token_it_remembers)
{
    ck_assert(check_token(buf_str(&text)));
    for (size_t bit = 0; bit < 8 * text.length; bit++) {
        text.data[bit / 8] ^= (char)(1 << bit % 8);
        ck_assert_msg(!check_token(buf_str(&text)), "bit %zu", bit);
        text.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    ck_assert(check_token(buf_str(&text)));
}
END_TEST

START_TEST(test_access_of_a_remembered_token_ends_with_its_key)
{
    struct keys newer;

    ck_assert(check_token(buf_str(&text)));
    ck_assert(keys_make(&newer, &error));
    access_replace_keys(&access, &newer);
    ck_assert(!check_token(buf_str(&text)));
}
END_TEST

static enum step log_out(struct task *task)
{
    static struct revocation revocation;
    struct token token = {.session = "0123456789abcdef"};

    return revocations_add_session(&ground.revocations, &revocation, &token, task);
}

START_TEST(test_access_of_a_remembered_token_ends_when_it_is_logged_out)
{
    ground_open();
    access.revocations = &ground.revocations;
    ck_assert(check_token(buf_str(&text)) && check_token(buf_str(&text)));
    ck_assert_int_eq(ground_run(log_out).code, ERROR_NONE);
    for (unsigned again = 0; again < 2; again++) {
        ck_assert(!check_token(buf_str(&text)));
        ck_assert_int_eq(error.code, ERROR_UNAUTHORIZED);
        ck_assert_ptr_nonnull(strstr(error.message, "logged out"));
    }
    ground_close();
}
END_TEST

START_TEST(test_access_tells_who_it_is_where_there_is_no_address)
{
    struct credentials credentials = none;
    struct token who;

    credentials.query_token = buf_str(&text);
    for (unsigned again = 0; again < 2; again++) {
        ck_assert(access_check(&access, &credentials, NULL, NOW, &by_proxy, &who, &error));
        ck_assert_str_eq(who.user, "ann@example.org");
        ck_assert_str_eq(who.audience.host, "app.example");
    }
}
END_TEST

/* More tokens than it can remember, so that slots are used again. */
START_TEST(test_access_remembers_the_right_one_of_many)
{
    for (int64_t i = 0; i < 6000; i++) {
        make_token(i % 2 ? "ann@example.org" : "bob@example.org", "https://app.example",
                   NOW + 1 + i);
        ck_assert(check_token(buf_str(&text)) == (i % 2 == 1));
    }
}
END_TEST

/* --- A proxy that has logged the user in -------------------------------------------------------
 */

static const char *const proxies[] = {"10.0.0.0/8", "192.168.1.7", "2001:db8::/33",
                                      "unix:", "172.16.0.0/12"};

static bool check_proxied(const char *peer, const char *value)
{
    struct credentials credentials = {.trusted_user = str_of(value), .peer = peer};

    access.trusted_header = "X-User";
    access.proxies = proxies;
    access.proxy_count = sizeof proxies / sizeof *proxies;
    return check_at(&credentials, NOW);
}

static const struct {
    const char *peer;
    bool is_trusted;
} peers[] = {
    {"10.0.0.0", true},
    {"10.255.255.255", true},
    {"9.255.255.255", false},
    {"11.0.0.0", false},
    {"192.168.1.7", true},
    {"192.168.1.6", false},
    {"::ffff:10.1.2.3", true},
    {"::ffff:11.1.2.3", false},
    {"2001:db8:7fff::1", true},
    {"2001:db8:8000::1", false},
    {"unix:", true},
    {"127.0.0.1", false},
    {"::1", false},
    {"172.31.255.255", true},
    {"172.32.0.0", false},
    {"", false},
    {"unix:x", false},
    {"10.0.0.0/8", false},
};

START_TEST(test_access_believes_a_proxy_at_its_addresses_only)
{
    bool ok = check_proxied(peers[_i].peer, "ann@example.org/app.example");

    ck_assert_msg(ok == peers[_i].is_trusted, "%s", peers[_i].peer);
    ck_assert(by_proxy == ok);
}
END_TEST

static const char *const bad_users[] = {
    "",
    "ann@example.org",
    "/app.example",
    "ann@example.org/",
    "bob@example.org/app.example",
    "ann@example.org/other.example",
    "ann/app.example",
    "ann@example.org/App.Example",
    "ann@example.org/app.example ",
    "ann@example.org /app.example",
    "ann@example.org/app.example/x",
    "ann@example.org,bob@example.org/app.example",
};

START_TEST(test_access_refuses_what_a_proxy_says_wrongly)
{
    ck_assert_msg(!check_proxied("10.0.0.1", bad_users[_i]), "%s", bad_users[_i]);
    ck_assert_int_eq(error.code, ERROR_UNAUTHORIZED);
}
END_TEST

START_TEST(test_access_does_not_fall_back_on_a_token_when_the_proxy_names_another)
{
    struct credentials credentials = {.trusted_user = STR("bob@example.org/app.example"),
                                      .peer = "10.0.0.1"};

    (void)check_proxied("10.0.0.1", "");
    credentials.query_token = buf_str(&text);
    ck_assert(!check_at(&credentials, NOW));
    credentials.peer = "127.0.0.1"; /* not trusted: then the token counts */
    ck_assert(check_at(&credentials, NOW));
    ck_assert(!by_proxy);
}
END_TEST

START_TEST(test_access_ignores_the_header_where_none_is_configured)
{
    struct credentials credentials = {.trusted_user = STR("ann@example.org/app.example"),
                                      .peer = "unix:"};

    ck_assert(!check_at(&credentials, NOW));
}
END_TEST

START_TEST(test_access_knows_what_can_be_a_proxy)
{
    static const char *const good[] = {"127.0.0.1", "::1",   "10.0.0.0/8",  "0.0.0.0/0",
                                       "::/0",      "unix:", "10.0.0.1/32", "::1/128"};
    static const char *const wrong[] = {
        "",        "localhost",   "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0", "10.0.0.0/08",
        "unix:/x", "10.0.0.0/8x", "10.0.0.0/-1", "/8"};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(access_check_proxy(good[i], &error), "%s", good[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_msg(!access_check_proxy(wrong[i], &error), "%s", wrong[i]);
        ck_assert_int_eq(error.code, ERROR_CONF);
    }
}
END_TEST

static const struct {
    const char *peer, *forwarded_for, *client;
} clients[] = {
    {"192.0.2.1", NULL, "192.0.2.1"},
    {"192.0.2.1", "198.51.100.7", "192.0.2.1"}, /* not from a proxy of ours */
    {"unix:", "198.51.100.7", "unix:"},
    {"10.1.2.3", "198.51.100.7", "198.51.100.7"},
    {"10.1.2.3", "203.0.113.9, 198.51.100.7", "198.51.100.7"}, /* the first is anybody's claim */
    {"10.1.2.3", "203.0.113.9,198.51.100.7,10.9.9.9 ", "198.51.100.7"},
    {"10.1.2.3", "10.4.4.4, 10.5.5.5", "10.4.4.4"},
    {"::ffff:10.1.2.3", "2001:db8::1", "2001:db8::1"},
    {"10.1.2.3", "198.51.100.7:4711", "198.51.100.7"},
    {"10.1.2.3", "[2001:db8::1]:4711", "2001:db8::1"},
    {"10.1.2.3", "[2001:db8::1]", "2001:db8::1"},
    {"10.1.2.3", NULL, ""},
    {"10.1.2.3", "", ""},
    {"10.1.2.3", "198.51.100.7, unknown", ""},
    {"10.1.2.3", "198.51.100.7,", ""},
    {"10.1.2.3", "198.51.100.7, []", ""},
    {"10.1.2.3", "unix:", ""},
    {"10.1.2.3", "198.51.100.7\n", ""},
    {"10.1.2.3",
     "11111111111111111111111111111111111111111111111111111111111111111111111111111111111", ""},
};

START_TEST(test_access_finds_the_client_behind_proxies_of_ours)
{
    static const char *const ours[] = {"10.0.0.0/8"};
    char client[ACCESS_CLIENT_SIZE];

    access.proxies = ours;
    access.proxy_count = 1;
    access_find_client(&access, clients[_i].peer, str_of(clients[_i].forwarded_for), client);
    ck_assert_str_eq(client, clients[_i].client);
}
END_TEST

START_TEST(test_access_finds_the_client_behind_a_unix_socket)
{
    static const char *const ours[] = {"unix:"};
    char client[ACCESS_CLIENT_SIZE];

    access.proxies = ours;
    access.proxy_count = 1;
    access_find_client(&access, "unix:", STR("203.0.113.9, 198.51.100.7"), client);
    ck_assert_str_eq(client, "198.51.100.7");
}
END_TEST

Suite *suite_access(void)
{
    Suite *suite = suite_create("access");
    TCase *tests = tcase_create("tokens");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_access_is_for_the_user_and_site_of_the_token);
    tcase_add_loop_test(tests, test_access_is_for_nobody_else, 0, 7);
    tcase_add_test(tests, test_access_wants_credentials);
    tcase_add_test(tests, test_access_takes_a_bearer_token);
    tcase_add_test(tests, test_access_by_query_goes_before_the_header);
    tcase_add_test(tests, test_access_ends_with_the_token_though_it_is_remembered);
    tcase_add_test(tests, test_access_refuses_every_flipped_bit_of_a_token_it_remembers);
    tcase_add_test(tests, test_access_of_a_remembered_token_ends_with_its_key);
    tcase_add_test(tests, test_access_of_a_remembered_token_ends_when_it_is_logged_out);
    tcase_add_test(tests, test_access_tells_who_it_is_where_there_is_no_address);
    tcase_add_test(tests, test_access_remembers_the_right_one_of_many);
    tcase_add_loop_test(tests, test_access_finds_the_client_behind_proxies_of_ours, 0,
                        sizeof clients / sizeof *clients);
    tcase_add_test(tests, test_access_finds_the_client_behind_a_unix_socket);
    suite_add_tcase(suite, tests);
    tests = tcase_create("proxies");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, test_access_believes_a_proxy_at_its_addresses_only, 0,
                        (int)(sizeof peers / sizeof *peers));
    tcase_add_loop_test(tests, test_access_refuses_what_a_proxy_says_wrongly, 0,
                        (int)(sizeof bad_users / sizeof *bad_users));
    tcase_add_test(tests, test_access_does_not_fall_back_on_a_token_when_the_proxy_names_another);
    tcase_add_test(tests, test_access_ignores_the_header_where_none_is_configured);
    tcase_add_test(tests, test_access_knows_what_can_be_a_proxy);
    suite_add_tcase(suite, tests);
    return suite;
}
