/* "CERTIFICATE~ASSERTION", BrowserID: a verifier on the network is asked. login_browserid.c hands
 * over to this kind. */
#include "auth/login_kind.h"

#include "auth/verifier.h"

#include <stdlib.h>

enum { ANSWER_MOST = 64 * 1024, STATUS_GOOD = 200 };

struct question {
    struct buf form;
    struct fetch fetch;
};

static enum step ask(struct login_attempt *attempt, struct question *question, struct task *task)
{
    const struct login *login = attempt->login;

    verifier_put_form(buf_str(&attempt->assertion), &attempt->who.audience, &question->form);
    if (!buf_ok(&question->form, &task->error))
        return STEP_FAIL;
    const struct fetch_request request = {.url = login->verifier,
                                          .form = buf_str(&question->form),
                                          .timeout_ms = login->login_timeout_ms,
                                          .size_most = ANSWER_MOST};
    return fetch_start(&question->fetch, login->fetches, &request, task) == STEP_FAIL ? STEP_FAIL
                                                                                      : STEP_AGAIN;
}

static enum step refuse_answer(const struct fetch *fetch, struct task *task)
{
    if (fetch->error.code == ERROR_NO_MEMORY)
        return task_fail(task, fetch->error.code, "%s", fetch->error.message);
    if (fetch->error.code != ERROR_NONE)
        return task_fail(task, ERROR_BUSY, "the verifier cannot be asked: %s",
                         fetch->error.message);
    return task_fail(task, ERROR_BUSY, "the verifier answers with status %d", fetch->status);
}

static enum step read_answer(struct login_attempt *attempt, const struct fetch *fetch,
                             struct task *task)
{
    struct verifier_answer answer;
    struct error cause;

    if (fetch->error.code != ERROR_NONE || fetch->status != STATUS_GOOD)
        return refuse_answer(fetch, task);
    if (!verifier_read(buf_str(&fetch->body), &attempt->who.audience, attempt->now, &answer,
                       &cause))
        return task_fail(task, cause.code == ERROR_NO_MEMORY ? cause.code : ERROR_BUSY, "%s",
                         cause.message);
    login_take_issuer(attempt, str_of(answer.issuer));
    attempt->proof_ends = answer.expires;
    if (!answer.is_okay)
        login_refuse(attempt, answer.reason);
    else if (!login_take_user(attempt, str_of(answer.user)))
        return task_fail(task, ERROR_BUSY, "the verifier names no e-mail address");
    return STEP_NEXT;
}

static enum step run(struct login_attempt *attempt, struct task *task)
{
    const struct question *question = attempt->own;

    if (question)
        return read_answer(attempt, &question->fetch, task);
    if (!attempt->login->verifier) {
        login_refuse(attempt, "BrowserID is off here: there is no verifier");
        return STEP_NEXT;
    }
    attempt->own = calloc(1, sizeof *question);
    if (!attempt->own)
        return task_fail(task, ERROR_NO_MEMORY, "out of memory for a login");
    return ask(attempt, attempt->own, task);
}

static void clear(struct login_attempt *attempt)
{
    struct question *question = attempt->own;

    if (question->form.data)
        crypto_wipe(question->form.data, question->form.length);
    buf_clear(&question->form);
    fetch_clear(&question->fetch);
    free(question);
}

const struct login_kind login_verifier = {.name = "BrowserID", .run = run, .clear = clear};
