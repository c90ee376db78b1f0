/* json_write.h - pieces of JSON text into a buf. */
#ifndef BASE_JSON_WRITE_H
#define BASE_JSON_WRITE_H

#include "base/buf.h"

/* Appends text (valid UTF-8) as a JSON string with quotes. Control characters, quotes, backslash,
 * "/" after "<" and "<" before "!" are escaped, so that the result may stand inside a page's
 * script. */
void json_write_string(struct buf *out, struct str text);

/* Appends "name": with a comma before it unless out is empty or its last byte is { or [. The name
 * is written as it is. */
void json_write_name(struct buf *out, const char *name);

/* The usual members in one call each. */
void json_write_string_member(struct buf *out, const char *name, struct str text);
void json_write_u64_member(struct buf *out, const char *name, uint64_t number);
void json_write_bool_member(struct buf *out, const char *name, bool value);

#endif
