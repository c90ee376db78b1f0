#include "base/utf8.h"

#include <string.h>

enum { LONGEST = 4 }; /* bytes of a character */

/* What may follow a first byte: how many, and within which bounds the first of them stands. */
static bool begin(struct utf8 *utf8, unsigned char byte)
{
    utf8->low = 0x80;
    utf8->high = 0xbf;
    if (byte < 0x80)
        utf8->left = 0;
    else if (byte >= 0xc2 && byte <= 0xdf)
        utf8->left = 1;
    else if (byte >= 0xe0 && byte <= 0xef)
        utf8->left = 2;
    else if (byte >= 0xf0 && byte <= 0xf4)
        utf8->left = 3;
    else
        return false;
    if (byte == 0xe0)
        utf8->low = 0xa0; /* shorter forms exist */
    else if (byte == 0xed)
        utf8->high = 0x9f; /* surrogates */
    else if (byte == 0xf0)
        utf8->low = 0x90;
    else if (byte == 0xf4)
        utf8->high = 0x8f; /* above U+10FFFF */
    return true;
}

/* Most text is ASCII: as many bytes as are in whole words of it. */
static size_t count_ascii(const char *text, size_t length)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    uint64_t word;
    size_t count = 0;

    while (length - count >= sizeof word) {
        memcpy(&word, text + count, sizeof word);
        if (word & high_bits)
            break;
        count += sizeof word;
    }
    return count;
}

bool utf8_feed(struct utf8 *utf8, struct str text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (utf8->left == 0)
            i += count_ascii(text.data + i, text.length - i);
        if (i == text.length)
            break;
        unsigned char byte = (unsigned char)text.data[i];
        if (utf8->left == 0) {
            if (byte >= 0x80 && !begin(utf8, byte))
                return false;
            continue;
        }
        if (byte < utf8->low || byte > utf8->high)
            return false;
        utf8->low = 0x80;
        utf8->high = 0xbf;
        utf8->left--;
    }
    return true;
}

bool utf8_check(struct str text)
{
    struct utf8 utf8 = {0};

    return utf8_feed(&utf8, text) && utf8.left == 0;
}

struct str utf8_trim(struct str text)
{
    for (size_t back = 1; back <= LONGEST && back <= text.length; back++) {
        unsigned char byte = (unsigned char)text.data[text.length - back];
        struct utf8 utf8;

        if (byte >= 0x80 && byte <= 0xbf)
            continue;
        if (begin(&utf8, byte) && utf8.left >= back)
            text.length -= back;
        break;
    }
    return text;
}
