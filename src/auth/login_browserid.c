/* "CERTIFICATE~ASSERTION", BrowserID, of issuers whose keys are known here. Without such issuers a
 * verifier is asked. */
#include "auth/login_kind.h"

#include <string.h>

static bool takes(struct str assertion)
{
    return str_find_byte(assertion, '~') < assertion.length;
}

static enum step run(struct login_attempt *attempt, struct task *task)
{
    const struct browserid_rules *rules = &attempt->login->browserid;
    struct browserid_proof proof;
    struct error cause;

    if (rules->issuer_count == 0) {
        attempt->kind = &login_verifier;
        return attempt->kind->run(attempt, task);
    }
    if (!browserid_check(rules, buf_str(&attempt->assertion), &attempt->who.audience, attempt->now,
                         &proof, &cause)) {
        login_refuse(attempt, cause.message);
        return STEP_NEXT;
    }
    memcpy(attempt->who.user, proof.user, sizeof attempt->who.user);
    login_take_issuer(attempt, str_of(proof.issuer));
    attempt->proof_ends = proof.expires;
    return STEP_NEXT;
}

const struct login_kind login_browserid = {.name = "BrowserID", .takes = takes, .run = run};
