#include "base/siphash.h"

#include "base/suites.h"

#include <check.h>

/* The vectors of the reference implementation: key 00 01 .. 0f, text 00 01 .. of growing length. */
static const unsigned char key[SIPHASH_KEY_SIZE] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                    8, 9, 10, 11, 12, 13, 14, 15};

static const uint64_t expected[] = {
    UINT64_C(0x726fdb47dd0e0e31), UINT64_C(0x74f839c593dc67fd), UINT64_C(0x0d6c8009d9a94f5a),
    UINT64_C(0x85676696d7fb7e2d), UINT64_C(0xcf2794e0277187b7), UINT64_C(0x18765564cd99a68d),
    UINT64_C(0xcbc9466e58fee3ce), UINT64_C(0xab0200f58b01d137), UINT64_C(0x93f5f5799a932462),
    UINT64_C(0x9e0082df0ba9e4b0), UINT64_C(0x7a5dbbc594ddb9f3), UINT64_C(0xf4b32f46226bada7),
    UINT64_C(0x751e8fbc860ee5fb), UINT64_C(0x14ea5627c0843d90), UINT64_C(0xf723ca908e7af2ee),
    UINT64_C(0xa129ca6149be45e5),
};

static struct str counting_text(char *memory, size_t length)
{
    for (size_t i = 0; i < length; i++)
        memory[i] = (char)i;
    return (struct str){memory, length};
}

START_TEST(test_siphash_gives_the_official_values)
{
    char memory[16];

    ck_assert_uint_eq(siphash_hash(key, counting_text(memory, (size_t)_i)), expected[_i]);
}
END_TEST

START_TEST(test_siphash_reads_bytes_above_127_and_from_anywhere)
{
    char shifted[] = "\0\xff\x80\xfe\x81\xfd\x82\xfc\x83\xfb\x84";

    ck_assert_uint_eq(siphash_hash(key, (struct str){shifted + 1, 10}),
                      UINT64_C(0xed5b9d12f3737c03));
}
END_TEST

START_TEST(test_siphash_of_no_memory_is_that_of_the_empty_text)
{
    ck_assert_uint_eq(siphash_hash(key, (struct str){NULL, 0}), expected[0]);
}
END_TEST

START_TEST(test_siphash_depends_on_every_byte_of_the_key)
{
    for (size_t i = 0; i < SIPHASH_KEY_SIZE; i++) {
        unsigned char other[SIPHASH_KEY_SIZE];

        for (size_t j = 0; j < SIPHASH_KEY_SIZE; j++)
            other[j] = (unsigned char)(key[j] ^ (i == j));
        ck_assert_uint_ne(siphash_hash(other, STR("")), expected[0]);
    }
}
END_TEST

Suite *suite_siphash(void)
{
    Suite *suite = suite_create("siphash");
    TCase *tests = tcase_create("siphash");

    tcase_add_loop_test(tests, test_siphash_gives_the_official_values, 0,
                        (int)(sizeof expected / sizeof *expected));
    tcase_add_test(tests, test_siphash_reads_bytes_above_127_and_from_anywhere);
    tcase_add_test(tests, test_siphash_of_no_memory_is_that_of_the_empty_text);
    tcase_add_test(tests, test_siphash_depends_on_every_byte_of_the_key);
    suite_add_tcase(suite, tests);
    return suite;
}
