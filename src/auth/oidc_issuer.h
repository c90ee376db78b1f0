/* oidc_issuer.h - an issuer of ID tokens: what the configuration says of it, and what it says of
 * itself. Text in, text out.
 *
 * A line of the configuration is "ISSUER CLIENT[=ORIGIN] ... [email]". CLIENT is an application
 * that is registered at the issuer, ORIGIN the site that it is: so one app's ID token is of no use
 * at another app's data. A client may be there several times, for several origins; one without
 * ORIGIN is good for each of allow_audience. "email": this issuer verifies the addresses it names.
 */
#ifndef AUTH_OIDC_ISSUER_H
#define AUTH_OIDC_ISSUER_H

#include "auth/origin.h"
#include "base/buf.h"

enum { OIDC_URL_SIZE = 1024 };

/* ERROR_CONF says what is wrong with a line. is_bound: each client has its origin. */
MUST_CHECK bool oidc_issuer_check(const char *line, bool *is_bound, struct error *error);

/* The line of this issuer, exactly as spelled; NULL: there is none. */
const char *oidc_issuer_find(const char *const *lines, size_t count, struct str issuer);

/* May an ID token for this client log in to the audience? Without ORIGIN: if the list of audiences
 * is there, because one that is not in it never gets so far. */
bool oidc_issuer_admits(const char *line, struct str client, const struct origin *audience,
                        bool has_list);

bool oidc_issuer_verifies_email(const char *line);

/* Where its metadata are. ERROR_CONF: too long. */
MUST_CHECK bool oidc_issuer_metadata_url(struct str issuer, char url[OIDC_URL_SIZE],
                                         struct error *error);

/* Reads the metadata: where its keys are. ERROR_BAD_JSON: it is not the metadata of this issuer, or
 * its keys would come over a network in the clear. */
MUST_CHECK bool oidc_issuer_read_metadata(struct str body, struct str issuer,
                                          char keys_url[OIDC_URL_SIZE], struct error *error);

#endif
