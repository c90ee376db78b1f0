#include "http/admission.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/connection.h"

#include <stdio.h>
#include <string.h>

enum { TELL_EACH_MS = 1000 }; /* one line in the log, whatever comes */

static const struct http_settings *settings_of(const struct connection *connection)
{
    return connection->http->services.settings;
}

static bool is_public(const struct connection *connection)
{
    return connection->http == connection->http->services.public_face;
}

static bool is_proxy(const struct connection *connection)
{
    return access_is_proxy(connection->http->services.access, connection->peer);
}

/* A flood of connections must not become a flood of lines. */
static void tell(struct connection *connection, const struct error *error)
{
    struct http *http = connection->http;
    uint64_t now_ms = clock_monotonic_ms();

    if (http->told_of_admission_ms > 0 && now_ms - http->told_of_admission_ms < TELL_EACH_MS)
        return;
    http->told_of_admission_ms = now_ms;
    log_write(LOG_WARNING, "connection refused: %s", error->message);
}

bool admission_has_preface(const struct connection *connection)
{
    return settings_of(connection)->proxy_protocol && is_public(connection) && is_proxy(connection);
}

static void set_peer(struct connection *connection, const struct proxy_header *header)
{
    if (!header->is_local)
        (void)snprintf(connection->peer, sizeof connection->peer, "%s",
                       header->source[0] ? header->source : "unknown");
}

enum proxy_header_outcome admission_read_preface(struct connection *connection, size_t *length)
{
    struct proxy_header header;
    struct error why, error;
    enum proxy_header_outcome outcome =
        proxy_header_read(&header, buf_str(&connection->head), length, &why);

    if (outcome == PROXY_HEADER_READ) {
        set_peer(connection, &header);
    } else if (outcome == PROXY_HEADER_BAD) {
        connection->http->stats.bad_proxy_headers++;
        error_set(&error, why.code, "%s is in trusted_proxies, and proxy_protocol is on, but %s",
                  connection->peer, why.message);
        tell(connection, &error);
    }
    return outcome;
}

static bool is_on_this_machine(const char *peer)
{
    return strcmp(peer, "unix:") == 0 || strcmp(peer, "::1") == 0 || strncmp(peer, "127.", 4) == 0;
}

bool admission_count(struct connection *connection)
{
    struct http *http = connection->http;
    uint64_t most = settings_of(connection)->max_connections_per_address;
    struct error error;

    if (most == 0 || !is_public(connection) || is_on_this_machine(connection->peer) ||
        is_proxy(connection))
        return true;
    connection->neighbor = neighbors_join(&http->neighbors, connection->peer, most, &error);
    if (connection->neighbor)
        return true;
    http->stats.refused_neighbors++;
    tell(connection, &error);
    return false;
}

void admission_leave(struct connection *connection)
{
    if (connection->neighbor)
        neighbors_leave(&connection->http->neighbors, connection->neighbor);
    connection->neighbor = NULL;
}
