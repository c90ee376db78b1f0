#include "http/request.h"

#include "base/clock.h"
#include "http/access_log.h"
#include "http/connection.h"
#include "http/cors.h"
#include "http/reply.h"
#include "http/routes.h"

#include <stdlib.h>
#include <string.h>

static enum step refuse(struct task *task)
{
    task->error = request_of(task)->refusal;
    return STEP_FAIL;
}

static const struct step_entry refuse_steps[] = {STEP(refuse), {0}};
static const struct task_kind refuse_kind = {"refuse", refuse_steps, request_ended};

/* Needs no disk, no credentials, and no more of the address than its domain. */
static enum step answer_preflight(struct task *task)
{
    struct request *request = request_of(task);

    request->reply.status = 204;
    request->reply.preflight = true;
    return STEP_DONE;
}

static const struct step_entry preflight_steps[] = {STEP(answer_preflight), {0}};
static const struct task_kind preflight_kind = {"preflight", preflight_steps, request_ended};

/* "/prefix/a/b?query" into path "/a/b" and query. */
static bool split_target(struct request *request)
{
    struct str base = request->http->services.settings->base_path;
    struct str target = request->head.target;
    size_t mark = str_find_byte(target, '?');

    request->path = str_slice(target, 0, mark);
    request->query_text = str_slice(target, mark + 1, target.length);
    if (base.length == 0)
        return true;
    if (!str_starts_with(request->path, base))
        return error_set(&request->refusal, ERROR_NOT_FOUND, "everything here is below %.*s",
                         STR_ARG(base));
    request->path = str_slice(request->path, base.length, request->path.length);
    if (request->path.length > 0 && request->path.data[0] == '/')
        return true;
    return error_set(&request->refusal, ERROR_NOT_FOUND, "everything here is below %.*s/",
                     STR_ARG(base));
}

/* Shedding: rather some answers less than no memory for any. Who watches us is always answered. */
static bool is_too_much(struct request *request)
{
    struct http *http = request->http;
    uint64_t most = http->services.settings->max_body_memory;

    if (http->unsent_memory < most || http != http->services.public_face)
        return false;
    http->stats.shed++;
    error_set(&request->refusal, ERROR_BUSY,
              "answers that nobody takes have filled the memory there is for them "
              "(max_body_memory, %llu); try again later",
              (unsigned long long)most);
    return true;
}

static const struct task_kind *choose_kind(struct request *request)
{
    struct http *http = request->http;
    unsigned allowed = 0;

    if (request->refusal.code != ERROR_NONE || is_too_much(request) || !split_target(request))
        return &refuse_kind;
    if (!query_parse(&request->query, request->query_text, &request->query_error))
        query_clear(&request->query);
    if (request->head.method == METHOD_OPTIONS && cors_has_preflight(http->routes))
        return &preflight_kind;
    request->route = routes_find(http->routes, request, &allowed, &request->refusal);
    if (request->route)
        return &request->route->kind;
    if (allowed)
        request->reply.allow = routes_method_names(allowed);
    return &refuse_kind;
}

void request_start(struct request *request)
{
    struct http *http = request->http;

    list_append(&http->requests, &request->on_http);
    http->request_count++;
    request->id = ++http->next_id;
    request->started_us = clock_monotonic_us();
    request->reply.status = 200;
    const struct task_kind *kind = choose_kind(request);
    cors_decide(request);
    task_start(&request->task, http->services.loop, kind);
}

/* A request is large for the heap, which takes long to find and to give back such pieces; a few are
 * kept. */
enum { SPARES_MOST = 64 };

struct request *request_new(struct http *http)
{
    struct request *request = NULL;

    if (http->spare_count > 0) {
        request = OWNER_OF(http->spares.next, struct request, on_http);
        list_remove(&request->on_http);
        http->spare_count--;
    } else {
        request = malloc(sizeof *request);
    }
    if (!request)
        return NULL;
    memset(request, 0, offsetof(struct request, address));
    request->query_error.code = request->refusal.code = ERROR_NONE;
    request->http = http;
    return request;
}

static void keep_or_free(struct request *request)
{
    struct http *http = request->http;

    if (http->spare_count == SPARES_MOST) {
        free(request);
        return;
    }
    list_append(&http->spares, &request->on_http);
    http->spare_count++;
}

void request_forget(struct request *request)
{
    connection_release(request);
    keep_or_free(request);
}

static void free_request(struct request *request)
{
    connection_unpark(request);
    watch_end(&request->watch);
    append_free(&request->append_wait.append);
    pull_clear(&request->pull);
    listing_clear(&request->listing);
    if (request->login)
        login_clear(request->login);
    free(request->login);
    free(request->logout);
    if (request->wish)
        mail_wish_clear(request->wish);
    free(request->wish);
    upload_free(request->upload);
    objects_clear(&request->objects);
    query_clear(&request->query);
    stream_release(request->stream);
    reply_clear(&request->reply);
    connection_release(request);
    list_remove(&request->on_http);
    request->http->request_count--;
    keep_or_free(request);
}

void request_ended(struct task *task)
{
    struct request *request = request_of(task);

    if (task->error.code != ERROR_NONE)
        reply_put_error(request, &task->error);
    size_t length = request->head.method == METHOD_HEAD ? 0 : reply_body_length(request);
    if (!request->gone)
        reply_send(request);
    access_log_write(request, length);
    free_request(request);
}

void request_find_client(const struct request *request, char client[ACCESS_CLIENT_SIZE])
{
    access_find_client(request->http->services.access, request->peer, request->head.forwarded_for,
                       client);
}

const char *request_say_client(const struct request *request, char room[ACCESS_CLIENT_SIZE])
{
    request_find_client(request, room);
    return room[0] ? room : request->peer;
}

enum step request_check_query(struct task *task)
{
    struct request *request = request_of(task);

    if (request->query_error.code == ERROR_NONE)
        return STEP_NEXT;
    task->error = request->query_error;
    return STEP_FAIL;
}

enum step request_check_access(struct task *task)
{
    struct request *request = request_of(task);
    const struct credentials credentials = {
        .query_token = request->query.auth,
        .authorization = request->head.authorization,
        .trusted_user = request->head.trusted_user,
        .peer = request->peer,
    };
    bool by_proxy = false;

    if (request->head.trusted_user_twice)
        return task_fail(task, ERROR_BAD_REQUEST, "the proxy's user header is given twice");
    if (!access_check(request->http->services.access, &credentials, &request->address,
                      clock_unix_seconds(), &by_proxy, NULL, &task->error))
        return STEP_FAIL;
    if (by_proxy && request->head.method == METHOD_POST && request->head.origin.data &&
        !request->origin_allowed)
        return task_fail(task, ERROR_FORBIDDEN, "pages of %.*s may not change this collection",
                         STR_ARG(request->head.origin));
    return STEP_NEXT;
}
