#include "base/crc32c.h"

#include "base/suites.h"

#include <string.h>

#include <check.h>

static uint32_t (*const versions[])(uint32_t crc, struct str text) = {crc32c_extend,
                                                                      crc32c_extend_portable};

enum { VERSIONS = sizeof versions / sizeof *versions };

/* One bit after the other, straight from the definition. */
static uint32_t extend_slowly(uint32_t crc, struct str text)
{
    crc = ~crc;
    for (size_t i = 0; i < text.length; i++) {
        crc ^= (unsigned char)text.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ UINT32_C(0x82f63b78) : crc >> 1;
    }
    return ~crc;
}

static struct str noise(char *memory, size_t length)
{
    uint32_t state = 1;

    for (size_t i = 0; i < length; i++) {
        state = state * 1664525 + 1013904223;
        memory[i] = (char)(state >> 24);
    }
    return (struct str){memory, length};
}

/* RFC 3720, B.4; its bytes are the value in little-endian order. */
START_TEST(test_crc32c_gives_the_values_of_rfc_3720)
{
    static const unsigned char read_command[48] = {
        0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02};
    char zeros[32] = {0}, ones[32], rising[32], falling[32];

    memset(ones, 0xff, sizeof ones);
    for (int i = 0; i < 32; i++) {
        rising[i] = (char)i;
        falling[i] = (char)(31 - i);
    }
    ck_assert_uint_eq(versions[_i](0, (struct str){zeros, 32}), UINT32_C(0x8a9136aa));
    ck_assert_uint_eq(versions[_i](0, (struct str){ones, 32}), UINT32_C(0x62a8ab43));
    ck_assert_uint_eq(versions[_i](0, (struct str){rising, 32}), UINT32_C(0x46dd794e));
    ck_assert_uint_eq(versions[_i](0, (struct str){falling, 32}), UINT32_C(0x113fdb5c));
    ck_assert_uint_eq(versions[_i](0, (struct str){(const char *)read_command, 48}),
                      UINT32_C(0xd9963a56));
    ck_assert_uint_eq(versions[_i](0, STR("123456789")), UINT32_C(0xe3069283));
}
END_TEST

START_TEST(test_crc32c_of_nothing_changes_nothing)
{
    ck_assert_uint_eq(versions[_i](0, (struct str){NULL, 0}), 0);
    ck_assert_uint_eq(versions[_i](UINT32_C(0xe3069283), STR("")), UINT32_C(0xe3069283));
}
END_TEST

START_TEST(test_crc32c_of_pieces_is_that_of_the_whole)
{
    struct str text = STR("a text that is cut in two at every place, one after the other");
    uint32_t whole = extend_slowly(0, text);

    for (size_t cut = 0; cut <= text.length; cut++) {
        uint32_t crc = versions[_i](0, str_slice(text, 0, cut));

        ck_assert_uint_eq(versions[_i](crc, str_slice(text, cut, text.length)), whole);
    }
}
END_TEST

/* All rows of the table, all lengths around the word size, all alignments. */
START_TEST(test_crc32c_agrees_with_the_definition)
{
    char memory[600];
    struct str text = noise(memory, sizeof memory);

    for (size_t start = 0; start < 8; start++) {
        for (size_t length = 0; length < 40; length++) {
            struct str part = str_slice(text, start, length);

            ck_assert_uint_eq(versions[_i](7, part), extend_slowly(7, part));
        }
    }
    for (int byte = 0; byte < 256; byte++) {
        struct str one = {(char[]){(char)byte}, 1};

        ck_assert_uint_eq(versions[_i](0, one), extend_slowly(0, one));
    }
    ck_assert_uint_eq(versions[_i](0, text), extend_slowly(0, text));
}
END_TEST

Suite *suite_crc32c(void)
{
    Suite *suite = suite_create("crc32c");
    TCase *tests = tcase_create("crc32c");

    tcase_add_loop_test(tests, test_crc32c_gives_the_values_of_rfc_3720, 0, VERSIONS);
    tcase_add_loop_test(tests, test_crc32c_of_nothing_changes_nothing, 0, VERSIONS);
    tcase_add_loop_test(tests, test_crc32c_of_pieces_is_that_of_the_whole, 0, VERSIONS);
    tcase_add_loop_test(tests, test_crc32c_agrees_with_the_definition, 0, VERSIONS);
    suite_add_tcase(suite, tests);
    return suite;
}
