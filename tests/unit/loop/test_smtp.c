#include "loop/suites.h"

#include "loop/smtp.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

static struct smtp smtp;
static struct error error;
static size_t seen; /* of what is to be sent */

static void begin(const char *text)
{
    smtp_begin(&smtp, STR("login@notes.example"), STR("ann@example.org"), str_of(text));
    seen = 0;
}

static void setup(void)
{
    begin("Subject: x\r\n\r\nhello\r\n");
}

static void teardown(void)
{
    smtp_clear(&smtp);
}

/* What is newly to be sent after the server has said this. */
static const char *say(const char *text)
{
    ck_assert_msg(smtp_take(&smtp, str_of(text), &error), "%s: %s", text, error.message);
    const char *new = smtp.out.data + seen;
    seen = smtp.out.length;
    return new;
}

static void go_to(enum smtp_state state)
{
    static const char *const answers[] = {"250 ok\r\n", "250 ok\r\n", "354 go on\r\n"};

    (void)say("");
    for (unsigned i = 0; i < state; i++)
        (void)say(answers[i]);
    ck_assert_int_eq(smtp.state, state);
}

START_TEST(test_a_message_is_handed_over)
{
    ck_assert_str_eq(say(""), "MAIL FROM:<login@notes.example>\r\n");
    ck_assert_str_eq(say("250 2.1.0 Ok\r\n"), "RCPT TO:<ann@example.org>\r\n");
    ck_assert_str_eq(say("250 2.1.5 Ok\r\n"), "DATA\r\n");
    ck_assert_str_eq(say("354 End data with <CR><LF>.<CR><LF>\r\n"),
                     "Subject: x\r\n\r\nhello\r\n.\r\n");
    ck_assert(!smtp.ended);
    ck_assert_str_eq(say("250 2.0.0 Ok: queued\r\n"), "QUIT\r\n");
    ck_assert(smtp.ended);
    ck_assert_int_eq(smtp.status, 250);
    ck_assert_int_eq(smtp.state, SMTP_TEXT);
}
END_TEST

START_TEST(test_an_answer_may_come_in_pieces_and_in_lines)
{
    static const char answer[] = "250-first\r\n250-\r\n250 last\r\n";

    (void)say("");
    for (size_t i = 0; i + 1 < sizeof answer - 1; i++)
        ck_assert_str_eq(say((char[]){answer[i], '\0'}), "");
    ck_assert_str_eq(say("\n"), "RCPT TO:<ann@example.org>\r\n");
    ck_assert_str_eq(say("251\r\n"), "DATA\r\n");
    ck_assert_str_eq(say("354\n"), "Subject: x\r\n\r\nhello\r\n.\r\n");
}
END_TEST

START_TEST(test_a_line_that_begins_with_a_dot_does_not_end_the_message)
{
    smtp_clear(&smtp);
    begin(".\r\n.a\r\nb.\r\n..\r\n\r\n.\r\n");
    go_to(SMTP_DATA);
    ck_assert_str_eq(say("354 go on\r\n"), "..\r\n..a\r\nb.\r\n...\r\n\r\n..\r\n.\r\n");
}
END_TEST

START_TEST(test_what_is_refused_at_any_point_is_told_with_its_status)
{
    static const struct {
        const char *answer;
        int status;
    } refusals[] = {{"550 no such user\r\n", 550},
                    {"451-later\r\n451 really\r\n", 451},
                    {"421 closing\r\n", 421},
                    {"221 bye\r\n", 221}};
    const enum smtp_state state = (enum smtp_state)(_i % 4);
    const int status = refusals[_i / 4].status;

    if (status == 221 && state != SMTP_DATA) /* elsewhere it is as good as any 2xx */
        return;
    go_to(state);
    ck_assert_str_eq(say(refusals[_i / 4].answer), "QUIT\r\n");
    ck_assert(smtp.ended);
    ck_assert_int_eq(smtp.state, state);
    ck_assert_int_eq(smtp.status, status);
}
END_TEST

START_TEST(test_a_go_on_where_none_is_due_is_a_refusal)
{
    go_to(SMTP_RECIPIENT);
    ck_assert_str_eq(say("354 go on\r\n"), "QUIT\r\n");
    ck_assert_int_eq(smtp.state, SMTP_RECIPIENT);
}
END_TEST

START_TEST(test_nothing_is_taken_after_the_end)
{
    go_to(SMTP_TEXT);
    (void)say("250 ok\r\nHTTP/1.1 200 OK\r\n");
    ck_assert_int_eq(smtp.status, 250);
    ck_assert_str_eq(say("550 no\r\n"), "");
    ck_assert_int_eq(smtp.status, 250);
}
END_TEST

START_TEST(test_what_is_not_smtp_is_refused)
{
    static const char *const texts[] = {"HTTP/1.1 200 OK\r\n", "\r\n",        "25 ok\r\n",
                                        "2500 ok\r\n",         "150 ok\r\n",  "600 ok\r\n",
                                        "250.ok\r\n",          " 250 ok\r\n", "250\tok\r\n",
                                        "2a0 ok\r\n",          "20: ok\r\n"};

    ck_assert(!smtp_take(&smtp, str_of(texts[_i]), &error));
    ck_assert_int_eq(error.code, ERROR_IO);
    ck_assert(!smtp.ended);
}
END_TEST

START_TEST(test_a_server_that_never_comes_to_an_end_is_refused)
{
    unsigned lines = 0;

    while (lines < 100000 && smtp_take(&smtp, STR("250-more\r\n"), &error))
        lines++;
    ck_assert_uint_lt(lines, 2000);
    ck_assert_ptr_nonnull(strstr(error.message, "more than"));
    smtp_clear(&smtp);
    begin("x\r\n");
    while (smtp_take(&smtp, STR("250 "), &error))
        continue;
    ck_assert_ptr_nonnull(strstr(error.message, "more than"));
}
END_TEST

Suite *suite_smtp(void)
{
    Suite *suite = suite_create("smtp");
    TCase *tests = tcase_create("smtp");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_a_message_is_handed_over);
    tcase_add_test(tests, test_an_answer_may_come_in_pieces_and_in_lines);
    tcase_add_test(tests, test_a_line_that_begins_with_a_dot_does_not_end_the_message);
    tcase_add_loop_test(tests, test_what_is_refused_at_any_point_is_told_with_its_status, 0, 16);
    tcase_add_test(tests, test_a_go_on_where_none_is_due_is_a_refusal);
    tcase_add_test(tests, test_nothing_is_taken_after_the_end);
    tcase_add_loop_test(tests, test_what_is_not_smtp_is_refused, 0, 11);
    tcase_add_test(tests, test_a_server_that_never_comes_to_an_end_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
