/* Keys and signatures; the signatures are of another program: openssl dgst -sign. */
#include "base/suites.h"

#include "base/crypto.h"
#include "base/public_key.h"

#include <string.h>

#include <check.h>

static struct error error;

static void assert_number(const char *digits, enum public_key_base base, const char *expected)
{
    struct buf bytes = {0}, hex = {0};

    ck_assert(public_key_parse_number(str_of(digits), base, &bytes, &error));
    crypto_hex_encode(buf_str(&bytes), &hex);
    ck_assert_str_eq(hex.data ? hex.data : "", expected);
    buf_clear(&bytes);
    buf_clear(&hex);
}

START_TEST(test_public_key_numbers_are_digits)
{
    assert_number("65537", PUBLIC_KEY_DECIMAL, "010001");
    assert_number("0065537", PUBLIC_KEY_DECIMAL, "010001");
    assert_number("fFf", PUBLIC_KEY_HEX, "0fff"); /* an odd number of digits */
    assert_number("18446744073709551616", PUBLIC_KEY_DECIMAL, "010000000000000000");
}
END_TEST

START_TEST(test_public_key_numbers_are_nothing_else)
{
    static const char *const none[] = {"", "-1", "+1", " 1", "1 ", "0x1", "a", "1.0", "1e3"};
    char longest[4000];
    struct buf bytes = {0};

    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        ck_assert(!public_key_parse_number(str_of(none[i]), PUBLIC_KEY_DECIMAL, &bytes, &error));
        ck_assert_int_eq(error.code, ERROR_BAD_PARAMETER);
    }
    ck_assert(!public_key_parse_number(STR("1g"), PUBLIC_KEY_HEX, &bytes, &error));
    ck_assert(!public_key_parse_number((struct str){"1\0", 2}, PUBLIC_KEY_HEX, &bytes, &error));
    memset(longest, '9', sizeof longest);
    ck_assert(!public_key_parse_number((struct str){longest, sizeof longest}, PUBLIC_KEY_DECIMAL,
                                       &bytes, &error));
    ck_assert(
        !public_key_parse_number((struct str){longest, 2500}, PUBLIC_KEY_HEX, &bytes, &error));
    ck_assert_uint_eq(bytes.length, 0);
}
END_TEST

/* RFC 7515, appendix A.2: an RSA key and a signature by it. */
static const char rfc_n[] =
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d"
    "4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexM"
    "dbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvU"
    "K-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
static const char rfc_text[] =
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvb"
    "S9pc19yb290Ijp0cnVlfQ";
static const char rfc_signature[] =
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5j"
    "ujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L"
    "07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEU"
    "ipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

static void decode(const char *text, struct buf *bytes)
{
    *bytes = (struct buf){0};
    ck_assert(crypto_base64url_decode(str_of(text), bytes));
}

START_TEST(test_public_key_verifies_the_example_of_the_rfc_and_nothing_near_it)
{
    struct public_key key = {0};
    struct buf n, e, signature;
    struct str text = str_of(rfc_text);

    decode(rfc_n, &n);
    decode("AQAB", &e);
    decode(rfc_signature, &signature);
    ck_assert(public_key_make_rsa(&key, buf_str(&n), buf_str(&e), &error));
    ck_assert_uint_eq(key.bits, 2048);
    ck_assert(public_key_verify(&key, PUBLIC_KEY_SHA256, text, buf_str(&signature)));
    ck_assert(!public_key_verify(&key, PUBLIC_KEY_SHA1, text, buf_str(&signature)));
    ck_assert(!public_key_verify(&key, PUBLIC_KEY_SHA256, str_slice(text, 1, text.length),
                                 buf_str(&signature)));
    for (size_t bit = 0; bit < 8 * signature.length; bit += 13) {
        signature.data[bit / 8] ^= (char)(1 << bit % 8);
        ck_assert(!public_key_verify(&key, PUBLIC_KEY_SHA256, text, buf_str(&signature)));
        signature.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    ck_assert(!public_key_verify(&key, PUBLIC_KEY_SHA256, text,
                                 str_slice(buf_str(&signature), 0, signature.length - 1)));
    ck_assert(!public_key_verify(&key, PUBLIC_KEY_SHA256, text, STR("")));
    public_key_clear(&key);
    public_key_clear(&key);
    buf_clear(&n);
    buf_clear(&e);
    buf_clear(&signature);
}
END_TEST

START_TEST(test_public_key_refuses_what_is_none)
{
    struct public_key key = {0};
    struct buf n;

    decode(rfc_n, &n);
    const struct str even = STR("\x10\x00"), one = STR("\x01"), three = STR("\x03"),
                     large = STR("\x01\x01\x01\x01\x01\x01\x01\x01\x01");
    ck_assert(!public_key_make_rsa(&key, buf_str(&n), even, &error));
    ck_assert(!public_key_make_rsa(&key, buf_str(&n), one, &error));
    ck_assert(!public_key_make_rsa(&key, buf_str(&n), large, &error));
    ck_assert(!public_key_make_rsa(&key, buf_str(&n), STR(""), &error));
    ck_assert(!public_key_make_rsa(&key, even, three, &error));
    ck_assert(!public_key_make_rsa(&key, STR(""), three, &error));
    ck_assert(
        !public_key_make_dsa(&key, STR("\x17"), STR("\x0b"), STR("\x02"), STR("\x17"), &error));
    ck_assert(!public_key_make_dsa(&key, STR("\x17"), STR("\x0b"), one, three, &error));
    ck_assert(!public_key_make_dsa(&key, STR("\x17"), STR("\x0b"), three, one, &error));
    ck_assert(!public_key_make_dsa(&key, STR("\x17"), STR("\x19"), three, three, &error));
    ck_assert_ptr_null(key.key);
    ck_assert_int_eq(error.code, ERROR_BAD_PARAMETER);
    buf_clear(&n);
}
END_TEST

Suite *suite_public_key(void)
{
    Suite *suite = suite_create("public key");
    TCase *cases = tcase_create("public key");

    tcase_add_test(cases, test_public_key_numbers_are_digits);
    tcase_add_test(cases, test_public_key_numbers_are_nothing_else);
    tcase_add_test(cases, test_public_key_verifies_the_example_of_the_rfc_and_nothing_near_it);
    tcase_add_test(cases, test_public_key_refuses_what_is_none);
    suite_add_tcase(suite, cases);
    return suite;
}
