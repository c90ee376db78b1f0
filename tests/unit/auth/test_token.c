#include "auth/suites.h"

#include "auth/token.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

enum { NOW = 1000000 };

static struct keys keys;
static struct token token, read;
static struct buf text;
static struct error error;

static void setup(void)
{
    ck_assert(keys_make(&keys, &error));
    token = (struct token){
        .user = "ann@example.org", .began = NOW - 50, .issued = NOW, .expires = NOW + 100};
    ck_assert(token_begin_session(&token, &error));
    ck_assert(origin_parse(&token.audience, STR("https://app.example:8443"), &error));
    text = (struct buf){0};
    ck_assert(token_make(&keys, &token, &text, &error));
}

static void teardown(void)
{
    keys_clear(&keys);
    buf_clear(&text);
}

static bool check_at(struct str given, int64_t now)
{
    return token_check(&keys, given, now, &read, &error);
}

static void assert_refused(struct str given, const char *why)
{
    ck_assert(!check_at(given, NOW));
    ck_assert_int_eq(error.code, ERROR_UNAUTHORIZED);
    ck_assert_msg(strstr(error.message, why), "%s", error.message);
}

START_TEST(test_token_says_who_for_which_site_and_until_when)
{
    ck_assert_msg(check_at(buf_str(&text), NOW), "%s", error.message);
    ck_assert_str_eq(read.user, "ann@example.org");
    ck_assert_str_eq(read.audience.text, "https://app.example:8443");
    ck_assert_str_eq(read.audience.host, "app.example");
    ck_assert_str_eq(read.session, token.session);
    ck_assert_int_eq(read.began, NOW - 50);
    ck_assert_int_eq(read.issued, NOW);
    ck_assert_int_eq(read.expires, NOW + 100);
}
END_TEST

START_TEST(test_token_sessions_have_names_of_their_own)
{
    struct token other = token;

    ck_assert(token_begin_session(&other, &error));
    ck_assert_uint_eq(strlen(other.session), TOKEN_SESSION_SIZE - 1);
    ck_assert_str_ne(other.session, token.session);
}
END_TEST

START_TEST(test_token_is_appended)
{
    struct buf both = {0};

    buf_append(&both, STR("before "));
    ck_assert(token_make(&keys, &token, &both, &error));
    ck_assert(check_at(str_slice(buf_str(&both), 7, both.length), NOW));
    buf_clear(&both);
}
END_TEST

START_TEST(test_token_refuses_every_flipped_bit)
{
    for (size_t bit = 0; bit < 8 * text.length; bit++) {
        text.data[bit / 8] ^= (char)(1 << bit % 8);
        ck_assert_msg(!check_at(buf_str(&text), NOW), "bit %zu", bit);
        ck_assert_int_eq(error.code, ERROR_UNAUTHORIZED);
        text.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    ck_assert(check_at(buf_str(&text), NOW));
}
END_TEST

START_TEST(test_token_refuses_every_beginning_and_anything_behind)
{
    struct buf longer = {0};

    for (size_t length = 0; length < text.length; length++)
        ck_assert_msg(!check_at(str_slice(buf_str(&text), 0, length), NOW), "%zu", length);
    for (unsigned byte = 0; byte < 256; byte++) {
        buf_reset(&longer);
        buf_append(&longer, buf_str(&text));
        buf_append_byte(&longer, (char)byte);
        ck_assert_msg(!check_at(buf_str(&longer), NOW), "%u", byte);
    }
    buf_clear(&longer);
}
END_TEST

START_TEST(test_token_ends_with_its_time)
{
    ck_assert(check_at(buf_str(&text), NOW + 99));
    ck_assert(!check_at(buf_str(&text), NOW + 100));
    ck_assert_ptr_nonnull(strstr(error.message, "expired"));
}
END_TEST

START_TEST(test_token_may_be_a_minute_ahead_of_the_clock)
{
    ck_assert(check_at(buf_str(&text), NOW - 60));
    ck_assert(!check_at(buf_str(&text), NOW - 61));
    ck_assert_ptr_nonnull(strstr(error.message, "future"));
}
END_TEST

START_TEST(test_token_of_an_older_key_is_good_while_the_key_is_there)
{
    struct keys newer;

    ck_assert(keys_make(&newer, &error));
    memcpy(newer.items[0].id, "newer", 6);
    newer.items[1] = keys.items[0];
    newer.count = 2;
    ck_assert(token_check(&newer, buf_str(&text), NOW, &read, &error));
    newer.count = 1;
    ck_assert(!token_check(&newer, buf_str(&text), NOW, &read, &error));
    ck_assert_ptr_nonnull(strstr(error.message, "not in use"));
    buf_reset(&text);
    newer.count = 2;
    ck_assert(token_make(&newer, &token, &text, &error)); /* the first one signs */
    ck_assert_ptr_nonnull(strstr(text.data, "v1.newer."));
    ck_assert(!token_check(&keys, buf_str(&text), NOW, &read, &error));
    keys_clear(&newer);
}
END_TEST

START_TEST(test_token_of_another_key_of_the_same_name_is_refused)
{
    struct keys other;

    ck_assert(keys_make(&other, &error)); /* also named "once" */
    ck_assert(!token_check(&other, buf_str(&text), NOW, &read, &error));
    ck_assert_ptr_nonnull(strstr(error.message, "signature"));
    keys_clear(&other);
}
END_TEST

static const char *const no_tokens[] = {
    "",    ".",           "...",       "v1",          "v1.once",      "v1.once.x",
    "v2",  "v1...",       "v1.once..", "v2.once.a.b", "v1.once.a.b.", "v1.once.a.b.c",
    " v1", "V1.once.a.b",
};

START_TEST(test_token_refuses_what_is_none)
{
    ck_assert(!check_at(str_of(no_tokens[_i]), NOW));
    ck_assert_int_eq(error.code, ERROR_UNAUTHORIZED);
}
END_TEST

START_TEST(test_token_refuses_what_is_too_long)
{
    static char longer[TOKEN_MOST + 2];

    memset(longer, 'a', sizeof longer - 1);
    memcpy(longer, "v1.once.", 8);
    longer[TOKEN_MOST - 40] = '.';
    assert_refused((struct str){longer, TOKEN_MOST}, "signature");
    assert_refused((struct str){longer, TOKEN_MOST + 1}, "no token");
}
END_TEST

/* Signed by us, as only a mistake of ours could be. */
static void sign_payload(const char *payload)
{
    unsigned char mac[CRYPTO_HASH_SIZE];
    const struct str key = {(const char *)keys.items[0].token_key, CRYPTO_HASH_SIZE};

    buf_reset(&text);
    buf_append(&text, STR("v1.once."));
    crypto_base64url_encode(str_of(payload), &text);
    ck_assert(crypto_hmac(key, buf_str(&text), mac, &error));
    buf_append(&text, STR("."));
    crypto_base64url_encode((struct str){(const char *)mac, sizeof mac}, &text);
}

#define EMAIL    "\"email\":\"a@b.org\""
#define AUDIENCE "\"audience\":\"https://app.example\""
#define ISSUED   "\"issued\":1000000"
#define EXPIRES  "\"expires\":1000100"
#define SESSION  "\"session\":\"0123456789abcde-\""
#define BEGAN    "\"began\":999000"
#define REST     SESSION "," BEGAN

static const char *const bad_payloads[] = {
    "",
    "{}",
    "[]",
    "{" REST "," AUDIENCE "," ISSUED "," EXPIRES "}",
    "{" REST "," EMAIL "," ISSUED "," EXPIRES "}",
    "{" REST "," EMAIL "," AUDIENCE "," EXPIRES "}",
    "{" REST "," EMAIL "," AUDIENCE "," ISSUED "}",
    "{" REST "," EMAIL "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES "}",
    "{" REST "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES "," EXPIRES "}",
    "{" REST "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES ",\"more\":1}",
    "{" REST "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES ",\"more\":\"x\"}",
    "{" REST "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES ",\"more\":null}",
    "{" REST ",\"email\":\"nobody\"," AUDIENCE "," ISSUED "," EXPIRES "}",
    "{" REST ",\"email\":1," AUDIENCE "," ISSUED "," EXPIRES "}",
    "{" REST ",\"email\":[\"a@b.org\"]," AUDIENCE "," ISSUED "," EXPIRES "}",
    "{" REST "," EMAIL ",\"audience\":\"app.example\"," ISSUED "," EXPIRES "}",
    "{" REST "," EMAIL "," AUDIENCE ",\"issued\":\"1000000\"," EXPIRES "}",
    "{" REST "," EMAIL "," AUDIENCE "," ISSUED ",\"expires\":1e9}",
    "{" REST "," EMAIL "," AUDIENCE "," ISSUED ",\"expires\":-1}",
    "{" REST "," EMAIL "," AUDIENCE "," ISSUED ",\"expires\":9223372036854775807}",
    "{" REST "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES "} x",
    "{" BEGAN "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES "}",
    "{" SESSION "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES "}",
    "{" REST "," BEGAN "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES "}",
    "{" REST "," SESSION "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES "}",
    "{\"session\":\"0123456789abcde\"," BEGAN "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES "}",
    "{\"session\":\"0123456789abcdefg\"," BEGAN "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES "}",
    "{\"session\":\"0123456789abcde+\"," BEGAN "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES "}",
    "{\"session\":\"0123456789abcde\\n\"," BEGAN "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES "}",
    "{\"session\":1," BEGAN "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES "}",
    "{" SESSION ",\"began\":\"1\"," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES "}",
};

START_TEST(test_token_refuses_a_payload_that_does_not_say_it_all)
{
    sign_payload(bad_payloads[_i]);
    assert_refused(buf_str(&text), "does not say who");
}
END_TEST

START_TEST(test_token_takes_the_payload_of_these_tests_when_it_is_whole)
{
    sign_payload("{" REST "," EMAIL "," AUDIENCE "," ISSUED "," EXPIRES "}");
    ck_assert_msg(check_at(buf_str(&text), NOW), "%s", error.message);
}
END_TEST

Suite *suite_token(void)
{
    Suite *suite = suite_create("token");
    TCase *tests = tcase_create("token");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_token_says_who_for_which_site_and_until_when);
    tcase_add_test(tests, test_token_sessions_have_names_of_their_own);
    tcase_add_test(tests, test_token_is_appended);
    tcase_add_test(tests, test_token_refuses_every_flipped_bit);
    tcase_add_test(tests, test_token_refuses_every_beginning_and_anything_behind);
    tcase_add_test(tests, test_token_ends_with_its_time);
    tcase_add_test(tests, test_token_may_be_a_minute_ahead_of_the_clock);
    tcase_add_test(tests, test_token_of_an_older_key_is_good_while_the_key_is_there);
    tcase_add_test(tests, test_token_of_another_key_of_the_same_name_is_refused);
    tcase_add_loop_test(tests, test_token_refuses_what_is_none, 0,
                        (int)(sizeof no_tokens / sizeof *no_tokens));
    tcase_add_test(tests, test_token_refuses_what_is_too_long);
    tcase_add_loop_test(tests, test_token_refuses_a_payload_that_does_not_say_it_all, 0,
                        (int)(sizeof bad_payloads / sizeof *bad_payloads));
    tcase_add_test(tests, test_token_takes_the_payload_of_these_tests_when_it_is_whole);
    suite_add_tcase(suite, tests);
    return suite;
}
