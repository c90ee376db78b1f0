/* etag.h - If-None-Match. */
#ifndef HTTP_ETAG_H
#define HTTP_ETAG_H

#include "base/str.h"

/* RFC 9110, section 13.1.2: a list of tags, or "*". Weak ones compare like strong ones here. etag
 * is one of ours, with quotes. */
bool etag_is_named(struct str header, const char *etag);

#endif
