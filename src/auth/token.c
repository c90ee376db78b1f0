#include "auth/token.h"

#include "base/json_read.h"
#include "base/json_write.h"

#include <string.h>

enum { SKEW_S = 60, DEPTH = 2, SESSION_BYTES = (TOKEN_SESSION_SIZE - 1) * 6 / 8 };

static bool sign(const unsigned char *key, struct str text, struct buf *out, struct error *error)
{
    unsigned char mac[CRYPTO_HASH_SIZE];

    if (!crypto_hmac((struct str){(const char *)key, CRYPTO_HASH_SIZE}, text, mac, error))
        return false;
    crypto_base64url_encode((struct str){(const char *)mac, sizeof mac}, out);
    return buf_ok(out, error);
}

static void put_payload(const struct token *token, struct buf *out)
{
    buf_append(out, STR("{"));
    json_write_string_member(out, "email", str_of(token->user));
    json_write_string_member(out, "audience", str_of(token->audience.text));
    json_write_string_member(out, "session", str_of(token->session));
    json_write_u64_member(out, "began", (uint64_t)token->began);
    json_write_u64_member(out, "issued", (uint64_t)token->issued);
    json_write_u64_member(out, "expires", (uint64_t)token->expires);
    buf_append(out, STR("}"));
}

bool token_begin_session(struct token *token, struct error *error)
{
    unsigned char bytes[SESSION_BYTES];
    struct buf text = {0};

    if (!crypto_random(bytes, sizeof bytes, error))
        return false;
    crypto_base64url_encode((struct str){(const char *)bytes, sizeof bytes}, &text);
    bool ok = buf_ok(&text, error);
    if (ok)
        memcpy(token->session, text.data, sizeof token->session - 1);
    buf_clear(&text);
    return ok;
}

bool token_make(const struct keys *keys, const struct token *token, struct buf *out,
                struct error *error)
{
    struct buf payload = {0};
    size_t start = out->length;

    put_payload(token, &payload);
    bool ok = buf_ok(&payload, error);
    buf_append(out, STR("v1."));
    buf_append_text(out, keys->items[0].id);
    buf_append_byte(out, '.');
    crypto_base64url_encode(buf_str(&payload), out);
    buf_clear(&payload);
    if (!ok || !buf_ok(out, error))
        return false;
    struct buf mac = {0};
    ok = sign(keys->items[0].token_key, str_slice(buf_str(out), start, out->length), &mac, error);
    buf_append_byte(out, '.');
    buf_append(out, buf_str(&mac));
    buf_clear(&mac);
    return ok && buf_ok(out, error);
}

/* What the payload says, each member once. */
struct payload {
    struct token *token;
    enum {
        MEMBER_NONE,
        MEMBER_EMAIL = 1,
        MEMBER_AUDIENCE = 2,
        MEMBER_ISSUED = 4,
        MEMBER_EXPIRES = 8,
        MEMBER_SESSION = 16,
        MEMBER_BEGAN = 32,
    } member;
    unsigned seen;
    bool is_bad;
};

enum { MEMBERS_ALL = 2 * MEMBER_BEGAN - 1 };

static void note_key(struct payload *payload, struct str name)
{
    payload->member = str_equals(name, STR("email"))      ? MEMBER_EMAIL
                      : str_equals(name, STR("audience")) ? MEMBER_AUDIENCE
                      : str_equals(name, STR("issued"))   ? MEMBER_ISSUED
                      : str_equals(name, STR("expires"))  ? MEMBER_EXPIRES
                      : str_equals(name, STR("session"))  ? MEMBER_SESSION
                      : str_equals(name, STR("began"))    ? MEMBER_BEGAN
                                                          : MEMBER_NONE;
    payload->is_bad |= (payload->seen & payload->member) != 0;
    payload->seen |= payload->member;
}

/* Whoever has the key may write what they want, and a name is compared and logged as text. */
static bool take_session(struct token *token, struct str text)
{
    struct buf bytes = {0};
    bool ok = text.length == sizeof token->session - 1 && crypto_base64url_decode(text, &bytes) &&
              !bytes.failed;

    buf_clear(&bytes);
    if (ok)
        memcpy(token->session, text.data, text.length);
    return ok;
}

static void note_text(struct payload *payload, struct str text)
{
    struct error error;

    if (payload->member == MEMBER_SESSION)
        payload->is_bad |= !take_session(payload->token, text);
    else if (payload->member == MEMBER_EMAIL && address_check_user(text) &&
             text.length < sizeof payload->token->user)
        memcpy(payload->token->user, text.data, text.length);
    else if (payload->member != MEMBER_AUDIENCE ||
             !origin_parse(&payload->token->audience, text, &error))
        payload->is_bad = true;
}

static void note_number(struct payload *payload, struct str text)
{
    uint64_t number = 0;
    bool ok = str_parse_u64(text, INT64_MAX / 2, &number);

    if (ok && payload->member == MEMBER_ISSUED)
        payload->token->issued = (int64_t)number;
    else if (ok && payload->member == MEMBER_BEGAN)
        payload->token->began = (int64_t)number;
    else if (ok && payload->member == MEMBER_EXPIRES)
        payload->token->expires = (int64_t)number;
    else
        payload->is_bad = true;
}

static bool note_event(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct payload *payload = context;

    if (depth == 0)
        return true;
    if (event == JSON_KEY)
        note_key(payload, text);
    else if (event == JSON_STRING)
        note_text(payload, text);
    else if (event == JSON_NUMBER)
        note_number(payload, text);
    else
        payload->is_bad = true;
    return true;
}

static bool refuse(struct error *error, const char *why)
{
    return error_set(error, ERROR_UNAUTHORIZED, "%s; log in again", why);
}

static bool read_payload(struct str coded, struct token *token, struct error *error)
{
    struct payload payload = {.token = token};
    struct buf text = {0};
    struct error cause;
    bool ok = crypto_base64url_decode(coded, &text) && !text.failed &&
              json_read_text(buf_str(&text), DEPTH, note_event, &payload, &cause) &&
              !payload.is_bad && payload.seen == MEMBERS_ALL;

    buf_clear(&text);
    return ok || refuse(error, "the token does not say who it is for");
}

static const unsigned char *find_key(const struct keys *keys, struct str id)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (str_equals(str_of(keys->items[i].id), id))
            return keys->items[i].token_key;
    }
    return NULL;
}

static bool check_mac(const unsigned char *key, struct str signed_part, struct str mac,
                      struct error *error)
{
    struct buf expected = {0};
    bool ok = sign(key, signed_part, &expected, error);

    if (ok && !crypto_equals(buf_str(&expected), mac))
        ok = refuse(error, "the token's signature is wrong");
    buf_clear(&expected);
    return ok;
}

bool token_check(const struct keys *keys, struct str text, int64_t now, struct token *token,
                 struct error *error)
{
    struct str rest = text, version, id, payload, mac;

    *token = (struct token){0};
    if (text.length > TOKEN_MOST || !str_split(&rest, '.', &version) ||
        !str_equals(version, STR("v1")) || !str_split(&rest, '.', &id) ||
        !str_split(&rest, '.', &payload) || !str_split(&rest, '.', &mac) || rest.data)
        return refuse(error, "this is no token");
    const unsigned char *key = find_key(keys, id);
    if (!key)
        return refuse(error, "the token was signed with a key that is not in use");
    struct str signed_part = str_slice(text, 0, text.length - mac.length - 1);
    if (!check_mac(key, signed_part, mac, error) || !read_payload(payload, token, error))
        return false;
    if (token->expires <= now)
        return refuse(error, "the token has expired");
    return token->issued <= now + SKEW_S || refuse(error, "the token is of the future");
}
