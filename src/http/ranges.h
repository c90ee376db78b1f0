/* ranges.h - the Range header (RFC 9110, section 14.2), read strictly. A value. */
#ifndef HTTP_RANGES_H
#define HTTP_RANGES_H

#include "base/str.h"

enum { RANGES_MOST = 16 }; /* more are nothing that a player or a reader of documents asks for */

enum ranges_kind {
    RANGES_NONE,          /* no header, or one to be ignored: all of it is to be sent */
    RANGES_SOME,          /* these parts */
    RANGES_UNSATISFIABLE, /* none of them begins within what there is */
};

struct ranges {
    size_t count;
    struct {
        uint64_t start, length; /* within what there is, not empty */
    } parts[RANGES_MOST];
};

/* header: value of Range, data NULL if there is none; length: of what there is. Ignored are other
 * units, headers that break the grammar, more than RANGES_MOST parts, and parts that are more than
 * all of it together. Parts that do not begin within it are left out. */
enum ranges_kind ranges_parse(struct ranges *ranges, struct str header, uint64_t length);

#endif
