#include "auth/login.h"

#include "base/json_write.h"

#include <stdio.h>
#include <string.h>

enum {
    DEV_TOKEN_BYTES = (LOGIN_DEV_TOKEN_SIZE - 1) / 2,
    VERIFIER_ANSWER_MOST = 64 * 1024,
    VERIFIER_STATUS = 200,
};

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

static void fail(struct login_attempt *attempt, const char *reason)
{
    (void)snprintf(attempt->failure, sizeof attempt->failure, "%s", reason);
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

/* --- Kinds ----------------------------------------------------------------------------------- */

static enum step begin_dev(struct login_attempt *attempt)
{
    struct str token = str_of(attempt->login->dev_token);
    struct str rest = buf_str(&attempt->assertion);

    if (token.length == 0) {
        fail(attempt, "dev login is off");
        return STEP_NEXT;
    }
    rest = str_slice(rest, strlen("dev:"), rest.length);
    struct str given = str_slice(rest, 0, str_find_byte(rest, ':'));
    if (!crypto_equals(given, token))
        fail(attempt, "the dev token is wrong: each start of the server prints a new one");
    else if (!take_user(str_slice(rest, given.length + 1, rest.length), attempt->who.user))
        fail(attempt, "the assertion names no e-mail address");
    memcpy(attempt->issuer, "dev", sizeof "dev");
    return STEP_NEXT;
}

static enum step begin_browserid(struct login_attempt *attempt, struct task *task)
{
    const struct login *login = attempt->login;

    if (!login->verifier) {
        fail(attempt, "BrowserID is off here: there is no verifier");
        return STEP_NEXT;
    }
    verifier_put_form(buf_str(&attempt->assertion), &attempt->who.audience, &attempt->form);
    if (!buf_ok(&attempt->form, &task->error))
        return STEP_FAIL;
    const struct fetch_request request = {.url = login->verifier,
                                          .form = buf_str(&attempt->form),
                                          .timeout_ms = login->verifier_timeout_ms,
                                          .size_most = VERIFIER_ANSWER_MOST};
    attempt->asks = true;
    return fetch_start(&attempt->fetch, login->fetches, &request, task);
}

enum step login_begin(struct login_attempt *attempt, const struct login *login, struct task *task)
{
    struct str assertion = buf_str(&attempt->assertion);
    struct error cause;

    attempt->login = login;
    if (!origin_parse(&attempt->who.audience, buf_str(&attempt->audience), &cause)) {
        fail(attempt, cause.message);
        return STEP_NEXT;
    }
    if (str_starts_with(assertion, STR("dev:")))
        return begin_dev(attempt);
    if (str_find_byte(assertion, '~') < assertion.length)
        return begin_browserid(attempt, task);
    fail(attempt, "no kind of login here takes this assertion");
    return STEP_NEXT;
}

/* --- The answer ------------------------------------------------------------------------------ */

static bool refuse_answer(const struct fetch *fetch, struct error *error)
{
    if (fetch->error.code == ERROR_NO_MEMORY)
        return error_set(error, fetch->error.code, "%s", fetch->error.message);
    if (fetch->error.code != ERROR_NONE)
        return error_set(error, ERROR_BUSY, "the verifier cannot be asked: %s",
                         fetch->error.message);
    return error_set(error, ERROR_BUSY, "the verifier answers with status %d", fetch->status);
}

static bool take_verified(struct login_attempt *attempt, int64_t now, struct error *error)
{
    const struct fetch *fetch = &attempt->fetch;
    struct verifier_answer answer;
    struct error cause;

    if (fetch->error.code != ERROR_NONE || fetch->status != VERIFIER_STATUS)
        return refuse_answer(fetch, error);
    if (!verifier_read(buf_str(&fetch->body), &attempt->who.audience, now, &answer, &cause))
        return error_set(error, cause.code == ERROR_NO_MEMORY ? cause.code : ERROR_BUSY, "%s",
                         cause.message);
    if (!answer.is_okay)
        fail(attempt, answer.reason);
    memcpy(attempt->who.user, answer.user, sizeof answer.user);
    memcpy(attempt->issuer, answer.issuer, sizeof answer.issuer);
    return true;
}

static bool put_success(const struct login_attempt *attempt, struct buf *answer,
                        struct error *error)
{
    const struct token *who = &attempt->who;
    struct buf token = {0};
    bool ok = token_make(&attempt->login->access->keys, who, &token, error);

    buf_append(answer, STR("{\"status\":\"okay\""));
    json_write_string_member(answer, "email", str_of(who->user));
    json_write_string_member(answer, "audience", buf_str(&attempt->audience));
    json_write_u64_member(answer, "expires", (uint64_t)who->expires * 1000);
    json_write_u64_member(answer, "expires_in", (uint64_t)(who->expires - who->issued));
    json_write_string_member(answer, "issuer", str_of(attempt->issuer));
    json_write_name(answer, "auth");
    buf_append(answer, STR("{\"query\":{"));
    json_write_string_member(answer, "auth", buf_str(&token));
    buf_append(answer, STR("},\"headers\":{}}}"));
    if (token.data)
        crypto_wipe(token.data, token.length);
    buf_clear(&token);
    return ok && buf_ok(answer, error);
}

bool login_end(struct login_attempt *attempt, int64_t now, struct buf *answer, struct error *error)
{
    if (attempt->asks && !take_verified(attempt, now, error))
        return false;
    if (attempt->failure[0]) {
        put_failure(answer, attempt->failure);
        attempt->who = (struct token){0};
        return buf_ok(answer, error);
    }
    attempt->who.issued = now;
    attempt->who.expires = now + attempt->login->token_lifetime;
    return put_success(attempt, answer, error);
}

void login_clear(struct login_attempt *attempt)
{
    if (attempt->assertion.data)
        crypto_wipe(attempt->assertion.data, attempt->assertion.length);
    if (attempt->form.data)
        crypto_wipe(attempt->form.data, attempt->form.length);
    buf_clear(&attempt->assertion);
    buf_clear(&attempt->audience);
    buf_clear(&attempt->form);
    fetch_clear(&attempt->fetch);
}
