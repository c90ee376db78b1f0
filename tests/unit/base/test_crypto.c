#include "base/crypto.h"

#include "base/suites.h"

#include <string.h>

#include <check.h>

static void assert_hex(const unsigned char *bytes, size_t length, const char *expected)
{
    struct buf hex = {0};

    crypto_hex_encode((struct str){(const char *)bytes, length}, &hex);
    ck_assert_str_eq(hex.data, expected);
    buf_clear(&hex);
}

static const char *repeat(char byte, size_t count)
{
    static char text[256];

    memset(text, byte, count);
    text[count] = '\0';
    return text;
}

/* RFC 4231 cases 1, 2, 3, 6 and 7; then the edges of the block size. */
static const struct {
    char key_byte;
    size_t key_length;
    const char *key, *text;
    char text_byte;
    size_t text_length;
    const char *mac;
} macs[] = {
    {.key_byte = 0x0b,
     .key_length = 20,
     .text = "Hi There",
     .mac = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {.key = "Jefe",
     .text = "what do ya want for nothing?",
     .mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {.key_byte = (char)0xaa,
     .key_length = 20,
     .text_byte = (char)0xdd,
     .text_length = 50,
     .mac = "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {.key_byte = (char)0xaa,
     .key_length = 131,
     .text = "Test Using Larger Than Block-Size Key - Hash Key First",
     .mac = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {.key_byte = (char)0xaa,
     .key_length = 131,
     .text = "This is a test using a larger than block-size key and a larger than block-size "
             "data. The key needs to be hashed before being used by the HMAC algorithm.",
     .mac = "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    {.key_byte = 'k',
     .key_length = 64,
     .text = "text",
     .mac = "0414bb1d8c0c4556cdb2028727b16610ae377b1a194b6db1f853d4297f2329bc"},
    {.key_byte = 'k',
     .key_length = 65,
     .text = "text",
     .mac = "5b69580123e3d7e788b7e8352ac37a3247b911c5ec0837147b74109a6382d3f5"},
    {.key = "",
     .text = "",
     .mac = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

START_TEST(test_crypto_hmac_gives_the_published_values)
{
    char key[256], text[256];
    struct error error;
    unsigned char mac[CRYPTO_HASH_SIZE];

    strcpy(key, macs[_i].key ? macs[_i].key : repeat(macs[_i].key_byte, macs[_i].key_length));
    strcpy(text, macs[_i].text ? macs[_i].text : repeat(macs[_i].text_byte, macs[_i].text_length));
    ck_assert(crypto_hmac(str_of(key), str_of(text), mac, &error));
    assert_hex(mac, sizeof mac, macs[_i].mac);
}
END_TEST

START_TEST(test_crypto_hmac_takes_a_str_without_data)
{
    struct error error;
    unsigned char mac[CRYPTO_HASH_SIZE];

    ck_assert(crypto_hmac((struct str){0}, (struct str){0}, mac, &error));
    assert_hex(mac, sizeof mac, macs[7].mac);
}
END_TEST

START_TEST(test_crypto_derive_gives_the_published_value)
{
    struct str key = {repeat(0x0b, 22), 22};
    struct error error;
    unsigned char out[CRYPTO_HASH_SIZE];

    /* RFC 5869, case 3: its output is longer, and this is how it begins. */
    ck_assert(crypto_derive(key, STR(""), out, &error));
    assert_hex(out, sizeof out, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    ck_assert(crypto_derive(key, STR("token"), out, &error));
    assert_hex(out, sizeof out, "71ea7c2b1f3d00f4147b6599418c1f2686de6873594e05461d46e60a55266dc4");
}
END_TEST

START_TEST(test_crypto_sha256_gives_the_published_values)
{
    struct error error;
    unsigned char out[CRYPTO_HASH_SIZE];

    ck_assert(crypto_sha256(STR("abc"), out, &error));
    assert_hex(out, sizeof out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert(crypto_sha256((struct str){0}, out, &error));
    assert_hex(out, sizeof out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
END_TEST

START_TEST(test_crypto_random_fills_all_bytes_and_no_more)
{
    unsigned char bytes[1024 + 1], seen[1024] = {0};
    struct error error;

    bytes[1024] = 0x5a;
    /* A byte that stays zero in ten rounds is one that is never written. */
    for (int round = 0; round < 10; round++) {
        memset(bytes, 0, 1024);
        ck_assert(crypto_random(bytes, 1024, &error));
        for (size_t i = 0; i < 1024; i++)
            seen[i] |= bytes[i];
    }
    ck_assert_ptr_null(memchr(seen, 0, sizeof seen));
    ck_assert_uint_eq(bytes[1024], 0x5a);
    ck_assert(crypto_random(bytes, 0, &error));
}
END_TEST

START_TEST(test_crypto_random_differs_each_time)
{
    unsigned char a[16], b[16];
    struct error error;

    ck_assert(crypto_random(a, sizeof a, &error));
    ck_assert(crypto_random(b, sizeof b, &error));
    ck_assert_int_ne(memcmp(a, b, sizeof a), 0);
}
END_TEST

START_TEST(test_crypto_equals_compares_length_and_every_byte)
{
    ck_assert(crypto_equals(STR("secret"), STR("secret")));
    ck_assert(!crypto_equals(STR("secret"), STR("secreT")));
    ck_assert(!crypto_equals(STR("secret"), STR("Secret")));
    ck_assert(!crypto_equals(STR("secret"), STR("secret ")));
    ck_assert(!crypto_equals(STR("secret"), STR("")));
    ck_assert(crypto_equals(STR(""), (struct str){0}));
}
END_TEST

START_TEST(test_crypto_wipe_leaves_zeros)
{
    char secret[] = "secret";
    static const char zeros[sizeof secret];

    crypto_wipe(secret, sizeof secret);
    ck_assert_mem_eq(secret, zeros, sizeof secret);
    crypto_wipe(NULL, 0);
}
END_TEST

/* Mostly RFC 4648, section 10, and what tells base64url from base64. */
static const struct {
    const char *bytes, *text;
} base64s[] = {
    {"", ""},
    {"f", "Zg"},
    {"ba", "YmE"},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg"},
    {"fooba", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy"},
    {"\xff\xef\xfe", "_-_-"},
    {"\xfb\xff", "-_8"},
};

START_TEST(test_crypto_base64url_round_trips)
{
    struct buf text = {0}, bytes = {0};

    crypto_base64url_encode(str_of(base64s[_i].bytes), &text);
    ck_assert_str_eq(buf_str(&text).data, base64s[_i].text);
    ck_assert(crypto_base64url_decode(buf_str(&text), &bytes));
    ck_assert(str_equals(buf_str(&bytes), str_of(base64s[_i].bytes)));
    buf_clear(&text);
    buf_clear(&bytes);
}
END_TEST

START_TEST(test_crypto_base64url_keeps_every_byte)
{
    char all[256];
    struct buf text = {0}, bytes = {0};

    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    crypto_base64url_encode((struct str){all, sizeof all}, &text);
    ck_assert(crypto_base64url_decode(buf_str(&text), &bytes));
    ck_assert_uint_eq(bytes.length, sizeof all);
    ck_assert_mem_eq(bytes.data, all, sizeof all);
    buf_clear(&text);
    buf_clear(&bytes);
}
END_TEST

static const struct str bad_base64s[] = {
    {"A", 1},    {"AAAAA", 5},  {"Zg==", 4},    {"Zm8=", 4}, {"Z", 1},    {"Zg ", 3},
    {" Zg", 3},  {"Zm9v\n", 5}, {"Zm+v", 4},    {"Zm/v", 4}, {"Zh", 2},   {"Zv", 2},
    {"Zm9", 3},  {"Zm\0v", 4},  {"Zm9\xc3", 4}, {"Zm[v", 4}, {"Zm`v", 4}, {"Zm@v", 4},
    {"Zm{v", 4}, {"Zm:v", 4},   {"Zm.v", 4},    {"=", 1},
};

START_TEST(test_crypto_base64url_refuses_second_spellings)
{
    struct buf bytes = {0};

    ck_assert(!crypto_base64url_decode(bad_base64s[_i], &bytes));
    buf_clear(&bytes);
}
END_TEST

START_TEST(test_crypto_hex_is_lower_case)
{
    struct buf hex = {0};

    crypto_hex_encode((struct str){"\x00\x0f\xf0\xab", 4}, &hex);
    ck_assert_str_eq(hex.data, "000ff0ab");
    buf_clear(&hex);
}
END_TEST

Suite *suite_crypto(void)
{
    Suite *suite = suite_create("crypto");
    TCase *tests = tcase_create("crypto");

    tcase_add_loop_test(tests, test_crypto_hmac_gives_the_published_values, 0,
                        (int)(sizeof macs / sizeof *macs));
    tcase_add_test(tests, test_crypto_hmac_takes_a_str_without_data);
    tcase_add_test(tests, test_crypto_derive_gives_the_published_value);
    tcase_add_test(tests, test_crypto_sha256_gives_the_published_values);
    tcase_add_test(tests, test_crypto_random_fills_all_bytes_and_no_more);
    tcase_add_test(tests, test_crypto_random_differs_each_time);
    tcase_add_test(tests, test_crypto_equals_compares_length_and_every_byte);
    tcase_add_test(tests, test_crypto_wipe_leaves_zeros);
    tcase_add_loop_test(tests, test_crypto_base64url_round_trips, 0,
                        (int)(sizeof base64s / sizeof *base64s));
    tcase_add_test(tests, test_crypto_base64url_keeps_every_byte);
    tcase_add_loop_test(tests, test_crypto_base64url_refuses_second_spellings, 0,
                        (int)(sizeof bad_base64s / sizeof *bad_base64s));
    tcase_add_test(tests, test_crypto_hex_is_lower_case);
    suite_add_tcase(suite, tests);
    return suite;
}
