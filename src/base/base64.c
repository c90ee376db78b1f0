#include "base/base64.h"

#include <stdint.h>

enum {
    NO_DIGIT = 255,
    ALPHABET_STANDARD = 1, /* "+" or "/" was there */
    ALPHABET_URL = 2,      /* "-" or "_" */
};

static unsigned value_of(char digit, unsigned *alphabets)
{
    if (digit >= 'A' && digit <= 'Z')
        return (unsigned)(digit - 'A');
    if (digit >= 'a' && digit <= 'z')
        return (unsigned)(digit - 'a') + 26;
    if (digit >= '0' && digit <= '9')
        return (unsigned)(digit - '0') + 52;
    switch (digit) {
    case '+':
    case '/':
        *alphabets |= ALPHABET_STANDARD;
        return digit == '+' ? 62 : 63;
    case '-':
    case '_':
        *alphabets |= ALPHABET_URL;
        return digit == '-' ? 62 : 63;
    default:
        return NO_DIGIT;
    }
}

/* Padding fills the last group of four, or is not there at all. */
static bool strip_padding(struct str *text)
{
    size_t padding = 0;

    while (padding < 2 && padding < text->length && text->data[text->length - 1 - padding] == '=')
        padding++;
    if (padding > 0 && text->length % 4 != 0)
        return false;
    *text = str_slice(*text, 0, text->length - padding);
    return true;
}

bool base64_decode(struct str text, struct buf *out)
{
    uint32_t bits = 0;
    unsigned count = 0, alphabets = 0; /* count: of the bits that were not given out yet */
    size_t length = 0;

    if (!strip_padding(&text))
        return false;
    char *to = buf_reserve(out, text.length / 4 * 3 + 3);
    if (!to)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        unsigned value = value_of(text.data[i], &alphabets);

        if (value == NO_DIGIT)
            return false;
        bits = bits << 6 | value;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        to[length++] = (char)(bits >> count);
        bits &= (1U << count) - 1;
    }
    /* Six bits left are a digit too many; other bits than zero would be a second spelling. */
    if (count >= 6 || bits != 0 || alphabets == (ALPHABET_STANDARD | ALPHABET_URL))
        return false;
    buf_grow(out, length);
    return true;
}
