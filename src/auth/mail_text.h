/* mail_text.h - the message that brings a code, as it goes over the wire (RFC 5322): plain text in
 * ASCII, lines that end in CRLF. What stands in its headers has been through the strict grammars of
 * addresses and origins, so that nobody can add one. */
#ifndef AUTH_MAIL_TEXT_H
#define AUTH_MAIL_TEXT_H

#include "auth/mail_code.h"

struct mail_text {
    const char *from; /* an address */
    const struct mail_code *code;
    struct str page;       /* URL of the page that shows the code, empty: there is none */
    struct str message_id; /* what stands before "@" in Message-ID; unlike any other */
    int64_t now;           /* unix seconds */
};

void mail_text_put(const struct mail_text *text, struct buf *out);

#endif
