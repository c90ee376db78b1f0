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

bool percent_decode(struct str text, bool form, struct buf *out)
{
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.data[i];

        if (byte == '%') {
            int high = i + 2 < text.length ? percent_hex_value(text.data[i + 1]) : -1;
            int low = high >= 0 ? percent_hex_value(text.data[i + 2]) : -1;

            if (low < 0 || (high == 0 && low == 0))
                return false;
            byte = (char)(high << 4 | low);
            i += 2;
        } else if (byte == '+' && form) {
            byte = ' ';
        }
        buf_append_byte(out, byte);
    }
    return true;
}

static bool is_plain(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' ||
           byte == '~' || byte == '@';
}

void percent_encode(struct str text, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (is_plain(text.data[i]))
            buf_append_byte(out, text.data[i]);
        else
            buf_append(out, (struct str){(char[]){'%', digits[byte >> 4], digits[byte & 15]}, 3});
    }
}
