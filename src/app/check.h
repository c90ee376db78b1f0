/* check.h - what values of directives are like, beyond what their types say.
 *
 * All return true, or false with ERROR_CONF that names the value and says what would be right. */
#ifndef APP_CHECK_H
#define APP_CHECK_H

#include "base/error.h"

#include <stdint.h>

/* "/a/b". */
MUST_CHECK bool check_base_path(const char *value, struct error *error);

/* As browsers write it. */
MUST_CHECK bool check_origin(const char *value, struct error *error);

/* An origin, and maybe a path. */
MUST_CHECK bool check_public_url(const char *value, struct error *error);

/* RFC 9110, section 5.1, without the rarer punctuation, and none that the server reads itself. */
MUST_CHECK bool check_header_name(const char *value, struct error *error);

/* With https, or with http on this machine: what goes over a network in the clear could be answered
 * by anybody. */
MUST_CHECK bool check_url(const char *value, struct error *error);

/* See oidc_issuer.h. */
MUST_CHECK bool check_oidc_issuer(const char *value, struct error *error);

/* "DOMAIN=FILE". */
MUST_CHECK bool check_browserid_issuer(const char *value, struct error *error);

struct durability {
    enum { DURABILITY_ALWAYS, DURABILITY_INTERVAL, DURABILITY_OFF } mode;
    uint64_t interval_ms; /* DURABILITY_INTERVAL only */
};

/* "always", "interval 1s", "off". */
MUST_CHECK bool check_durability(const char *value, struct error *error);
MUST_CHECK bool check_durability_parse(const char *value, struct durability *durability,
                                       struct error *error);

#endif
