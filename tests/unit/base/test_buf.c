#include "base/buf.h"

#include "base/suites.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <check.h>

/* No machine has half of all addresses to give. */
static void make_fail(struct buf *buf)
{
    ck_assert_ptr_null(buf_reserve(buf, SIZE_MAX / 2));
}

START_TEST(test_buf_appends_in_order_and_ends_with_nul)
{
    struct buf buf = {0};

    buf_append(&buf, STR("a\0b"));
    buf_append_text(&buf, "cd");
    buf_append_byte(&buf, '\0');
    buf_append_byte(&buf, '-');
    buf_append_u64(&buf, 42);
    buf_append_format(&buf, "%s=%d", "x", -1);
    ck_assert(str_equals(buf_str(&buf), STR("a\0bcd\0-42x=-1")));
    ck_assert_int_eq(buf.data[buf.length], '\0');
    buf_clear(&buf);
}
END_TEST

START_TEST(test_buf_append_u64_writes_every_digit)
{
    struct buf buf = {0};

    buf_append_u64(&buf, 0);
    buf_append_byte(&buf, ' ');
    buf_append_u64(&buf, 100);
    buf_append_byte(&buf, ' ');
    buf_append_u64(&buf, UINT64_MAX);
    ck_assert_str_eq(buf.data, "0 100 18446744073709551615");
    buf_clear(&buf);
}
END_TEST

/* Each length once: some stand exactly at the edge of what was allocated. */
START_TEST(test_buf_grows_past_every_edge)
{
    struct buf buf = {0};

    for (size_t i = 0; i < 1100; i++) {
        buf_append_byte(&buf, (char)('a' + i % 26));
        ck_assert_uint_eq(buf.length, i + 1);
        ck_assert_uint_lt(buf.length, buf.capacity);
        ck_assert_int_eq(buf.data[i + 1], '\0');
    }
    for (size_t i = 0; i < 1100; i++)
        ck_assert_int_eq(buf.data[i], (char)('a' + i % 26));
    buf_clear(&buf);
}
END_TEST

START_TEST(test_buf_append_format_writes_texts_of_any_length)
{
    char text[300];

    for (size_t length = 0; length < sizeof text; length++) {
        struct buf buf = {0};

        memset(text, 'x', length);
        text[length] = '\0';
        buf_append_format(&buf, "%s", text);
        ck_assert_uint_eq(buf.length, length);
        ck_assert_str_eq(buf.data, text);
        buf_clear(&buf);
    }
}
END_TEST

START_TEST(test_buf_all_zero_is_empty_and_clears_twice)
{
    struct buf buf = {0};
    struct error error;

    ck_assert(buf_ok(&buf, &error));
    ck_assert(str_equals(buf_str(&buf), STR("")));
    ck_assert_ptr_nonnull(buf_str(&buf).data);
    buf_reset(&buf);
    buf_clear(&buf);
    buf_append_text(&buf, "x");
    buf_clear(&buf);
    buf_clear(&buf);
    ck_assert_ptr_null(buf.data);
    ck_assert_uint_eq(buf.length + buf.capacity, 0);
}
END_TEST

START_TEST(test_buf_appending_nothing_gives_an_empty_text)
{
    struct buf buf = {0};

    buf_append(&buf, (struct str){NULL, 0});
    ck_assert_str_eq(buf.data, "");
    buf_append_text(&buf, NULL);
    ck_assert_str_eq(buf.data, "");
    buf_clear(&buf);
}
END_TEST

START_TEST(test_buf_reset_empties_and_keeps_the_memory)
{
    struct buf buf = {0};
    char *data;

    buf_append_text(&buf, "hello");
    data = buf.data;
    buf_reset(&buf);
    ck_assert_str_eq(buf.data, "");
    ck_assert_uint_eq(buf.length, 0);
    buf_append_text(&buf, "x");
    ck_assert_ptr_eq(buf.data, data);
    ck_assert_str_eq(buf.data, "x");
    buf_clear(&buf);
}
END_TEST

START_TEST(test_buf_failure_is_told_at_the_end_and_no_part_remains)
{
    struct buf buf = {0};
    struct error error;

    buf_append_text(&buf, "before");
    make_fail(&buf);
    ck_assert_ptr_null(buf.data);
    buf_append_text(&buf, "after");
    buf_append_u64(&buf, 1);
    buf_append_format(&buf, "%d", 1);
    buf_grow(&buf, 1);
    ck_assert_ptr_null(buf_reserve(&buf, 1));
    ck_assert_uint_eq(buf_str(&buf).length, 0);
    ck_assert(!buf_ok(&buf, &error));
    ck_assert_int_eq(error.code, ERROR_NO_MEMORY);
    buf_clear(&buf);
}
END_TEST

START_TEST(test_buf_reset_forgets_a_failure)
{
    struct buf buf = {0};
    struct error error;

    make_fail(&buf);
    buf_reset(&buf);
    ck_assert(buf_ok(&buf, &error));
    buf_append_text(&buf, "x");
    ck_assert_str_eq(buf.data, "x");
    buf_clear(&buf);
}
END_TEST

/* A length that wraps around must not look like a small one. */
START_TEST(test_buf_refuses_lengths_that_overflow)
{
    struct buf buf = {0};

    buf_append_text(&buf, "x");
    ck_assert_ptr_null(buf_reserve(&buf, SIZE_MAX));
    ck_assert(buf.failed);
    buf_reset(&buf);
    ck_assert_ptr_null(buf_reserve(&buf, SIZE_MAX));
    ck_assert(buf.failed);
    buf_clear(&buf);
}
END_TEST

START_TEST(test_buf_append_format_that_cannot_print_is_a_failure)
{
    struct buf buf = {0};
    struct error error;

    buf_append_text(&buf, "x");
    /* A wide character that the C locale cannot show. */
    buf_append_format(&buf, "%lc", (wint_t)0x1f36a);
    ck_assert(!buf_ok(&buf, &error));
    buf_clear(&buf);
}
END_TEST

START_TEST(test_buf_reserve_then_grow_writes_in_place)
{
    struct buf buf = {0};
    char *room;

    buf_append_text(&buf, "ab");
    room = buf_reserve(&buf, 500);
    ck_assert_ptr_eq(room, buf.data + 2);
    ck_assert_str_eq(buf.data, "ab");
    memset(room, 'c', 500);
    buf_grow(&buf, 3);
    ck_assert_str_eq(buf.data, "abccc");
    buf_grow(&buf, 0);
    ck_assert_str_eq(buf.data, "abccc");
    buf_clear(&buf);
}
END_TEST

START_TEST(test_buf_reserved_but_unused_is_still_a_text)
{
    struct buf buf = {0};

    ck_assert_ptr_nonnull(buf_reserve(&buf, 10));
    ck_assert_str_eq(buf.data, "");
    buf_clear(&buf);
}
END_TEST

START_TEST(test_buf_copy_text_ends_with_nul)
{
    char *copy = buf_copy_text((struct str){"hello", 4}), *empty = buf_copy_text((struct str){0});

    ck_assert_str_eq(copy, "hell");
    ck_assert_str_eq(empty, "");
    free(copy);
    free(empty);
}
END_TEST

Suite *suite_buf(void)
{
    Suite *suite = suite_create("buf");
    TCase *tests = tcase_create("buf");

    tcase_add_test(tests, test_buf_appends_in_order_and_ends_with_nul);
    tcase_add_test(tests, test_buf_append_u64_writes_every_digit);
    tcase_add_test(tests, test_buf_grows_past_every_edge);
    tcase_add_test(tests, test_buf_append_format_writes_texts_of_any_length);
    tcase_add_test(tests, test_buf_all_zero_is_empty_and_clears_twice);
    tcase_add_test(tests, test_buf_appending_nothing_gives_an_empty_text);
    tcase_add_test(tests, test_buf_reset_empties_and_keeps_the_memory);
    tcase_add_test(tests, test_buf_failure_is_told_at_the_end_and_no_part_remains);
    tcase_add_test(tests, test_buf_reset_forgets_a_failure);
    tcase_add_test(tests, test_buf_refuses_lengths_that_overflow);
    tcase_add_test(tests, test_buf_append_format_that_cannot_print_is_a_failure);
    tcase_add_test(tests, test_buf_reserve_then_grow_writes_in_place);
    tcase_add_test(tests, test_buf_reserved_but_unused_is_still_a_text);
    tcase_add_test(tests, test_buf_copy_text_ends_with_nul);
    suite_add_tcase(suite, tests);
    return suite;
}
