/* "HEADER.PAYLOAD.SIGNATURE", an ID token of an OpenID Connect issuer that the configuration names.
 * Its keys come from the issuer itself, by way of its metadata. */
#include "auth/login_kind.h"

#include "auth/id_token.h"
#include "auth/oidc_issuer.h"

#include <stdlib.h>
#include <string.h>

enum { STATUS_GOOD = 200 };

struct asking {
    struct id_token token;
    const char *line; /* of the configuration; not beyond a step: it may be read again */
    char url[OIDC_URL_SIZE], keys_url[OIDC_URL_SIZE];
    struct document_wait wait;
    bool wants_new_keys;
};

static bool takes(struct str assertion)
{
    return id_token_is_meant(assertion);
}

/* What needs nobody else. Its signature comes last, because to check that others may have to be
 * asked; nothing is done with the token before. */
static bool check_token(struct login_attempt *attempt, struct asking *asking, struct error *error)
{
    const struct login *login = attempt->login;
    const struct id_token *token = &asking->token;

    if (!id_token_read(&asking->token, buf_str(&attempt->assertion), error))
        return false;
    asking->line =
        oidc_issuer_find(login->oidc_issuers, login->oidc_issuer_count, str_of(token->issuer));
    if (!asking->line)
        return error_set(error, ERROR_UNAUTHORIZED,
                         "the ID token is of an issuer that is not known here");
    const char *client = id_token_client(token);
    if (!client || !oidc_issuer_admits(asking->line, str_of(client), &attempt->who.audience,
                                       login->audience_count > 0))
        return error_set(error, ERROR_UNAUTHORIZED,
                         "the ID token was issued to an app other than that of this audience");
    return id_token_check(token, attempt->now, login->oidc_token_age, buf_str(&attempt->nonce),
                          error);
}

static enum step refuse(struct login_attempt *attempt, const struct error *cause, struct task *task)
{
    if (cause->code != ERROR_UNAUTHORIZED)
        return task_fail(task, cause->code, "%s", cause->message);
    login_refuse(attempt, cause->message);
    return STEP_NEXT;
}

/* --- Asking the issuer ------------------------------------------------------------------------ */

static bool is_json(const char *type)
{
    return str_starts_with(str_of(type), STR("application/")) &&
           str_ends_with(str_of(type), STR("json"));
}

/* STEP_NEXT: asking->wait.answer is a good one. */
static enum step get(struct login_attempt *attempt, struct asking *asking, const char *url,
                     unsigned flags, struct task *task)
{
    struct documents *documents = attempt->login->documents;
    enum step step = documents_get(documents, &asking->wait, url, DOCUMENTS_OR_OLD | flags, task);
    const struct document_answer *answer = asking->wait.answer;

    if (step != STEP_NEXT)
        return step;
    if (answer->error.code == ERROR_NO_MEMORY)
        return task_fail(task, ERROR_NO_MEMORY, "%s", answer->error.message);
    if (answer->error.code != ERROR_NONE)
        return task_fail(task, ERROR_BUSY, "the issuer %.100s cannot be asked: %.200s",
                         asking->token.issuer, answer->error.message);
    if (answer->status != STATUS_GOOD || !is_json(answer->content_type))
        return task_fail(task, ERROR_BUSY,
                         "the issuer %.100s answers with status %d and type \"%.40s\"",
                         asking->token.issuer, answer->status, answer->content_type);
    return STEP_NEXT;
}

static enum step refuse_document(const struct asking *asking, const char *what,
                                 const struct error *cause, struct task *task)
{
    return task_fail(task, cause->code == ERROR_NO_MEMORY ? cause->code : ERROR_BUSY,
                     "the %s of the issuer %.100s cannot be used: %.200s", what,
                     asking->token.issuer, cause->message);
}

static enum step find_keys(struct login_attempt *attempt, struct asking *asking, struct task *task)
{
    struct error cause;
    enum step step = get(attempt, asking, asking->url, 0, task);

    if (step != STEP_NEXT)
        return step;
    if (!oidc_issuer_read_metadata(buf_str(&asking->wait.answer->body),
                                   str_of(asking->token.issuer), asking->keys_url, &cause))
        return refuse_document(asking, "metadata", &cause, task);
    return STEP_NEXT;
}

/* --- The end ---------------------------------------------------------------------------------- */

/* It logs in once, for as long as it would be taken; a signature that can be written in several
 * ways does not make it another one. */
static enum step admit(struct login_attempt *attempt, struct asking *asking, struct task *task)
{
    const struct id_token *token = &asking->token;
    int64_t too_old = token->issued + attempt->login->oidc_token_age;
    struct buf user = {0};
    struct error cause;
    bool ok = id_token_name_user(token, oidc_issuer_verifies_email(asking->line), &user, &cause);

    if (ok && !login_take_user(attempt, buf_str(&user)))
        ok = error_set(&cause, ERROR_UNAUTHORIZED, "the ID token names no user");
    buf_clear(&user);
    if (!ok)
        return refuse(attempt, &cause, task);
    login_take_issuer(attempt, str_of(token->issuer));
    attempt->proof_ends = token->expires < too_old ? token->expires : too_old;
    attempt->proof_length = token->signed_length;
    return STEP_NEXT;
}

/* A signature that fits no key may be of a key that is new. */
static enum step check_signature(struct login_attempt *attempt, struct asking *asking,
                                 struct task *task)
{
    for (;;) {
        struct key_set keys = {0};
        struct error cause;
        enum step step = get(attempt, asking, asking->keys_url,
                             asking->wants_new_keys ? DOCUMENTS_NEW : 0, task);

        if (step != STEP_NEXT)
            return step;
        bool ok = key_set_read(&keys, buf_str(&asking->wait.answer->body), &cause);
        bool is_signed =
            ok && id_token_check_signature(&asking->token, buf_str(&attempt->assertion), &keys);
        key_set_clear(&keys);
        if (!ok)
            return refuse_document(asking, "keys", &cause, task);
        if (is_signed)
            return admit(attempt, asking, task);
        if (asking->wants_new_keys) {
            login_refuse(attempt, "the ID token is not signed with a key of its issuer");
            return STEP_NEXT;
        }
        asking->wants_new_keys = true;
    }
}

static enum step begin(struct login_attempt *attempt, struct task *task)
{
    struct asking *asking = calloc(1, sizeof *asking);

    attempt->own = asking;
    if (!asking)
        return task_fail(task, ERROR_NO_MEMORY, "out of memory for a login");
    return STEP_NEXT;
}

static enum step run(struct login_attempt *attempt, struct task *task)
{
    struct error cause;

    if (attempt->login->oidc_issuer_count == 0) {
        login_refuse(attempt, "OpenID Connect is off here: there is no oidc_issuer");
        return STEP_NEXT;
    }
    if (!attempt->own && begin(attempt, task) == STEP_FAIL)
        return STEP_FAIL;
    struct asking *asking = attempt->own;
    asking->token = (struct id_token){0};
    if (!check_token(attempt, asking, &cause) ||
        !oidc_issuer_metadata_url(str_of(asking->token.issuer), asking->url, &cause))
        return refuse(attempt, &cause, task);
    if (!asking->keys_url[0]) {
        enum step step = find_keys(attempt, asking, task);

        if (step != STEP_NEXT)
            return step;
    }
    return check_signature(attempt, asking, task);
}

static void clear(struct login_attempt *attempt)
{
    struct asking *asking = attempt->own;

    crypto_wipe(&asking->token, sizeof asking->token);
    free(asking);
}

const struct login_kind login_oidc = {
    .name = "OpenID Connect", .takes = takes, .run = run, .clear = clear};
