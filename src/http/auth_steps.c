/* The steps of POST /verify: an assertion for a token (docs/protocol.md, "Logging in"). */
#include "base/clock.h"
#include "base/json_read.h"
#include "base/log.h"
#include "base/percent.h"
#include "http/connection.h"
#include "http/routes.h"

#include <stdlib.h>

enum {
    FORM_MOST = 65536, /* bytes of the body; an assertion has some thousand */
    FORM_JSON_DEPTH = 4,
};

/* The two fields, whichever way they came. */
struct form {
    struct buf assertion, audience;
    struct buf *current; /* field whose value comes next, in JSON */
};

static bool take_form(struct form *form, struct str body, struct error *error)
{
    struct str rest = body, part;

    while (rest.length > 0 && str_split(&rest, '&', &part)) {
        size_t mark = str_find_byte(part, '=');
        struct str name = str_slice(part, 0, mark);
        struct buf *field = str_equals(name, STR("assertion"))  ? &form->assertion
                            : str_equals(name, STR("audience")) ? &form->audience
                                                                : NULL;

        if (field && field->length > 0)
            return error_set(error, ERROR_BAD_REQUEST, "%.*s is given twice", STR_ARG(name));
        if (field && !percent_decode(str_slice(part, mark + 1, part.length), true, field))
            return error_set(error, ERROR_BAD_REQUEST, "%.*s is not percent-coded correctly",
                             STR_ARG(name));
    }
    return true;
}

static bool take_event(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct form *form = context;

    if (depth != 1)
        return true;
    if (event == JSON_KEY)
        form->current = str_equals(text, STR("assertion"))  ? &form->assertion
                        : str_equals(text, STR("audience")) ? &form->audience
                                                            : NULL;
    else if (event == JSON_STRING && form->current && form->current->length == 0)
        buf_append(form->current, text);
    return true;
}

static bool read_form(struct request *request, struct form *form, struct error *error)
{
    struct str body = connection_body(request, FORM_MOST + 1);
    struct str type =
        str_slice(request->content_type, 0, str_find_byte(request->content_type, ';'));

    if (body.length > FORM_MOST)
        return error_set(error, ERROR_TOO_LARGE, "a login has at most %d bytes", FORM_MOST);
    bool is_json = str_equals_nocase(str_trim(type), STR("application/json"));
    if (!(is_json ? json_read_text(body, FORM_JSON_DEPTH, take_event, form, error)
                  : take_form(form, body, error)))
        return false;
    if (form->assertion.length == 0)
        return error_set(error, ERROR_BAD_REQUEST, "missing assertion parameter");
    if (form->audience.length == 0)
        return error_set(error, ERROR_BAD_REQUEST, "missing audience parameter");
    return buf_ok(&form->assertion, error) && buf_ok(&form->audience, error);
}

static enum step admit(struct task *task)
{
    struct request *request = request_of(task);

    return login_admit(request->http->services.login, request->peer, clock_monotonic_ms(),
                       &request->retry_after_s, &task->error)
               ? STEP_NEXT
               : STEP_FAIL;
}

static enum step read_login(struct task *task)
{
    struct request *request = request_of(task);
    struct form form = {0};

    request->login = calloc(1, sizeof *request->login);
    if (!request->login)
        return task_fail(task, ERROR_NO_MEMORY, "out of memory for a login");
    bool ok = read_form(request, &form, &task->error);
    request->login->assertion = form.assertion;
    request->login->audience = form.audience;
    return ok ? STEP_NEXT : STEP_FAIL;
}

static enum step log_in(struct task *task)
{
    struct request *request = request_of(task);

    return login_run(request->login, request->http->services.login, clock_unix_seconds(), task);
}

static enum step count_login(struct task *task)
{
    struct request *request = request_of(task);
    enum step outcome = login_count(request->login, clock_monotonic_ms(), task);

    request->retry_after_s = request->login->wait_s;
    return outcome;
}

static enum step end_login(struct task *task)
{
    struct request *request = request_of(task);
    const struct token *who = &request->login->who;

    if (!login_end(request->login, &request->reply.body, &task->error))
        return STEP_FAIL;
    if (who->user[0]) {
        log_write(LOG_NOTICE, "login: %s at %s from %s, vouched for by %s, session %s", who->user,
                  who->audience.text, request->peer, request->login->issuer, who->session);
    } else {
        request->http->stats.refused_logins++;
        log_write(LOG_NOTICE, "login refused from %s: %s", request->peer, request->login->failure);
    }
    return STEP_DONE;
}

const struct step_entry verify_steps[] = {STEP(admit),       STEP(read_login), STEP(log_in),
                                          STEP(count_login), STEP(end_login),  {0}};

/* --- POST /logout, POST /logout/everywhere ---------------------------------------------------- */

struct logout {
    struct token who;
    struct revocation revocation;
};

static bool find_session(struct request *request, struct error *error)
{
    const struct credentials credentials = {
        .query_token = request->query.auth,
        .authorization = request->authorization,
        .trusted_user = request->trusted_user,
        .peer = request->peer,
    };
    bool by_proxy;

    request->logout = calloc(1, sizeof *request->logout);
    if (!request->logout)
        return error_set(error, ERROR_NO_MEMORY, "out of memory for a logout");
    if (!access_check(request->http->services.access, &credentials, NULL, clock_unix_seconds(),
                      &by_proxy, &request->logout->who, error))
        return false;
    return !by_proxy ||
           error_set(error, ERROR_BAD_REQUEST, "a proxy has logged this user in; log out there");
}

static enum step end_session(struct task *task)
{
    struct request *request = request_of(task);
    struct login *login = request->http->services.login;

    if (!find_session(request, &task->error))
        return STEP_FAIL;
    return revocations_add_session(login->revocations, &request->logout->revocation,
                                   &request->logout->who, task);
}

static enum step end_all_sessions(struct task *task)
{
    struct request *request = request_of(task);
    struct login *login = request->http->services.login;

    if (!find_session(request, &task->error))
        return STEP_FAIL;
    return revocations_add_user(login->revocations, &request->logout->revocation,
                                &request->logout->who, clock_unix_seconds(), task);
}

static enum step answer_logout(struct task *task)
{
    struct request *request = request_of(task);
    const struct token *who = &request->logout->who;
    const struct error *cause = &request->logout->revocation.error;

    if (cause->code != ERROR_NONE)
        return task_fail(task, cause->code, "%s", cause->message);
    log_write(LOG_NOTICE, "%s: %s at %s from %s, session %s", request->route->kind.name, who->user,
              who->audience.text, request->peer, who->session);
    buf_append(&request->reply.body, STR("{\"status\":\"okay\"}"));
    return buf_ok(&request->reply.body, &task->error) ? STEP_DONE : STEP_FAIL;
}

const struct step_entry logout_steps[] = {
    STEP(request_check_query), STEP(end_session), STEP(answer_logout), {0}};
const struct step_entry logout_everywhere_steps[] = {
    STEP(request_check_query), STEP(end_all_sessions), STEP(answer_logout), {0}};
