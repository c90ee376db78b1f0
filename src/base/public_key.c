#include "base/public_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/dsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

enum { BITS_MOST = 8192, EXPONENT_BITS_MOST = 64, Q_BYTES_MOST = 64 };

static BIGNUM *number_of(struct str bytes)
{
    return bytes.length > 0 && bytes.length <= BITS_MOST / 8
               ? BN_bin2bn((const unsigned char *)bytes.data, (int)bytes.length, NULL)
               : NULL;
}

bool public_key_parse_number(struct str digits, enum public_key_base base, struct buf *bytes,
                             struct error *error)
{
    static const char *const alphabets[] = {
        [PUBLIC_KEY_DECIMAL] = "0123456789", [PUBLIC_KEY_HEX] = "0123456789abcdefABCDEF"};
    unsigned char room[BITS_MOST / 8];
    char text[BITS_MOST / 3 + 1];
    BIGNUM *number = NULL;

    bool ok = digits.length > 0 && digits.length < sizeof text;
    if (ok) {
        memcpy(text, digits.data, digits.length);
        text[digits.length] = '\0';
        ok = strspn(text, alphabets[base]) == digits.length;
    }
    if (ok)
        ok = (base == PUBLIC_KEY_HEX ? BN_hex2bn(&number, text) : BN_dec2bn(&number, text)) > 0 &&
             BN_num_bytes(number) <= (int)sizeof room;
    if (ok)
        buf_append(bytes, (struct str){(const char *)room, (size_t)BN_bn2bin(number, room)});
    BN_free(number);
    return ok ? buf_ok(bytes, error)
              : error_set(error, ERROR_BAD_PARAMETER, "a number of the key is none");
}

/* What OSSL_PARAM calls them, and their values; name NULL ends them. */
struct part {
    const char *name;
    BIGNUM *value;
};

static bool push(OSSL_PARAM_BLD *builder, const struct part *parts)
{
    for (; parts->name; parts++) {
        if (!parts->value || OSSL_PARAM_BLD_push_BN(builder, parts->name, parts->value) != 1)
            return false;
    }
    return true;
}

static EVP_PKEY *build(const char *type, const struct part *parts)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = builder && push(builder, parts) ? OSSL_PARAM_BLD_to_param(builder) : NULL;
    EVP_PKEY_CTX *context = params ? EVP_PKEY_CTX_new_from_name(NULL, type, NULL) : NULL;
    EVP_PKEY *key = NULL;

    if (context && EVP_PKEY_fromdata_init(context) == 1)
        (void)EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    return key;
}

static bool refuse(struct error *error)
{
    return error_set(error, ERROR_BAD_PARAMETER, "this is no public key");
}

bool public_key_make_rsa(struct public_key *key, struct str n, struct str e, struct error *error)
{
    struct part parts[] = {
        {OSSL_PKEY_PARAM_RSA_N, number_of(n)}, {OSSL_PKEY_PARAM_RSA_E, number_of(e)}, {0}};
    const BIGNUM *modulus = parts[0].value, *exponent = parts[1].value;

    if (modulus && exponent && BN_is_odd(modulus) && BN_is_odd(exponent) && !BN_is_one(exponent) &&
        BN_num_bits(exponent) <= EXPONENT_BITS_MOST) {
        key->key = build("RSA", parts);
        key->bits = (unsigned)BN_num_bits(modulus);
    }
    BN_free(parts[0].value);
    BN_free(parts[1].value);
    return key->key || refuse(error);
}

static bool is_within(const BIGNUM *number, const BIGNUM *p)
{
    return number && !BN_is_zero(number) && !BN_is_one(number) && BN_cmp(number, p) < 0;
}

bool public_key_make_dsa(struct public_key *key, struct str p, struct str q, struct str g,
                         struct str y, struct error *error)
{
    struct part parts[] = {{OSSL_PKEY_PARAM_FFC_P, number_of(p)},
                           {OSSL_PKEY_PARAM_FFC_Q, number_of(q)},
                           {OSSL_PKEY_PARAM_FFC_G, number_of(g)},
                           {OSSL_PKEY_PARAM_PUB_KEY, number_of(y)},
                           {0}};
    const BIGNUM *prime = parts[0].value, *order = parts[1].value;

    if (prime && order && BN_is_odd(prime) && BN_is_odd(order) &&
        BN_num_bytes(order) <= Q_BYTES_MOST && is_within(order, prime) &&
        is_within(parts[2].value, prime) && is_within(parts[3].value, prime)) {
        key->key = build("DSA", parts);
        key->bits = (unsigned)BN_num_bits(prime);
        key->q_bits = (unsigned)BN_num_bits(order);
    }
    for (size_t i = 0; parts[i].name; i++)
        BN_free(parts[i].value);
    return key->key || refuse(error);
}

/* As ASN.1 has it, which is what the library wants. */
static int encode_dsa(const struct public_key *key, struct str signature, unsigned char **encoded)
{
    unsigned char padded[2 * Q_BYTES_MOST] = {0};
    size_t half = (key->q_bits + 7) / 8;
    int length = -1;

    if (signature.length == 0 || signature.length > 2 * half)
        return -1;
    memcpy(padded + 2 * half - signature.length, signature.data, signature.length);
    DSA_SIG *pair = DSA_SIG_new();
    BIGNUM *r = BN_bin2bn(padded, (int)half, NULL);
    BIGNUM *s = BN_bin2bn(padded + half, (int)half, NULL);
    if (pair && r && s && DSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL; /* the pair's now */
        length = i2d_DSA_SIG(pair, encoded);
    }
    BN_free(r);
    BN_free(s);
    DSA_SIG_free(pair);
    return length;
}

static bool verify(const struct public_key *key, enum public_key_hash hash, struct str text,
                   const unsigned char *signature, size_t length)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok =
        context &&
        EVP_DigestVerifyInit(context, NULL, hash == PUBLIC_KEY_SHA1 ? EVP_sha1() : EVP_sha256(),
                             NULL, key->key) == 1 &&
        EVP_DigestVerify(context, signature, length, (const unsigned char *)text.data,
                         text.length) == 1;

    EVP_MD_CTX_free(context);
    return ok;
}

bool public_key_verify(const struct public_key *key, enum public_key_hash hash, struct str text,
                       struct str signature)
{
    unsigned char *encoded = NULL;

    if (key->q_bits == 0)
        return signature.length == (key->bits + 7) / 8 &&
               verify(key, hash, text, (const unsigned char *)signature.data, signature.length);
    int length = encode_dsa(key, signature, &encoded);
    bool ok = length > 0 && verify(key, hash, text, encoded, (size_t)length);
    OPENSSL_free(encoded);
    return ok;
}

void public_key_clear(struct public_key *key)
{
    EVP_PKEY_free(key->key);
    *key = (struct public_key){0};
}
