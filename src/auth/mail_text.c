#include "auth/mail_text.h"

#include <string.h>
#include <time.h>

enum { LINE_MOST = 998, SECONDS_A_MINUTE = 60 }; /* RFC 5322, section 2.1.1 */

/* Names of days and months are English: nothing here sets a locale. */
static void put_date(int64_t now, struct buf *out)
{
    time_t time = (time_t)now;
    struct tm parts;
    char text[64] = "";

    if (gmtime_r(&time, &parts))
        (void)strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &parts);
    buf_append_format(out, "Date: %s\r\n", text);
}

static void put_headers(const struct mail_text *text, struct buf *out)
{
    const struct mail_code *code = text->code;

    put_date(text->now, out);
    buf_append_format(out, "From: <%s>\r\n", text->from);
    buf_append_format(out, "To: <%s>\r\n", code->user);
    buf_append_format(out, "Subject: Your code for %s\r\n", code->audience.host);
    buf_append_format(out, "Message-ID: <%.*s%s>\r\n", STR_ARG(text->message_id),
                      strchr(text->from, '@'));
    buf_append(out, STR("Auto-Submitted: auto-generated\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: 7bit\r\n"
                        "\r\n"));
}

static void put_time(const struct mail_text *text, struct buf *out)
{
    long long seconds = text->code->expires - text->now;
    long long minutes = (seconds + SECONDS_A_MINUTE - 1) / SECONDS_A_MINUTE;

    buf_append_format(out,
                      "It is good once, for %lld minute%s, and at that site only. Type it\r\n"
                      "where you asked for it, and nowhere else.\r\n",
                      minutes, minutes == 1 ? "" : "s");
}

void mail_text_put(const struct mail_text *text, struct buf *out)
{
    const struct mail_code *code = text->code;

    put_headers(text, out);
    buf_append_format(out,
                      "Somebody wants to log in with this e-mail address at\r\n\r\n"
                      "    %s\r\n\r\n"
                      "If it is you, this is the code:\r\n\r\n"
                      "    %s\r\n\r\n",
                      code->audience.text, code->digits);
    put_time(text, out);
    if (text->page.length > 0 && text->page.length <= LINE_MOST)
        buf_append_format(out, "\r\nThe same on a page of the server:\r\n\r\n%.*s\r\n",
                          STR_ARG(text->page));
    buf_append(out,
               STR("\r\nIf it is not you, there is nothing to do: nobody gets in without the\r\n"
                   "code. Whoever asks you for it, by phone or in a message, is up to no\r\n"
                   "good.\r\n"));
}
