#include "loop/ready.h"

#include <event2/event.h>

static void deliver(evutil_socket_t fd, short what, void *arg)
{
    struct ready *ready = arg;

    (void)fd;
    (void)what;
    ready->on_ready(ready);
}

bool ready_open(struct ready *ready, struct loop *loop, int fd,
                void (*on_ready)(struct ready *ready), struct error *error)
{
    ready->on_ready = on_ready;
    ready->event = event_new(loop->base, fd, EV_READ | EV_PERSIST, deliver, ready);
    if (ready->event && event_add(ready->event, NULL) == 0)
        return true;
    ready_close(ready);
    return error_set(error, ERROR_NO_MEMORY, "cannot watch descriptor %d", fd);
}

void ready_close(struct ready *ready)
{
    if (ready->event)
        event_free(ready->event);
    ready->event = NULL;
}
