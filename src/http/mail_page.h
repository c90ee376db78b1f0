/* mail_page.h - the page that the link in a mail leads to. No script, nothing from elsewhere, and
 * nothing of what was sent but what has our signature. */
#ifndef HTTP_MAIL_PAGE_H
#define HTTP_MAIL_PAGE_H

#include "auth/mail_code.h"

/* Nothing but the one style sheet, whose hash it names, and the form. */
extern const char mail_page_csp[];

/* Says who asks for a login where, and has a button. */
void mail_page_put_button(const struct mail_code *code, struct buf *out);

/* After the button. */
void mail_page_put_code(const struct mail_code *code, int64_t now, struct buf *out);

/* For a link that is over, or none of ours. */
void mail_page_put_end(struct buf *out);

#endif
