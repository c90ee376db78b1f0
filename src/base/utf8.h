/* utf8.h - strict UTF-8 (RFC 3629, section 4: no overlong forms, no surrogates, nothing above
 * U+10FFFF), checked piece by piece. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/str.h"

/* All-zero to begin. */
struct utf8 {
    unsigned char left;      /* continuation bytes still to come; 0: between two characters */
    unsigned char low, high; /* range of the next one */
};

/* False at the first bad byte; the state is then useless. */
bool utf8_feed(struct utf8 *utf8, struct str text);

/* Of a whole text. */
bool utf8_check(struct str text);

/* Without the beginning of a character that has no end: for text that was cut to fit. What stands
 * before it is not checked. */
struct str utf8_trim(struct str text);

#endif
