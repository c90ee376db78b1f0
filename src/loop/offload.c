#include "loop/offload.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void *work(void *arg)
{
    struct offload *offload = arg;

    pthread_mutex_lock(&offload->mutex);
    for (;;) {
        while (list_is_empty(&offload->queued) && !offload->stopping)
            pthread_cond_wait(&offload->queued_some, &offload->mutex);
        if (list_is_empty(&offload->queued))
            break;
        struct offload_job *job = OWNER_OF(offload->queued.next, struct offload_job, link);

        list_remove(&job->link);
        pthread_mutex_unlock(&offload->mutex);
        job->run(job);
        pthread_mutex_lock(&offload->mutex);
        list_append(&offload->finished, &job->link);
        /* Fails only when the counter is near 2^64; then the loop is awake anyway. */
        (void)eventfd_write(offload->wake_fd, 1);
    }
    pthread_mutex_unlock(&offload->mutex);
    return NULL;
}

static void finish_jobs(struct offload *offload)
{
    struct list finished;

    list_init(&finished);
    pthread_mutex_lock(&offload->mutex);
    list_move_all(&finished, &offload->finished);
    pthread_mutex_unlock(&offload->mutex);
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
    *offload = (struct offload){.wake_fd = -1, .is_open = true};
    list_init(&offload->queued);
    list_init(&offload->finished);
    pthread_mutex_init(&offload->mutex, NULL);
    pthread_cond_init(&offload->queued_some, NULL);
    bool ok = watch_threads(offload, loop, error);
    while (ok && offload->thread_count < thread_count)
        ok = start_thread(offload, error);
    if (!ok)
        offload_close(offload);
    return ok;
}

void offload_close(struct offload *offload)
{
    if (!offload->is_open)
        return;
    pthread_mutex_lock(&offload->mutex);
    offload->stopping = true;
    pthread_cond_broadcast(&offload->queued_some);
    pthread_mutex_unlock(&offload->mutex);
    for (unsigned i = 0; i < offload->thread_count; i++)
        (void)pthread_join(offload->threads[i], NULL);
    finish_jobs(offload);
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
    pthread_mutex_lock(&offload->mutex);
    list_append(&offload->queued, &job->link);
    pthread_cond_signal(&offload->queued_some);
    pthread_mutex_unlock(&offload->mutex);
}
