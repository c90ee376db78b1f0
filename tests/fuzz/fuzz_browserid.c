/* Any text as an assertion, and any as the support document of an issuer: refused, or a key of a
 * size that is taken. Nobody can sign for the issuer. */
#include "auth/browserid.h"

#include "base/crypto.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1000000 };

static const char document[] =
    "{\"public-key\":{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\""
    "u1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0_IzW7yWR7QkrmBL7jTKEn5u-qKhbwKf"
    "BstIs-bMY2Zkp18gnTxKLxoS2tFczGkPLPgizskuemMghRniWaoLcyehkd3qqGElvW_VDL5AaWTg0nLVkjRo9z-40RQz"
    "uVaE8AkAFmxZzow3x-VJYKdjykkJ0iT9wCS0DRTXu269V264Vf_3jvredZiKRkgwlL9xNAwxXFg0x_XFw005UWVRIkdg"
    "cKWTjpBP2dPwVZ4WWC-9aGVd-Gyn1o0CLelf4rEjGoXbAAEgAqeGUxrcIlbjXfbcmw\"}}";

/* header.payload.x of the input, twice, so that what is signed gets read. */
static void check_payload(const struct browserid_rules *rules, const struct origin *audience,
                          struct str payload)
{
    struct browserid_proof proof;
    struct buf text = {0};
    struct error error;

    buf_append(&text, STR("eyJhbGciOiJSUzI1NiJ9."));
    crypto_base64url_encode(payload, &text);
    buf_append(&text, STR(".AAAA~eyJhbGciOiJSUzI1NiJ9."));
    crypto_base64url_encode(payload, &text);
    buf_append(&text, STR(".AAAA"));
    if (browserid_check(rules, buf_str(&text), audience, NOW, &proof, &error))
        abort();
    buf_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct browserid_rules rules = {.takes_weak = true}, others = {0};
    struct browserid_proof proof;
    struct origin audience;
    struct error error;

    if (!origin_parse(&audience, STR("https://app.example"), &error) ||
        !browserid_add_issuer(&rules, STR("login.example"), str_of(document), &error))
        abort();
    if (browserid_check(&rules, text, &audience, NOW, &proof, &error))
        abort();
    check_payload(&rules, &audience, text);
    if (browserid_add_issuer(&others, STR("login.example"), text, &error) &&
        others.issuers[0].key.bits < 1023)
        abort();
    browserid_clear(&others);
    browserid_clear(&rules);
    return 0;
}
