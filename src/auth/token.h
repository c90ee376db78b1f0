/* token.h - signed proof of who logged in, for which site, until when.
 *
 * v1.KID.PAYLOAD.MAC: PAYLOAD is unpadded base64url of the JSON object {"email","audience",
 * "session","began","issued","expires"} (times in unix seconds, audience an origin, session 16
 * letters of base64url), MAC of HMAC-SHA256 over what stands before the last dot, with key KID.
 * Nothing of the payload is parsed before the MAC was found right, in constant time. One token has
 * one spelling: base64url is read strictly.
 *
 * A session begins with a login and goes on over the tokens that are given for one another; it is
 * what a logout ends.
 *
 * It is good for one e-mail and one audience; at most TOKEN_MOST bytes. */
#ifndef AUTH_TOKEN_H
#define AUTH_TOKEN_H

#include "auth/keys.h"
#include "auth/origin.h"

enum { TOKEN_MOST = 1536, TOKEN_SESSION_SIZE = 17 };

struct token {
    char user[ADDRESS_USER_SIZE];
    struct origin audience;
    char session[TOKEN_SESSION_SIZE];
    int64_t began, issued, expires; /* unix seconds; began: of the session */
};

/* A random name for a new session. */
MUST_CHECK bool token_begin_session(struct token *token, struct error *error);

/* Appends the token to out. */
MUST_CHECK bool token_make(const struct keys *keys, const struct token *token, struct buf *out,
                           struct error *error);

/* ERROR_UNAUTHORIZED with a reason that a person can act on and that tells an attacker nothing:
 * malformed, unknown key, wrong signature, expired, issued in the future (60 s are let pass). */
MUST_CHECK bool token_check(const struct keys *keys, struct str text, int64_t now,
                            struct token *token, struct error *error);

#endif
