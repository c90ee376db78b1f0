/* login_kind.h - what each kind of login brings, for the files that are one (login_*.c).
 *
 * login.c tries the kinds in the order of its list; the first that takes the assertion decides. */
#ifndef AUTH_LOGIN_KIND_H
#define AUTH_LOGIN_KIND_H

#include "auth/login.h"

struct login_kind {
    const char *name;
    /* By the assertion's shape alone. Also true when this kind is switched off, so that the refusal
     * can say so. */
    bool (*takes)(struct str assertion);
    /* STEP_AGAIN while operations are under way; it is run again when they have ended. STEP_NEXT
     * when it is decided: attempt->who.user and attempt->issuer are filled, or login_refuse has
     * been called. STEP_FAIL, with task->error, only if nobody can decide now. */
    enum step (*run)(struct login_attempt *attempt, struct task *task);
    /* Frees attempt->own, which is not NULL. NULL: the kind keeps nothing. */
    void (*clear)(struct login_attempt *attempt);
};

extern const struct login_kind login_browserid, login_dev, login_mail, login_renewal, login_oidc,
    login_verifier;

/* Why not; a person reads it, and so may an attacker. */
void login_refuse(struct login_attempt *attempt, const char *reason);

/* Takes an e-mail address, its domain in lower case as addresses have it. False: it is none. */
MUST_CHECK bool login_take_user(struct login_attempt *attempt, struct str email);

/* Cut if it is longer than there is room for. */
void login_take_issuer(struct login_attempt *attempt, struct str issuer);

#endif
