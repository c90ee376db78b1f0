/* signer.h - an issuer's keys for tests: signs tokens, and tells its public keys as a JWKS. */
#ifndef TESTS_AUTH_SIGNER_H
#define TESTS_AUTH_SIGNER_H

#include "base/buf.h"

struct signer {
    void *jwk; /* cjose_jwk_t */
    const char *algorithm;
    char id[16];
};

/* bits: of RSA; 0: an EC key. */
void signer_open(struct signer *signer, const char *id, unsigned bits);
void signer_close(struct signer *signer);

/* Appends a compact JWS. */
void signer_sign(const struct signer *signer, const char *payload, struct buf *token);

/* Appends its public key as a JWK, with further members (",\"use\":\"sig\""). */
void signer_put_key(const struct signer *signer, const char *members, struct buf *out);

#endif
