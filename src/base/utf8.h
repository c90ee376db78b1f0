/* utf8.h - strict UTF-8 (RFC 3629, section 4: no overlong forms, no surrogates, nothing above
 * U+10FFFF), checked piece by piece. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/str.h"

/* All-zero is the state between two characters. */
struct utf8 {
    unsigned char left;      /* continuation bytes still to come */
    unsigned char low, high; /* range of the next one */
};

/* False at the first bad byte; the state is then useless. */
bool utf8_feed(struct utf8 *utf8, struct str text);

/* True if the text fed so far does not end inside a character. */
bool utf8_is_complete(const struct utf8 *utf8);

/* Of a whole text. */
bool utf8_check(struct str text);

/* Without the beginning of a character that has no end: for text that was cut to fit. What stands
 * before it is not checked. */
struct str utf8_trim(struct str text);

#endif
