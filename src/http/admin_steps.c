/* The steps of the admin face: is it alive, should it get traffic, what is it doing, let it stop.
 *
 * Nobody logs in here; who can reach the listener may use it. What changes something is refused
 * to browsers, for any page in the operator's browser can make it send a POST here. */
#include "base/clock.h"
#include "base/json_write.h"
#include "base/log.h"
#include "http/metrics.h"
#include "http/routes.h"

#include <unistd.h>

enum { TASKS_SHOWN = 100 };

static enum step answer_health(struct task *task)
{
    buf_append(&request_of(task)->reply.body, STR("{\"status\":\"ok\"}"));
    return STEP_DONE;
}

const struct step_entry health_steps[] = {STEP(answer_health), {0}};

static const char *find_reason(const struct request *request)
{
    const struct http_services *services = &request->http->services;

    return services->not_ready(services->context);
}

static enum step answer_ready(struct task *task)
{
    struct request *request = request_of(task);
    struct buf *out = &request->reply.body;
    const char *reason = find_reason(request);

    buf_append(out, STR("{"));
    json_write_string_member(out, "status", reason ? STR("not ready") : STR("ready"));
    if (reason) {
        request->reply.status = 503;
        json_write_string_member(out, "reason", str_of(reason));
    }
    buf_append(out, STR("}"));
    return STEP_DONE;
}

const struct step_entry ready_steps[] = {STEP(answer_ready), {0}};

static enum step answer_metrics(struct task *task)
{
    struct request *request = request_of(task);

    request->reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_print(request->http->services.public_face, &request->reply.body);
    return buf_ok(&request->reply.body, &task->error) ? STEP_DONE : STEP_FAIL;
}

const struct step_entry metrics_steps[] = {STEP(answer_metrics), {0}};

static void begin_group(struct buf *out, const char *name)
{
    json_write_name(out, name);
    buf_append(out, STR("{"));
}

static void end_group(struct buf *out)
{
    buf_append(out, STR("}"));
}

static void put_process(const struct request *request, struct buf *out)
{
    const struct http_services *services = &request->http->services;
    const char *reason = find_reason(request);

    json_write_string_member(out, "version", str_of(services->settings->version));
    json_write_u64_member(out, "uptime", (clock_monotonic_ms() - services->started_ms) / 1000);
    json_write_u64_member(out, "pid", (uint64_t)getpid());
    json_write_u64_member(out, "instance", services->instance);
    json_write_bool_member(out, "ready", !reason);
    if (reason)
        json_write_string_member(out, "reason", str_of(reason));
    json_write_string_member(out, "durability", str_of(services->settings->durability));
    json_write_u64_member(out, "log_lines_lost", log_lost());
}

static void put_http(const struct http *http, struct buf *out)
{
    const struct http_stats *stats = &http->stats;
    uint64_t requests = 0;

    for (size_t i = 0; i < HTTP_STATUS_CLASSES; i++)
        requests += stats->requests[i];
    begin_group(out, "connections");
    json_write_u64_member(out, "accepted", http->connection_count);
    json_write_u64_member(out, "refused", stats->refused_connections);
    json_write_u64_member(out, "accept_failures", stats->accept_failures);
    end_group(out);
    begin_group(out, "requests");
    json_write_u64_member(out, "answered", requests);
    json_write_u64_member(out, "under_way", http->request_count);
    json_write_u64_member(out, "unsent", http->unsent_count);
    json_write_bool_member(out, "draining", http->draining);
    end_group(out);
}

static void put_task(const struct task *task, struct buf *out)
{
    json_write_string_member(out, "kind", str_of(task->kind->name));
    json_write_string_member(out, "step", str_of(task_step_name(task)));
    if (task->kind->ended != request_ended)
        return;
    const struct request *request = OWNER_OF(task, const struct request, task);
    json_write_u64_member(out, "age_ms", (clock_monotonic_us() - request->started_us) / 1000);
    json_write_string_member(out, "peer", str_of(request->peer));
}

/* The oldest first; not the one that asks. Paths name users, so they are left to the log. */
static void put_tasks(const struct request *asking, struct buf *out)
{
    const struct loop *loop = asking->http->services.loop;
    const struct list *node;
    unsigned shown = 0;

    json_write_u64_member(out, "task_count", loop->task_count);
    json_write_name(out, "tasks");
    buf_append(out, STR("["));
    for (node = loop->tasks.next; node != &loop->tasks && shown < TASKS_SHOWN; node = node->next) {
        const struct task *task = OWNER_OF(node, const struct task, on_loop);

        if (task == &asking->task)
            continue;
        buf_append(out, shown++ > 0 ? STR(",{") : STR("{"));
        put_task(task, out);
        end_group(out);
    }
    buf_append(out, STR("]"));
}

static void put_streams(const struct streams *streams, struct buf *out)
{
    begin_group(out, "streams");
    json_write_u64_member(out, "count", streams->count);
    json_write_u64_member(out, "idle", streams->idle_count);
    json_write_u64_member(out, "writers", streams->writers);
    json_write_u64_member(out, "hits", streams->hits);
    json_write_u64_member(out, "misses", streams->misses);
    end_group(out);
}

static void put_journal(const struct http_services *services, struct buf *out)
{
    const struct committer *committer = services->committer;
    const struct committer_stats *stats = &committer->stats;
    const struct error *failure = &services->checkpoint->last_error;

    begin_group(out, "journal");
    json_write_bool_member(out, "sound", committer->sound);
    json_write_u64_member(out, "sequence", committer->told.sequence);
    json_write_u64_member(out, "segment_bytes", committer->segment_bytes);
    json_write_u64_member(out, "unsynced_bytes", committer->told.bytes_ahead);
    json_write_u64_member(out, "unsynced_ms", committer_unsynced_ms(committer));
    json_write_u64_member(out, "failed_syncs", committer->told.syncs.failed);
    json_write_u64_member(out, "sync_max_us", committer->told.syncs.us_most);
    json_write_u64_member(out, "dirty_collections", committer->dirty.count);
    json_write_u64_member(out, "groups", stats->groups);
    json_write_u64_member(out, "failed_groups", stats->failed_groups);
    json_write_u64_member(out, "commits", stats->commits);
    json_write_u64_member(out, "bytes", stats->bytes);
    json_write_u64_member(out, "group_mean_us",
                          stats->groups ? stats->group_us_total / stats->groups : 0);
    json_write_u64_member(out, "group_max_us", stats->group_us_most);
    json_write_u64_member(out, "checkpoints", stats->checkpoints);
    json_write_u64_member(out, "failed_checkpoints", stats->failed_checkpoints);
    json_write_u64_member(out, "checkpoint_age",
                          (clock_monotonic_ms() - stats->last_checkpoint_ms) / 1000);
    if (failure->code != ERROR_NONE)
        json_write_string_member(out, "checkpoint_error", str_of(failure->message));
    end_group(out);
}

static void put_limits(const struct http_services *services, struct buf *out)
{
    const struct limits *limits = services->limits;

    begin_group(out, "limits");
    json_write_u64_member(out, "max_connections", services->settings->max_connections);
    json_write_u64_member(out, "max_post_bytes", limits->max_post_bytes);
    json_write_u64_member(out, "max_post_objects", limits->max_post_objects);
    json_write_u64_member(out, "max_object_bytes", limits->max_object_bytes);
    json_write_u64_member(out, "max_response_bytes", limits->max_response_bytes);
    json_write_u64_member(out, "max_response_objects", limits->max_response_objects);
    json_write_u64_member(out, "max_wait_ms", limits->max_wait_ms);
    json_write_u64_member(out, "json_max_depth", limits->json_max_depth);
    json_write_u64_member(out, "quota_collection", limits->quota_collection);
    json_write_u64_member(out, "cached_collections", limits->cached_collections);
    end_group(out);
}

static enum step answer_status(struct task *task)
{
    struct request *request = request_of(task);
    const struct http_services *services = &request->http->services;
    struct buf *out = &request->reply.body;

    buf_append(out, STR("{"));
    put_process(request, out);
    put_http(services->public_face, out);
    put_streams(services->streams, out);
    put_journal(services, out);
    put_limits(services, out);
    put_tasks(request, out);
    buf_append(out, STR("}"));
    return buf_ok(out, &task->error) ? STEP_DONE : STEP_FAIL;
}

const struct step_entry status_steps[] = {STEP(answer_status), {0}};

static enum step refuse_pages(struct task *task)
{
    if (request_of(task)->head.origin.data)
        return task_fail(task, ERROR_FORBIDDEN, "pages in a browser may not do this");
    return STEP_NEXT;
}

static enum step begin_drain(struct task *task)
{
    struct request *request = request_of(task);
    const struct http_services *services = &request->http->services;

    services->drain(services->context);
    buf_append(&request->reply.body, STR("{\"status\":\"draining\"}"));
    return STEP_DONE;
}

const struct step_entry drain_steps[] = {STEP(refuse_pages), STEP(begin_drain), {0}};
