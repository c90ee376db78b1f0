#include "loop/smtp.h"

#include "base/crypto.h"

/* RFC 5321, section 4.5.3.1: a line has at most 512 bytes; answers of several lines are short. */
enum { TAKEN_MOST = 16384, STATUS_DIGITS = 3, SEPARATOR = STATUS_DIGITS };

void smtp_begin(struct smtp *smtp, struct str sender, struct str recipient, struct str text)
{
    *smtp = (struct smtp){.recipient = recipient, .text = text};
    buf_append_format(&smtp->out, "MAIL FROM:<%.*s>\r\n", STR_ARG(sender));
}

/* A line that is a dot ends the message, so one that begins with a dot gets another. */
static void put_text(struct smtp *smtp)
{
    struct str rest = smtp->text;

    while (rest.length > 0) {
        size_t end = str_find_byte(rest, '\n');
        struct str line = str_slice(rest, 0, end + 1);

        if (line.data[0] == '.')
            buf_append_byte(&smtp->out, '.');
        buf_append(&smtp->out, line);
        rest = str_slice(rest, line.length, rest.length);
    }
    buf_append(&smtp->out, STR(".\r\n"));
}

static void go_on(struct smtp *smtp)
{
    const int wanted = smtp->state == SMTP_DATA ? 3 : 2;

    if (smtp->status / 100 != wanted || smtp->state == SMTP_TEXT) {
        smtp->ended = true;
        buf_append(&smtp->out, STR("QUIT\r\n"));
        return;
    }
    smtp->state++;
    if (smtp->state == SMTP_RECIPIENT)
        buf_append_format(&smtp->out, "RCPT TO:<%.*s>\r\n", STR_ARG(smtp->recipient));
    else if (smtp->state == SMTP_DATA)
        buf_append(&smtp->out, STR("DATA\r\n"));
    else
        put_text(smtp);
}

/* "250-more to come" or "250 and that is all": section 4.2. False: it is neither. */
static bool take_byte(struct smtp *smtp, char byte)
{
    unsigned column = smtp->column++;

    if (column == 0)
        smtp->status = 0;
    if (column < STATUS_DIGITS) {
        smtp->status = 10 * smtp->status + byte - '0';
        return byte >= (column == 0 ? '2' : '0') && byte <= (column == 0 ? '5' : '9');
    }
    if (column == SEPARATOR)
        smtp->is_last_line = byte != '-';
    if (column == SEPARATOR && byte != ' ' && byte != '-' && byte != '\r' && byte != '\n')
        return false;
    if (byte == '\n') {
        smtp->column = 0;
        if (smtp->is_last_line)
            go_on(smtp);
    }
    return true;
}

bool smtp_take(struct smtp *smtp, struct str bytes, struct error *error)
{
    for (size_t i = 0; i < bytes.length && !smtp->ended; i++) {
        if (++smtp->taken > TAKEN_MOST)
            return error_set(error, ERROR_IO, "it says more than %d bytes", TAKEN_MOST);
        if (!take_byte(smtp, bytes.data[i]))
            return error_set(error, ERROR_IO, "it does not speak SMTP");
    }
    return buf_ok(&smtp->out, error);
}

void smtp_clear(struct smtp *smtp)
{
    if (smtp->out.data)
        crypto_wipe(smtp->out.data, smtp->out.length);
    buf_clear(&smtp->out);
}
