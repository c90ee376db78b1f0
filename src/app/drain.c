#include "app/drain.h"

#include "base/log.h"

static struct server *server_of(struct task *task)
{
    return OWNER_OF(task, struct server, drain);
}

static size_t count_pending(const struct http *http)
{
    return http->request_count + http->unsent_count;
}

/* All that clients sent is answered, and all that they were answered has left. */
static bool all_is_answered(const struct server *server)
{
    return count_pending(&server->http) == 0 && count_pending(&server->admin) == 0;
}

static enum step stop_accepting(struct task *task)
{
    struct server *server = server_of(task);

    log_write(LOG_NOTICE, "stopping: %zu requests under way", count_pending(&server->http));
    http_drain(&server->http);
    return pause_start(&server->drain_pause, server->settings.drain_timeout, task);
}

static enum step cut_off(struct task *task)
{
    struct server *server = server_of(task);

    if (!all_is_answered(server))
        log_write(LOG_WARNING, "stopping: %zu requests were cut off",
                  count_pending(&server->http) + count_pending(&server->admin));
    http_close(&server->http);
    http_close(&server->admin);
    return STEP_DONE;
}

static const struct step_entry stop_steps[] = {STEP(stop_accepting), STEP(cut_off), {0}};

/* Without memory for the timer there is no waiting, but it stops all the same. */
static void on_drained(struct task *task)
{
    server_of(task)->stopping = true;
}

static const struct task_kind drain_kind = {"stop", stop_steps, on_drained};

void drain_start(struct server *server)
{
    if (server->stopping)
        return;
    if (task_is_under_way(&server->drain))
        pause_end(&server->drain_pause);
    else
        task_start(&server->drain, &server->loop, &drain_kind);
}

void drain_look(struct server *server)
{
    if (task_is_under_way(&server->drain) && all_is_answered(server))
        pause_end(&server->drain_pause);
    /* Writers hold their streams, and what they have begun cannot be taken back. */
    if (server->stopping && server->streams.writers == 0)
        loop_stop(&server->loop);
}
