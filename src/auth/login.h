/* login.h - POST /verify: from an assertion to a token.
 *
 * The kinds of login are tried by the shape of the assertion. Here: dev login, "dev:TOKEN:email",
 * where TOKEN is random, made at start and printed on the terminal, so that only who started the
 * server can use it (every peer behind a TCP balancer looks like loopback; an address proves
 * nothing). */
#ifndef AUTH_LOGIN_H
#define AUTH_LOGIN_H

#include "auth/access.h"

enum { LOGIN_DEV_TOKEN_SIZE = 33 };

struct login {
    const struct access *access;
    char dev_token[LOGIN_DEV_TOKEN_SIZE]; /* empty: dev login is off */
    int64_t token_lifetime;               /* seconds */
};

/* Makes the dev token if dev is true. */
MUST_CHECK bool login_open(struct login *login, const struct access *access, bool dev,
                           int64_t token_lifetime, struct error *error);

/* Answers with the JSON object that POST /verify gives: status "okay" with email, audience, expires
 * (milliseconds, as the classic contract has it), expires_in (seconds), issuer and auth, or
 * "failure" with a reason. A failed login is no error; *who tells what was found (all-zero on
 * failure). Errors are memory and random bytes only. */
MUST_CHECK bool login_verify(const struct login *login, struct str assertion, struct str audience,
                             int64_t now, struct buf *answer, struct token *who,
                             struct error *error);

#endif
