/* percent.h - percent-coding (RFC 3986, section 2.1). */
#ifndef BASE_PERCENT_H
#define BASE_PERCENT_H

#include "base/buf.h"

/* Appends text decoded. False on a bad escape or one that gives NUL; out may then hold a part.
 * "+" stays "+", unless form is true: then it is a blank (application/x-www-form-urlencoded). */
MUST_CHECK bool percent_decode(struct str text, bool form, struct buf *out);

/* Appends text with everything but A-Z a-z 0-9 - . _ ~ @ coded as %XX in capitals. */
void percent_encode(struct str text, struct buf *out);

/* How many bytes at the beginning of text are among those, and so neither coded nor in need of
 * being decoded. */
size_t percent_plain_length(struct str text);

/* Value of a hexadecimal digit, -1 for any other byte. */
int percent_hex_value(char digit);

#endif
