#include "suites.h"
#include "sync/query.h"

#include <string.h>

#include <check.h>

static const struct {
    const char *text;
    enum error_code code;
    const char *message;
} bad[] = {
    {"since=-1", ERROR_BAD_PARAMETER, "since"},
    {"since=+1", ERROR_BAD_PARAMETER, "since"},
    {"since=1.5", ERROR_BAD_PARAMETER, "since"},
    {"since=1e3", ERROR_BAD_PARAMETER, "since"},
    {"since=", ERROR_BAD_PARAMETER, "since"},
    {"since", ERROR_BAD_PARAMETER, "since"},
    {"since=01", ERROR_BAD_PARAMETER, "since"},
    {"since=0x10", ERROR_BAD_PARAMETER, "since"},
    {"since=9007199254740992", ERROR_BAD_PARAMETER, "since"},
    {"since=99999999999999999999", ERROR_BAD_PARAMETER, "since"},
    {"since=1&since=1", ERROR_BAD_PARAMETER, "given twice"},
    {"since=1&%73ince=2", ERROR_BAD_PARAMETER, "given twice"},
    {"limit=-5", ERROR_BAD_PARAMETER, "limit"},
    {"limit=ten", ERROR_BAD_PARAMETER, "limit"},
    {"wait=1s", ERROR_BAD_PARAMETER, "wait"},
    {"wait=86401", ERROR_BAD_PARAMETER, "wait"},
    {"include=a&exclude=b", ERROR_BAD_PARAMETER, "cannot be combined"},
    {"exclude=a&include=b", ERROR_BAD_PARAMETER, "cannot be combined"},
    {"seq=1", ERROR_BAD_PARAMETER, "without client"},
    {"client=a&seq=0", ERROR_BAD_PARAMETER, "seq"},
    {"client=", ERROR_BAD_PARAMETER, "client"},
    {"client=a%20b", ERROR_BAD_PARAMETER, "client"},
    {"client=a%00b", ERROR_BAD_PARAMETER, "percent"},
    {"since=%zz", ERROR_BAD_PARAMETER, "percent"},
    {"since=%4", ERROR_BAD_PARAMETER, "percent"},
    {"copy", ERROR_NOT_FOUND, "copy"},
    {"paste=1", ERROR_NOT_FOUND, "paste"},
    {"deprecate", ERROR_NOT_FOUND, "deprecate"},
    {"backup-from-pos=1", ERROR_NOT_FOUND, "backup-from-pos"},
};

START_TEST(test_query_names_what_is_wrong)
{
    struct query query = {0};
    struct error error = {0};

    ck_assert_msg(!query_parse(&query, str_of(bad[_i].text), &error), "%s", bad[_i].text);
    ck_assert_int_eq(error.code, bad[_i].code);
    ck_assert_msg(strstr(error.message, bad[_i].message), "%s: %s", bad[_i].text, error.message);
    query_clear(&query);
}
END_TEST

START_TEST(test_query_reads_every_parameter)
{
    struct query query = {0};
    struct error error;

    ck_assert(query_parse(&query,
                          STR("since=9007199254740991&limit=0&wait=30&collection_id=%61bc&client="
                              "A-z_0.9~&seq=7&include=a+b&include=%c3%a9&auth=x.y&other=%2F&&"),
                          &error));
    ck_assert_uint_eq(query.since, 9007199254740991);
    ck_assert(query.has_since);
    ck_assert_uint_eq(query.limit, 0);
    ck_assert_uint_eq(query.wait_ms, 30000);
    ck_assert_uint_eq(query.seq, 7);
    ck_assert(str_equals(query.collection_id, STR("abc")));
    ck_assert(str_equals(query.client, STR("A-z_0.9~")));
    ck_assert(str_equals(query.auth, STR("x.y")));
    ck_assert_int_eq(query.filter.kind, FILTER_INCLUDE);
    ck_assert_uint_eq(query.filter.types->count, 2);
    ck_assert(str_equals(query.filter.types->types[0], STR("a b")));
    ck_assert(str_equals(query.filter.types->types[1], STR("\xc3\xa9")));
    ck_assert(!query.deletes);
    query_clear(&query);
    query_clear(&query);
}
END_TEST

START_TEST(test_query_of_nothing_has_the_defaults)
{
    struct query query = {0};
    struct error error;

    ck_assert(query_parse(&query, (struct str){0}, &error));
    ck_assert_uint_eq(query.since, 0);
    ck_assert(!query.has_since);
    ck_assert(query.limit == UINT64_MAX);
    ck_assert_uint_eq(query.collection_id.length, 0);
    ck_assert_int_eq(query.filter.kind, FILTER_ALL);
}
END_TEST

START_TEST(test_query_takes_delete_with_and_without_a_value)
{
    struct query query = {0};
    struct error error;

    ck_assert(query_parse(&query, STR("auth=x&delete"), &error));
    ck_assert(query.deletes);
    query_clear(&query);
    ck_assert(query_parse(&query, STR("delete=1"), &error));
    ck_assert(query.deletes);
    query_clear(&query);
}
END_TEST

START_TEST(test_query_bounds_the_number_of_types)
{
    struct query query = {0};
    struct buf text = {0};
    struct error error;

    for (int i = 0; i <= FILTER_TYPES_MOST; i++)
        buf_append_format(&text, "&exclude=t%d", i);
    ck_assert(!query_parse(&query, buf_str(&text), &error));
    ck_assert_int_eq(error.code, ERROR_BAD_PARAMETER);
    query_clear(&query);
    buf_clear(&text);
}
END_TEST

Suite *suite_query(void)
{
    Suite *suite = suite_create("query");
    TCase *cases = tcase_create("query");

    tcase_add_loop_test(cases, test_query_names_what_is_wrong, 0, sizeof bad / sizeof *bad);
    tcase_add_test(cases, test_query_reads_every_parameter);
    tcase_add_test(cases, test_query_of_nothing_has_the_defaults);
    tcase_add_test(cases, test_query_takes_delete_with_and_without_a_value);
    tcase_add_test(cases, test_query_bounds_the_number_of_types);
    suite_add_tcase(suite, cases);
    return suite;
}
