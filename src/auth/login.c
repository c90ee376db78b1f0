#include "auth/login.h"

#include "auth/login_kind.h"
#include "base/json_write.h"

#include <stdio.h>
#include <string.h>

enum {
    DEV_TOKEN_BYTES = (LOGIN_DEV_TOKEN_SIZE - 1) / 2,
    MS_PER_S = 1000,
    SKEW_S = 120, /* an assertion's end is looked at with some lenience */
};

/* In the order in which they are asked whether an assertion is theirs. */
static const struct login_kind *const kinds[] = {&login_dev, &login_mail, &login_renewal,
                                                 &login_oidc, &login_browserid};

bool login_open(struct login *login, const struct access *access, bool dev, int64_t token_lifetime,
                struct error *error)
{
    unsigned char bytes[DEV_TOKEN_BYTES];
    struct buf text = {0};

    *login = (struct login){.access = access, .token_lifetime = token_lifetime};
    if (!rate_open(&login->by_address, error) || !rate_open(&login->by_user, error))
        return false;
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

void login_close(struct login *login)
{
    rate_close(&login->by_address);
    rate_close(&login->by_user);
    browserid_clear(&login->browserid);
}

/* --- For the kinds --------------------------------------------------------------------------- */

void login_refuse(struct login_attempt *attempt, const char *reason)
{
    (void)snprintf(attempt->failure, sizeof attempt->failure, "%s", reason);
}

bool login_take_user(struct login_attempt *attempt, struct str email)
{
    return address_take_user(attempt->who.user, email);
}

void login_take_issuer(struct login_attempt *attempt, struct str issuer)
{
    (void)snprintf(attempt->issuer, sizeof attempt->issuer, "%.*s", STR_ARG(issuer));
}

/* --- An attempt ------------------------------------------------------------------------------- */

static const struct login_kind *find_kind(struct str assertion)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i]->takes(assertion))
            return kinds[i];
    }
    return NULL;
}

bool login_serves(const struct login *login, const struct origin *audience)
{
    for (size_t i = 0; i < login->audience_count; i++) {
        if (str_equals(str_of(login->audiences[i]), str_of(audience->text)))
            return true;
    }
    return login->audience_count == 0;
}

static void begin(struct login_attempt *attempt)
{
    struct error cause;

    if (!origin_parse(&attempt->who.audience, buf_str(&attempt->audience), &cause)) {
        login_refuse(attempt, cause.message);
        return;
    }
    attempt->kind = find_kind(buf_str(&attempt->assertion));
    if (!login_serves(attempt->login, &attempt->who.audience))
        login_refuse(attempt, "this server is not for the users of that audience");
    else if (!attempt->kind)
        login_refuse(attempt, "no kind of login here takes this assertion");
}

bool login_admit(struct login *login, const char *peer, uint64_t now_ms, uint64_t *wait_s,
                 struct error *error)
{
    unsigned char room[8];

    return rate_take(&login->by_address, rate_name_address(peer, room), now_ms, wait_s) ||
           error_set(error, ERROR_TOO_OFTEN,
                     "too many logins from this address; the next in %llu s",
                     (unsigned long long)*wait_s);
}

enum step login_run(struct login_attempt *attempt, struct login *login, int64_t now,
                    struct task *task)
{
    bool begins = !attempt->login;

    attempt->login = login;
    attempt->now = now;
    if (begins)
        begin(attempt);
    return attempt->failure[0] ? STEP_NEXT : attempt->kind->run(attempt, task);
}

enum step login_count(struct login_attempt *attempt, uint64_t now_ms, struct task *task)
{
    struct login *login = attempt->login;
    struct str proof = buf_str(&attempt->assertion);

    if (attempt->failure[0])
        return STEP_NEXT;
    if (attempt->proof_length > 0)
        proof = str_slice(proof, 0, attempt->proof_length);
    if (!rate_take(&login->by_user, str_of(attempt->who.user), now_ms, &attempt->wait_s))
        return task_fail(task, ERROR_TOO_OFTEN, "too many logins of this user; the next in %llu s",
                         (unsigned long long)attempt->wait_s);
    if (attempt->proof_ends == 0)
        return STEP_NEXT;
    return revocations_add_proof(login->revocations, &attempt->use, proof,
                                 attempt->proof_ends + SKEW_S, task);
}

static bool put_failure(struct buf *answer, const char *reason, struct error *error)
{
    buf_append(answer, STR("{\"status\":\"failure\""));
    json_write_string_member(answer, "reason", str_of(reason));
    buf_append_byte(answer, '}');
    return buf_ok(answer, error);
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
    json_write_u64_member(answer, "expires", (uint64_t)who->expires * MS_PER_S);
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

/* A session that begins in the second in which all of the user's were ended is not one of them. */
static bool begin_session(struct login_attempt *attempt, struct error *error)
{
    struct token *who = &attempt->who;
    int64_t ended = revocations_user_before(attempt->login->revocations, who);

    who->began = attempt->now > ended ? attempt->now : ended + 1;
    return token_begin_session(who, error);
}

bool login_end(struct login_attempt *attempt, struct buf *answer, struct error *error)
{
    const struct login *login = attempt->login;
    struct token *who = &attempt->who;

    if (attempt->use.error.code != ERROR_NONE)
        return error_set(error, attempt->use.error.code, "%s", attempt->use.error.message);
    if (attempt->use.is_there)
        login_refuse(attempt, "the assertion has been used before");
    if (attempt->failure[0]) {
        *who = (struct token){0};
        return put_failure(answer, attempt->failure, error);
    }
    if (!who->session[0] && !begin_session(attempt, error))
        return false;
    who->issued = attempt->now;
    who->expires = attempt->now + login->token_lifetime;
    if (who->expires > who->began + login->session_lifetime)
        who->expires = who->began + login->session_lifetime;
    return put_success(attempt, answer, error);
}

void login_clear(struct login_attempt *attempt)
{
    if (attempt->own)
        attempt->kind->clear(attempt);
    attempt->own = NULL;
    if (attempt->assertion.data)
        crypto_wipe(attempt->assertion.data, attempt->assertion.length);
    buf_clear(&attempt->assertion);
    buf_clear(&attempt->audience);
    buf_clear(&attempt->nonce);
}
