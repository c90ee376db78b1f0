/* crypto.h - random bytes, SHA-256, HMAC-SHA256, HKDF and base64url; the file that knows OpenSSL.
 */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include "base/buf.h"

enum { CRYPTO_HASH_SIZE = 32 };

/* At start, before anything else of this file but crypto_random: the library fails in odd ways, up
 * to a crash, when memory is out while it sets itself up. ERROR_NO_MEMORY. Harmless twice. */
MUST_CHECK bool crypto_open(struct error *error);

/* From the system's generator. Fails only when the system has none to give. */
MUST_CHECK bool crypto_random(void *to, size_t length, struct error *error);

/* RFC 2104 with SHA-256. */
MUST_CHECK bool crypto_hmac(struct str key, struct str text, unsigned char mac[CRYPTO_HASH_SIZE],
                            struct error *error);

/* RFC 5869 with SHA-256 and without salt: a key for one purpose, named by info. */
MUST_CHECK bool crypto_derive(struct str key, struct str info, unsigned char out[CRYPTO_HASH_SIZE],
                              struct error *error);

MUST_CHECK bool crypto_sha256(struct str text, unsigned char out[CRYPTO_HASH_SIZE],
                              struct error *error);

/* SHA-256 of what comes in pieces: begin, extend ..., end. */
struct crypto_digest {
    void *context; /* EVP_MD_CTX */
};

MUST_CHECK bool crypto_digest_begin(struct crypto_digest *digest, struct error *error);
MUST_CHECK bool crypto_digest_extend(struct crypto_digest *digest, struct str piece,
                                     struct error *error);
MUST_CHECK bool crypto_digest_end(struct crypto_digest *digest, unsigned char out[CRYPTO_HASH_SIZE],
                                  struct error *error);
void crypto_digest_clear(struct crypto_digest *digest); /* harmless twice, and on all-zero */

/* In time that depends on the lengths only. */
bool crypto_equals(struct str a, struct str b);

/* Overwrites, not optimised away. */
void crypto_wipe(void *data, size_t length);

/* RFC 4648, section 5, without padding. */
void crypto_base64url_encode(struct str bytes, struct buf *out);

/* Strict: one encoding for each value, no padding, no blanks. out may hold a part on failure. */
MUST_CHECK bool crypto_base64url_decode(struct str text, struct buf *out);

/* Lower-case hexadecimal. */
void crypto_hex_encode(struct str bytes, struct buf *out);

#endif
