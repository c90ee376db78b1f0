#include "http/http.h"

#include "base/clock.h"
#include "http/connection.h"
#include "http/deadline.h"
#include "http/listener.h"
#include "http/tls.h"

#include <event2/event.h>
#include <stdlib.h>

/* How exact deadlines are. */
static const struct timeval sweep_time = {0, 500000};

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct http *http = arg;

    (void)fd;
    (void)what;
    deadline_sweep(http);
    load_look(&http->load, clock_monotonic_us(), clock_thread_us());
    if (!list_is_empty(&http->connections))
        (void)event_add(http->sweep, &sweep_time);
}

void http_start_sweeping(struct http *http)
{
    if (event_pending(http->sweep, EV_TIMEOUT, NULL))
        return;
    http->swept_ms = clock_monotonic_ms();
    (void)event_add(http->sweep, &sweep_time);
}

bool http_open(struct http *http, const struct http_services *services, const struct route *routes,
               struct error *error)
{
    *http = (struct http){.services = *services, .routes = routes};
    list_init(&http->requests);
    list_init(&http->spares);
    list_init(&http->fresh);
    list_init(&http->connections);
    deferred_init(&http->adopt, connection_adopt_fresh);
    if (!crypto_random(&http->id_prefix, sizeof http->id_prefix, error) ||
        !neighbors_open(&http->neighbors, error))
        return false;
    http->sweep = event_new(services->loop->base, -1, 0, on_sweep, http);
    http->room = malloc(TLS_PIECE);
    if (http->sweep && http->room)
        return true;
    http_close(http);
    return error_set(error, ERROR_NO_MEMORY, "out of memory for HTTP");
}

void http_drain(struct http *http)
{
    struct list *node, *after;

    http->draining = true;
    listener_close_all(http);
    list_for_each_safe (node, after, &http->requests)
        watch_end(&OWNER_OF(node, struct request, on_http)->watch);
}

void http_close(struct http *http)
{
    if (!http->requests.next)
        return;
    listener_close_all(http);
    while (!list_is_empty(&http->requests))
        task_cancel(&OWNER_OF(http->requests.next, struct request, on_http)->task);
    deferred_cancel(&http->adopt);
    listener_free_all(http);
    connection_forget_fresh(http);
    connection_drop_ready(http);
    neighbors_close(&http->neighbors);
    if (http->sweep)
        event_free(http->sweep);
    http->sweep = NULL;
    free(http->room);
    http->room = NULL;
    while (!list_is_empty(&http->spares)) {
        struct list *spare = http->spares.next;

        list_remove(spare);
        free(OWNER_OF(spare, struct request, on_http));
    }
}
