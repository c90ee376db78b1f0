/* keys.h - the secrets that tokens are signed with.
 *
 * A file of one line a key, "KID HEX" (KID: 1 to 16 of a-z 0-9, HEX: 64 digits), # comments; the
 * first key signs, all check, so keys are changed by putting a new line on top and taking the old
 * one out when its last token has expired. From each the key for one purpose is derived (HKDF), so
 * that nothing made for one purpose is ever good for another. */
#ifndef AUTH_KEYS_H
#define AUTH_KEYS_H

#include "base/crypto.h"

enum { KEYS_MOST = 8, KEYS_ID_SIZE = 17 };

struct keys {
    struct {
        char id[KEYS_ID_SIZE];
        unsigned char token_key[CRYPTO_HASH_SIZE]; /* derived, as all of them */
        unsigned char mail_key[CRYPTO_HASH_SIZE];  /* codes by mail */
        unsigned char link_key[CRYPTO_HASH_SIZE];  /* links to blobs */
        unsigned char tls_key[CRYPTO_HASH_SIZE];   /* tickets of TLS sessions */
    } items[KEYS_MOST];
    size_t count;
};

/* Reads the file; makes it (0600, one random key) if it is not there. Refuses, as ERROR_CONF, a
 * file that others may read or write, that is no regular file (links included), or that has a bad
 * line. At start and reload only: it blocks. */
MUST_CHECK bool keys_read_file(struct keys *keys, const char *path, struct error *error);

/* One random key that ends with the process. */
MUST_CHECK bool keys_make(struct keys *keys, struct error *error);
void keys_clear(struct keys *keys); /* wipes; harmless twice */

#endif
