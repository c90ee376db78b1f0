/* The steps of POST /verify: an assertion for a token (docs/protocol.md, "Logging in"). */
#include "base/clock.h"
#include "base/log.h"
#include "http/body.h"
#include "http/cors.h"
#include "http/form.h"
#include "http/routes.h"

#include <stdlib.h>

enum { LOGIN_MOST = 65536 }; /* bytes of the body; an assertion has some thousand */

static enum step admit(struct task *task)
{
    struct request *request = request_of(task);
    char client[ACCESS_CLIENT_SIZE];

    /* A proxy that does not say who asks is not held against everybody behind it. */
    request_find_client(request, client);
    return !client[0] || login_admit(request->http->services.login, client, clock_monotonic_ms(),
                                     &request->retry_after_s, &task->error)
               ? STEP_NEXT
               : STEP_FAIL;
}

static enum step await_login(struct task *task)
{
    return body_await_all(request_of(task), LOGIN_MOST, task);
}

static enum step read_login(struct task *task)
{
    struct request *request = request_of(task);

    request->login = calloc(1, sizeof *request->login);
    if (!request->login)
        return task_fail(task, ERROR_NO_MEMORY, "out of memory for a login");
    const struct form_field fields[] = {{"assertion", &request->login->assertion, false},
                                        {"audience", &request->login->audience, false},
                                        {"nonce", &request->login->nonce, true},
                                        {0}};
    return form_read(request, fields, &task->error) &&
                   cors_check_audience(request, buf_str(&request->login->audience), &task->error)
               ? STEP_NEXT
               : STEP_FAIL;
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
    char client[ACCESS_CLIENT_SIZE];

    if (!login_end(request->login, &request->reply.body, &task->error))
        return STEP_FAIL;
    if (who->user[0]) {
        log_write(LOG_NOTICE, "login: %s at %s from %s, vouched for by %s, session %s", who->user,
                  who->audience.text, request_say_client(request, client), request->login->issuer,
                  who->session);
    } else {
        request->http->stats.refused_logins++;
        log_write(LOG_NOTICE, "login refused from %s: %s", request_say_client(request, client),
                  request->login->failure);
    }
    return STEP_DONE;
}

const struct step_entry verify_steps[] = {STEP(admit),  STEP(await_login), STEP(read_login),
                                          STEP(log_in), STEP(count_login), STEP(end_login),
                                          {0}};

/* --- POST /logout, POST /logout/everywhere ---------------------------------------------------- */

struct logout {
    struct token who;
    struct revocation revocation;
};

static bool find_session(struct request *request, struct error *error)
{
    const struct credentials credentials = {
        .query_token = request->query.auth,
        .authorization = request->head.authorization,
        .trusted_user = request->head.trusted_user,
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
    char client[ACCESS_CLIENT_SIZE];

    if (cause->code != ERROR_NONE)
        return task_fail(task, cause->code, "%s", cause->message);
    log_write(LOG_NOTICE, "%s: %s at %s from %s, session %s", request->route->kind.name, who->user,
              who->audience.text, request_say_client(request, client), who->session);
    buf_append(&request->reply.body, STR("{\"status\":\"okay\"}"));
    return buf_ok(&request->reply.body, &task->error) ? STEP_DONE : STEP_FAIL;
}

const struct step_entry logout_steps[] = {
    STEP(request_check_query), STEP(end_session), STEP(answer_logout), {0}};
const struct step_entry logout_everywhere_steps[] = {
    STEP(request_check_query), STEP(end_all_sessions), STEP(answer_logout), {0}};
