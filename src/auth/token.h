/* token.h - signed proof of who logged in, for which site, until when.
 *
 * v1.KID.PAYLOAD.MAC: PAYLOAD is unpadded base64url of the JSON object {"email","audience",
 * "issued","expires"} (times in unix seconds, audience an origin), MAC of HMAC-SHA256 over what
 * stands before the last dot, with key KID. Nothing of the payload is parsed before the MAC was
 * found right, in constant time. One token has one spelling: base64url is read strictly.
 *
 * It is good for one e-mail and one audience; at most TOKEN_MOST bytes. */
#ifndef AUTH_TOKEN_H
#define AUTH_TOKEN_H

#include "auth/keys.h"
#include "auth/origin.h"

enum { TOKEN_MOST = 1536 };

struct token {
    char user[ADDRESS_USER_SIZE];
    struct origin audience;
    int64_t issued, expires; /* unix seconds */
};

/* Appends the token to out. */
MUST_CHECK bool token_make(const struct keys *keys, const struct token *token, struct buf *out,
                           struct error *error);

/* ERROR_UNAUTHORIZED with a reason that a person can act on and that tells an attacker nothing:
 * malformed, unknown key, wrong signature, expired, issued in the future (60 s are let pass). */
MUST_CHECK bool token_check(const struct keys *keys, struct str text, int64_t now,
                            struct token *token, struct error *error);

#endif
