#include "http/deadline.h"

#include "base/clock.h"
#include "http/body.h"
#include "http/connection.h"
#include "http/gate.h"
#include "http/send.h"
#include "http/tls.h"

#include <event2/http.h>

enum {
    RATE = 1024,       /* bytes a second, the least, over transfer_timeout */
    SWEEP_MOST = 4096, /* connections looked at in one go */
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

    if (left >= connection->unsent || !is_fast(connection, connection->unsent - left)) {
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

void deadline_sweep(struct http *http)
{
    struct list *all = &http->connections;
    size_t count = http->open_count < SWEEP_MOST ? http->open_count : SWEEP_MOST;

    http->swept_ms = clock_monotonic_ms();
    for (; count > 0 && !list_is_empty(all); count--) {
        struct connection *connection = OWNER_OF(all->next, struct connection, on_http);

        list_remove(&connection->on_http);
        list_append(all, &connection->on_http);
        if (connection->deadline_ms > 0 && connection->deadline_ms <= http->swept_ms)
            end_wait(connection);
    }
}
