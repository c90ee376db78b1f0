#include "auth/suites.h"

#include "auth/mail_text.h"

#include <string.h>

#include <check.h>

enum { NOW = 1795443030 }; /* Mon, 23 Nov 2026 14:10:30 UTC */

static struct mail_code code;
static struct mail_text text;
static struct buf out;

static void setup(void)
{
    struct error error;

    code =
        (struct mail_code){.user = "ann@example.org", .expires = NOW + 600, .digits = "01234567"};
    ck_assert(origin_parse(&code.audience, STR("https://app.example"), &error));
    text = (struct mail_text){.from = "login@sync.example",
                              .code = &code,
                              .page = STR("https://sync.example/verify/email?link=abc"),
                              .message_id = STR("c0ffee"),
                              .now = NOW};
    out = (struct buf){0};
}

static void teardown(void)
{
    buf_clear(&out);
}

START_TEST(test_the_message)
{
    mail_text_put(&text, &out);
    ck_assert_str_eq(out.data,
                     "Date: Mon, 23 Nov 2026 14:10:30 +0000\r\n"
                     "From: <login@sync.example>\r\n"
                     "To: <ann@example.org>\r\n"
                     "Subject: Your code for app.example\r\n"
                     "Message-ID: <c0ffee@sync.example>\r\n"
                     "Auto-Submitted: auto-generated\r\n"
                     "MIME-Version: 1.0\r\n"
                     "Content-Type: text/plain; charset=utf-8\r\n"
                     "Content-Transfer-Encoding: 7bit\r\n"
                     "\r\n"
                     "Somebody wants to log in with this e-mail address at\r\n"
                     "\r\n"
                     "    https://app.example\r\n"
                     "\r\n"
                     "If it is you, this is the code:\r\n"
                     "\r\n"
                     "    01234567\r\n"
                     "\r\n"
                     "It is good once, for 10 minutes, and at that site only. Type it\r\n"
                     "where you asked for it, and nowhere else.\r\n"
                     "\r\n"
                     "The same on a page of the server:\r\n"
                     "\r\n"
                     "https://sync.example/verify/email?link=abc\r\n"
                     "\r\n"
                     "If it is not you, there is nothing to do: nobody gets in without the\r\n"
                     "code. Whoever asks you for it, by phone or in a message, is up to no\r\n"
                     "good.\r\n");
}
END_TEST

START_TEST(test_without_a_page_there_is_no_link)
{
    text.page = (struct str){0};
    mail_text_put(&text, &out);
    ck_assert_ptr_null(strstr(out.data, "page"));
    ck_assert_ptr_null(strstr(out.data, "sync.example/"));
}
END_TEST

START_TEST(test_no_line_is_longer_than_mail_lets_it_be)
{
    char page[1000];

    memset(page, 'x', sizeof page);
    text.page = (struct str){page, 999};
    mail_text_put(&text, &out);
    ck_assert_ptr_null(strstr(out.data, "xx"));
    buf_reset(&out);
    text.page.length = 998;
    mail_text_put(&text, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "xx"));
}
END_TEST

START_TEST(test_the_time_is_told_in_minutes_that_have_begun)
{
    static const struct {
        int seconds;
        const char *text;
    } times[] = {{60, "for 1 minute,"},
                 {61, "for 2 minutes,"},
                 {2, "for 1 minute,"},
                 {3600, "for 60 minutes,"}};

    code.expires = NOW + times[_i].seconds;
    mail_text_put(&text, &out);
    ck_assert_msg(strstr(out.data, times[_i].text), "%s", out.data);
}
END_TEST

START_TEST(test_every_line_ends_as_lines_of_mail_do_and_is_ascii)
{
    mail_text_put(&text, &out);
    for (size_t i = 0; i < out.length; i++) {
        unsigned char byte = (unsigned char)out.data[i];

        ck_assert(byte < 0x7f && (byte >= ' ' || byte == '\r' || byte == '\n'));
        ck_assert_int_eq(byte == '\r', i + 1 < out.length && out.data[i + 1] == '\n');
    }
    ck_assert(str_ends_with(buf_str(&out), STR("\r\n")));
}
END_TEST

Suite *suite_mail_text(void)
{
    Suite *suite = suite_create("mail_text");
    TCase *tests = tcase_create("mail_text");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_the_message);
    tcase_add_test(tests, test_without_a_page_there_is_no_link);
    tcase_add_test(tests, test_no_line_is_longer_than_mail_lets_it_be);
    tcase_add_loop_test(tests, test_the_time_is_told_in_minutes_that_have_begun, 0, 4);
    tcase_add_test(tests, test_every_line_ends_as_lines_of_mail_do_and_is_ascii);
    suite_add_tcase(suite, tests);
    return suite;
}
