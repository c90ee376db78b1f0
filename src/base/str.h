/* str.h - borrowed bytes.
 *
 * A struct str points into memory that somebody else keeps; it is passed by value, is not
 * NUL-terminated, and is stored beyond a call only where a comment at the field says for how long
 * it stays valid.
 *
 * The smallest functions stand here so that they are compiled into their callers: one request
 * calls them some two hundred times. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *data;
    size_t length;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

/* The same where C wants a constant: in static tables. */
#define STR_INIT(literal)                                                                          \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

/* For printf: "%.*s", STR_ARG(str). */
#define STR_ARG(str) (int)(str).length, (str).data

/* Of a NUL-terminated text; NULL gives an empty str. */
static inline struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline bool str_equals(struct str a, struct str b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* Texts of the same length. Upper and lower case of ASCII letters are the same. */
bool str_same_letters(struct str a, struct str b);

static inline bool str_equals_nocase(struct str a, struct str b)
{
    return a.length == b.length && str_same_letters(a, b);
}

static inline bool str_starts_with(struct str str, struct str prefix)
{
    return str.length >= prefix.length &&
           (prefix.length == 0 || memcmp(str.data, prefix.data, prefix.length) == 0);
}

bool str_ends_with(struct str str, struct str suffix);

/* Position of the first byte, or str.length. */
static inline size_t str_find_byte(struct str str, char byte)
{
    const char *found = str.length > 0 ? (const char *)memchr(str.data, byte, str.length) : NULL;

    return found ? (size_t)(found - str.data) : str.length;
}

/* Where the first of either byte is; str.length: nowhere. */
size_t str_find_either(struct str str, char a, char b);

/* From start on, at most length bytes; both are clamped. */
static inline struct str str_slice(struct str str, size_t start, size_t length)
{
    if (!str.data)
        return (struct str){0};
    if (start > str.length)
        start = str.length;
    if (length > str.length - start)
        length = str.length - start;
    return (struct str){str.data + start, length};
}

/* Without blanks and tabs at both ends. */
struct str str_trim(struct str str);

/* Takes what stands before the first separator off *rest. False when *rest was used up: the text
 * "a,,b" gives "a", "", "b", and "" gives "" once. Start with *rest = the text and data not NULL.
 */
bool str_split(struct str *rest, char separator, struct str *part);

/* Digits only, no sign, no blanks, no leading zeros but "0" itself; false if there is anything
 * else or the number is above most, and *number is left alone. */
bool str_parse_u64(struct str str, uint64_t most, uint64_t *number);

#endif
