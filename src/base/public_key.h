/* public_key.h - public keys of RSA and DSA, and signatures by them, over OpenSSL.
 *
 *     public_key_make_rsa or public_key_make_dsa -> public_key_verify -> public_key_clear
 *
 * Numbers are big-endian bytes. Which sizes are good enough is the caller's to say. */
#ifndef BASE_PUBLIC_KEY_H
#define BASE_PUBLIC_KEY_H

#include "base/buf.h"

struct public_key {
    void *key;       /* EVP_PKEY; NULL: none */
    unsigned bits;   /* of n or p */
    unsigned q_bits; /* DSA; RSA: 0 */
};

enum public_key_hash { PUBLIC_KEY_SHA1, PUBLIC_KEY_SHA256 };

enum public_key_base { PUBLIC_KEY_DECIMAL, PUBLIC_KEY_HEX };

/* A number in digits to bytes: nothing but digits, at least one. ERROR_BAD_PARAMETER. */
MUST_CHECK bool public_key_parse_number(struct str digits, enum public_key_base base,
                                        struct buf *bytes, struct error *error);

/* e is odd, from 3 to 64 bits. ERROR_BAD_PARAMETER: not a key. *key is all-zero before. */
MUST_CHECK bool public_key_make_rsa(struct public_key *key, struct str n, struct str e,
                                    struct error *error);

/* 1 < g, y < p. */
MUST_CHECK bool public_key_make_dsa(struct public_key *key, struct str p, struct str q,
                                    struct str g, struct str y, struct error *error);

/* RSA: PKCS #1 version 1.5 (RFC 8017, section 8.2). DSA: r and s, each as long as q, one after the
 * other; bytes of zero that are missing in front are thought of. False: it is not good, or memory
 * is out. */
MUST_CHECK bool public_key_verify(const struct public_key *key, enum public_key_hash hash,
                                  struct str text, struct str signature);

void public_key_clear(struct public_key *key); /* harmless twice, and on all-zero */

#endif
