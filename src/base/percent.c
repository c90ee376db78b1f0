#include "base/percent.h"

int percent_hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* Stops at the first of either: a search for each would read a text of many blanks to its end for
 * every one of them, and strangers send forms. */
static size_t find_coded(struct str text, bool form)
{
    size_t i = 0;

    if (!form)
        return str_find_byte(text, '%');
    while (i < text.length && text.data[i] != '%' && text.data[i] != '+')
        i++;
    return i;
}

/* Plain runs are copied whole: most texts are one, which two fast searches tell. */
bool percent_decode(struct str text, bool form, struct buf *out)
{
    if (str_find_byte(text, '%') == text.length &&
        (!form || str_find_byte(text, '+') == text.length)) {
        buf_append(out, text);
        return true;
    }
    while (text.length > 0) {
        size_t plain = find_coded(text, form);

        buf_append(out, str_slice(text, 0, plain));
        text = str_slice(text, plain, text.length);
        if (text.length == 0)
            break;
        if (text.data[0] == '+') {
            buf_append_byte(out, ' ');
            text = str_slice(text, 1, text.length);
            continue;
        }
        int high = text.length > 2 ? percent_hex_value(text.data[1]) : -1;
        int low = high >= 0 ? percent_hex_value(text.data[2]) : -1;
        if (low < 0 || (high == 0 && low == 0))
            return false;
        buf_append_byte(out, (char)(high << 4 | low));
        text = str_slice(text, 3, text.length);
    }
    return true;
}

/* A-Z a-z 0-9 - . _ ~ @ as a set: one bit for each byte below 128. */
static const uint64_t plain_bytes[2] = {UINT64_C(0x03ff600000000000), UINT64_C(0x47fffffe87ffffff)};

size_t percent_plain_length(struct str text)
{
    size_t i = 0;

    while (i < text.length && (unsigned char)text.data[i] < 128 &&
           plain_bytes[text.data[i] >> 6] >> (text.data[i] & 63) & 1)
        i++;
    return i;
}

void percent_encode(struct str text, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.length;) {
        size_t plain = percent_plain_length(str_slice(text, i, text.length));

        buf_append(out, str_slice(text, i, plain));
        i += plain;
        if (i < text.length) {
            unsigned char byte = (unsigned char)text.data[i++];

            buf_append(out, (struct str){(char[]){'%', digits[byte >> 4], digits[byte & 15]}, 3});
        }
    }
}
