#include "auth/key_set.h"

#include "auth/members.h"
#include "base/crypto.h"

#include <cjose/cjose.h>
#include <stddef.h>
#include <string.h>

enum {
    DEPTH_MOST = 6,
    RSA_BITS_LEAST = 2048,
    RSA_BITS_MOST = 8192,
    RSA_TEXT_SIZE = RSA_BITS_MOST / 6 + 8, /* in base64url; libraries may put zeros in front */
    EXPONENT_LEAST = 3,                    /* with 1 everything is its own signature */
    EXPONENT_BYTES = 4,
    COORDINATE_BYTES = 32,
    WORD_SIZE = 16,
    BITS_PER_BYTE = 8,
};

/* A member of "keys", as it is written. */
struct jwk {
    char type[WORD_SIZE], use[WORD_SIZE], algorithm[WORD_SIZE], curve[WORD_SIZE];
    char id[KEY_SET_ID_SIZE];
    char n[RSA_TEXT_SIZE], e[RSA_TEXT_SIZE], x[RSA_TEXT_SIZE], y[RSA_TEXT_SIZE];
    struct member_texts operations;
};

#define JWK_TEXT(text, field)                                                                      \
    {                                                                                              \
        (text), MEMBER_TEXT, offsetof(struct jwk, field), sizeof(((struct jwk *)0)->field)         \
    }

static const struct member jwk_members[] = {
    JWK_TEXT("kty", type),
    JWK_TEXT("use", use),
    JWK_TEXT("alg", algorithm),
    JWK_TEXT("crv", curve),
    JWK_TEXT("kid", id),
    JWK_TEXT("n", n),
    JWK_TEXT("e", e),
    JWK_TEXT("x", x),
    JWK_TEXT("y", y),
    {"key_ops", MEMBER_TEXTS, offsetof(struct jwk, operations), 0},
    {0},
};

/* --- Keys ------------------------------------------------------------------------------------- */

/* Without zeros in front. */
static bool decode_number(const char *text, struct buf *number)
{
    size_t zeros = 0;

    if (!crypto_base64url_decode(str_of(text), number) || number->failed)
        return false;
    while (zeros < number->length && number->data[zeros] == '\0')
        zeros++;
    number->length -= zeros;
    if (number->length > 0)
        memmove(number->data, number->data + zeros, number->length);
    return number->length > 0;
}

static size_t count_bits(const struct buf *number)
{
    size_t bits = number->length * BITS_PER_BYTE;

    for (unsigned mask = 0x80; mask > 0 && !((unsigned char)number->data[0] & mask); mask >>= 1)
        bits--;
    return bits;
}

static bool is_good_exponent(const struct buf *e)
{
    uint32_t number = 0;

    if (e->length > EXPONENT_BYTES)
        return false;
    for (size_t i = 0; i < e->length; i++)
        number = number << BITS_PER_BYTE | (unsigned char)e->data[i];
    return number >= EXPONENT_LEAST && number % 2 == 1;
}

static cjose_jwk_t *make_rsa(const struct jwk *jwk)
{
    struct buf n = {0}, e = {0};
    cjose_jwk_t *key = NULL;
    cjose_err cause;

    if (decode_number(jwk->n, &n) && decode_number(jwk->e, &e) && is_good_exponent(&e) &&
        count_bits(&n) >= RSA_BITS_LEAST && count_bits(&n) <= RSA_BITS_MOST) {
        const cjose_jwk_rsa_keyspec spec = {
            .n = (uint8_t *)n.data, .nlen = n.length, .e = (uint8_t *)e.data, .elen = e.length};

        key = cjose_jwk_create_RSA_spec(&spec, &cause);
    }
    buf_clear(&n);
    buf_clear(&e);
    return key;
}

/* The library refuses a point that is not on the curve. */
static cjose_jwk_t *make_ec(const struct jwk *jwk)
{
    struct buf x = {0}, y = {0};
    cjose_jwk_t *key = NULL;
    cjose_err cause;

    if (strcmp(jwk->curve, "P-256") == 0 && crypto_base64url_decode(str_of(jwk->x), &x) &&
        crypto_base64url_decode(str_of(jwk->y), &y) && x.length == COORDINATE_BYTES &&
        y.length == COORDINATE_BYTES) {
        const cjose_jwk_ec_keyspec spec = {.crv = CJOSE_JWK_EC_P_256,
                                           .x = (uint8_t *)x.data,
                                           .xlen = x.length,
                                           .y = (uint8_t *)y.data,
                                           .ylen = y.length};

        key = cjose_jwk_create_EC_spec(&spec, &cause);
    }
    buf_clear(&x);
    buf_clear(&y);
    return key;
}

static enum key_algorithm find_algorithm(const struct jwk *jwk)
{
    if (strcmp(jwk->type, "RSA") == 0 && (!jwk->algorithm[0] || !strcmp(jwk->algorithm, "RS256")))
        return KEY_RS256;
    if (strcmp(jwk->type, "EC") == 0 && (!jwk->algorithm[0] || !strcmp(jwk->algorithm, "ES256")))
        return KEY_ES256;
    return 0;
}

static bool is_for_checking(const struct jwk *jwk, bool names_operations)
{
    bool is_named = !names_operations;

    for (size_t i = 0; i < jwk->operations.count; i++)
        is_named |= strcmp(jwk->operations.items[i], "verify") == 0;
    return is_named && (!jwk->use[0] || strcmp(jwk->use, "sig") == 0);
}

/* --- The set ---------------------------------------------------------------------------------- */

struct reading {
    struct key_set *set;
    struct members members;
    struct jwk jwk;
    size_t members_seen;
    bool is_in_keys, has_keys;
    const char *wrong;
};

static void add_key(struct reading *reading)
{
    const struct jwk *jwk = &reading->jwk;
    enum key_algorithm algorithm = find_algorithm(jwk);

    if (reading->members.wrong || !algorithm ||
        !is_for_checking(jwk, members_has(&reading->members, "key_ops")))
        return;
    struct key_set_key *key = &reading->set->keys[reading->set->count];
    key->jwk = algorithm == KEY_RS256 ? make_rsa(jwk) : make_ec(jwk);
    if (!key->jwk)
        return;
    key->algorithm = algorithm;
    memcpy(key->id, jwk->id, sizeof key->id);
    reading->set->count++;
}

static bool refuse(struct reading *reading, const char *why)
{
    reading->wrong = why;
    return false;
}

/* Right inside the document. */
static bool take_outer(struct reading *reading, enum json_event event, struct str text)
{
    if (event == JSON_KEY) {
        reading->is_in_keys = str_equals(text, STR("keys"));
        if (reading->is_in_keys && reading->has_keys)
            return refuse(reading, "it has \"keys\" twice");
        reading->has_keys |= reading->is_in_keys;
        return true;
    }
    return !reading->is_in_keys || event == JSON_BEGIN_ARRAY || event == JSON_END_ARRAY ||
           refuse(reading, "its \"keys\" are no list");
}

static bool take_event(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct reading *reading = context;

    if (depth == 0)
        return event == JSON_BEGIN_OBJECT || event == JSON_END_OBJECT ||
               refuse(reading, "it is no object");
    if (depth == 1)
        return take_outer(reading, event, text);
    if (!reading->is_in_keys)
        return true;
    if (depth > 2) {
        members_take(&reading->members, event, depth - 2, text);
    } else if (event == JSON_BEGIN_OBJECT) {
        if (reading->members_seen++ == KEY_SET_MOST)
            return refuse(reading, "it has too many keys");
        reading->jwk = (struct jwk){0};
        members_begin(&reading->members, jwk_members, &reading->jwk);
    } else if (event == JSON_END_OBJECT) {
        add_key(reading);
    } else {
        return refuse(reading, "one of its keys is no object");
    }
    return true;
}

bool key_set_read(struct key_set *set, struct str document, struct error *error)
{
    struct reading reading = {.set = set};
    struct error cause = {0};

    if (!json_read_text(document, DEPTH_MOST, take_event, &reading, &cause))
        return error_set(error, cause.code == ERROR_NO_MEMORY ? cause.code : ERROR_BAD_JSON, "%s",
                         reading.wrong ? reading.wrong : cause.message);
    return reading.has_keys || error_set(error, ERROR_BAD_JSON, "it has no \"keys\"");
}

void key_set_clear(struct key_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        (void)cjose_jwk_release(set->keys[i].jwk);
    *set = (struct key_set){0};
}

static bool may_have_signed(const struct key_set_key *key, enum key_algorithm algorithm,
                            const char *id)
{
    return key->algorithm == algorithm && (!id[0] || strcmp(key->id, id) == 0);
}

/* The library frees what it has made of the token when a check fails, but not the token. */
static bool check_signature(const struct key_set_key *key, struct str token)
{
    cjose_err cause;
    cjose_jws_t *jws = cjose_jws_import(token.data, token.length, &cause);
    bool ok = jws && cjose_jws_verify(jws, key->jwk, &cause);

    cjose_jws_release(jws);
    return ok;
}

bool key_set_check(const struct key_set *set, enum key_algorithm algorithm, const char *id,
                   struct str token)
{
    size_t fitting = 0;

    for (size_t i = 0; i < set->count; i++)
        fitting += may_have_signed(&set->keys[i], algorithm, id);
    if (!id[0] && fitting != 1)
        return false;
    for (size_t i = 0; i < set->count; i++) {
        if (may_have_signed(&set->keys[i], algorithm, id) && check_signature(&set->keys[i], token))
            return true;
    }
    return false;
}
