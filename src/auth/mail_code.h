/* mail_code.h - codes by mail: eight digits that prove who reads the mail of an address.
 *
 * Nothing is kept of a code, so any process that has the same keys can check it. What it is for
 * (address, site, end) stands in an id that whoever asks for a code gets; the digits are a MAC over
 * that and go to the mailbox. The link in the mail is the same under another MAC, from which the
 * digits can be shown: who has only the id can make neither.
 *
 *     KID.PAYLOAD.MAC, PAYLOAD: base64url of "EXPIRES EMAIL AUDIENCE NONCE"
 *
 * Invariants (tests name them):
 *  1. Nothing of an id or a link is parsed before its MAC was found right, in constant time.
 *  2. Digits are good for the address, the site and the time that their id was made for, no others.
 *  3. One process takes an id's digits once, and looks at MAIL_CODE_TRIES guesses of them.
 *  4. All codes are equally likely. */
#ifndef AUTH_MAIL_CODE_H
#define AUTH_MAIL_CODE_H

#include "auth/keys.h"
#include "auth/origin.h"
#include "auth/rate.h"

enum {
    MAIL_CODE_DIGITS = 8,
    MAIL_CODE_TRIES = 5,
    MAIL_CODE_LIFETIME_MOST = 3600, /* seconds */
    MAIL_CODE_ID_MOST = 1024,       /* bytes of an id, and of a link's part */
};

struct mail_code {
    char user[ADDRESS_USER_SIZE];
    struct origin audience;
    int64_t expires; /* unix seconds */
    char digits[MAIL_CODE_DIGITS + 1];
};

/* Fills in the digits and appends id and link. */
MUST_CHECK bool mail_code_make(const struct keys *keys, struct mail_code *code, struct buf *id,
                               struct buf *link, struct error *error);

/* For mail_code_check: what was guessed and used. No turn of an id comes back while it lives. */
MUST_CHECK bool mail_code_open_tries(struct rate *tries, struct error *error);

/* Takes "ID:DIGITS". ERROR_UNAUTHORIZED with a reason: not one of ours, expired, for another site,
 * used or guessed too often, wrong. */
MUST_CHECK bool mail_code_check(const struct keys *keys, struct rate *tries, struct str text,
                                const struct origin *audience, int64_t now, struct mail_code *code,
                                struct error *error);

/* What the link in a mail is about. It uses nothing up, so that who looks at mail before its reader
 * does, does no harm. */
MUST_CHECK bool mail_code_open(const struct keys *keys, struct str link, int64_t now,
                               struct mail_code *code, struct error *error);

#endif
