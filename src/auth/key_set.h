/* key_set.h - the public keys of an issuer (JWKS, RFC 7517), and whether one of them signed a
 * token. The file that knows libcjose.
 *
 *     key_set_read -> key_set_check ... -> key_set_clear
 *
 * Only what can check RS256 (RSA of 2048 to 8192 bits) and ES256 (P-256), and is meant for signing,
 * becomes a key; others are skipped, however odd, because issuers publish keys of all kinds. */
#ifndef AUTH_KEY_SET_H
#define AUTH_KEY_SET_H

#include "base/buf.h"

enum { KEY_SET_MOST = 32, KEY_SET_ID_SIZE = 256 };

enum key_algorithm { KEY_RS256 = 1, KEY_ES256 };

struct key_set {
    struct key_set_key {
        void *jwk; /* cjose_jwk_t */
        enum key_algorithm algorithm;
        char id[KEY_SET_ID_SIZE]; /* empty: it has none */
    } keys[KEY_SET_MOST];
    size_t count;
};

/* *set is all-zero. ERROR_BAD_JSON: it is no JWKS, or has more than KEY_SET_MOST members. Clear
 * it in any case. */
MUST_CHECK bool key_set_read(struct key_set *set, struct str document, struct error *error);
void key_set_clear(struct key_set *set); /* harmless twice, and on all-zero */

/* True if a key with this algorithm and id signed the token: a compact JWS whose header has been
 * checked and names this algorithm. Several keys may have the same id (RFC 7517, 4.5): each is
 * tried. An empty id, the token names none: only if there is but one key that it can be. */
MUST_CHECK bool key_set_check(const struct key_set *set, enum key_algorithm algorithm,
                              const char *id, struct str token);

#endif
