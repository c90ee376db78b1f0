#include "loop/mail.h"

#include <stdlib.h>

enum { PIECE = 512 };

/* Each with its own libcurl, which closes the idle lines of its others on the slightest suspicion.
 */
bool mails_open(struct mails *mails, struct loop *loop, size_t most, const char *ca_file,
                struct error *error)
{
    *mails = (struct mails){.places = calloc(most, sizeof *mails->places), .most = most};
    if (!mails->places)
        return error_set(error, ERROR_NO_MEMORY, "out of memory for mail");
    for (size_t i = 0; i < most; i++)
        mails->places[i] = (struct fetches){.loop = loop, .ca_file = ca_file};
    return true;
}

void mails_close(struct mails *mails)
{
    for (size_t i = 0; mails->places && i < mails->most; i++)
        fetches_close(&mails->places[i]);
    free(mails->places);
    *mails = (struct mails){0};
}

/* Opened when it is first needed. */
static struct fetches *find_place(struct mails *mails, struct error *error)
{
    for (size_t i = 0; i < mails->most; i++) {
        struct fetches *place = &mails->places[i];

        if (place->count > 0)
            continue;
        if (place->multi || fetches_open(place, place->loop, 1, place->ca_file, error))
            return place;
        return NULL;
    }
    (void)error_set(error, ERROR_BUSY, "%zu mails are under way", mails->most);
    return NULL;
}

/* --- Talking ---------------------------------------------------------------------------------- */

/* True: all is sent. Else it is waited for, or the line broke. */
static bool send_rest(struct mail *mail)
{
    struct fetch *fetch = &mail->fetch;
    size_t length;

    while (mail->sent < mail->smtp.out.length) {
        struct str rest = str_slice(buf_str(&mail->smtp.out), mail->sent, mail->smtp.out.length);

        if (!fetch_send(fetch, rest, &length))
            return false;
        if (length == 0) {
            (void)!fetch_wait(fetch, true);
            return false;
        }
        mail->sent += length;
    }
    return true;
}

/* True: something came and was taken. */
static bool receive(struct mail *mail)
{
    struct fetch *fetch = &mail->fetch;
    char piece[PIECE];
    size_t length;
    struct error cause;

    if (!fetch_receive(fetch, piece, sizeof piece, &length))
        return false;
    if (length == 0) {
        (void)!fetch_wait(fetch, false);
        return false;
    }
    return smtp_take(&mail->smtp, (struct str){piece, length}, &cause) ||
           error_set(&fetch->error, cause.code, "%s: %s", fetch->host, cause.message);
}

/* Whether the server takes mail of this sender has nothing to do with who gets it. */
static void judge(struct mail *mail)
{
    const struct smtp *smtp = &mail->smtp;
    struct fetch *fetch = &mail->fetch;

    if (smtp->state == SMTP_SENDER)
        error_set(&fetch->error, ERROR_IO, "%s: refuses the sender, with status %d", fetch->host,
                  smtp->status);
}

/* QUIT goes out if there is room for it; nobody waits for what the server says to that. */
static void talk(struct fetch *fetch)
{
    struct mail *mail = OWNER_OF(fetch, struct mail, fetch);
    bool goes_on = true;

    while (goes_on && !mail->smtp.ended)
        goes_on = send_rest(mail) && receive(mail);
    if (mail->smtp.ended) {
        (void)!send_rest(mail);
        fetch->error = (struct error){0};
        judge(mail);
    }
    if (mail->smtp.ended || fetch->error.code != ERROR_NONE)
        fetch_end(fetch);
}

/* --- All of it -------------------------------------------------------------------------------- */

/* The name that we greet with is that of the sender's domain: the machine's own may be one that
 * nobody outside knows. libcurl takes it from the path. */
static bool put_url(const struct mail_request *request, struct buf *url, struct error *error)
{
    size_t at = str_find_byte(request->sender, '@');

    buf_append_text(url, request->server);
    buf_append_byte(url, '/');
    buf_append(url, str_slice(request->sender, at + 1, request->sender.length));
    return buf_ok(url, error);
}

static enum step start_fetch(struct mail *mail, struct fetches *place,
                             const struct mail_request *request, struct task *task)
{
    const struct fetch_line line = {.talk = talk,
                                    .user = request->user,
                                    .password = request->password,
                                    .in_clear = request->in_clear};
    struct buf url = {0};
    enum step outcome = STEP_FAIL;

    if (put_url(request, &url, &task->error)) {
        const struct fetch_request fetch = {
            .url = url.data, .line = &line, .timeout_ms = request->timeout_ms};

        outcome = fetch_start(&mail->fetch, place, &fetch, task);
    }
    buf_clear(&url);
    return outcome;
}

enum step mail_start(struct mail *mail, struct mails *mails, const struct mail_request *request,
                     struct task *task)
{
    struct fetches *place = find_place(mails, &task->error);

    *mail = (struct mail){0};
    if (!place)
        return STEP_FAIL;
    smtp_begin(&mail->smtp, request->sender, request->recipient, request->text);
    if (!buf_ok(&mail->smtp.out, &task->error))
        return STEP_FAIL;
    return start_fetch(mail, place, request, task);
}

int mail_refusal(const struct mail *mail)
{
    return mail->smtp.status / 100 == 2 && mail->smtp.state == SMTP_TEXT ? 0 : mail->smtp.status;
}

void mail_clear(struct mail *mail)
{
    smtp_clear(&mail->smtp);
    fetch_clear(&mail->fetch);
}
