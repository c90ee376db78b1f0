#include "base/error.h"

#include "base/suites.h"
#include "base/utf8.h"

#include <errno.h>
#include <string.h>

#include <check.h>

enum { MOST = sizeof((struct error *)0)->message - 1 };

static const char *repeat(const char *piece, size_t bytes)
{
    static char text[1024];

    ck_assert_uint_lt(bytes, sizeof text);
    for (size_t i = 0; i < bytes; i++)
        text[i] = piece[i % strlen(piece)];
    text[bytes] = '\0';
    return text;
}

START_TEST(test_error_set_fills_everything_and_returns_false)
{
    struct error error = {.errnum = 7};

    ck_assert(!error_set(&error, ERROR_CONF, "line %d: %s", 3, "what"));
    ck_assert_int_eq(error.code, ERROR_CONF);
    ck_assert_int_eq(error.errnum, 0);
    ck_assert_str_eq(error.message, "line 3: what");
}
END_TEST

START_TEST(test_error_set_cuts_a_message_to_fit)
{
    struct error error;

    error_set(&error, ERROR_CONF, "%s", repeat("x", MOST));
    ck_assert_uint_eq(strlen(error.message), MOST);
    error_set(&error, ERROR_CONF, "%s", repeat("x", MOST + 1));
    ck_assert_str_eq(error.message, repeat("x", MOST));
}
END_TEST

START_TEST(test_error_set_never_cuts_inside_a_character)
{
    struct error error;

    for (size_t shift = 0; shift < 4; shift++) {
        error_set(&error, ERROR_CONF, "%.*s%s", (int)shift, "abc", repeat("\xf0\x9f\x8d\xaa", 400));
        ck_assert(utf8_check(str_of(error.message)));
        ck_assert_uint_gt(strlen(error.message), MOST - 4);
    }
}
END_TEST

/* The reason is what an operator needs. */
START_TEST(test_error_set_errno_keeps_the_reason_behind_a_long_path)
{
    struct error error;
    struct str reason = STR(": No space left on device");

    ck_assert(!error_set_errno(&error, ENOSPC, "cannot write %s", repeat("\xc3\xa4", 600)));
    ck_assert(str_starts_with(str_of(error.message), STR("cannot write \xc3\xa4")));
    ck_assert(str_ends_with(str_of(error.message), reason));
    ck_assert(utf8_check(str_of(error.message)));
    ck_assert_uint_ge(strlen(error.message), MOST - 1);
}
END_TEST

START_TEST(test_error_set_errno_appends_the_reason_and_keeps_the_number)
{
    struct error error;

    ck_assert(!error_set_errno(&error, ENOENT, "cannot open %s", "/x"));
    ck_assert_str_eq(error.message, "cannot open /x: No such file or directory");
    ck_assert_int_eq(error.errnum, ENOENT);
    ck_assert(!error_set_errno(&error, 123456, "odd"));
    ck_assert_str_eq(error.message, "odd: Unknown error 123456");
}
END_TEST

static const struct {
    int errnum;
    enum error_code code;
} errnos[] = {
    {ENOSPC, ERROR_NO_SPACE}, {EDQUOT, ERROR_NO_SPACE}, {ENOMEM, ERROR_NO_MEMORY},
    {EMFILE, ERROR_BUSY},     {ENFILE, ERROR_BUSY},     {EIO, ERROR_IO},
    {ENOENT, ERROR_IO},       {EROFS, ERROR_IO},
};

START_TEST(test_error_set_errno_tells_what_kind_of_failure)
{
    struct error error;

    error_set_errno(&error, errnos[_i].errnum, "x");
    ck_assert_int_eq(error.code, errnos[_i].code);
    ck_assert_int_eq(error.errnum, errnos[_i].errnum);
}
END_TEST

/* They are part of the protocol. */
static const char *const names[ERROR_COUNT] = {
    "none",        "bad_request",    "bad_path",          "bad_parameter",   "bad_json",
    "bad_objects", "unauthorized",   "forbidden",         "not_found",       "method_not_allowed",
    "seq_old",     "too_large",      "headers_too_large", "request_timeout", "expectation_failed",
    "too_often",   "quota_exceeded", "no_space",          "no_memory",       "busy",
    "io",          "damaged",        "timeout",           "cancelled",       "conf",
};

START_TEST(test_error_code_name_is_what_clients_were_promised)
{
    ck_assert_str_eq(error_code_name((enum error_code)_i), names[_i]);
}
END_TEST

START_TEST(test_error_code_name_is_never_null)
{
    ck_assert_str_eq(error_code_name(ERROR_COUNT), "unknown");
    ck_assert_str_eq(error_code_name((enum error_code) - 1), "unknown");
}
END_TEST

Suite *suite_error(void)
{
    Suite *suite = suite_create("error");
    TCase *tests = tcase_create("error");

    tcase_add_test(tests, test_error_set_fills_everything_and_returns_false);
    tcase_add_test(tests, test_error_set_cuts_a_message_to_fit);
    tcase_add_test(tests, test_error_set_never_cuts_inside_a_character);
    tcase_add_test(tests, test_error_set_errno_keeps_the_reason_behind_a_long_path);
    tcase_add_test(tests, test_error_set_errno_appends_the_reason_and_keeps_the_number);
    tcase_add_loop_test(tests, test_error_set_errno_tells_what_kind_of_failure, 0,
                        (int)(sizeof errnos / sizeof *errnos));
    tcase_add_loop_test(tests, test_error_code_name_is_what_clients_were_promised, 0, ERROR_COUNT);
    tcase_add_test(tests, test_error_code_name_is_never_null);
    suite_add_tcase(suite, tests);
    return suite;
}
