#include "base/str.h"

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

bool str_same_letters(struct str a, struct str b)
{
    for (size_t i = 0; i < a.length; i++) {
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    }
    return true;
}

bool str_ends_with(struct str str, struct str suffix)
{
    return str.length >= suffix.length &&
           str_equals(str_slice(str, str.length - suffix.length, suffix.length), suffix);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

struct str str_trim(struct str str)
{
    while (str.length > 0 && is_blank(str.data[0]))
        str = str_slice(str, 1, str.length);
    while (str.length > 0 && is_blank(str.data[str.length - 1]))
        str.length--;
    return str;
}

bool str_split(struct str *rest, char separator, struct str *part)
{
    if (!rest->data)
        return false;
    size_t end = str_find_byte(*rest, separator);
    *part = str_slice(*rest, 0, end);
    if (end == rest->length)
        *rest = (struct str){0};
    else
        *rest = str_slice(*rest, end + 1, rest->length);
    return true;
}

bool str_parse_u64(struct str str, uint64_t most, uint64_t *number)
{
    uint64_t value = 0;

    if (str.length == 0 || (str.length > 1 && str.data[0] == '0'))
        return false;
    for (size_t i = 0; i < str.length; i++) {
        if (str.data[i] < '0' || str.data[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(str.data[i] - '0'), &value))
            return false;
    }
    if (value > most)
        return false;
    *number = value;
    return true;
}

/* A byte of it is zero: its highest bit is set in the result, and in nothing below it. */
static uint64_t mark_zeros(uint64_t word)
{
    return (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
}

/* By words until there is one with such a byte, then by bytes: right for any order of bytes. */
size_t str_find_either(struct str str, char a, char b)
{
    const uint64_t every_byte = UINT64_C(0x0101010101010101);
    uint64_t all_a = every_byte * (unsigned char)a, all_b = every_byte * (unsigned char)b, word;
    size_t i = 0;

    for (; str.length - i >= sizeof word; i += sizeof word) {
        memcpy(&word, str.data + i, sizeof word);
        if (mark_zeros(word ^ all_a) | mark_zeros(word ^ all_b))
            break;
    }
    while (i < str.length && str.data[i] != a && str.data[i] != b)
        i++;
    return i;
}
