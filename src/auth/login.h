/* login.h - POST /verify: from an assertion to a token.
 *
 * There are several kinds of login (login_kind.h), told apart by the shape of the assertion. Some
 * have to ask other servers before they can decide:
 *
 *     login_run (as a step, again while it says so) -> login_end -> login_clear */
#ifndef AUTH_LOGIN_H
#define AUTH_LOGIN_H

#include "auth/access.h"
#include "auth/browserid.h"
#include "auth/documents.h"
#include "auth/rate.h"
#include "loop/fetch.h"

enum {
    LOGIN_DEV_TOKEN_SIZE = 33,
    LOGIN_ISSUER_SIZE = 256,
    LOGIN_REASON_SIZE = sizeof((struct error *)NULL)->message,
};

struct login_kind;
struct mail_login;

/* What holds for all attempts. */
struct login {
    const struct access *access;
    char dev_token[LOGIN_DEV_TOKEN_SIZE];     /* empty: dev login is off */
    int64_t token_lifetime, session_lifetime; /* seconds */
    struct revocations *revocations;
    struct rate by_address, by_user; /* how often one may try, and be let in */
    const char *const *audiences;    /* sites that are served; borrowed */
    size_t audience_count;           /* 0: any */
    struct fetches *fetches;
    struct documents *documents;
    struct browserid_rules browserid; /* issuers whose keys are known here */
    const char *verifier; /* URL; NULL: there is none; borrowed from the configuration */
    uint64_t login_timeout_ms;
    struct mail_login *mail;         /* codes by mail; NULL: there are none */
    const char *const *oidc_issuers; /* lines, see oidc_issuer.h; borrowed likewise */
    size_t oidc_issuer_count;
    int64_t oidc_token_age; /* seconds */
};

/* Makes the dev token if dev is true. */
MUST_CHECK bool login_open(struct login *login, const struct access *access, bool dev,
                           int64_t token_lifetime, struct error *error);
void login_close(struct login *login); /* harmless twice, and on all-zero */

/* One POST /verify. All-zero but for what the client sent, which is the attempt's. */
struct login_attempt {
    struct buf assertion, audience;
    struct buf nonce; /* of an ID token; empty: any */
    struct login *login;
    const struct login_kind *kind; /* NULL: not known yet, or none takes it */
    void *own;                     /* of the kind */
    int64_t now;                   /* unix seconds, of this run */
    struct token who;              /* user: empty until somebody has vouched for it */
    int64_t proof_ends;            /* unix seconds: when the assertion ends, which can be used but
                                      once; 0: as often as one likes */
    size_t proof_length;           /* so many bytes of the assertion tell it from others; 0: all */
    struct revocation use;         /* of the assertion */
    uint64_t wait_s;               /* with ERROR_TOO_OFTEN: until one may try again */
    char issuer[LOGIN_ISSUER_SIZE];
    char failure[LOGIN_REASON_SIZE]; /* why not; empty: nothing has failed */
};

/* False: conf (allow_audience) rules this site out. */
bool login_serves(const struct login *login, const struct origin *audience);

/* A client at this address tries to log in: false with ERROR_TOO_OFTEN, and *wait_s, if it has done
 * so too often. */
MUST_CHECK bool login_admit(struct login *login, const char *peer, uint64_t now_ms,
                            uint64_t *wait_s, struct error *error);

/* STEP_NEXT: it is decided. STEP_AGAIN: other servers are asked, it is to be run again then.
 * STEP_FAIL: nobody can decide now; ERROR_BUSY if another server is why. */
enum step login_run(struct login_attempt *attempt, struct login *login, int64_t now,
                    struct task *task);

/* When it is decided: counts the login of this user, ERROR_TOO_OFTEN, and uses the assertion up.
 * STEP_NEXT, STEP_WAIT or STEP_FAIL. */
enum step login_count(struct login_attempt *attempt, uint64_t now_ms, struct task *task);

/* Answers with the JSON object that POST /verify gives: status "okay" with email, audience, expires
 * (milliseconds, as the classic contract has it), expires_in (seconds), issuer and auth, or
 * "failure" with a reason. A failed login is no error; attempt->who tells what was found (all-zero
 * then). */
MUST_CHECK bool login_end(struct login_attempt *attempt, struct buf *answer, struct error *error);

/* Not while it waits. Wipes. Harmless twice, and on all-zero. */
void login_clear(struct login_attempt *attempt);

#endif
