#include "suites.h"
#include "sync/filter.h"

#include <check.h>

static const unsigned char secret[SIPHASH_KEY_SIZE] = "0123456789abcde";

static struct filter make(enum filter_kind kind, struct filter_types *types, const char *type)
{
    struct filter filter = {kind, types};

    *types = (struct filter_types){.count = 1};
    types->types[0] = str_of(type);
    filter_prepare(&filter, secret);
    return filter;
}

START_TEST(test_filter_include_matches_its_type_and_not_the_typeless)
{
    struct filter_types types;
    struct filter filter = make(FILTER_INCLUDE, &types, "note");

    ck_assert(filter_test_type(&filter, STR("note")));
    ck_assert(!filter_test_type(&filter, STR("notes")));
    ck_assert(!filter_test_type(&filter, (struct str){0}));
    ck_assert_int_eq(filter_test_hash(&filter, filter_hash_type(secret, STR("note"))), FILTER_LOOK);
    ck_assert_int_eq(filter_test_hash(&filter, filter_hash_type(secret, STR("todo"))), FILTER_NO);
    ck_assert_int_eq(filter_test_hash(&filter, 0), FILTER_NO);
}
END_TEST

START_TEST(test_filter_exclude_lets_all_but_its_type_through)
{
    struct filter_types types;
    struct filter filter = make(FILTER_EXCLUDE, &types, "note");

    ck_assert(!filter_test_type(&filter, STR("note")));
    ck_assert(filter_test_type(&filter, STR("todo")));
    ck_assert(filter_test_type(&filter, (struct str){0}));
    ck_assert_int_eq(filter_test_hash(&filter, filter_hash_type(secret, STR("note"))), FILTER_LOOK);
    ck_assert_int_eq(filter_test_hash(&filter, 0), FILTER_YES);
}
END_TEST

/* Types are told apart by the record where their hashes are the same. */
START_TEST(test_filter_asks_the_record_when_hashes_collide)
{
    struct filter_types types;
    struct filter include = make(FILTER_INCLUDE, &types, "note");

    ck_assert(filter_test_record(&include, STR("[7,{\"id\":1,\"type\":\"note\"}],\n")));
    ck_assert(filter_test_record(&include, STR("[7,{\"\\u0074ype\":\"n\\u006fte\"}],\n")));
    ck_assert(!filter_test_record(&include, STR("[7,{\"id\":1,\"type\":\"other\"}],\n")));
    ck_assert(!filter_test_record(&include, STR("[7,{\"data\":{\"type\":\"note\"}}],\n")));
    ck_assert(!filter_test_record(&include, STR("[7,{\"id\":\"note\"}],\n")));
    include.kind = FILTER_EXCLUDE;
    ck_assert(!filter_test_record(&include, STR("[7,{\"id\":1,\"type\":\"note\"}],\n")));
    ck_assert(filter_test_record(&include, STR("[7,{\"id\":1,\"type\":\"other\"}],\n")));
    ck_assert(filter_test_record(&include, STR("[7,{\"id\":1}],\n")));
}
END_TEST

START_TEST(test_filter_hash_depends_on_the_secret_and_is_never_0)
{
    static const unsigned char other[SIPHASH_KEY_SIZE] = "0123456789abcdf";

    ck_assert_uint_ne(filter_hash_type(secret, STR("note")), filter_hash_type(other, STR("note")));
    ck_assert_uint_ne(filter_hash_type(secret, STR("")), 0);
}
END_TEST

Suite *suite_filter(void)
{
    Suite *suite = suite_create("filter");
    TCase *cases = tcase_create("filter");

    tcase_add_test(cases, test_filter_include_matches_its_type_and_not_the_typeless);
    tcase_add_test(cases, test_filter_exclude_lets_all_but_its_type_through);
    tcase_add_test(cases, test_filter_asks_the_record_when_hashes_collide);
    tcase_add_test(cases, test_filter_hash_depends_on_the_secret_and_is_never_0);
    suite_add_tcase(suite, cases);
    return suite;
}
