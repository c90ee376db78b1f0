#include "loop/pause.h"

#include <event2/event.h>

static void drop_timer(struct operation *operation)
{
    struct pause *pause = OWNER_OF(operation, struct pause, operation);

    if (pause->timer)
        event_free(pause->timer);
    pause->timer = NULL;
}

void pause_end(struct pause *pause)
{
    drop_timer(&pause->operation);
    operation_end(&pause->operation);
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pause_end(arg);
}

enum step pause_start(struct pause *pause, uint64_t wait_ms, struct task *task)
{
    struct timeval after = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000) * 1000};

    pause->timer = event_new(task->loop->base, -1, 0, on_time, pause);
    if (pause->timer && event_add(pause->timer, &after) == 0)
        return operation_begin(&pause->operation, task, drop_timer);
    drop_timer(&pause->operation);
    return task_fail(task, ERROR_NO_MEMORY, "out of memory for a timer");
}
