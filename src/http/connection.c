#include "http/connection.h"

#include "base/clock.h"
#include "http/admission.h"
#include "http/body.h"
#include "http/gate.h"
#include "http/listener.h"
#include "http/send.h"
#include "http/tls.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    LINGER_MS = 2000,      /* how long a client may take to read a last answer */
    SKIP_MOST = 64 * 1024, /* bytes of a body that are read for nothing, to keep the connection */
};

static const struct http_settings *settings_of(const struct connection *connection)
{
    return connection->http->services.settings;
}

size_t connection_rest_length(const struct connection *connection)
{
    return connection->rest ? evbuffer_get_length(connection->rest) : 0;
}

void connection_set_deadline(struct connection *connection, uint64_t wait_ms)
{
    connection->deadline_ms = clock_monotonic_ms() + wait_ms;
}

void connection_begin_reading(struct connection *connection)
{
    if (!connection->is_ended && !event_pending(connection->readable, EV_READ, NULL))
        (void)event_add(connection->readable, NULL);
}

void connection_end_reading(struct connection *connection)
{
    (void)event_del(connection->readable);
}

void connection_give_up(struct connection *connection)
{
    connection->is_broken = true;
    connection_end_reading(connection);
    if (connection->state == CONNECTION_BUSY && connection->body_wanted > 0) {
        connection->is_late = true;
        body_end_wait(connection);
    } else if (connection->state != CONNECTION_BUSY && connection->state != CONNECTION_SENDING) {
        connection_give_up_answer(connection);
    }
}

void connection_give_up_answer(struct connection *connection)
{
    connection->state = CONNECTION_CLOSING;
    connection->deadline_ms = 1;
}

/* --- Closing ---------------------------------------------------------------------------------- */

static void free_connection(struct connection *connection)
{
    deferred_cancel(&connection->next);
    tls_end(connection->tls);
    send_drop_file(connection);
    if (connection->readable)
        event_free(connection->readable);
    if (connection->writable)
        event_free(connection->writable);
    list_remove(&connection->on_http);
    connection->http->open_count--;
    admission_leave(connection);
    if (connection->rest)
        evbuffer_free(connection->rest);
    buf_clear(&connection->head);
    free(connection);
}

static void forget_unsent(struct connection *connection)
{
    connection->http->unsent_count--;
    connection->http->unsent_memory -= connection->unsent_memory;
    connection->unsent_memory = 0;
}

/* Whoever closes it. evhttp frees its part of the request after this. */
static void on_closed(struct evhttp_connection *evhttp, void *arg)
{
    struct connection *connection = arg;
    struct request *request = connection->request;

    (void)evhttp;
    if (connection->state == CONNECTION_SENDING)
        forget_unsent(connection);
    if (request && !request->evhttp) {
        request_forget(request);
    } else if (request) {
        request->gone = true;
        task_cancel(&request->task);
    }
    if (connection->http->handed == connection)
        connection->http->handed = NULL;
    free_connection(connection);
}

static void begin_closing(struct connection *connection)
{
    connection->state = CONNECTION_CLOSING;
    connection_begin_reading(connection);
    if (connection->tls)
        tls_shut_down(connection->tls);
    (void)shutdown(connection->fd, SHUT_WR);
    connection_set_deadline(connection, LINGER_MS);
}

/* --- From one request to the next ------------------------------------------------------------- */

static void go_idle(struct connection *connection)
{
    connection->state = CONNECTION_IDLE;
    connection->looked_at = 0;
    buf_reset(&connection->head);
    /* To the half second, which saves asking for the time. */
    connection->deadline_ms = connection->http->swept_ms + settings_of(connection)->idle_timeout_ms;
    if (connection->is_ended || connection_rest_length(connection) > 0)
        loop_run_next_turn(connection->http->services.loop, &connection->next);
    else
        connection_begin_reading(connection);
}

static void begin_next(struct deferred *deferred)
{
    struct connection *connection = OWNER_OF(deferred, struct connection, next);

    connection_begin_reading(connection);
    if (connection_rest_length(connection) > 0)
        gate_take_next(connection);
    else
        evhttp_connection_free(connection->evhttp);
}

void connection_skip_body(struct connection *connection)
{
    size_t count = connection_rest_length(connection);

    if (count > connection->body_left)
        count = (size_t)connection->body_left;
    if (count > 0)
        (void)evbuffer_drain(connection->rest, count);
    connection->body_left -= count;
    if (connection->body_left == 0)
        go_idle(connection);
}

bool connection_must_linger(const struct connection *connection)
{
    const struct request *request = connection->request;
    const struct request_head *head = &request->head;
    uint64_t here = connection_rest_length(connection);
    uint64_t coming = connection->body_left > here ? connection->body_left - here : 0;

    if (head->closes && (head->minor == 0 || head->body_length == 0))
        return false; /* evhttp closes */
    return head->closes || request->reply.closes || connection->http->draining ||
           coming > SKIP_MOST || (coming > 0 && head->expects);
}

/* What is sent at once is not worth counting. */
void connection_begin_sending(struct connection *connection, uint64_t memory)
{
    connection->unsent = send_count_left(connection);
    connection->unsent_memory = connection->unsent > 0 ? memory : 0;
    connection->http->unsent_memory += connection->unsent_memory;
    connection->state = CONNECTION_SENDING;
    connection->http->unsent_count++;
    if (connection->unsent > 0)
        connection_set_deadline(connection, settings_of(connection)->transfer_timeout_ms);
}

void connection_end_sending(struct connection *connection)
{
    forget_unsent(connection);
    connection->deadline_ms = 0;
    if (connection->lingers || connection->is_broken) {
        begin_closing(connection);
    } else if (connection->body_left > 0) {
        connection->state = CONNECTION_SKIPPING;
        connection_begin_reading(connection);
        connection_set_deadline(connection, settings_of(connection)->transfer_timeout_ms);
        connection_skip_body(connection);
    } else {
        go_idle(connection);
    }
}

/* --- What a request asks of it ---------------------------------------------------------------- */

bool connection_has_more(const struct request *request)
{
    return connection_rest_length(request->connection) > request->connection->body_left;
}

void connection_park(struct request *request)
{
    request->connection->is_parked = true;
}

void connection_unpark(struct request *request)
{
    if (request->connection)
        request->connection->is_parked = false;
}

void connection_release(struct request *request)
{
    request->http->body_memory -= request->body_memory;
    request->body_memory = 0;
    request->evhttp = NULL;
    if (request->connection) {
        request->connection->request = NULL;
        request->connection->is_late = false;
    }
    request->connection = NULL;
}

/* --- Accepting -------------------------------------------------------------------------------- */

bool connection_make_ready(struct http *http)
{
    if (http->ready)
        return true;
    struct connection *connection = calloc(1, sizeof *connection);

    if (connection)
        connection->bufferevent = bufferevent_socket_new(http->services.loop->base, -1, 0);
    if (!connection || !connection->bufferevent) {
        free(connection);
        return false;
    }
    http->ready = connection;
    return true;
}

void connection_drop_ready(struct http *http)
{
    if (http->ready)
        bufferevent_free(http->ready->bufferevent);
    free(http->ready);
    http->ready = NULL;
}

struct bufferevent *connection_accept(struct event_base *base, void *arg)
{
    struct http_listener *listener = arg;
    struct http *http = listener->http;
    struct connection *connection = http->ready;

    (void)base;
    http->ready = NULL;
    http->connection_count++;
    connection->http = http;
    connection->listener = listener;
    deferred_init(&connection->next, begin_next);
    list_append(&http->fresh, &connection->on_http);
    if (!deferred_is_pending(&http->adopt))
        loop_run_soon(http->services.loop, &http->adopt);
    /* If evhttp fails to make its part, it frees this, and we would not hear of it. */
    bufferevent_incref(connection->bufferevent);
    http->open_count++;
    listener_look(http);
    return connection->bufferevent;
}

static void find_peer(struct connection *connection)
{
    char *address = NULL;
    ev_uint16_t port = 0;

    evhttp_connection_get_peer(connection->evhttp, &address, &port);
    /* The C library calls the other end of a unix socket "localhost"; it alone has no port. */
    struct str peer = address && address[0] && port > 0 ? str_of(address) : STR("unix:");
    /* IPv4 on a socket for both. */
    if (str_starts_with(peer, STR("::ffff:")) && str_find_byte(peer, '.') < peer.length)
        peer = str_slice(peer, strlen("::ffff:"), peer.length);
    peer = str_slice(peer, 0, sizeof connection->peer - 1);
    memcpy(connection->peer, peer.data, peer.length);
}

/* From here on the library knows of no socket: reading and writing are ours. evhttp closes it. */
static bool take_socket(struct connection *connection)
{
    struct event_base *base = connection->http->services.loop->base;

    connection->fd = bufferevent_getfd(connection->bufferevent);
    if (bufferevent_setfd(connection->bufferevent, -1) != 0)
        return false;
    connection->readable =
        event_new(base, connection->fd, EV_READ | EV_PERSIST, gate_take_input, connection);
    connection->writable = event_new(base, connection->fd, EV_WRITE, send_more, connection);
    return connection->readable && connection->writable;
}

bool connection_open(struct connection *connection)
{
    struct http *http = connection->http;

    connection->has_preface = false;
    if (!admission_count(connection))
        return false;
    if (connection->listener->is_tls)
        connection->tls = tls_begin(http->services.tls, connection->fd, clock_unix_seconds());
    return !connection->listener->is_tls || connection->tls;
}

/* What evhttp's own callbacks get is the one way to the connection that it has made. NULL: it has
 * failed to make one. */
static void adopt(struct connection *connection)
{
    void *evhttp = NULL;
    struct bufferevent *bufferevent = connection->bufferevent;

    list_remove(&connection->on_http);
    list_append(&connection->http->connections, &connection->on_http);
    bufferevent_getcb(bufferevent, NULL, NULL, NULL, &evhttp);
    connection->evhttp = evhttp;
    if (!evhttp) {
        free_connection(connection);
    } else {
        evhttp_connection_set_closecb(connection->evhttp, on_closed, connection);
        find_peer(connection);
        connection->has_preface = admission_has_preface(connection);
        if (take_socket(connection) && (connection->has_preface || connection_open(connection)))
            go_idle(connection);
        else
            evhttp_connection_free(connection->evhttp);
    }
    (void)bufferevent_decref(bufferevent);
}

void connection_adopt_fresh(struct deferred *deferred)
{
    struct http *http = OWNER_OF(deferred, struct http, adopt);

    http_start_sweeping(http);
    while (!list_is_empty(&http->fresh))
        adopt(OWNER_OF(http->fresh.next, struct connection, on_http));
}

void connection_take_request(struct evhttp_request *evhttp, void *arg)
{
    struct http *http = arg;
    struct connection *connection = http->handed;

    http->handed = NULL;
    if (!connection || !connection->request) {
        evhttp_send_error(evhttp, HTTP_SERVUNAVAIL, NULL);
        return;
    }
    connection->request->evhttp = evhttp;
    request_start(connection->request);
}

void connection_forget_fresh(struct http *http)
{
    while (!list_is_empty(&http->fresh)) {
        struct connection *connection = OWNER_OF(http->fresh.next, struct connection, on_http);
        struct bufferevent *bufferevent = connection->bufferevent;

        free_connection(connection);
        (void)bufferevent_decref(bufferevent);
    }
}
