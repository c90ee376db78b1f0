#include "auth/mail_code.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

enum { NONCE_BYTES = 16 };

/* What a MAC is for: the texts begin differently, so that none is good for another. */
static const struct str id_purpose = STR_INIT("id ");
static const struct str link_purpose = STR_INIT("link ");
static const struct str digits_purpose = STR_INIT("digits ");

static bool refuse(struct error *error, const char *why)
{
    return error_set(error, ERROR_UNAUTHORIZED, "%s: ask for a new code", why);
}

static bool make_mac(const unsigned char *key, struct str purpose, struct str text,
                     unsigned char mac[CRYPTO_HASH_SIZE], struct error *error)
{
    struct buf signed_text = {0};

    buf_append(&signed_text, purpose);
    buf_append(&signed_text, text);
    bool ok = buf_ok(&signed_text, error) &&
              crypto_hmac((struct str){(const char *)key, CRYPTO_HASH_SIZE}, buf_str(&signed_text),
                          mac, error);
    buf_clear(&signed_text);
    return ok;
}

/* --- Digits ----------------------------------------------------------------------------------- */

/* Words of the MAC until one is below the greatest multiple of the number of codes, so that none is
 * likelier than others. false: there is no such word, which one nonce in 10^13 is up to. */
static bool choose_digits(const unsigned char mac[CRYPTO_HASH_SIZE],
                          char digits[MAIL_CODE_DIGITS + 1])
{
    const uint32_t codes = 100000000, most = UINT32_MAX / codes * codes;

    for (size_t at = 0; at < CRYPTO_HASH_SIZE; at += sizeof most) {
        uint32_t word = bytes_get_u32(mac + at);

        if (word < most) {
            (void)snprintf(digits, MAIL_CODE_DIGITS + 1, "%08u", word % codes);
            return true;
        }
    }
    return false;
}

static bool make_digits(const unsigned char *key, struct str sealed,
                        char digits[MAIL_CODE_DIGITS + 1], bool *found, struct error *error)
{
    unsigned char mac[CRYPTO_HASH_SIZE];

    if (!make_mac(key, digits_purpose, sealed, mac, error))
        return false;
    *found = choose_digits(mac, digits);
    crypto_wipe(mac, sizeof mac);
    return true;
}

/* --- Making ----------------------------------------------------------------------------------- */

/* KID.PAYLOAD, with another nonce each time. */
static bool put_content(const char *key_id, const struct mail_code *code, struct buf *out,
                        struct error *error)
{
    unsigned char nonce[NONCE_BYTES];
    struct buf payload = {0};

    if (!crypto_random(nonce, sizeof nonce, error))
        return false;
    buf_append_format(&payload, "%lld %s %s ", (long long)code->expires, code->user,
                      code->audience.text);
    crypto_base64url_encode((struct str){(const char *)nonce, sizeof nonce}, &payload);
    bool ok = buf_ok(&payload, error);
    buf_reset(out);
    buf_append_text(out, key_id);
    buf_append_byte(out, '.');
    crypto_base64url_encode(buf_str(&payload), out);
    buf_clear(&payload);
    return ok && buf_ok(out, error);
}

static bool put_sealed(const unsigned char *key, struct str purpose, struct str content,
                       struct buf *out, struct error *error)
{
    unsigned char mac[CRYPTO_HASH_SIZE];

    if (!make_mac(key, purpose, content, mac, error))
        return false;
    buf_append(out, content);
    buf_append_byte(out, '.');
    crypto_base64url_encode((struct str){(const char *)mac, sizeof mac}, out);
    return buf_ok(out, error);
}

bool mail_code_make(const struct keys *keys, struct mail_code *code, struct buf *id,
                    struct buf *link, struct error *error)
{
    const unsigned char *key = keys->items[0].mail_key;
    struct buf content = {0};
    bool ok = true, found = false;

    while (ok && !found)
        ok = put_content(keys->items[0].id, code, &content, error) &&
             make_digits(key, buf_str(&content), code->digits, &found, error);
    ok = ok && put_sealed(key, id_purpose, buf_str(&content), id, error) &&
         put_sealed(key, link_purpose, buf_str(&content), link, error);
    buf_clear(&content);
    return ok;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static const unsigned char *find_key(const struct keys *keys, struct str id)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (str_equals(str_of(keys->items[i].id), id))
            return keys->items[i].mail_key;
    }
    return NULL;
}

static bool check_mac(const unsigned char *key, struct str purpose, struct str content,
                      struct str given, struct error *error)
{
    unsigned char mac[CRYPTO_HASH_SIZE];
    struct buf expected = {0};
    bool ok = make_mac(key, purpose, content, mac, error);

    if (ok) {
        crypto_base64url_encode((struct str){(const char *)mac, sizeof mac}, &expected);
        ok = buf_ok(&expected, error) && (crypto_equals(buf_str(&expected), given) ||
                                          refuse(error, "this is no login by mail"));
    }
    buf_clear(&expected);
    return ok;
}

static bool parse_payload(struct str payload, struct mail_code *code)
{
    struct str rest = payload, expires, user, audience, nonce;
    uint64_t seconds = 0;
    struct error cause;

    if (!str_split(&rest, ' ', &expires) || !str_split(&rest, ' ', &user) ||
        !str_split(&rest, ' ', &audience) || !str_split(&rest, ' ', &nonce) || rest.data ||
        !str_parse_u64(expires, INT64_MAX, &seconds) || !address_check_user(user) ||
        user.length >= sizeof code->user || !origin_parse(&code->audience, audience, &cause))
        return false;
    code->expires = (int64_t)seconds;
    memcpy(code->user, user.data, user.length);
    return true;
}

static bool read_payload(struct str coded, struct mail_code *code, struct error *error)
{
    struct buf payload = {0};
    bool ok = crypto_base64url_decode(coded, &payload) && parse_payload(buf_str(&payload), code);

    buf_clear(&payload);
    return ok || refuse(error, "this is no login by mail");
}

/* All but the digits of the code is checked. *content gets what the digits are made from. */
static bool open_sealed(const struct keys *keys, struct str purpose, struct str text, int64_t now,
                        struct mail_code *code, struct str *content, struct error *error)
{
    struct str rest = text, key_id, payload, mac;

    *code = (struct mail_code){0};
    *content = (struct str){0};
    if (text.length > MAIL_CODE_ID_MOST || !text.data || !str_split(&rest, '.', &key_id) ||
        !str_split(&rest, '.', &payload) || !str_split(&rest, '.', &mac) || rest.data)
        return refuse(error, "this is no login by mail");
    const unsigned char *key = find_key(keys, key_id);
    if (!key)
        return refuse(error, "the keys of the server have changed");
    *content = str_slice(text, 0, text.length - mac.length - 1);
    bool found = false;
    return check_mac(key, purpose, *content, mac, error) && read_payload(payload, code, error) &&
           (code->expires > now || refuse(error, "the code has expired")) &&
           make_digits(key, *content, code->digits, &found, error) &&
           (found || refuse(error, "this is no login by mail"));
}

bool mail_code_open(const struct keys *keys, struct str link, int64_t now, struct mail_code *code,
                    struct error *error)
{
    struct str content;

    return open_sealed(keys, link_purpose, link, now, code, &content, error);
}

static bool are_digits(struct str text)
{
    uint64_t number;

    while (text.length > 1 && text.data[0] == '0')
        text = str_slice(text, 1, text.length);
    return str_parse_u64(text, UINT64_MAX, &number);
}

/* A guess is counted before it is looked at. The digits that are right use up the rest of them. */
static bool check_digits(struct rate *tries, const struct mail_code *code, struct str content,
                         struct str given, int64_t now, struct error *error)
{
    const uint64_t now_ms = (uint64_t)now * 1000;
    uint64_t wait_s;

    if (given.length != MAIL_CODE_DIGITS || !are_digits(given))
        return error_set(error, ERROR_UNAUTHORIZED, "the code is eight digits, and nothing else");
    if (!rate_take(tries, content, now_ms, &wait_s))
        return refuse(error, "this code was used, or guessed too often");
    if (!crypto_equals(str_of(code->digits), given))
        return error_set(error, ERROR_UNAUTHORIZED, "the code is wrong");
    while (rate_take(tries, content, now_ms, &wait_s)) /* used */
        continue;
    return true;
}

bool mail_code_open_tries(struct rate *tries, struct error *error)
{
    const uint64_t lifetime_ms = (uint64_t)MAIL_CODE_LIFETIME_MOST * 1000;

    if (!rate_open(tries, error))
        return false;
    rate_set(tries, MAIL_CODE_TRIES, MAIL_CODE_TRIES * lifetime_ms);
    return true;
}

bool mail_code_check(const struct keys *keys, struct rate *tries, struct str text,
                     const struct origin *audience, int64_t now, struct mail_code *code,
                     struct error *error)
{
    size_t colon = str_find_byte(text, ':');
    struct str content, given = str_slice(text, colon + 1, text.length);

    if (!open_sealed(keys, id_purpose, str_slice(text, 0, colon), now, code, &content, error))
        return false;
    if (strcmp(code->audience.text, audience->text) != 0)
        return refuse(error, "the code is for another site");
    return check_digits(tries, code, content, given, now, error);
}
