#include "base/json_write.h"

#include "base/str.h"

enum { FIRST_PRINTABLE = 0x20 };

/* Appends what stands for a byte that cannot stand for itself; false for the others. */
static bool write_escape(struct buf *out, char byte, char before, char after)
{
    switch (byte) {
    case '"':
        buf_append(out, STR("\\\""));
        return true;
    case '\\':
        buf_append(out, STR("\\\\"));
        return true;
    case '\n':
        buf_append(out, STR("\\n"));
        return true;
    case '\r':
        buf_append(out, STR("\\r"));
        return true;
    case '\t':
        buf_append(out, STR("\\t"));
        return true;
    case '/':
        if (before == '<')
            buf_append(out, STR("\\/"));
        return before == '<';
    case '<':
        /* After "<!--<script" not even the page's own "</script>" would end the script. */
        if (after == '!')
            buf_append(out, STR("\\u003c"));
        return after == '!';
    default:
        if ((unsigned char)byte < FIRST_PRINTABLE)
            buf_append_format(out, "\\u%04x", (unsigned)byte);
        return (unsigned char)byte < FIRST_PRINTABLE;
    }
}

void json_write_string(struct buf *out, struct str text)
{
    size_t done = 0; /* what stands before it is in out */

    buf_append_byte(out, '"');
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (byte >= FIRST_PRINTABLE && byte != '"' && byte != '\\' && byte != '/' && byte != '<')
            continue;
        buf_append(out, str_slice(text, done, i - done));
        done = i;
        if (write_escape(out, text.data[i], i > 0 ? text.data[i - 1] : '\0',
                         i + 1 < text.length ? text.data[i + 1] : '\0'))
            done = i + 1;
    }
    buf_append(out, str_slice(text, done, text.length - done));
    buf_append_byte(out, '"');
}

void json_write_name(struct buf *out, const char *name)
{
    char last = out->length > 0 ? out->data[out->length - 1] : '{';

    if (last != '{' && last != '[')
        buf_append_byte(out, ',');
    buf_append_byte(out, '"');
    buf_append_text(out, name);
    buf_append(out, STR("\":"));
}

void json_write_string_member(struct buf *out, const char *name, struct str text)
{
    json_write_name(out, name);
    json_write_string(out, text);
}

void json_write_u64_member(struct buf *out, const char *name, uint64_t number)
{
    json_write_name(out, name);
    buf_append_u64(out, number);
}

void json_write_bool_member(struct buf *out, const char *name, bool value)
{
    json_write_name(out, name);
    buf_append(out, value ? STR("true") : STR("false"));
}
