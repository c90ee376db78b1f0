#include "auth/suites.h"

#include "auth/login.h"
#include "auth/login_kind.h"
#include "auth/mail_login.h"

#include <string.h>

#include <check.h>

enum { NOW = 1000000 };

static struct access access;
static struct mails mails;
static struct mail_login mail;
static struct login login;
static struct mail_code code;
static struct buf id, link_part;
static struct error error;
static struct login_attempt attempt;

static void setup(void)
{
    struct keys keys;

    access = (struct access){0};
    ck_assert(keys_make(&keys, &error) && access_open(&access, &keys, &error));
    ck_assert(mail_login_open(&mail, &mails, &error));
    mail.server = "smtp://localhost";
    login = (struct login){.access = &access, .mail = &mail};
    code = (struct mail_code){.user = "ann@example.org", .expires = NOW + 600};
    ck_assert(origin_parse(&code.audience, STR("https://app.example"), &error));
    id = link_part = (struct buf){0};
    ck_assert(mail_code_make(&access.keys, &code, &id, &link_part, &error));
}

static void teardown(void)
{
    login_clear(&attempt);
    mail_login_close(&mail);
    access_close(&access);
    buf_clear(&id);
    buf_clear(&link_part);
}

static void run(const char *digits)
{
    struct task task = {0};

    login_clear(&attempt);
    attempt = (struct login_attempt){.login = &login, .now = NOW};
    attempt.who.audience = code.audience;
    buf_append_format(&attempt.assertion, "mail:%s:%s", id.data, digits);
    ck_assert(login_mail.takes(buf_str(&attempt.assertion)));
    ck_assert_int_eq(login_mail.run(&attempt, &task), STEP_NEXT);
}

START_TEST(test_a_code_vouches_for_its_address_once_and_for_its_time)
{
    run(code.digits);
    ck_assert_str_eq(attempt.failure, "");
    ck_assert_str_eq(attempt.who.user, "ann@example.org");
    ck_assert_str_eq(attempt.issuer, "mail");
    ck_assert_int_eq(attempt.proof_ends, NOW + 600);
    run(code.digits);
    ck_assert_ptr_nonnull(strstr(attempt.failure, "used"));
    ck_assert_str_eq(attempt.who.user, "");
}
END_TEST

START_TEST(test_a_wrong_code_vouches_for_nobody)
{
    run("abcdefgh");
    ck_assert_ptr_nonnull(strstr(attempt.failure, "eight digits"));
    ck_assert_str_eq(attempt.who.user, "");
    ck_assert_int_eq(attempt.proof_ends, 0);
}
END_TEST

START_TEST(test_switched_off_no_code_is_good)
{
    mail.server = NULL;
    run(code.digits);
    ck_assert_ptr_nonnull(strstr(attempt.failure, "off"));
    login.mail = NULL;
    run(code.digits);
    ck_assert_ptr_nonnull(strstr(attempt.failure, "off"));
    ck_assert_str_eq(attempt.who.user, "");
}
END_TEST

START_TEST(test_only_what_says_mail_is_taken)
{
    static const char *const others[] = {"",      "mail", "Mail:x:1", "dev:x:a@b.c",
                                         "a.b.c", "a~b",  " mail:"};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert(!login_mail.takes(str_of(others[i])));
}
END_TEST

Suite *suite_login_mail(void)
{
    Suite *suite = suite_create("login_mail");
    TCase *tests = tcase_create("login_mail");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_a_code_vouches_for_its_address_once_and_for_its_time);
    tcase_add_test(tests, test_a_wrong_code_vouches_for_nobody);
    tcase_add_test(tests, test_switched_off_no_code_is_good);
    tcase_add_test(tests, test_only_what_says_mail_is_taken);
    suite_add_tcase(suite, tests);
    return suite;
}
