/* "v1.…": a token for one that is still good, so that who uses an app stays logged in. The session
 * stays the same and does not last forever. */
#include "auth/login_kind.h"

#include <string.h>

static bool takes(struct str assertion)
{
    return str_starts_with(assertion, STR("v1."));
}

static enum step run(struct login_attempt *attempt, struct task *task)
{
    const struct login *login = attempt->login;
    struct token *who = &attempt->who, old;
    struct error cause;

    login_take_issuer(attempt, STR("session"));
    if (!revocations_look(login->revocations, &task->error))
        return STEP_FAIL;
    if (!token_check(&login->access->keys, buf_str(&attempt->assertion), attempt->now, &old,
                     &cause))
        login_refuse(attempt, cause.message);
    else if (revocations_has_token(login->revocations, &old))
        login_refuse(attempt, "the token was logged out; log in again");
    else if (strcmp(old.audience.text, who->audience.text) != 0)
        login_refuse(attempt, "the token is for another audience");
    else if (old.began + login->session_lifetime <= attempt->now)
        login_refuse(attempt, "the session has lasted as long as one may; log in again");
    else
        *who = old;
    return STEP_NEXT;
}

const struct login_kind login_renewal = {.name = "renewal", .takes = takes, .run = run};
