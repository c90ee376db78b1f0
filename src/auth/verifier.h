/* verifier.h - what a BrowserID verifier is asked, and what it answers: the classic contract
 * (mozilla/browserid-verifier, version 1). Text in, text out; who asks it over the wire is the
 * caller. */
#ifndef AUTH_VERIFIER_H
#define AUTH_VERIFIER_H

#include "auth/origin.h"
#include "base/address.h"
#include "base/buf.h"

#include <stddef.h>

enum { VERIFIER_ISSUER_SIZE = 256, VERIFIER_REASON_SIZE = sizeof((struct error *)NULL)->message };

struct verifier_answer {
    bool is_okay;
    char user[ADDRESS_USER_SIZE]; /* if okay: as the verifier wrote it */
    char issuer[VERIFIER_ISSUER_SIZE];
    int64_t expires;                   /* unix seconds: when the assertion ends */
    char reason[VERIFIER_REASON_SIZE]; /* if not okay */
};

/* The form to POST. */
void verifier_put_form(struct str assertion, const struct origin *audience, struct buf *form);

/* Reads a body of status 200. ERROR_IO: it is not what a verifier answers. What names another
 * audience, or an assertion that has ended, is not okay, whatever the verifier says. */
MUST_CHECK bool verifier_read(struct str body, const struct origin *audience, int64_t now,
                              struct verifier_answer *answer, struct error *error);

#endif
