#include "loop/offload.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Without the mutex, which the loop will want at once when it wakes. A write fails only when the
 * counter is near 2^64; then the loop is awake anyway. */
static void wake_loop(struct offload *offload)
{
    (void)pthread_mutex_unlock(&offload->mutex);
    (void)eventfd_write(offload->wake_fd, 1);
    (void)pthread_mutex_lock(&offload->mutex);
}

static void *work(void *arg)
{
    struct offload *offload = arg;

    (void)pthread_mutex_lock(&offload->mutex);
    for (;;) {
        while (list_is_empty(&offload->queued) && !offload->stopping)
            (void)pthread_cond_wait(&offload->queued_some, &offload->mutex);
        if (list_is_empty(&offload->queued))
            break;
        struct offload_job *job = OWNER_OF(offload->queued.next, struct offload_job, link);

        list_remove(&job->link);
        (void)pthread_mutex_unlock(&offload->mutex);
        job->run(job);
        (void)pthread_mutex_lock(&offload->mutex);
        bool was_empty = list_is_empty(&offload->finished);

        list_append(&offload->finished, &job->link);
        if (was_empty)
            wake_loop(offload);
    }
    (void)pthread_mutex_unlock(&offload->mutex);
    return NULL;
}

static void finish_jobs(struct offload *offload)
{
    struct list finished;

    list_init(&finished);
    (void)pthread_mutex_lock(&offload->mutex);
    list_move_all(&finished, &offload->finished);
    (void)pthread_mutex_unlock(&offload->mutex);
    while (!list_is_empty(&finished)) {
        struct offload_job *job = OWNER_OF(finished.next, struct offload_job, link);

        list_remove(&job->link);
        offload->unfinished--;
        job->finished(job);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    eventfd_t count;

    (void)what;
    (void)eventfd_read(fd, &count);
    finish_jobs(arg);
}

/* Signals are the loop's business. */
static bool start_thread(struct offload *offload, struct error *error)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&offload->threads[offload->thread_count], NULL, work, offload);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0)
        return error_set_errno(error, result, "cannot start a helper thread");
    offload->thread_count++;
    return true;
}

static bool watch_threads(struct offload *offload, struct loop *loop, struct error *error)
{
    offload->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (offload->wake_fd == -1)
        return error_set_errno(error, errno, "cannot make an eventfd");
    offload->wake_event =
        event_new(loop->base, offload->wake_fd, EV_READ | EV_PERSIST, on_wake, offload);
    if (offload->wake_event && event_add(offload->wake_event, NULL) == 0)
        return true;
    return error_set(error, ERROR_NO_MEMORY, "out of memory for helper threads");
}

bool offload_open(struct offload *offload, struct loop *loop, unsigned thread_count,
                  struct error *error)
{
    assert(thread_count > 0 && thread_count <= OFFLOAD_THREADS_MOST);
    *offload = (struct offload){.wake_fd = -1, .is_open = true};
    list_init(&offload->queued);
    list_init(&offload->finished);
    (void)pthread_mutex_init(&offload->mutex, NULL);
    (void)pthread_cond_init(&offload->queued_some, NULL);
    bool ok = watch_threads(offload, loop, error);
    while (ok && offload->thread_count < thread_count)
        ok = start_thread(offload, error);
    if (!ok)
        offload_close(offload);
    return ok;
}

/* Also those that a `finished` gives meanwhile. */
static void wait_for_jobs(struct offload *offload)
{
    struct pollfd wake = {.fd = offload->wake_fd, .events = POLLIN};

    while (offload->unfinished > 0)
        if (poll(&wake, 1, -1) == 1)
            on_wake(offload->wake_fd, EV_READ, offload);
}

void offload_close(struct offload *offload)
{
    if (!offload->is_open)
        return;
    wait_for_jobs(offload);
    (void)pthread_mutex_lock(&offload->mutex);
    offload->stopping = true;
    (void)pthread_cond_broadcast(&offload->queued_some);
    (void)pthread_mutex_unlock(&offload->mutex);
    for (unsigned i = 0; i < offload->thread_count; i++)
        (void)pthread_join(offload->threads[i], NULL);
    if (offload->wake_event)
        event_free(offload->wake_event);
    if (offload->wake_fd != -1)
        (void)close(offload->wake_fd);
    (void)pthread_cond_destroy(&offload->queued_some);
    (void)pthread_mutex_destroy(&offload->mutex);
    *offload = (struct offload){0};
}

void offload_submit(struct offload *offload, struct offload_job *job)
{
    offload->unfinished++;
    (void)pthread_mutex_lock(&offload->mutex);
    list_append(&offload->queued, &job->link);
    (void)pthread_cond_signal(&offload->queued_some);
    (void)pthread_mutex_unlock(&offload->mutex);
}
