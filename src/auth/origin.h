/* origin.h - strict web origins: scheme, host and port, nothing else.
 *
 * auth/ is the floor-2 room that knows who asks: origins, keys, tokens, ways to log in. It knows
 * no store and no HTTP library: it gets texts and gives decisions.
 *
 * The audience of a login and the Origin header of a browser are both origins (RFC 6454). What two
 * parsers read differently is how one site gets at another site's data, so this grammar is narrow:
 * http or https, "://", a host in lower case (address_check_domain), a port from 1 to 65535
 * without leading zeros, the end. No user, path, query, blank, trailing dot. */
#ifndef AUTH_ORIGIN_H
#define AUTH_ORIGIN_H

#include "base/address.h"

enum { ORIGIN_SIZE = ADDRESS_DOMAIN_SIZE + 16 };

struct origin {
    char text[ORIGIN_SIZE];         /* canonical: without the scheme's own port */
    char host[ADDRESS_DOMAIN_SIZE]; /* what the domain of a collection's address has to be */
    bool secure;                    /* https */
    unsigned port;
};

/* One "/" at the end is let pass (classic clients send it). ERROR_BAD_PARAMETER says what is
 * wrong. */
MUST_CHECK bool origin_parse(struct origin *origin, struct str text, struct error *error);

#endif
