/* loop.h - one event loop, and work put off to a later moment of it.
 *
 * loop/ is the floor-1 room of waiting: the event base, tasks, timers, helper threads. It knows
 * nothing of requests or files.
 *
 * A turn of the loop: it polls, runs the callbacks of sockets and timers, then what was put off by
 * loop_run_soon, in the same turn, then the loop's `turn_ended`. What was put off by
 * loop_run_next_turn runs after the next poll, so that work cut into slices never starves sockets.
 *
 *     loop_open -> loop_run (until loop_stop) -> loop_close */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "base/error.h"
#include "base/list.h"

struct event;
struct event_base;

struct loop {
    struct event_base *base;
    struct event *soon_event, *next_turn_event;
    struct list soon, next_turn; /* of struct deferred */
    struct list tasks;           /* of struct task, all that have not ended; kept by task.c */
    unsigned task_count;
    void (*turn_ended)(void *context); /* NULL: nobody wants to know */
    void *turn_context;
    bool stopping;
};

/* A call put off; a member of the struct it is about. deferred_init before first use. */
struct deferred {
    struct list link;
    void (*run)(struct deferred *deferred);
};

/* A signal of the process, delivered on the loop. */
struct loop_signal {
    struct event *event;
    void (*on_signal)(struct loop_signal *loop_signal);
};

/* With the flags that make evhttp fast and that one thread allows: no locks, epoll change list.
 * Fails if the event library is not the one it was built for. */
MUST_CHECK bool loop_open(struct loop *loop, struct error *error);

/* No task may be under way. Harmless on all-zero. */
void loop_close(struct loop *loop);

/* Runs until loop_stop, which ends the turn early: what it put off runs when the loop runs again.
 * A stop before the loop runs counts for nothing. False: the event library gave up. */
MUST_CHECK bool loop_run(struct loop *loop, struct error *error);
void loop_stop(struct loop *loop);

/* The deferred must not be pending. */
void loop_run_soon(struct loop *loop, struct deferred *deferred);
void loop_run_next_turn(struct loop *loop, struct deferred *deferred);

void deferred_init(struct deferred *deferred, void (*run)(struct deferred *));
bool deferred_is_pending(const struct deferred *deferred);
void deferred_cancel(struct deferred *deferred); /* harmless if not pending */

MUST_CHECK bool loop_signal_open(struct loop_signal *loop_signal, struct loop *loop,
                                 int signal_number, void (*on_signal)(struct loop_signal *),
                                 struct error *error);
void loop_signal_close(struct loop_signal *loop_signal); /* harmless on all-zero */

#endif
