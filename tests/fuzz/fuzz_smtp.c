/* Whatever a mail server says, and however it comes in pieces: there is an end to it, what it is
 * told is lines of ours, and the pieces make no difference. */
#include "loop/smtp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void begin(struct smtp *smtp)
{
    smtp_begin(smtp, STR("a@b.c"), STR("d@e.f"), STR("Subject: x\r\n\r\n.\r\n"));
}

static void check_said(const struct smtp *smtp)
{
    static const char all[] = "MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n"
                              "Subject: x\r\n\r\n..\r\n.\r\n";
    struct str said = buf_str(&smtp->out);

    if (smtp->ended && !str_ends_with(said, STR("QUIT\r\n")))
        abort();
    if (smtp->ended)
        said.length -= STR("QUIT\r\n").length;
    if (!str_starts_with(STR(all), said))
        abort();
    if (smtp->ended && smtp->state == SMTP_TEXT && said.length != sizeof all - 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct smtp whole, pieces;
    struct error error;
    bool ok, ok_pieces = true;

    begin(&whole);
    begin(&pieces);
    ok = smtp_take(&whole, text, &error);
    for (size_t i = 0; ok_pieces && i < size; i++)
        ok_pieces = smtp_take(&pieces, str_slice(text, i, 1), &error);
    if (ok != ok_pieces || whole.ended != pieces.ended || whole.state != pieces.state ||
        whole.status != pieces.status || !str_equals(buf_str(&whole.out), buf_str(&pieces.out)) ||
        (!ok && error.code != ERROR_IO))
        abort();
    check_said(&whole);
    smtp_clear(&whole);
    smtp_clear(&pieces);
    return 0;
}
