#include "base/json_write.h"

#include "base/json_read.h"
#include "base/suites.h"

#include <string.h>

#include <check.h>

static const struct {
    struct str text;
    const char *json;
} strings[] = {
    {{"", 0}, "\"\""},
    {{"plain", 5}, "\"plain\""},
    {{"a\"b", 3}, "\"a\\\"b\""},
    {{"a\\b", 3}, "\"a\\\\b\""},
    {{"\n\r\t", 3}, "\"\\n\\r\\t\""},
    {{"\0\x01\x1f ", 4}, "\"\\u0000\\u0001\\u001f \""},
    {{"\b\f", 2}, "\"\\u0008\\u000c\""},
    {{"\x7f", 1}, "\"\x7f\""},
    {{"a/b", 3}, "\"a/b\""},
    {{"/", 1}, "\"/\""},
    {{"</script>", 9}, "\"<\\/script>\""},
    {{"<</", 3}, "\"<<\\/\""},
    {{"< /", 3}, "\"< /\""},
    {{"<", 1}, "\"<\""},
    {{"<!--", 4}, "\"\\u003c!--\""},
    {{"<b>", 3}, "\"<b>\""},
    {{"\xc3\xa4\xf0\x9f\x98\x80", 6}, "\"\xc3\xa4\xf0\x9f\x98\x80\""},
    {{"x\"", 2}, "\"x\\\"\""},
    {{"\"x", 2}, "\"\\\"x\""},
};

START_TEST(test_json_write_string_escapes_what_it_must_and_no_more)
{
    struct buf out = {0};

    json_write_string(&out, strings[_i].text);
    ck_assert_str_eq(out.data, strings[_i].json);
    buf_clear(&out);
}
END_TEST

static bool keep_string(void *context, enum json_event event, unsigned depth, struct str text)
{
    ck_assert_int_eq(event, JSON_STRING);
    ck_assert_uint_eq(depth, 0);
    buf_append(context, text);
    return true;
}

START_TEST(test_json_write_string_reads_back_the_same)
{
    struct buf out = {0}, again = {0};
    struct error error;
    char all[128];

    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    json_write_string(&out, (struct str){all, sizeof all});
    ck_assert(json_read_text(buf_str(&out), 0, keep_string, &again, &error));
    ck_assert_uint_eq(again.length, sizeof all);
    ck_assert_mem_eq(again.data, all, sizeof all);
    buf_clear(&out);
    buf_clear(&again);
}
END_TEST

START_TEST(test_json_write_string_does_not_look_beyond_its_text)
{
    struct buf out = {0};

    json_write_string(&out, str_slice(STR("a</"), 2, 1));
    json_write_string(&out, str_slice(STR("<!"), 0, 1));
    ck_assert_str_eq(out.data, "\"/\"\"<\"");
    buf_clear(&out);
}
END_TEST

START_TEST(test_json_write_members_need_no_thought_about_commas)
{
    struct buf out = {0};

    buf_append_byte(&out, '{');
    json_write_string_member(&out, "name", STR("a\"b"));
    json_write_u64_member(&out, "count", UINT64_MAX);
    json_write_bool_member(&out, "yes", true);
    json_write_bool_member(&out, "no", false);
    json_write_name(&out, "list");
    buf_append_text(&out, "[{");
    json_write_u64_member(&out, "n", 0);
    buf_append_text(&out, "}]}");
    ck_assert_str_eq(out.data, "{\"name\":\"a\\\"b\",\"count\":18446744073709551615,\"yes\":true,"
                               "\"no\":false,\"list\":[{\"n\":0}]}");
    buf_clear(&out);
}
END_TEST

START_TEST(test_json_write_name_begins_without_comma)
{
    struct buf out = {0};

    json_write_u64_member(&out, "a", 1);
    json_write_u64_member(&out, "b", 2);
    ck_assert_str_eq(out.data, "\"a\":1,\"b\":2");
    buf_reset(&out);
    buf_append_byte(&out, '[');
    json_write_name(&out, "a");
    ck_assert_str_eq(out.data, "[\"a\":");
    buf_clear(&out);
}
END_TEST

Suite *suite_json_write(void)
{
    Suite *suite = suite_create("json_write");
    TCase *tests = tcase_create("json_write");

    tcase_add_loop_test(tests, test_json_write_string_escapes_what_it_must_and_no_more, 0,
                        (int)(sizeof strings / sizeof *strings));
    tcase_add_test(tests, test_json_write_string_reads_back_the_same);
    tcase_add_test(tests, test_json_write_string_does_not_look_beyond_its_text);
    tcase_add_test(tests, test_json_write_members_need_no_thought_about_commas);
    tcase_add_test(tests, test_json_write_name_begins_without_comma);
    suite_add_tcase(suite, tests);
    return suite;
}
