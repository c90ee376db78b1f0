#include "auth/suites.h"

#include "auth/mail_server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

static char path[64];
static struct mail_secret secret;
static struct error error;

static void setup(void)
{
    (void)snprintf(path, sizeof path, "/tmp/cutout-secret-XXXXXX");
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(close(fd), 0);
}

static void teardown(void)
{
    (void)unlink(path);
}

static bool read_from(const void *text, size_t length)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
    return mail_server_read_secret(&secret, path, &error);
}

START_TEST(test_a_secret_is_what_stands_before_and_after_the_first_colon)
{
    static const struct {
        const char *text, *user, *password;
    } good[] = {{"me:secret", "me", "secret"},
                {"me@sync.example:secret\n", "me@sync.example", "secret"},
                {"me:a:b c: ", "me", "a:b c: "},
                {"apikey:\xc3\xa9", "apikey", "\xc3\xa9"}};

    ck_assert_msg(read_from(good[_i].text, strlen(good[_i].text)), "%s", error.message);
    ck_assert_str_eq(secret.user, good[_i].user);
    ck_assert_str_eq(secret.password, good[_i].password);
}
END_TEST

START_TEST(test_what_is_no_secret_is_refused_and_leaves_nothing)
{
    static const char *const bad[] = {"",         "\n",       "me",       "me\n",    ":secret",
                                      "me:",      "me:\n",    "me:a\r\n", "me:a\nb", "a\tb:c",
                                      "me:a\x7f", "me:a\n\n", "\nme:a"};

    ck_assert(!read_from(bad[_i], strlen(bad[_i])));
    ck_assert_int_eq(error.code, ERROR_CONF);
    ck_assert_str_eq(secret.user, "");
    ck_assert_str_eq(secret.password, "");
}
END_TEST

START_TEST(test_a_secret_with_a_nul_or_without_an_end_is_refused)
{
    char longest[9000];

    ck_assert(!read_from("me:a\0b", 6));
    memset(longest, 'a', sizeof longest);
    longest[1] = ':';
    ck_assert(!read_from(longest, sizeof longest));
    ck_assert(!read_from(longest, 2 + MAIL_SECRET_SIZE));
    ck_assert(read_from(longest, 2 + MAIL_SECRET_SIZE - 1));
    ck_assert_uint_eq(strlen(secret.password), MAIL_SECRET_SIZE - 1);
}
END_TEST

START_TEST(test_a_secret_that_others_may_read_is_refused)
{
    ck_assert(read_from("me:secret", 9));
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert(!mail_server_read_secret(&secret, path, &error));
    ck_assert_ptr_nonnull(strstr(error.message, "others may read"));
    ck_assert_str_eq(secret.user, "");
}
END_TEST

START_TEST(test_servers_are_hosts_and_ports)
{
    static const char *const good[] = {"smtp://localhost", "smtp://mail.example:587",
                                       "smtps://mail.example", "smtps://[2001:db8::1]:465",
                                       "smtp://192.0.2.1:25"};
    static const char *const bad[] = {"",
                                      "mail.example",
                                      "smtp:",
                                      "smtp://",
                                      "SMTP://mail.example",
                                      "http://mail.example",
                                      "smtp://mail.example/",
                                      "smtp://me@mail.example",
                                      "smtp://me:x@mail.example",
                                      "smtp://mail.example:",
                                      "smtp://mail.example:0",
                                      "smtp://mail.example:65536",
                                      "smtp://mail.example?x",
                                      "smtp://mail.example#x",
                                      "smtp://mail example",
                                      "smtp://Mail.example",
                                      "smtps:///x",
                                      "smtp://[::1"};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(mail_server_check(good[i], &error), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!mail_server_check(bad[i], &error), "%s", bad[i]);
        ck_assert_int_eq(error.code, ERROR_CONF);
    }
}
END_TEST

START_TEST(test_mail_goes_in_the_clear_to_this_machine_only)
{
    static const char *const near[] = {"smtp://localhost", "smtp://127.0.0.1:25",
                                       "smtp://[::1]:25"};
    static const char *const far[] = {"smtp://mail.example",      "smtps://localhost",
                                      "smtp://127.0.0.1.example", "smtp://localhost.example",
                                      "smtp://127.0.0.2",         "smtp://[::2]"};

    for (size_t i = 0; i < sizeof near / sizeof *near; i++)
        ck_assert_msg(mail_server_is_local(near[i]), "%s", near[i]);
    for (size_t i = 0; i < sizeof far / sizeof *far; i++)
        ck_assert_msg(!mail_server_is_local(far[i]), "%s", far[i]);
}
END_TEST

START_TEST(test_the_sender_is_an_address)
{
    ck_assert(mail_server_check_sender("login@sync.example", &error));
    ck_assert(!mail_server_check_sender("Sync <login@sync.example>", &error));
    ck_assert(!mail_server_check_sender("login@sync.example\r\nBcc: x@y.z", &error));
    ck_assert(!mail_server_check_sender("login", &error));
}
END_TEST

Suite *suite_mail_server(void)
{
    Suite *suite = suite_create("mail_server");
    TCase *tests = tcase_create("mail_server");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, test_a_secret_is_what_stands_before_and_after_the_first_colon, 0, 4);
    tcase_add_loop_test(tests, test_what_is_no_secret_is_refused_and_leaves_nothing, 0, 13);
    tcase_add_test(tests, test_a_secret_with_a_nul_or_without_an_end_is_refused);
    tcase_add_test(tests, test_a_secret_that_others_may_read_is_refused);
    tcase_add_test(tests, test_servers_are_hosts_and_ports);
    tcase_add_test(tests, test_mail_goes_in_the_clear_to_this_machine_only);
    tcase_add_test(tests, test_the_sender_is_an_address);
    suite_add_tcase(suite, tests);
    return suite;
}
