#include "auth/suites.h"

#include "auth/id_token.h"
#include "base/crypto.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

enum { NOW = 1000000, AGE = 600 };

static struct id_token token;
static struct buf text, user;
static struct error error;

static void setup(void)
{
    token = (struct id_token){0};
    text = user = (struct buf){0};
}

static void teardown(void)
{
    buf_clear(&text);
    buf_clear(&user);
}

static bool read_token(const char *header, const char *payload)
{
    buf_reset(&text);
    token = (struct id_token){0};
    crypto_base64url_encode(str_of(header), &text);
    buf_append_byte(&text, '.');
    crypto_base64url_encode(str_of(payload), &text);
    buf_append(&text, STR(".c2ln"));
    return id_token_read(&token, buf_str(&text), &error);
}

#define HEADER  "{\"alg\":\"RS256\",\"kid\":\"k\"}"
#define PAYLOAD "{\"iss\":\"https://i\",\"sub\":\"s\",\"aud\":\"c\",\"iat\":1000000,\"exp\":1000100"

START_TEST(test_id_token_says_what_it_holds)
{
    ck_assert(read_token(HEADER,
                         PAYLOAD ",\"nbf\":999.5,\"email\":\"a@b.c\",\"email_verified\":true,"
                                 "\"nonce\":\"n\",\"x\":{\"iss\":[\"y\"]}}"));
    ck_assert_int_eq(token.algorithm, KEY_RS256);
    ck_assert_str_eq(token.kid, "k");
    ck_assert_str_eq(token.issuer, "https://i");
    ck_assert_str_eq(token.subject, "s");
    ck_assert_str_eq(token.nonce, "n");
    ck_assert_str_eq(token.email, "a@b.c");
    ck_assert(token.is_email_verified);
    ck_assert_int_eq(token.issued, NOW);
    ck_assert_int_eq(token.expires, NOW + 100);
    ck_assert_int_eq(token.not_before, 999);
    ck_assert_str_eq(id_token_client(&token), "c");
    ck_assert_uint_eq(token.signed_length, text.length - strlen(".c2ln"));
    ck_assert(read_token("{\"alg\":\"ES256\",\"typ\":\"jwt\"}", PAYLOAD "}"));
    ck_assert_int_eq(token.algorithm, KEY_ES256);
    ck_assert_str_eq(token.kid, "");
}
END_TEST

START_TEST(test_id_token_refuses_a_bad_header)
{
    static const char *const headers[] = {
        "{}",
        "{\"alg\":\"none\"}",
        "{\"alg\":\"HS256\"}",
        "{\"alg\":\"RS256\",\"alg\":\"RS256\"}",
        "{\"alg\":[\"RS256\"]}",
        "{\"alg\":\"RS256\\u0000\"}",
        "{\"alg\":\"RS256\",\"crit\":[]}",
        "{\"alg\":\"RS256\",\"b64\":true}",
        "{\"alg\":\"RS256\",\"jku\":\"https://x\"}",
        "{\"alg\":\"RS256\",\"jwk\":{}}",
        "{\"alg\":\"RS256\",\"x5u\":\"https://x\"}",
        "{\"alg\":\"RS256\",\"x5c\":[]}",
        "{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"RS256\",\"kid\":\"\"}",
        "{\"alg\":\"RS256\",\"kid\":7}",
        "[\"alg\",\"RS256\"]",
        "{\"alg\":\"RS256\"} {}",
        "{\"x\":{\"alg\":\"RS256\"}}",
    };

    ck_assert(!read_token(headers[_i], PAYLOAD "}"));
    ck_assert_int_eq(error.code, ERROR_UNAUTHORIZED);
}
END_TEST

START_TEST(test_id_token_refuses_a_bad_payload)
{
    static const char *const payloads[] = {
        "{}",
        "[]",
        "7",
        "",
        PAYLOAD,
        PAYLOAD ",\"iss\":\"https://i\"}",
        PAYLOAD ",\"\\u0069ss\":\"https://i\"}",
        PAYLOAD ",\"aud\":\"c\"}",
        PAYLOAD ",\"azp\":7}",
        PAYLOAD ",\"nbf\":-1}",
        PAYLOAD ",\"nbf\":1e3}",
        PAYLOAD ",\"nbf\":1.5E3}",
        PAYLOAD ",\"nbf\":99999999999999999999}",
        PAYLOAD ",\"email\":\"a@b.c\\n\"}",
        PAYLOAD ",\"email\":\"a@b.c\\u0000\"}",
        PAYLOAD ",\"email\":\"a@b.c\\u007f\"}",
        PAYLOAD ",\"email_verified\":\"true\"}",
        "{\"iss\":\"https://i\",\"sub\":\"\",\"aud\":\"c\",\"iat\":1,\"exp\":1}",
        "{\"iss\":\"https://i\",\"aud\":\"c\",\"iat\":1,\"exp\":1}",
        "{\"iss\":\"https://i\",\"sub\":\"s\",\"iat\":1,\"exp\":1}",
        "{\"iss\":\"https://i\",\"sub\":\"s\",\"aud\":[],\"iat\":1,\"exp\":1}",
        "{\"iss\":\"https://i\",\"sub\":\"s\",\"aud\":[[\"c\"]],\"iat\":1,\"exp\":1}",
        "{\"iss\":\"https://i\",\"sub\":\"s\",\"aud\":\"c\",\"exp\":1}",
        "{\"iss\":\"https://i\",\"sub\":\"s\",\"aud\":\"c\",\"iat\":1}",
        "{\"sub\":\"s\",\"aud\":\"c\",\"iat\":1,\"exp\":1}",
    };

    ck_assert(!read_token(HEADER, payloads[_i]));
    ck_assert_int_eq(error.code, ERROR_UNAUTHORIZED);
}
END_TEST

START_TEST(test_id_token_takes_the_longest_claim_and_none_longer)
{
    struct buf payload = {0};

    for (size_t length = MEMBERS_TEXT_SIZE - 1; length <= MEMBERS_TEXT_SIZE; length++) {
        buf_reset(&payload);
        buf_append(&payload, STR(PAYLOAD ",\"nonce\":\""));
        for (size_t i = 0; i < length; i++)
            buf_append_byte(&payload, 'n');
        buf_append(&payload, STR("\"}"));
        ck_assert_int_eq(read_token(HEADER, payload.data), length < MEMBERS_TEXT_SIZE);
    }
    buf_clear(&payload);
}
END_TEST

START_TEST(test_id_token_has_a_shape)
{
    static const char *const others[] = {"",           ".",        "..",     "ey..",     "ey.a",
                                         "ey.a.",      "ey..b",    "a.b.c",  "ey.a.b.c", "ey.a.b.",
                                         "ey.a b.c",   "ey.a.b=",  "v1.a.b", "ey.a.+",   "ey.a.b~c",
                                         "dev:x.ey.a", "ey.a.b\n", "x.ey.b"};

    ck_assert(id_token_is_meant(STR("ey.a.b")));
    ck_assert(!id_token_is_meant((struct str){0}));
    ck_assert(!id_token_is_meant(STR("ey.a\0.b")));
    ck_assert(!id_token_is_meant(str_of(others[_i])));
    ck_assert(!id_token_read(&token, str_of(others[_i]), &error));
}
END_TEST

START_TEST(test_id_token_has_one_client)
{
    static const struct {
        const char *audience, *client;
    } cases[] = {
        {"\"c\"", "c"},
        {"[\"c\"]", "c"},
        {"[\"c\",\"d\"]", NULL},
        {"[\"c\",\"d\"],\"azp\":\"d\"", "d"},
        {"[\"c\",\"d\"],\"azp\":\"e\"", NULL},
        {"\"c\",\"azp\":\"d\"", NULL},
        {"\"c\",\"azp\":\"c\"", "c"},
        {"\"\"", NULL},
    };
    struct buf payload = {0};

    buf_append_format(&payload, "{\"iss\":\"i\",\"sub\":\"s\",\"iat\":1,\"exp\":1,\"aud\":%s}",
                      cases[_i].audience);
    ck_assert(read_token(HEADER, payload.data));
    const char *client = id_token_client(&token);
    ck_assert_int_eq(client != NULL, cases[_i].client != NULL);
    if (client)
        ck_assert_str_eq(client, cases[_i].client);
    buf_clear(&payload);
}
END_TEST

START_TEST(test_id_token_has_its_time)
{
    static const struct {
        int64_t expires, issued, not_before;
        bool is_good;
    } cases[] = {
        {NOW + 1, NOW, 0, true},
        {NOW - ID_TOKEN_SKEW_S + 1, NOW - 100, 0, true},
        {NOW - ID_TOKEN_SKEW_S, NOW - 100, 0, false},
        {NOW + 1, NOW + ID_TOKEN_SKEW_S, 0, true},
        {NOW + 1, NOW + ID_TOKEN_SKEW_S + 1, 0, false},
        {NOW + 1, NOW - AGE - ID_TOKEN_SKEW_S, 0, true},
        {NOW + 1, NOW - AGE - ID_TOKEN_SKEW_S - 1, 0, false},
        {NOW + 1, NOW, NOW + ID_TOKEN_SKEW_S, true},
        {NOW + 1, NOW, NOW + ID_TOKEN_SKEW_S + 1, false},
        {INT64_MAX / 2, NOW, 0, true},
        {NOW + 1, INT64_MAX / 2, 0, false},
    };

    token.expires = cases[_i].expires;
    token.issued = cases[_i].issued;
    token.not_before = cases[_i].not_before;
    ck_assert_int_eq(id_token_check(&token, NOW, AGE, (struct str){0}, &error), cases[_i].is_good);
}
END_TEST

START_TEST(test_id_token_has_the_nonce_that_was_asked_for)
{
    ck_assert(read_token(HEADER, PAYLOAD ",\"nonce\":\"abc\"}"));
    ck_assert(id_token_check(&token, NOW, AGE, STR(""), &error));
    ck_assert(id_token_check(&token, NOW, AGE, STR("abc"), &error));
    ck_assert(!id_token_check(&token, NOW, AGE, STR("abd"), &error));
    ck_assert(!id_token_check(&token, NOW, AGE, STR("abcd"), &error));
    token.nonce[0] = '\0';
    ck_assert(!id_token_check(&token, NOW, AGE, STR("abc"), &error));
}
END_TEST

static const char *name(const char *issuer, const char *subject)
{
    buf_reset(&user);
    (void)snprintf(token.issuer, sizeof token.issuer, "%s", issuer);
    (void)snprintf(token.subject, sizeof token.subject, "%s", subject);
    return id_token_name_user(&token, true, &user, &error) ? user.data : "";
}

START_TEST(test_id_token_names_users_by_subject_and_issuer)
{
    ck_assert_str_eq(name("https://id.example", "Ab.c_1-"), "Ab.c_1-@id.example.oidc.invalid");
    ck_assert_str_eq(name("https://id.example", "a|b"), "a~7Cb@id.example.oidc.invalid");
    ck_assert_str_eq(name("https://id.example", "a~7Cb"), "a~7E7Cb@id.example.oidc.invalid");
    ck_assert_str_eq(name("https://id.example", "\xc3\xbc"), "~C3~BC@id.example.oidc.invalid");
    ck_assert_str_eq(name("https://id.example/", "a"),
                     "a@id.example.cc529d844da14542d55a4b1b95e015aa.oidc-url.invalid");
    struct buf first = {0};
    buf_append_text(&first, name("https://id.example:8443", "a"));
    ck_assert_str_ne(name("https://id.example/8443", "a"), first.data);
    ck_assert_str_ne(name("http://id.example", "a"), "a@id.example.oidc.invalid");
    buf_clear(&first);
}
END_TEST

START_TEST(test_id_token_takes_an_address_only_if_all_agree)
{
    (void)snprintf(token.email, sizeof token.email, "Ann@Example.ORG");
    ck_assert_str_eq(name("https://i.example", "s"), "s@i.example.oidc.invalid");
    token.is_email_verified = true;
    ck_assert_str_eq(name("https://i.example", "s"), "Ann@example.org");
    buf_reset(&user);
    ck_assert(id_token_name_user(&token, false, &user, &error));
    ck_assert_str_eq(user.data, "s@i.example.oidc.invalid");
}
END_TEST

START_TEST(test_id_token_refuses_who_cannot_be_a_user)
{
    static const char *const emails[] = {"ann",     "@b.c",        "a@",          "a@b@c",
                                         "a b@c.d", "s@i.invalid", "s@i.INVALID", "../a@b.c"};

    token.is_email_verified = true;
    (void)snprintf(token.email, sizeof token.email, "%s", emails[_i]);
    ck_assert_str_eq(name("https://i.example", "s"), "");
    ck_assert_int_eq(error.code, ERROR_UNAUTHORIZED);
    token.email[0] = '\0';
    char subject[MEMBERS_TEXT_SIZE];
    memset(subject, 's', sizeof subject);
    subject[sizeof subject - 1] = '\0';
    ck_assert_str_eq(name("https://i.example", subject), "");
}
END_TEST

Suite *suite_id_token(void)
{
    Suite *suite = suite_create("id_token");
    TCase *tests = tcase_create("id_token");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_id_token_says_what_it_holds);
    tcase_add_loop_test(tests, test_id_token_refuses_a_bad_header, 0, 18);
    tcase_add_loop_test(tests, test_id_token_refuses_a_bad_payload, 0, 25);
    tcase_add_test(tests, test_id_token_takes_the_longest_claim_and_none_longer);
    tcase_add_loop_test(tests, test_id_token_has_a_shape, 0, 18);
    tcase_add_loop_test(tests, test_id_token_has_one_client, 0, 8);
    tcase_add_loop_test(tests, test_id_token_has_its_time, 0, 11);
    tcase_add_test(tests, test_id_token_has_the_nonce_that_was_asked_for);
    tcase_add_test(tests, test_id_token_names_users_by_subject_and_issuer);
    tcase_add_test(tests, test_id_token_takes_an_address_only_if_all_agree);
    tcase_add_loop_test(tests, test_id_token_refuses_who_cannot_be_a_user, 0, 8);
    suite_add_tcase(suite, tests);
    return suite;
}
