/* mail_login.h - asking for a code by mail: who may, how often, and the mail that goes out.
 *
 *     mail_login_ask (a step's last line) -> mail_login_answer -> mail_wish_clear
 *
 * The answer is the same whether there is such a mailbox or not. */
#ifndef AUTH_MAIL_LOGIN_H
#define AUTH_MAIL_LOGIN_H

#include "auth/login.h"
#include "auth/mail_code.h"
#include "auth/mail_server.h"
#include "loop/mail.h"

struct mail_login {
    struct mails *mails;
    /* Borrowed from the configuration: */
    const char *server; /* URL; NULL: this kind of login is off */
    const char *from;
    struct str public_url;     /* empty: there is no page to link to */
    struct mail_secret secret; /* its own */
    uint64_t timeout_ms;
    int64_t lifetime_s;
    struct rate tries;           /* of mail_code_check */
    struct rate clients, emails; /* who asks, and for whom, */
    struct rate pairs;           /* and the two together: so one client cannot use up all that an
                                    address is allowed */
};

MUST_CHECK bool mail_login_open(struct mail_login *login, struct mails *mails, struct error *error);
void mail_login_close(struct mail_login *login); /* wipes; harmless twice, and on all-zero */

/* An hour's allowances; 0: no limit. */
void mail_login_limit(struct mail_login *login, uint64_t per_email, uint64_t per_client);

/* One request for a code. All-zero but for what the client sent, which is the wish's. */
struct mail_wish {
    struct buf email, audience;
    struct mail_code code;
    struct buf id, text;
    struct mail mail;
    uint64_t wait_s; /* with ERROR_TOO_OFTEN: how long */
};

/* client: what limits know it by; empty: unknown. Returns STEP_WAIT, or STEP_FAIL: ERROR_NOT_FOUND
 * if this kind of login is off, ERROR_BAD_REQUEST, ERROR_FORBIDDEN: the site is not served,
 * ERROR_TOO_OFTEN, ERROR_BUSY. */
enum step mail_login_ask(struct mail_wish *wish, const struct login *login, struct str client,
                         int64_t now, struct task *task);

/* {"id","expires_in","expires"}. ERROR_BUSY: the mail server cannot be used now. That it refused
 * this one mail is no error; mail_refusal tells. */
MUST_CHECK bool mail_login_answer(struct mail_wish *wish, int64_t now, struct buf *out,
                                  struct error *error);
void mail_wish_clear(struct mail_wish *wish); /* wipes; harmless twice, and on all-zero */

#endif
