#include "auth/suites.h"

#include "auth/mail_login.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

enum { NOW = 1795443030, HOUR = 3600, PER_EMAIL = 3, PER_CLIENT = 10 };

/* Nothing goes out: with no place for a mail each ends in ERROR_BUSY, after all that is looked at
 * before has been found in order. */
static struct mails mails;
static struct mail_login mail;
static struct access access;
static struct login login;
static struct mail_wish wish;
static struct task task;
static struct error error;

static void setup(void)
{
    access = (struct access){0};
    login = (struct login){.access = &access, .mail = &mail};
    ck_assert(mail_login_open(&mail, &mails, &error) && keys_make(&access.keys, &error));
    mail.server = "smtp://localhost";
    mail.from = "login@sync.example";
    mail.lifetime_s = 600;
    mail_login_limit(&mail, PER_EMAIL, PER_CLIENT);
    clock_hold(NOW);
}

static void teardown(void)
{
    mail_wish_clear(&wish);
    mail_login_close(&mail);
    keys_clear(&access.keys);
    clock_hold(0);
}

static enum error_code ask(const char *email, const char *client)
{
    mail_wish_clear(&wish);
    wish = (struct mail_wish){0};
    task = (struct task){0};
    buf_append_text(&wish.email, email);
    buf_append_text(&wish.audience, "https://app.example");
    ck_assert_int_eq(mail_login_ask(&wish, &login, str_of(client), clock_unix_seconds(), &task),
                     STEP_FAIL);
    return task.error.code;
}

static unsigned count_allowed(const char *email, const char *client)
{
    unsigned count = 0;

    while (ask(email, client) == ERROR_BUSY)
        count++;
    ck_assert_int_eq(task.error.code, ERROR_TOO_OFTEN);
    return count;
}

START_TEST(test_an_address_and_a_client_have_so_many_codes_an_hour)
{
    ck_assert_uint_eq(count_allowed("ann@example.org", "192.0.2.1"), PER_EMAIL);
    ck_assert_uint_eq(wish.wait_s, HOUR / PER_EMAIL);
    ck_assert_ptr_nonnull(strstr(task.error.message, "wait 1200 s"));
    clock_hold(NOW + HOUR / PER_EMAIL - 1);
    ck_assert_int_eq(ask("ann@example.org", "192.0.2.1"), ERROR_TOO_OFTEN);
    ck_assert_uint_eq(wish.wait_s, 1);
    clock_hold(NOW + HOUR / PER_EMAIL);
    ck_assert_uint_eq(count_allowed("ann@example.org", "192.0.2.1"), 1);
}
END_TEST

START_TEST(test_one_client_does_not_lock_out_another)
{
    ck_assert_uint_eq(count_allowed("ann@example.org", "192.0.2.1"), PER_EMAIL);
    ck_assert_uint_eq(count_allowed("ann@example.org", "192.0.2.2"), PER_EMAIL);
}
END_TEST

START_TEST(test_all_clients_together_have_three_times_as_many)
{
    unsigned count = 0;
    char client[32];

    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(client, sizeof client, "192.0.2.%u", i);
        count += ask("ann@example.org", client) == ERROR_BUSY;
    }
    ck_assert_uint_eq(count, 3 * PER_EMAIL);
    ck_assert_int_eq(ask("bob@example.org", "192.0.2.1"), ERROR_BUSY);
}
END_TEST

START_TEST(test_who_is_refused_because_of_others_loses_nothing)
{
    char client[32];

    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(client, sizeof client, "192.0.2.%u", i);
        (void)ask("ann@example.org", client);
    }
    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_eq(ask("ann@example.org", "192.0.2.200"), ERROR_TOO_OFTEN);
    clock_hold(NOW + HOUR / (3 * PER_EMAIL));
    ck_assert_int_eq(ask("ann@example.org", "192.0.2.200"), ERROR_BUSY);
}
END_TEST

START_TEST(test_a_client_has_so_many_for_all_addresses)
{
    unsigned count = 0;
    char email[32];

    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(email, sizeof email, "user%u@example.org", i);
        count += ask(email, "192.0.2.1") == ERROR_BUSY;
    }
    ck_assert_uint_eq(count, PER_CLIENT);
    ck_assert_int_eq(ask("user1@example.org", "192.0.2.2"), ERROR_BUSY);
}
END_TEST

START_TEST(test_clients_that_are_not_known_share_an_address_only)
{
    unsigned count = 0;
    char email[32];

    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(email, sizeof email, "user%u@example.org", i);
        count += ask(email, "") == ERROR_BUSY;
    }
    ck_assert_uint_eq(count, 100);
    ck_assert_uint_eq(count_allowed("ann@example.org", ""), PER_EMAIL);
}
END_TEST

START_TEST(test_spellings_of_a_mailbox_share_what_it_may)
{
    static const char *const spellings[] = {"ann.lee@example.org",   "ANN.LEE@example.org",
                                            "annlee@example.org",    "a.n.n.l.e.e@EXAMPLE.org",
                                            "ann.lee+1@example.org", "AnnLee+x+y@example.org"};

    for (unsigned i = 0; i < PER_EMAIL; i++)
        ck_assert_int_eq(ask(spellings[i], "192.0.2.1"), ERROR_BUSY);
    for (unsigned i = 0; i < 6; i++)
        ck_assert_msg(ask(spellings[i], "192.0.2.1") == ERROR_TOO_OFTEN, "%s", spellings[i]);
    ck_assert_int_eq(ask("annlee@example.com", "192.0.2.1"), ERROR_BUSY);
    ck_assert_int_eq(ask("bannlee@example.org", "192.0.2.1"), ERROR_BUSY);
}
END_TEST

START_TEST(test_a_limit_of_nothing_is_none)
{
    mail_login_limit(&mail, 0, 0);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_int_eq(ask("ann@example.org", "192.0.2.1"), ERROR_BUSY);
}
END_TEST

START_TEST(test_what_is_no_address_counts_for_nobody)
{
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(ask("ann", "192.0.2.1"), ERROR_BAD_REQUEST);
    ck_assert_uint_eq(count_allowed("ann@example.org", "192.0.2.1"), PER_EMAIL);
}
END_TEST

START_TEST(test_sites_that_are_not_served_get_no_mail)
{
    static const char *const sites[] = {"https://other.example"};

    login.audiences = sites;
    login.audience_count = 1;
    ck_assert_int_eq(ask("ann@example.org", "192.0.2.1"), ERROR_FORBIDDEN);
    ck_assert_uint_eq(wish.text.length, 0);
}
END_TEST

START_TEST(test_switched_off_it_is_not_there)
{
    mail.server = NULL;
    ck_assert_int_eq(ask("ann@example.org", "192.0.2.1"), ERROR_NOT_FOUND);
}
END_TEST

START_TEST(test_the_mail_has_the_code_and_links_to_where_the_server_is)
{
    mail.public_url = STR("https://sync.example/base");
    ck_assert_int_eq(ask("ann@example.org", "192.0.2.1"), ERROR_BUSY);
    const char *text = buf_str(&wish.text).data;
    ck_assert_ptr_nonnull(strstr(text, wish.code.digits));
    ck_assert_ptr_nonnull(strstr(text, "\r\nhttps://sync.example/base/verify/email?link=once."));
    ck_assert_ptr_null(strstr(text, wish.id.data)); /* who reads the mail alone gets no further */
    mail.public_url = (struct str){0};
    ck_assert_int_eq(ask("ann@example.org", "192.0.2.1"), ERROR_BUSY);
    ck_assert_ptr_null(strstr(wish.text.data, "link="));
}
END_TEST

START_TEST(test_the_answer_is_an_id_and_its_time)
{
    struct buf out = {0};
    char expected[2048];

    ck_assert_int_eq(ask("ann@example.org", "192.0.2.1"), ERROR_BUSY);
    ck_assert(mail_login_answer(&wish, NOW + 2, &out, &error));
    (void)snprintf(expected, sizeof expected,
                   "{\"id\":\"%s\",\"expires_in\":598,\"expires\":%lld000}", wish.id.data,
                   (long long)NOW + 600);
    ck_assert_str_eq(out.data, expected);
    ck_assert_ptr_null(strstr(out.data, wish.code.digits));
    buf_reset(&out);
    error_set(&wish.mail.fetch.error, ERROR_TIMEOUT, "mail.example: no answer within 5 ms");
    ck_assert(!mail_login_answer(&wish, NOW, &out, &error));
    ck_assert_int_eq(error.code, ERROR_BUSY);
    ck_assert_uint_eq(out.length, 0);
    buf_clear(&out);
}
END_TEST

Suite *suite_mail_login(void)
{
    Suite *suite = suite_create("mail_login");
    TCase *tests = tcase_create("mail_login");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_an_address_and_a_client_have_so_many_codes_an_hour);
    tcase_add_test(tests, test_one_client_does_not_lock_out_another);
    tcase_add_test(tests, test_all_clients_together_have_three_times_as_many);
    tcase_add_test(tests, test_who_is_refused_because_of_others_loses_nothing);
    tcase_add_test(tests, test_a_client_has_so_many_for_all_addresses);
    tcase_add_test(tests, test_clients_that_are_not_known_share_an_address_only);
    tcase_add_test(tests, test_spellings_of_a_mailbox_share_what_it_may);
    tcase_add_test(tests, test_a_limit_of_nothing_is_none);
    tcase_add_test(tests, test_what_is_no_address_counts_for_nobody);
    tcase_add_test(tests, test_sites_that_are_not_served_get_no_mail);
    tcase_add_test(tests, test_switched_off_it_is_not_there);
    tcase_add_test(tests, test_the_mail_has_the_code_and_links_to_where_the_server_is);
    tcase_add_test(tests, test_the_answer_is_an_id_and_its_time);
    suite_add_tcase(suite, tests);
    return suite;
}
