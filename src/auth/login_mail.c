/* "mail:ID:DIGITS", a code by mail: the id came with the answer to POST /verify/email, the digits
 * with the mail. */
#include "auth/login_kind.h"

#include "auth/mail_login.h"

#include <string.h>

static bool takes(struct str assertion)
{
    return str_starts_with(assertion, STR("mail:"));
}

static enum step run(struct login_attempt *attempt, struct task *task)
{
    struct mail_login *mail = attempt->login->mail;
    struct str text = buf_str(&attempt->assertion);
    struct mail_code code;
    struct error cause;

    login_take_issuer(attempt, STR("mail"));
    if (!mail || !mail->server) {
        login_refuse(attempt, "login by mail is off here");
        return STEP_NEXT;
    }
    text = str_slice(text, STR("mail:").length, text.length);
    bool ok = mail_code_check(&attempt->login->access->keys, &mail->tries, text,
                              &attempt->who.audience, attempt->now, &code, &cause);
    if (!ok && cause.code != ERROR_UNAUTHORIZED)
        return task_fail(task, cause.code, "%s", cause.message);
    if (!ok) {
        login_refuse(attempt, cause.message);
        return STEP_NEXT;
    }
    memcpy(attempt->who.user, code.user, sizeof attempt->who.user);
    attempt->proof_ends = code.expires;
    crypto_wipe(&code, sizeof code);
    return STEP_NEXT;
}

const struct login_kind login_mail = {.name = "code by mail", .takes = takes, .run = run};
