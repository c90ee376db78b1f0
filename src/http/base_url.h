/* base_url.h - what clients are to call the server: in the script, and in addresses of blobs. */
#ifndef HTTP_BASE_URL_H
#define HTTP_BASE_URL_H

#include "http/request.h"

/* Appends public_url, or else the host that was asked for, by http, and base_path.
 * ERROR_BAD_REQUEST if that is no host name: what it goes into does not escape it. */
MUST_CHECK bool base_url_put(const struct request *request, struct buf *out, struct error *error);

#endif
