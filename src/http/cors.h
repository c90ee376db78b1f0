/* cors.h - which other origins' pages may read an answer (the Fetch standard, "CORS protocol").
 *
 * The answer names the request's own origin or none: never a list, never "*". */
#ifndef HTTP_CORS_H
#define HTTP_CORS_H

#include "http/request.h"

/* Sets request->origin_allowed and origin_credentials. An origin is allowed at a collection whose
 * domain is its host (whether or not the collection is there, also when the request is refused),
 * where the route is open to anybody, and everywhere if the configuration allows it. */
void cors_decide(struct request *request);

/* A page may ask for logins at its own site only, or at any where the configuration trusts it:
 * false (ERROR_FORBIDDEN) else. audience: what it says its site is; one that is none is for the
 * caller to refuse. Who sends no Origin is no page. */
MUST_CHECK bool cors_check_audience(const struct request *request, struct str audience,
                                    struct error *error);

/* True for tables whose requests browsers may announce by OPTIONS: the public one. */
bool cors_has_preflight(const struct route *routes);

/* Appends the header lines, each ended by CRLF. */
void cors_put_headers(const struct request *request, struct buf *out);

#endif
