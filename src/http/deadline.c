#include "http/deadline.h"

#include "base/clock.h"
#include "http/body.h"
#include "http/connection.h"
#include "http/gate.h"
#include "http/send.h"
#include "http/tls.h"

#include <event2/http.h>

enum {
    RATE = 1024,          /* bytes a second, the least, over transfer_timeout */
    SWEEP_MOST = 4096,    /* connections looked at in one go */
    IDLE_LEAST_MS = 5000, /* that a connection stays even if others have to wait for it */
};

static const struct http_settings *settings_of(const struct connection *connection)
{
    return connection->http->services.settings;
}

static void refuse_slow_head(struct connection *connection)
{
    struct error error;

    error_set(&error, ERROR_TOO_SLOW, "the headers were not complete after %llu ms",
              (unsigned long long)settings_of(connection)->header_timeout_ms);
    gate_refuse(connection, &error);
}

/* More than half of the memory there is for bodies is taken up. */
static bool is_tight(const struct http *http)
{
    return http->body_memory + http->unsent_memory > http->services.settings->max_body_memory / 2;
}

/* Whoever moves RATE bytes a second gets another while. */
static bool is_fast(const struct connection *connection, uint64_t bytes)
{
    return bytes * 1000 >= RATE * settings_of(connection)->transfer_timeout_ms;
}

static void look_at_body(struct connection *connection)
{
    connection->deadline_ms = 0;
    if (connection->body_wanted == 0)
        return;
    if (is_fast(connection, connection->body_came)) {
        connection->body_came = 0;
        connection_set_deadline(connection, settings_of(connection)->transfer_timeout_ms);
        return;
    }
    connection->is_late = true;
    body_end_wait(connection);
}

static void look_at_sending(struct connection *connection)
{
    uint64_t left = send_count_left(connection);

    bool is_slow = left >= connection->unsent || !is_fast(connection, connection->unsent - left);
    /* Who holds memory that others need has to be done with half of it by now. */
    bool is_in_the_way = connection->unsent_memory > 0 && left > connection->unsent / 2;
    if (is_slow || (is_in_the_way && is_tight(connection->http))) {
        connection->http->stats.slow_readers++;
        evhttp_connection_free(connection->evhttp);
        return;
    }
    connection->unsent = left;
    connection_set_deadline(connection, settings_of(connection)->transfer_timeout_ms);
}

static void end_wait(struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_BUSY:
        look_at_body(connection);
        break;
    case CONNECTION_SENDING:
        look_at_sending(connection);
        break;
    case CONNECTION_HEAD:
        if (connection->has_preface || (connection->tls && !tls_is_established(connection->tls)))
            evhttp_connection_free(connection->evhttp);
        else
            refuse_slow_head(connection);
        break;
    case CONNECTION_FRESH:
    case CONNECTION_IDLE:
    case CONNECTION_SKIPPING:
    case CONNECTION_CLOSING:
    default:
        evhttp_connection_free(connection->evhttp);
    }
}

/* The list begins with those that were looked at the longest time ago. */
static struct connection *next_of(struct http *http)
{
    struct list *first = http->connections.next;

    list_remove(first);
    list_append(&http->connections, first);
    return OWNER_OF(first, struct connection, on_http);
}

void deadline_make_room(struct http *http)
{
    uint64_t idle_ms = http->services.settings->idle_timeout_ms, now_ms = clock_monotonic_ms();
    size_t count = http->open_count < SWEEP_MOST ? http->open_count : SWEEP_MOST;

    for (; count > 0 && !list_is_empty(&http->connections); count--) {
        struct connection *connection = next_of(http);

        if (connection->state == CONNECTION_IDLE &&
            connection->deadline_ms + IDLE_LEAST_MS <= now_ms + idle_ms) {
            http->stats.made_room++;
            evhttp_connection_free(connection->evhttp);
        }
    }
}

void deadline_sweep(struct http *http)
{
    size_t count = http->open_count < SWEEP_MOST ? http->open_count : SWEEP_MOST;

    http->swept_ms = clock_monotonic_ms();
    for (; count > 0 && !list_is_empty(&http->connections); count--) {
        struct connection *connection = next_of(http);

        if (connection->deadline_ms > 0 && connection->deadline_ms <= http->swept_ms)
            end_wait(connection);
    }
}
