#include "http/ranges.h"

/* Digits, also more of them than a number can have. */
static bool parse_position(struct str text, uint64_t *position)
{
    *position = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';

        if (digit > 9)
            return false;
        if (*position > (UINT64_MAX - digit) / 10)
            *position = UINT64_MAX;
        else
            *position = 10 * *position + digit;
    }
    return text.length > 0;
}

/* The last so many bytes. */
static bool parse_suffix(struct str text, uint64_t length, uint64_t *start, uint64_t *end)
{
    uint64_t count;

    if (!parse_position(text, &count))
        return false;
    *start = count < length ? length - count : 0;
    *end = count > 0 ? length : 0;
    return true;
}

static bool parse_part(struct str text, uint64_t length, uint64_t *start, uint64_t *end)
{
    size_t dash = str_find_byte(text, '-');
    struct str first = str_slice(text, 0, dash), last = str_slice(text, dash + 1, text.length);

    if (dash == text.length)
        return false;
    if (first.length == 0)
        return parse_suffix(last, length, start, end);
    *end = length;
    if (!parse_position(first, start) || (last.length > 0 && !parse_position(last, end)) ||
        (last.length > 0 && *end < *start))
        return false;
    if (last.length > 0)
        *end = *end < length ? *end + 1 : length;
    return true;
}

enum ranges_kind ranges_parse(struct ranges *ranges, struct str header, uint64_t length)
{
    static const struct str unit = STR_INIT("bytes=");
    struct str rest = str_slice(header, unit.length, header.length), part;
    uint64_t start, end, total = 0;
    size_t seen = 0;

    ranges->count = 0;
    if (!str_equals_nocase(str_slice(header, 0, unit.length), unit))
        return RANGES_NONE;
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (part.length == 0)
            continue;
        if (++seen > RANGES_MOST || !parse_part(part, length, &start, &end))
            return RANGES_NONE;
        if (start >= end)
            continue;
        if (end - start > length - total)
            return RANGES_NONE;
        ranges->parts[ranges->count].start = start;
        ranges->parts[ranges->count++].length = end - start;
        total += end - start;
    }
    if (seen == 0)
        return RANGES_NONE;
    return ranges->count > 0 ? RANGES_SOME : RANGES_UNSATISFIABLE;
}
