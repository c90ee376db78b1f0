/* mail.h - one message to a mail server, as something a task waits for.
 *
 *     mails_open -> (mail_start -> the task goes on, looks at the mail -> mail_clear) ...
 *                -> mails_close
 *
 * We greet the server with the name of the sender's domain. Names, lines, TLS and login are those
 * of fetch.h, with their bounds. What a server says is bounded by smtp.h. */
#ifndef LOOP_MAIL_H
#define LOOP_MAIL_H

#include "loop/fetch.h"
#include "loop/smtp.h"

struct mails {
    struct fetches *places; /* one a mail under way */
    size_t most;
};

struct mail_request {
    const char *server;          /* smtp://HOST[:PORT] or smtps://HOST[:PORT] */
    const char *user, *password; /* NULL: no login */
    bool in_clear;               /* smtp: no TLS; for a server of this machine */
    /* These are borrowed until the mail ends: */
    struct str sender, recipient; /* checked addresses */
    struct str text;              /* lines end in CRLF */
    uint64_t timeout_ms;
};

struct mail {
    struct fetch fetch; /* error: ERROR_NONE if the server took the message, or refused it because
                           of what it is or whom it is for */
    struct smtp smtp;
    size_t sent;
};

MUST_CHECK bool mails_open(struct mails *mails, struct loop *loop, size_t most, const char *ca_file,
                           struct error *error);
void mails_close(struct mails *mails); /* nothing is under way; harmless on all-zero */

/* Returns STEP_WAIT, or STEP_FAIL: ERROR_BUSY if too many are under way, ERROR_CONF if server is no
 * URL. The mail is all-zero or cleared; to be cleared by the caller
 * whatever comes of it. */
enum step mail_start(struct mail *mail, struct mails *mails, const struct mail_request *request,
                     struct task *task);

/* Where there is no error: 0, or the status by which the server refused the message. */
int mail_refusal(const struct mail *mail);

void mail_clear(struct mail *mail); /* not under way; wipes; harmless twice, and on all-zero */

#endif
