/* smtp.h - our side of the part of SMTP (RFC 5321) that hands over one message, as a value: bytes
 * of the server in, bytes for it out. Greeting, TLS and login are over when it begins.
 *
 *     smtp_begin -> (send what is in out, smtp_take what comes) ... until ended -> smtp_clear
 *
 * Whatever a server sends, it takes no memory, and there is an end to how much is looked at. */
#ifndef LOOP_SMTP_H
#define LOOP_SMTP_H

#include "base/buf.h"

enum smtp_state {
    SMTP_SENDER,    /* has been told whose message it is, */
    SMTP_RECIPIENT, /* for whom, */
    SMTP_DATA,      /* that it comes now, */
    SMTP_TEXT,      /* the message */
};

struct smtp {
    struct str recipient, text; /* borrowed */
    struct buf out;             /* all that is to be sent, what was sent included */
    enum smtp_state state;      /* to what the server's next answer is */
    bool ended;                 /* it took the message, or refused what state says */
    int status;                 /* of its last answer */
    unsigned column;            /* of the line that comes next */
    size_t taken;               /* bytes */
    bool is_last_line;
};

/* Addresses without "<" and ">", checked by the caller: nothing that could end a line is in them.
 * Lines of text end in CRLF. */
void smtp_begin(struct smtp *smtp, struct str sender, struct str recipient, struct str text);

/* ERROR_IO: that is not SMTP. Nothing is taken after the end. */
MUST_CHECK bool smtp_take(struct smtp *smtp, struct str bytes, struct error *error);

void smtp_clear(struct smtp *smtp); /* wipes; harmless twice, and on all-zero */

#endif
