#include "loop/loop.h"

#include <assert.h>
#include <event2/event.h>

/* What joins the list meanwhile waits for the next call. */
static void run_deferred(struct list *pending)
{
    struct list now;

    list_init(&now);
    list_move_all(&now, pending);
    while (!list_is_empty(&now)) {
        struct deferred *deferred = OWNER_OF(now.next, struct deferred, link);

        list_remove(&deferred->link);
        deferred->run(deferred);
    }
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;

    (void)fd;
    (void)what;
    run_deferred(&loop->soon);
}

static void on_next_turn(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;

    (void)fd;
    (void)what;
    run_deferred(&loop->next_turn);
}

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config && event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0 &&
        event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
        base = event_base_new_with_config(config);
    if (config)
        event_config_free(config);
    return base;
}

/* 2.1.12 and 2.1.8 fit each other, 2.1 and 2.2 do not. */
static bool check_library(struct error *error)
{
    if (event_get_version_number() >> 16 == LIBEVENT_VERSION_NUMBER >> 16)
        return true;
    return error_set(error, ERROR_CONF, "the event library is %s, this was built for %s",
                     event_get_version(), LIBEVENT_VERSION);
}

bool loop_open(struct loop *loop, struct error *error)
{
    *loop = (struct loop){0};
    if (!check_library(error))
        return false;
    loop->base = new_base();
    list_init(&loop->soon);
    list_init(&loop->next_turn);
    list_init(&loop->tasks);
    if (loop->base) {
        loop->soon_event = event_new(loop->base, -1, 0, on_soon, loop);
        loop->next_turn_event = event_new(loop->base, -1, 0, on_next_turn, loop);
    }
    if (loop->soon_event && loop->next_turn_event)
        return true;
    loop_close(loop);
    return error_set(error, ERROR_NO_MEMORY, "cannot make the event loop");
}

void loop_close(struct loop *loop)
{
    assert(loop->task_count == 0);
    if (loop->soon_event)
        event_free(loop->soon_event);
    if (loop->next_turn_event)
        event_free(loop->next_turn_event);
    if (loop->base)
        event_base_free(loop->base);
    *loop = (struct loop){0};
}

bool loop_run(struct loop *loop, struct error *error)
{
    loop->stopping = false;
    while (!loop->stopping) {
        if (event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) != 0)
            return error_set(error, ERROR_IO, "the event loop gave up");
        if (loop->turn_ended)
            loop->turn_ended(loop->turn_context);
    }
    return true;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
    (void)event_base_loopbreak(loop->base);
}

void loop_run_soon(struct loop *loop, struct deferred *deferred)
{
    assert(!deferred_is_pending(deferred));
    if (list_is_empty(&loop->soon))
        event_active(loop->soon_event, 0, 0);
    list_append(&loop->soon, &deferred->link);
}

/* A timer of no time is due after the next poll; an active event would be before it. */
void loop_run_next_turn(struct loop *loop, struct deferred *deferred)
{
    static const struct timeval at_once = {0, 0};

    assert(!deferred_is_pending(deferred));
    /* Adding a timer can fail for want of memory only, and room for it was made when it was first
     * added; then it runs in this turn rather than never. */
    if (list_is_empty(&loop->next_turn) && event_add(loop->next_turn_event, &at_once) != 0)
        event_active(loop->next_turn_event, 0, 0);
    list_append(&loop->next_turn, &deferred->link);
}

void deferred_init(struct deferred *deferred, void (*run)(struct deferred *))
{
    list_init(&deferred->link);
    deferred->run = run;
}

bool deferred_is_pending(const struct deferred *deferred)
{
    return deferred->link.next && !list_is_empty(&deferred->link);
}

void deferred_cancel(struct deferred *deferred)
{
    if (deferred->link.next)
        list_remove(&deferred->link);
}

static void deliver_signal(evutil_socket_t number, short what, void *arg)
{
    struct loop_signal *loop_signal = arg;

    (void)number;
    (void)what;
    loop_signal->on_signal(loop_signal);
}

bool loop_signal_open(struct loop_signal *loop_signal, struct loop *loop, int signal_number,
                      void (*on_signal)(struct loop_signal *), struct error *error)
{
    loop_signal->on_signal = on_signal;
    loop_signal->event = evsignal_new(loop->base, signal_number, deliver_signal, loop_signal);
    if (loop_signal->event && event_add(loop_signal->event, NULL) == 0)
        return true;
    loop_signal_close(loop_signal);
    return error_set(error, ERROR_NO_MEMORY, "cannot watch signal %d", signal_number);
}

void loop_signal_close(struct loop_signal *loop_signal)
{
    if (loop_signal->event)
        event_free(loop_signal->event);
    loop_signal->event = NULL;
}
