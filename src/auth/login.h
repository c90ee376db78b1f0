/* login.h - POST /verify: from an assertion to a token.
 *
 * There are several kinds of login (login_kind.h), told apart by the shape of the assertion. Some
 * have to ask other servers before they can decide:
 *
 *     login_run (as a step, again while it says so) -> login_end -> login_clear */
#ifndef AUTH_LOGIN_H
#define AUTH_LOGIN_H

#include "auth/access.h"
#include "auth/documents.h"
#include "loop/fetch.h"

enum {
    LOGIN_DEV_TOKEN_SIZE = 33,
    LOGIN_ISSUER_SIZE = 256,
    LOGIN_REASON_SIZE = sizeof((struct error *)NULL)->message,
};

struct login_kind;

/* What holds for all attempts. */
struct login {
    const struct access *access;
    char dev_token[LOGIN_DEV_TOKEN_SIZE]; /* empty: dev login is off */
    int64_t token_lifetime;               /* seconds */
    struct fetches *fetches;
    struct documents *documents;
    const char *verifier; /* URL; NULL: there is none; borrowed from the configuration */
    uint64_t verifier_timeout_ms;
};

/* Makes the dev token if dev is true. */
MUST_CHECK bool login_open(struct login *login, const struct access *access, bool dev,
                           int64_t token_lifetime, struct error *error);

/* One POST /verify. All-zero but for what the client sent, which is the attempt's. */
struct login_attempt {
    struct buf assertion, audience;
    const struct login *login;
    const struct login_kind *kind; /* NULL: not known yet, or none takes it */
    void *own;                     /* of the kind */
    int64_t now;                   /* unix seconds, of this run */
    struct token who;              /* user: empty until somebody has vouched for it */
    int64_t proof_ends;            /* unix seconds: when the assertion ends; 0: not known */
    char issuer[LOGIN_ISSUER_SIZE];
    char failure[LOGIN_REASON_SIZE]; /* why not; empty: nothing has failed */
};

/* STEP_NEXT: it is decided. STEP_AGAIN: other servers are asked, it is to be run again then.
 * STEP_FAIL: nobody can decide now; ERROR_BUSY if another server is why. */
enum step login_run(struct login_attempt *attempt, const struct login *login, int64_t now,
                    struct task *task);

/* Answers with the JSON object that POST /verify gives: status "okay" with email, audience, expires
 * (milliseconds, as the classic contract has it), expires_in (seconds), issuer and auth, or
 * "failure" with a reason. A failed login is no error; attempt->who tells what was found (all-zero
 * then). */
MUST_CHECK bool login_end(struct login_attempt *attempt, struct buf *answer, struct error *error);

/* Not while it waits. Wipes. Harmless twice, and on all-zero. */
void login_clear(struct login_attempt *attempt);

#endif
