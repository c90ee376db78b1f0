#include "http/etag.h"

bool etag_is_named(struct str header, const char *etag)
{
    struct str part;

    while (str_split(&header, ',', &part)) {
        part = str_trim(part);
        if (str_starts_with(part, STR("W/")))
            part = str_slice(part, 2, part.length);
        if (str_equals(part, STR("*")) || str_equals(part, str_of(etag)))
            return true;
    }
    return false;
}
