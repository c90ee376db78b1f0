/* The steps of /verify/email: a code by mail, and the page that its link leads to
 * (docs/protocol.md, "Logging in"). */
#include "base/clock.h"
#include "base/json_write.h"
#include "base/log.h"
#include "http/body.h"
#include "http/cors.h"
#include "http/form.h"
#include "http/mail_page.h"
#include "http/routes.h"

#include <stdlib.h>

enum { WISH_MOST = 4096, BUTTON_MOST = 256, STATUS_ACCEPTED = 202, STATUS_NOT_FOUND = 404 };

/* --- The page --------------------------------------------------------------------------------- */

/* data NULL: there is none. It holds nothing that would have to be decoded. */
static struct str find_link(const struct request *request)
{
    const struct str name = STR("link=");
    struct str rest = request->query_text, part;

    while (rest.length > 0 && str_split(&rest, '&', &part)) {
        if (str_starts_with(part, name))
            return str_slice(part, name.length, part.length);
    }
    return (struct str){0};
}

/* Whatever looks at links for safety's sake does not press buttons. */
static bool is_button_pressed(const struct request *request)
{
    return request->head.method == METHOD_POST &&
           str_equals(body_bytes(request, BUTTON_MOST), STR("show=code"));
}

static enum step answer_page(struct request *request, struct str link)
{
    const struct keys *keys = &request->http->services.access->keys;
    struct reply *reply = &request->reply;
    int64_t now = clock_unix_seconds();
    struct mail_code code;

    reply->content_type = "text/html; charset=utf-8";
    reply->csp = mail_page_csp;
    reply->referrer_policy = "no-referrer";
    if (!mail_code_open(keys, link, now, &code, &request->task.error)) {
        if (request->task.error.code != ERROR_UNAUTHORIZED)
            return STEP_FAIL;
        reply->status = STATUS_NOT_FOUND;
        mail_page_put_end(&reply->body);
    } else if (is_button_pressed(request)) {
        mail_page_put_code(&code, now, &reply->body);
    } else {
        mail_page_put_button(&code, &reply->body);
    }
    crypto_wipe(&code, sizeof code);
    return buf_ok(&reply->body, &request->task.error) ? STEP_DONE : STEP_FAIL;
}

static enum step show_page(struct task *task)
{
    struct request *request = request_of(task);

    return answer_page(request, find_link(request));
}

const struct step_entry mail_page_steps[] = {STEP(show_page), {0}};

/* --- A code ----------------------------------------------------------------------------------- */

static enum step await_wish(struct task *task)
{
    return body_await_all(request_of(task), WISH_MOST, task);
}

static enum step press_button(struct task *task)
{
    struct request *request = request_of(task);
    struct str link = find_link(request);

    return link.data ? answer_page(request, link) : STEP_NEXT;
}

static enum step read_wish(struct task *task)
{
    struct request *request = request_of(task);

    request->wish = calloc(1, sizeof *request->wish);
    if (!request->wish)
        return task_fail(task, ERROR_NO_MEMORY, "out of memory for a login");
    const struct form_field fields[] = {{"email", &request->wish->email, false},
                                        {"audience", &request->wish->audience, false},
                                        {0}};
    return form_read(request, fields, &task->error) &&
                   cors_check_audience(request, buf_str(&request->wish->audience), &task->error)
               ? STEP_NEXT
               : STEP_FAIL;
}

static enum step send_code(struct task *task)
{
    struct request *request = request_of(task);
    const struct login *login = request->http->services.login;
    char client[ACCESS_CLIENT_SIZE];
    unsigned char room[8];

    request_find_client(request, client);
    enum step outcome = mail_login_ask(request->wish, login, rate_name_address(client, room),
                                       clock_unix_seconds(), task);
    if (task->error.code == ERROR_TOO_OFTEN && outcome == STEP_FAIL)
        request->retry_after_s = request->wish->wait_s;
    return outcome;
}

static void note_mail(const struct request *request)
{
    const struct mail_code *code = &request->wish->code;
    struct http_stats *stats = &request->http->stats;
    int refusal = mail_refusal(&request->wish->mail);
    char client[ACCESS_CLIENT_SIZE];
    const char *who = request_say_client(request, client);

    if (refusal) {
        stats->mails_refused++;
        log_write(LOG_WARNING,
                  "code for %s at %s, asked for from %s: the mail server refuses it with status %d",
                  code->user, code->audience.text, who, refusal);
    } else {
        stats->mails_sent++;
        log_write(LOG_NOTICE, "code for %s at %s mailed, asked for from %s", code->user,
                  code->audience.text, who);
    }
}

static enum step answer_wish(struct task *task)
{
    struct request *request = request_of(task);

    if (!mail_login_answer(request->wish, clock_unix_seconds(), &request->reply.body,
                           &task->error)) {
        request->http->stats.mails_failed++;
        return STEP_FAIL;
    }
    note_mail(request);
    request->reply.status = STATUS_ACCEPTED;
    return STEP_DONE;
}

const struct step_entry mail_code_steps[] = {STEP(await_wish), STEP(press_button), STEP(read_wish),
                                             STEP(send_code),  STEP(answer_wish),  {0}};
