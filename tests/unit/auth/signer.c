#include "signer.h"

#include <cjose/cjose.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

void signer_open(struct signer *signer, const char *id, unsigned bits)
{
    cjose_err cause;

    *signer = (struct signer){.algorithm = bits > 0 ? "RS256" : "ES256"};
    (void)snprintf(signer->id, sizeof signer->id, "%s", id);
    signer->jwk = bits > 0 ? cjose_jwk_create_RSA_random(bits, NULL, 0, &cause)
                           : cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &cause);
    ck_assert_ptr_nonnull(signer->jwk);
    ck_assert(cjose_jwk_set_kid(signer->jwk, id, strlen(id), &cause));
}

void signer_close(struct signer *signer)
{
    (void)cjose_jwk_release(signer->jwk);
}

void signer_sign(const struct signer *signer, const char *payload, struct buf *token)
{
    cjose_err cause;
    cjose_header_t *header = cjose_header_new(&cause);
    const char *text;

    ck_assert(cjose_header_set(header, "alg", signer->algorithm, &cause) &&
              cjose_header_set(header, "kid", signer->id, &cause));
    cjose_jws_t *jws =
        cjose_jws_sign(signer->jwk, header, (const uint8_t *)payload, strlen(payload), &cause);
    ck_assert_ptr_nonnull(jws);
    ck_assert(cjose_jws_export(jws, &text, &cause));
    buf_append_text(token, text);
    cjose_jws_release(jws);
    cjose_header_release(header);
}

void signer_put_key(const struct signer *signer, const char *members, struct buf *out)
{
    cjose_err cause;
    char *json = cjose_jwk_to_json(signer->jwk, false, &cause);

    ck_assert_ptr_nonnull(json);
    buf_append(out, (struct str){json, strlen(json) - 1});
    buf_append_text(out, members);
    buf_append_byte(out, '}');
    free(json);
}
