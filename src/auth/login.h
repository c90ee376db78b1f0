/* login.h - POST /verify: from an assertion to a token.
 *
 * The kinds of login are tried by the shape of the assertion:
 *
 *  - "dev:TOKEN:email", dev login: TOKEN is random, made at start and printed on the terminal, so
 *    that only who started the server can use it (every peer behind a TCP balancer looks like
 *    loopback; an address proves nothing).
 *  - "CERTIFICATE~ASSERTION", BrowserID: a verifier (conf: verifier URL) is asked over HTTP.
 *
 *     login_begin -> (the task waits, or goes on at once) -> login_end -> login_clear */
#ifndef AUTH_LOGIN_H
#define AUTH_LOGIN_H

#include "auth/access.h"
#include "auth/verifier.h"
#include "loop/fetch.h"

enum { LOGIN_DEV_TOKEN_SIZE = 33 };

struct login {
    const struct access *access;
    char dev_token[LOGIN_DEV_TOKEN_SIZE]; /* empty: dev login is off */
    int64_t token_lifetime;               /* seconds */
    struct fetches *fetches;
    const char *verifier; /* URL; NULL: BrowserID is off; borrowed from the configuration */
    uint64_t verifier_timeout_ms;
};

/* Makes the dev token if dev is true. */
MUST_CHECK bool login_open(struct login *login, const struct access *access, bool dev,
                           int64_t token_lifetime, struct error *error);

/* One POST /verify. All-zero but for what the client sent, which is the attempt's. */
struct login_attempt {
    struct buf assertion, audience;
    const struct login *login;
    struct token who; /* user: empty until somebody has vouched for it */
    char issuer[VERIFIER_ISSUER_SIZE];
    char failure[VERIFIER_REASON_SIZE]; /* why not; empty: nothing has failed */
    struct buf form;
    struct fetch fetch;
    bool asks; /* a verifier was asked */
};

/* Returns STEP_NEXT if no other server has to be asked, STEP_WAIT if one is, or STEP_FAIL. */
enum step login_begin(struct login_attempt *attempt, const struct login *login, struct task *task);

/* Answers with the JSON object that POST /verify gives: status "okay" with email, audience, expires
 * (milliseconds, as the classic contract has it), expires_in (seconds), issuer and auth, or
 * "failure" with a reason. A failed login is no error; attempt->who tells what was found (all-zero
 * then). ERROR_BUSY: the verifier gave no answer that can be used. */
MUST_CHECK bool login_end(struct login_attempt *attempt, int64_t now, struct buf *answer,
                          struct error *error);

/* Not while it waits. Wipes. Harmless twice, and on all-zero. */
void login_clear(struct login_attempt *attempt);

#endif
