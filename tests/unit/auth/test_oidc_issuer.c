#include "auth/suites.h"

#include "auth/oidc_issuer.h"

#include <check.h>

#define ISSUER "https://id.example"
#define LINE                                                                                       \
    ISSUER " one=https://one.example two=x=https://two.example one=https://uno.example email"

static struct error error;

static bool admits(const char *line, const char *client, const char *audience, bool has_list)
{
    struct origin origin;

    ck_assert(origin_parse(&origin, str_of(audience), &error));
    return oidc_issuer_admits(line, str_of(client), &origin, has_list);
}

START_TEST(test_oidc_issuer_admits_a_client_at_its_origins)
{
    bool is_bound;

    ck_assert(oidc_issuer_check(LINE, &is_bound, &error));
    ck_assert(is_bound);
    ck_assert(admits(LINE, "one", "https://one.example", false));
    ck_assert(admits(LINE, "one", "https://uno.example", false));
    ck_assert(admits(LINE, "two=x", "https://two.example", false));
    ck_assert(!admits(LINE, "one", "https://two.example", true));
    ck_assert(!admits(LINE, "one", "http://one.example", true));
    ck_assert(!admits(LINE, "two", "https://two.example", true));
    ck_assert(!admits(LINE, "email", "https://one.example", true));
    ck_assert(!admits(LINE, ISSUER, "https://one.example", true));
    ck_assert(!admits(LINE, "", "https://one.example", true));
    ck_assert(!admits(LINE, "one=https://one.example", "https://one.example", true));
    ck_assert(oidc_issuer_verifies_email(LINE));
}
END_TEST

START_TEST(test_oidc_issuer_admits_an_unbound_client_where_audiences_are_listed)
{
    const char *line = ISSUER " one two=https://two.example";
    bool is_bound;

    ck_assert(oidc_issuer_check(line, &is_bound, &error));
    ck_assert(!is_bound);
    ck_assert(admits(line, "one", "https://any.example", true));
    ck_assert(!admits(line, "one", "https://any.example", false));
    ck_assert(!admits(line, "two", "https://any.example", true));
    ck_assert(!oidc_issuer_verifies_email(line));
    ck_assert(!oidc_issuer_verifies_email("email one=https://one.example"));
}
END_TEST

START_TEST(test_oidc_issuer_is_found_as_it_is_spelled)
{
    const char *const lines[] = {ISSUER "/ a", LINE, ISSUER ":8443 a"};

    ck_assert_ptr_eq(oidc_issuer_find(lines, 3, STR(ISSUER)), lines[1]);
    ck_assert_ptr_eq(oidc_issuer_find(lines, 3, STR(ISSUER "/")), lines[0]);
    ck_assert_ptr_null(oidc_issuer_find(lines, 3, STR("")));
    ck_assert_ptr_null(oidc_issuer_find(lines, 3, STR("https://id.exampl")));
    ck_assert_ptr_null(oidc_issuer_find(lines, 0, STR(ISSUER)));
}
END_TEST

START_TEST(test_oidc_issuer_refuses_a_bad_line)
{
    static const char *const lines[] = {"",
                                        " ",
                                        ISSUER,
                                        ISSUER " email",
                                        ISSUER " =https://a.example",
                                        ISSUER " a=https://a.example/path",
                                        ISSUER " a=https://A.example",
                                        ISSUER " a=https://a.example:443",
                                        ISSUER "?x a",
                                        ISSUER "/#x a",
                                        "https:// a",
                                        "https://u@id.example a",
                                        "https://ID.example a",
                                        "http://id.example a",
                                        "http://127.0.0.1.example a",
                                        "ftp://id.example a"};
    bool is_bound;

    ck_assert(!oidc_issuer_check(lines[_i], &is_bound, &error));
    ck_assert_int_eq(error.code, ERROR_CONF);
    ck_assert_str_ne(error.message, "");
}
END_TEST

START_TEST(test_oidc_issuer_may_be_on_this_machine)
{
    static const char *const lines[] = {"http://127.0.0.1 a", "http://localhost:8080/realms/x a",
                                        "http://[::1]:80801 a", "http://[::1]:8080/ a"};
    bool is_bound;

    ck_assert_int_eq(oidc_issuer_check(lines[_i], &is_bound, &error), _i != 2);
}
END_TEST

START_TEST(test_oidc_issuer_has_metadata_at_a_known_place)
{
    char url[OIDC_URL_SIZE];

    ck_assert(oidc_issuer_metadata_url(STR(ISSUER), url, &error));
    ck_assert_str_eq(url, ISSUER "/.well-known/openid-configuration");
    ck_assert(oidc_issuer_metadata_url(STR(ISSUER "/realms/x/"), url, &error));
    ck_assert_str_eq(url, ISSUER "/realms/x/.well-known/openid-configuration");
}
END_TEST

START_TEST(test_oidc_issuer_metadata_name_the_keys)
{
    char url[OIDC_URL_SIZE];

    ck_assert(oidc_issuer_read_metadata(
        STR("{\"x\":[{}],\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://k.example/a?b\"}"),
        STR(ISSUER), url, &error));
    ck_assert_str_eq(url, "https://k.example/a?b");
    ck_assert(oidc_issuer_read_metadata(STR("{\"issuer\":\"http://127.0.0.1:1\",\"jwks_uri\":"
                                            "\"http://localhost:2/keys\"}"),
                                        STR("http://127.0.0.1:1"), url, &error));
}
END_TEST

START_TEST(test_oidc_issuer_refuses_metadata_of_others)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "{}",
        "{\"issuer\":\"" ISSUER "\"}",
        "{\"jwks_uri\":\"https://k.example/\"}",
        "{\"issuer\":\"" ISSUER "/\",\"jwks_uri\":\"https://k.example/\"}",
        "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"http://k.example/\"}",
        "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"http://127.0.0.1/\"}",
        "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"file:///etc/passwd\"}",
        "{\"issuer\":\"" ISSUER
        "\",\"jwks_uri\":\"https://k.example/\",\"jwks_uri\":\"https://k\"}",
        "{\"issuer\":[\"" ISSUER "\"],\"jwks_uri\":\"https://k.example/\"}",
        "{\"issuer\":\"http://127.0.0.1\",\"jwks_uri\":\"http://k.example/\"}",
    };
    char url[OIDC_URL_SIZE];
    struct str issuer = _i == 11 ? STR("http://127.0.0.1") : STR(ISSUER);

    ck_assert(!oidc_issuer_read_metadata(str_of(bodies[_i]), issuer, url, &error));
    ck_assert_int_eq(error.code, ERROR_BAD_JSON);
}
END_TEST

Suite *suite_oidc_issuer(void)
{
    Suite *suite = suite_create("oidc_issuer");
    TCase *tests = tcase_create("oidc_issuer");

    tcase_add_test(tests, test_oidc_issuer_admits_a_client_at_its_origins);
    tcase_add_test(tests, test_oidc_issuer_admits_an_unbound_client_where_audiences_are_listed);
    tcase_add_test(tests, test_oidc_issuer_is_found_as_it_is_spelled);
    tcase_add_loop_test(tests, test_oidc_issuer_refuses_a_bad_line, 0, 16);
    tcase_add_loop_test(tests, test_oidc_issuer_may_be_on_this_machine, 0, 4);
    tcase_add_test(tests, test_oidc_issuer_has_metadata_at_a_known_place);
    tcase_add_test(tests, test_oidc_issuer_metadata_name_the_keys);
    tcase_add_loop_test(tests, test_oidc_issuer_refuses_metadata_of_others, 0, 12);
    suite_add_tcase(suite, tests);
    return suite;
}
