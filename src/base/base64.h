/* base64.h - base64 as people send it (RFC 4648): the standard alphabet or that for URLs, with
 * padding or without. What we write ourselves is crypto_base64url_encode's. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

/* Appends text decoded. Strict otherwise: no other bytes, blanks included, not both alphabets in
 * one text, padding whole or none, unused bits zero. False also when memory is out (buf_ok tells);
 * out may hold a part then. */
MUST_CHECK bool base64_decode(struct str text, struct buf *out);

#endif
