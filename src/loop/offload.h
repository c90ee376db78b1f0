/* offload.h - helper threads for calls that block (syncs, creating, renaming, removing).
 *
 * A job is a function and the few values it needs, in one struct. The thread sees the job and
 * nothing else of the program: no loop, no log, no configuration. A job cannot be stopped once it
 * is queued: it owns what it touches, and is freed by `finished`, on the loop, whether somebody
 * still waits or not. With one thread jobs run in the order in which they were given. */
#ifndef LOOP_OFFLOAD_H
#define LOOP_OFFLOAD_H

#include "loop/loop.h"

#include <pthread.h>

enum { OFFLOAD_THREADS_MOST = 32 };

struct offload_job {
    void (*run)(struct offload_job *job);      /* on a helper thread; may block */
    void (*finished)(struct offload_job *job); /* on the loop; frees the job */
    struct list link;
};

struct offload {
    pthread_t threads[OFFLOAD_THREADS_MOST];
    unsigned thread_count;
    pthread_mutex_t mutex;
    pthread_cond_t queued_some;
    struct list queued, finished; /* guarded by mutex */
    bool stopping;                /* guarded by mutex */
    unsigned unfinished;          /* given and not yet finished; loop's side only */
    int wake_fd;                  /* eventfd: finished is not empty */
    struct event *wake_event;
    bool is_open;
};

/* Threads start with all signals blocked; there are 1 to OFFLOAD_THREADS_MOST. */
MUST_CHECK bool offload_open(struct offload *offload, struct loop *loop, unsigned thread_count,
                             struct error *error);

/* Waits for what is queued and for what their `finished` submit in turn, calls every `finished`,
 * ends the threads. Harmless on all-zero. */
void offload_close(struct offload *offload);

/* From the loop's thread. Cannot fail. */
void offload_submit(struct offload *offload, struct offload_job *job);

#endif
