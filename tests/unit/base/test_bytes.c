#include "base/bytes.h"

#include "base/suites.h"

#include <check.h>

static const unsigned char written[] = {0x81, 2, 3, 0x84, 5, 6, 7, 0x88};

START_TEST(test_bytes_are_little_endian)
{
    unsigned char to[10] = {[8] = 0xaa, [9] = 0xbb};

    bytes_put_u64(to, UINT64_C(0x8807060584030281));
    ck_assert_mem_eq(to, written, 8);
    ck_assert_uint_eq(to[8], 0xaa);
    bytes_put_u32(to + 5, UINT32_C(0xfedcba98));
    ck_assert_mem_eq(to, "\x81\x02\x03\x84\x05\x98\xba\xdc\xfe\xbb", 10);
}
END_TEST

START_TEST(test_bytes_get_reads_what_put_wrote)
{
    ck_assert_uint_eq(bytes_get_u64(written), UINT64_C(0x8807060584030281));
    ck_assert_uint_eq(bytes_get_u32(written), UINT32_C(0x84030281));
    ck_assert_uint_eq(bytes_get_u32(written + 3), UINT32_C(0x07060584));
}
END_TEST

Suite *suite_bytes(void)
{
    Suite *suite = suite_create("bytes");
    TCase *tests = tcase_create("bytes");

    tcase_add_test(tests, test_bytes_are_little_endian);
    tcase_add_test(tests, test_bytes_get_reads_what_put_wrote);
    suite_add_tcase(suite, tests);
    return suite;
}
