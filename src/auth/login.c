#include "auth/login.h"

#include "base/json_write.h"

#include <string.h>

enum { DEV_TOKEN_BYTES = (LOGIN_DEV_TOKEN_SIZE - 1) / 2 };

bool login_open(struct login *login, const struct access *access, bool dev, int64_t token_lifetime,
                struct error *error)
{
    unsigned char bytes[DEV_TOKEN_BYTES];
    struct buf text = {0};

    *login = (struct login){.access = access, .token_lifetime = token_lifetime};
    if (!dev)
        return true;
    if (!crypto_random(bytes, sizeof bytes, error))
        return false;
    crypto_hex_encode((struct str){(const char *)bytes, sizeof bytes}, &text);
    bool ok = buf_ok(&text, error);
    if (ok)
        memcpy(login->dev_token, text.data, text.length);
    buf_clear(&text);
    return ok;
}

static void put_failure(struct buf *answer, const char *reason)
{
    buf_reset(answer);
    buf_append(answer, STR("{\"status\":\"failure\""));
    json_write_string_member(answer, "reason", str_of(reason));
    buf_append_byte(answer, '}');
}

/* "dev:TOKEN:email". NULL: it is right, and *user says who; else why not. */
static const char *check_dev(const struct login *login, struct str assertion, struct str *user)
{
    struct str token = str_of(login->dev_token);

    if (!str_starts_with(assertion, STR("dev:")))
        return "no kind of login here takes this assertion";
    if (token.length == 0)
        return "dev login is off";
    struct str rest = str_slice(assertion, 4, assertion.length);
    struct str given = str_slice(rest, 0, str_find_byte(rest, ':'));
    if (!crypto_equals(given, token))
        return "the dev token is wrong: each start of the server prints a new one";
    *user = str_slice(rest, given.length + 1, rest.length);
    return NULL;
}

/* The domain part in lower case, as addresses have it. */
static bool take_user(struct str text, char user[ADDRESS_USER_SIZE])
{
    size_t at = text.length;

    if (text.length >= ADDRESS_USER_SIZE)
        return false;
    while (at > 0 && text.data[at - 1] != '@')
        at--;
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.data[i];

        user[i] = i >= at && byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
    }
    user[text.length] = '\0';
    return address_check_user((struct str){user, text.length});
}

static bool put_success(const struct login *login, struct str audience, const struct token *who,
                        struct buf *answer, struct error *error)
{
    struct buf token = {0};
    bool ok = token_make(&login->access->keys, who, &token, error);

    buf_append(answer, STR("{\"status\":\"okay\""));
    json_write_string_member(answer, "email", str_of(who->user));
    json_write_string_member(answer, "audience", audience);
    json_write_u64_member(answer, "expires", (uint64_t)who->expires * 1000);
    json_write_u64_member(answer, "expires_in", (uint64_t)(who->expires - who->issued));
    json_write_string_member(answer, "issuer", STR("dev"));
    json_write_name(answer, "auth");
    buf_append(answer, STR("{\"query\":{"));
    json_write_string_member(answer, "auth", buf_str(&token));
    buf_append(answer, STR("},\"headers\":{}}}"));
    if (token.data)
        crypto_wipe(token.data, token.length);
    buf_clear(&token);
    return ok && buf_ok(answer, error);
}

bool login_verify(const struct login *login, struct str assertion, struct str audience, int64_t now,
                  struct buf *answer, struct token *who, struct error *error)
{
    struct str user = {0};
    struct error cause;
    const char *failure = check_dev(login, assertion, &user);

    *who = (struct token){0};
    if (!failure && !take_user(user, who->user))
        failure = "the assertion names no e-mail address";
    if (!failure && !origin_parse(&who->audience, audience, &cause))
        failure = cause.message;
    if (failure) {
        put_failure(answer, failure);
        *who = (struct token){0};
        return buf_ok(answer, error);
    }
    who->issued = now;
    who->expires = now + login->token_lifetime;
    return put_success(login, audience, who, answer, error);
}
