#include "auth/id_token.h"

#include "base/crypto.h"
#include "base/percent.h"

#include <stddef.h>
#include <string.h>

enum { HASH_BYTES = CRYPTO_HASH_SIZE / 2, TYPE_SIZE = 32 };

struct header {
    char algorithm[TYPE_SIZE], type[TYPE_SIZE];
    char kid[KEY_SET_ID_SIZE];
};

#define TEXT_OF(type, text, field)                                                                 \
    {                                                                                              \
        (text), MEMBER_TEXT, offsetof(struct type, field), sizeof(((struct type *)0)->field)       \
    }

/* What names keys of its own is refused, and not just ignored: no issuer has a use for it here. */
static const struct member header_members[] = {
    TEXT_OF(header, "alg", algorithm), TEXT_OF(header, "typ", type),
    TEXT_OF(header, "kid", kid),       {"crit", MEMBER_BAD, 0, 0},
    {"b64", MEMBER_BAD, 0, 0},         {"jku", MEMBER_BAD, 0, 0},
    {"jwk", MEMBER_BAD, 0, 0},         {"x5u", MEMBER_BAD, 0, 0},
    {"x5c", MEMBER_BAD, 0, 0},         {0},
};

static const struct member claims[] = {
    TEXT_OF(id_token, "iss", issuer),
    TEXT_OF(id_token, "sub", subject),
    TEXT_OF(id_token, "azp", authorized),
    TEXT_OF(id_token, "nonce", nonce),
    TEXT_OF(id_token, "email", email),
    {"email_verified", MEMBER_FLAG, offsetof(struct id_token, is_email_verified), 0},
    {"aud", MEMBER_TEXTS, offsetof(struct id_token, audiences), 0},
    {"exp", MEMBER_SECONDS, offsetof(struct id_token, expires), 0},
    {"iat", MEMBER_SECONDS, offsetof(struct id_token, issued), 0},
    {"nbf", MEMBER_SECONDS, offsetof(struct id_token, not_before), 0},
    {0},
};

static bool refuse(struct error *error, const char *why)
{
    return error_set(error, ERROR_UNAUTHORIZED, "%s", why);
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct parts {
    struct str header, payload, signature;
};

static bool split(struct str text, struct parts *parts)
{
    struct str rest = text;

    return text.data && str_split(&rest, '.', &parts->header) &&
           str_split(&rest, '.', &parts->payload) && str_split(&rest, '.', &parts->signature) &&
           !rest.data && parts->header.length > 0 && parts->payload.length > 0 &&
           parts->signature.length > 0;
}

bool id_token_is_meant(struct str text)
{
    struct parts parts;

    for (size_t i = 0; i < text.length; i++) {
        char byte = text.data[i];

        if (byte == '\0' ||
            !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.", byte))
            return false;
    }
    return split(text, &parts) && str_starts_with(parts.header, STR("ey"));
}

static bool fail(struct error *error, const char *what, const struct error *cause)
{
    return error_set(error, cause->code == ERROR_NO_MEMORY ? ERROR_NO_MEMORY : ERROR_UNAUTHORIZED,
                     "the %s of the ID token: %s", what, cause->message);
}

static bool read_part(struct members *members, struct str coded, const struct member *table,
                      void *into, const char *what, struct error *error)
{
    struct buf text = {0};
    struct error cause = {.code = ERROR_BAD_JSON, .message = "it is no base64url"};
    bool ok = crypto_base64url_decode(coded, &text) && buf_ok(&text, &cause) &&
              members_read(members, buf_str(&text), table, into, &cause);

    buf_clear(&text);
    return ok || fail(error, what, &cause);
}

/* The library is not asked about any other algorithm: it would take a public key for the secret of
 * HS256, or believe "none". */
static bool take_header(struct id_token *token, struct str coded, struct error *error)
{
    struct header header = {0};
    struct members members;

    if (!read_part(&members, coded, header_members, &header, "header", error))
        return false;
    if (strcmp(header.algorithm, "RS256") == 0)
        token->algorithm = KEY_RS256;
    else if (strcmp(header.algorithm, "ES256") == 0)
        token->algorithm = KEY_ES256;
    else
        return refuse(error, "the ID token is not signed by RS256 or ES256");
    if (header.type[0] && !str_equals_nocase(str_of(header.type), STR("JWT")))
        return refuse(error, "this is no ID token but a token for something else");
    if (members_has(&members, "kid") && !header.kid[0])
        return refuse(error, "the ID token names an empty key");
    memcpy(token->kid, header.kid, sizeof token->kid);
    return true;
}

static bool take_claims(struct id_token *token, struct str coded, struct error *error)
{
    struct members members;

    if (!read_part(&members, coded, claims, token, "payload", error))
        return false;
    if (!token->issuer[0] || !token->subject[0] || token->audiences.count == 0 ||
        !members_has(&members, "exp") || !members_has(&members, "iat"))
        return refuse(error, "the ID token lacks one of iss, sub, aud, exp and iat");
    return true;
}

bool id_token_read(struct id_token *token, struct str text, struct error *error)
{
    struct parts parts;
    struct buf signature = {0};

    if (text.length > ID_TOKEN_MOST)
        return refuse(error, "the ID token is too large");
    if (!split(text, &parts))
        return refuse(error, "the ID token has not three parts");
    bool ok = crypto_base64url_decode(parts.signature, &signature);
    buf_clear(&signature);
    if (!ok)
        return refuse(error, "the signature of the ID token: it is no base64url");
    token->signed_length = parts.header.length + 1 + parts.payload.length;
    return take_header(token, parts.header, error) && take_claims(token, parts.payload, error);
}

/* --- Checking --------------------------------------------------------------------------------- */

const char *id_token_client(const struct id_token *token)
{
    const struct member_texts *audiences = &token->audiences;
    const char *client = token->authorized[0]    ? token->authorized
                         : audiences->count == 1 ? audiences->items[0]
                                                 : "";

    for (size_t i = 0; client[0] && i < audiences->count; i++) {
        if (strcmp(audiences->items[i], client) == 0)
            return client;
    }
    return NULL;
}

bool id_token_check(const struct id_token *token, int64_t now, int64_t age_most, struct str nonce,
                    struct error *error)
{
    if (token->expires + ID_TOKEN_SKEW_S <= now)
        return refuse(error, "the ID token has expired");
    if (token->issued - ID_TOKEN_SKEW_S > now || token->not_before - ID_TOKEN_SKEW_S > now)
        return refuse(error, "the ID token is from the future: is a clock wrong?");
    if (token->issued + age_most + ID_TOKEN_SKEW_S < now)
        return refuse(error, "the ID token was issued too long ago; log in again");
    return nonce.length == 0 || crypto_equals(nonce, str_of(token->nonce)) ||
           refuse(error, "the ID token has another nonce");
}

bool id_token_check_signature(const struct id_token *token, struct str text,
                              const struct key_set *keys)
{
    return key_set_check(keys, token->algorithm, token->kid, text);
}

/* --- The user --------------------------------------------------------------------------------- */

static bool is_plain(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

static void put_subject(struct str subject, struct buf *user)
{
    for (size_t i = 0; i < subject.length; i++) {
        if (is_plain(subject.data[i]))
            buf_append_byte(user, subject.data[i]);
        else
            buf_append_format(user, "~%02X", (unsigned char)subject.data[i]);
    }
}

static bool put_issuer(struct str issuer, struct buf *user, struct error *error)
{
    unsigned char hash[CRYPTO_HASH_SIZE];
    struct str scheme = STR("https://");
    size_t start = str_find_byte(issuer, '/') + strlen("//");
    struct str rest = str_slice(issuer, start, issuer.length);
    struct str host = str_slice(rest, 0, str_find_either(rest, ':', '/'));

    buf_append(user, host);
    if (str_starts_with(issuer, scheme) && host.length == rest.length) {
        buf_append(user, STR(".oidc.invalid"));
        return true;
    }
    if (!crypto_sha256(issuer, hash, error))
        return false;
    buf_append_byte(user, '.');
    crypto_hex_encode((struct str){(const char *)hash, HASH_BYTES}, user);
    buf_append(user, STR(".oidc-url.invalid"));
    return true;
}

/* One that an address can have (address.h): also as a name of a directory it must not be too long.
 */
static bool is_user(struct str user)
{
    struct buf name = {0};

    percent_encode(user, &name);
    bool ok = !name.failed && name.length <= ADDRESS_NAME_MOST && address_check_user(user) &&
              str_find_byte(user, '/') == user.length;
    buf_clear(&name);
    return ok;
}

static bool put_email(const struct id_token *token, struct buf *user, struct error *error)
{
    struct str email = str_of(token->email);
    size_t at = str_find_byte(email, '@');

    buf_append(user, str_slice(email, 0, at));
    for (size_t i = at; i < email.length; i++) {
        char byte = email.data[i];

        buf_append_byte(user, byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte);
    }
    return !str_ends_with(buf_str(user), STR(".invalid")) ||
           refuse(error, "the ID token names an e-mail address that cannot exist");
}

bool id_token_name_user(const struct id_token *token, bool has_email, struct buf *user,
                        struct error *error)
{
    if (has_email && token->email[0] && token->is_email_verified) {
        if (!put_email(token, user, error))
            return false;
    } else {
        put_subject(str_of(token->subject), user);
        buf_append_byte(user, '@');
        if (!put_issuer(str_of(token->issuer), user, error))
            return false;
    }
    return buf_ok(user, error) &&
           (is_user(buf_str(user)) ||
            refuse(error, "the ID token names nobody who can be a user here"));
}
