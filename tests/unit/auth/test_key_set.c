#include "auth/suites.h"

#include "auth/key_set.h"
#include "signer.h"

#include <string.h>

#include <check.h>

static struct signer rsa, ec, weak;
static struct key_set set;
static struct buf document, token;
static struct error error;

static void setup(void)
{
    signer_open(&rsa, "one", 2048);
    signer_open(&ec, "two", 0);
    signer_open(&weak, "weak", 1024);
    set = (struct key_set){0};
    document = token = (struct buf){0};
    buf_append_text(&document, "{\"x\":[1,{\"keys\":2}],\"keys\":[");
}

static void teardown(void)
{
    key_set_clear(&set);
    key_set_clear(&set);
    buf_clear(&document);
    buf_clear(&token);
    signer_close(&rsa);
    signer_close(&ec);
    signer_close(&weak);
}

static void add(const struct signer *signer, const char *members)
{
    if (document.data[document.length - 1] == '}')
        buf_append_byte(&document, ',');
    signer_put_key(signer, members, &document);
}

static size_t read_all(void)
{
    buf_append_text(&document, "]}");
    ck_assert_msg(key_set_read(&set, buf_str(&document), &error), "%s", error.message);
    return set.count;
}

static bool has_signed(const struct signer *signer, const char *id)
{
    enum key_algorithm algorithm = signer->algorithm[0] == 'R' ? KEY_RS256 : KEY_ES256;

    buf_reset(&token);
    signer_sign(signer, "{\"a\":1}", &token);
    return key_set_check(&set, algorithm, id, buf_str(&token));
}

START_TEST(test_key_set_knows_what_its_keys_signed)
{
    add(&rsa, "");
    add(&ec, ",\"use\":\"sig\",\"alg\":\"ES256\",\"key_ops\":[\"sign\",\"verify\"]");
    ck_assert_uint_eq(read_all(), 2);
    ck_assert(has_signed(&rsa, "one"));
    ck_assert(!has_signed(&rsa, "two"));
    ck_assert(!has_signed(&rsa, "on"));
    ck_assert(has_signed(&rsa, ""));
    ck_assert(has_signed(&ec, "two"));
    ck_assert(!key_set_check(&set, KEY_RS256, "two", buf_str(&token)));
    token.data[token.length - 4] ^= 1;
    ck_assert(!key_set_check(&set, KEY_ES256, "two", buf_str(&token)));
}
END_TEST

START_TEST(test_key_set_skips_what_is_not_for_signing_by_these_algorithms)
{
    static const char *const members[] = {",\"use\":\"enc\"",
                                          ",\"alg\":\"PS256\"",
                                          ",\"alg\":\"ES256\"",
                                          ",\"key_ops\":[]",
                                          ",\"key_ops\":[\"encrypt\"]",
                                          ",\"kid\":\"again\"",
                                          ",\"use\":7",
                                          ",\"n\":\"AQAB\""};

    add(&rsa, members[_i]);
    ck_assert_uint_eq(read_all(), 0);
    ck_assert(!has_signed(&rsa, "one"));
}
END_TEST

START_TEST(test_key_set_skips_odd_keys)
{
    static const char *const keys[] = {
        "{}",
        "{\"kty\":\"oct\",\"k\":\"AAAA\"}",
        "{\"kty\":\"RSA\"}",
        "{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\","
        "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
        "{\"kty\":{\"kty\":\"RSA\"}}",
    };

    buf_append_text(&document, keys[_i]);
    add(&rsa, "");
    ck_assert_uint_eq(read_all(), 1);
    ck_assert(has_signed(&rsa, "one"));
}
END_TEST

START_TEST(test_key_set_skips_short_keys)
{
    add(&weak, "");
    ck_assert_uint_eq(read_all(), 0);
}
END_TEST

/* The number of the key in base64url, with an exponent instead of its own. */
static void add_with_exponent(const char *exponent)
{
    struct buf key = {0};

    signer_put_key(&rsa, "", &key);
    char *e = strstr(key.data, "\"AQAB\"");
    ck_assert_ptr_nonnull(e);
    buf_append(&document, (struct str){key.data, (size_t)(e - key.data)});
    buf_append_format(&document, "\"%s\"%s", exponent, e + strlen("\"AQAB\""));
    buf_clear(&key);
}

START_TEST(test_key_set_wants_an_exponent_that_is_one)
{
    static const struct {
        const char *text;
        size_t keys;
    } exponents[] = {{"AQ", 0}, {"AA", 0},         {"Ag", 0},      {"AQAA", 0},
                     {"Aw", 1}, {"AAAAAAEAAQ", 1}, {"AQAAAAE", 0}, {"AQAB=", 0}};

    add_with_exponent(exponents[_i].text);
    ck_assert_uint_eq(read_all(), exponents[_i].keys);
}
END_TEST

START_TEST(test_key_set_tries_all_of_the_same_id)
{
    struct signer other;

    signer_open(&other, "one", 2048);
    add(&other, "");
    add(&rsa, "");
    signer_close(&other);
    ck_assert_uint_eq(read_all(), 2);
    ck_assert(has_signed(&rsa, "one"));
    ck_assert(!has_signed(&rsa, "")); /* one of two: which? */
}
END_TEST

START_TEST(test_key_set_refuses_what_is_none)
{
    static const char *const texts[] = {"",
                                        "[]",
                                        "{}",
                                        "7",
                                        "{\"keys\":{}}",
                                        "{\"keys\":\"x\"}",
                                        "{\"keys\":[7]}",
                                        "{\"keys\":[[]]}",
                                        "{\"keys\":[],\"keys\":[]}",
                                        "{\"keys\":[]} ,",
                                        "{\"keys\":["};

    ck_assert(!key_set_read(&set, str_of(texts[_i]), &error));
    ck_assert_int_eq(error.code, ERROR_BAD_JSON);
    ck_assert_str_ne(error.message, "");
}
END_TEST

START_TEST(test_key_set_has_a_limit)
{
    for (int i = 0; i < KEY_SET_MOST; i++)
        add(&ec, "");
    struct buf more = {0};
    buf_append(&more, buf_str(&document));
    ck_assert_uint_eq(read_all(), KEY_SET_MOST);
    key_set_clear(&set);
    buf_append_text(&more, ",{}]}");
    ck_assert(!key_set_read(&set, buf_str(&more), &error));
    ck_assert_ptr_nonnull(strstr(error.message, "too many"));
    buf_clear(&more);
}
END_TEST

Suite *suite_key_set(void)
{
    Suite *suite = suite_create("key_set");
    TCase *tests = tcase_create("key_set");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_key_set_knows_what_its_keys_signed);
    tcase_add_loop_test(tests, test_key_set_skips_what_is_not_for_signing_by_these_algorithms, 0,
                        8);
    tcase_add_loop_test(tests, test_key_set_skips_odd_keys, 0, 9);
    tcase_add_test(tests, test_key_set_skips_short_keys);
    tcase_add_loop_test(tests, test_key_set_wants_an_exponent_that_is_one, 0, 8);
    tcase_add_test(tests, test_key_set_tries_all_of_the_same_id);
    tcase_add_loop_test(tests, test_key_set_refuses_what_is_none, 0, 11);
    tcase_add_test(tests, test_key_set_has_a_limit);
    suite_add_tcase(suite, tests);
    return suite;
}
