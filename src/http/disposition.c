#include "http/disposition.h"

#include "base/utf8.h"

#include <string.h>

enum { FILENAME_MOST = 255 }; /* bytes: more no file system takes */

/* Up to parameters and blanks. */
static struct str essence_of(const char *type)
{
    struct str text = str_of(type);

    return str_trim(str_slice(text, 0, str_find_byte(text, ';')));
}

static bool begins_with(struct str text, struct str prefix)
{
    return str_equals_nocase(str_slice(text, 0, prefix.length), prefix);
}

static bool is_svg(struct str essence)
{
    return begins_with(essence, STR("image/svg"));
}

static bool is_shown(struct str essence)
{
    return !is_svg(essence) &&
           (begins_with(essence, STR("image/")) || begins_with(essence, STR("audio/")) ||
            begins_with(essence, STR("video/")));
}

/* Scripts, style sheets, pages and what may hold them are not among these. */
const char *disposition_type(const char *text)
{
    static const struct str kept[] = {
        STR_INIT("application/json"), STR_INIT("application/octet-stream"),
        STR_INIT("application/pdf"),  STR_INIT("application/zip"),
        STR_INIT("text/calendar"),    STR_INIT("text/csv"),
        STR_INIT("text/markdown"),    STR_INIT("text/plain"),
        STR_INIT("text/vcard"),
    };
    struct str essence = essence_of(text);

    if (is_shown(essence) || is_svg(essence) || begins_with(essence, STR("font/")))
        return text;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (str_equals_nocase(essence, kept[i]))
            return text;
    }
    return "application/octet-stream";
}

/* What file systems and shells take for more than a letter. */
static bool is_harmful(unsigned char byte)
{
    return byte < ' ' || byte == 0x7f || byte == '/' || byte == '\\';
}

/* For readers that know no better: ASCII without anything that would have to be escaped. */
static void put_plain_name(struct str name, struct buf *out)
{
    for (size_t i = 0; i < name.length; i++) {
        unsigned char byte = (unsigned char)name.data[i];
        bool is_plain = byte < 0x7f && !is_harmful(byte) && byte != '"' && byte != '%';

        buf_append_byte(out, is_plain ? (char)byte : '_');
    }
}

/* RFC 8187, section 3.2.1. */
static bool is_attribute_byte(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte && strchr("!#$&+-.^_`|~", byte));
}

static void put_coded_name(struct str name, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < name.length; i++) {
        unsigned char byte = (unsigned char)name.data[i];

        if (is_harmful(byte))
            byte = '_';
        if (is_attribute_byte(byte)) {
            buf_append_byte(out, (char)byte);
            continue;
        }
        buf_append_byte(out, '%');
        buf_append_byte(out, digits[byte >> 4]);
        buf_append_byte(out, digits[byte & 15]);
    }
}

void disposition_put(const char *type, struct str filename, struct buf *out)
{
    if (filename.length == 0 && is_shown(essence_of(type)))
        return;
    buf_append(out, STR("Content-Disposition: attachment"));
    if (filename.length > 0 && filename.length <= FILENAME_MOST && utf8_check(filename)) {
        buf_append(out, STR("; filename=\""));
        put_plain_name(filename, out);
        buf_append(out, STR("\"; filename*=UTF-8''"));
        put_coded_name(filename, out);
    }
    buf_append(out, STR("\r\n"));
}
