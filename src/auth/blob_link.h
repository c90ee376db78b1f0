/* blob_link.h - links to one blob that need no login: for addresses that stand in pages, where a
 * login's token has no business.
 *
 * "EXPIRES.KID.MAC": unix seconds; the id of the key; base64url of an HMAC, with a key for this
 * purpose only, over what the link is for and until when. It is good for reading this one blob, and
 * for nothing else; a logout does not end it, its hour does. */
#ifndef AUTH_BLOB_LINK_H
#define AUTH_BLOB_LINK_H

#include "auth/keys.h"

enum { BLOB_LINK_SECONDS = 3600 };

/* Appends the token. path: of the collection, as address.path; name: of the blob. */
MUST_CHECK bool blob_link_make(const struct keys *keys, const char *path, struct str name,
                               int64_t expires, struct buf *out, struct error *error);

/* ERROR_UNAUTHORIZED with a reason. */
MUST_CHECK bool blob_link_check(const struct keys *keys, struct str text, const char *path,
                                struct str name, int64_t now, struct error *error);

#endif
