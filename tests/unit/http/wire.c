#include "http/wire.h"

#include "http/routes.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>

static void start_drain(void *context)
{
    struct wire *wire = context;

    wire->drains++;
}

static const char *find_not_ready(void *context)
{
    return ((struct wire *)context)->not_ready;
}

/* What the server sent in this turn; its end stops the loop. */
static void read_answer(void *context)
{
    struct wire *wire = context;
    char bytes[4096];
    ssize_t count;

    while ((count = recv(wire->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        buf_append(&wire->answer, (struct str){bytes, (size_t)count});
    if (count == 0)
        loop_stop(&wire->loop);
}

void wire_open(struct wire *wire)
{
    struct error error;
    const struct http_services services = {
        .loop = &wire->loop,
        .streams = &wire->streams,
        .committer = &wire->committer,
        .checkpoint = &wire->checkpoint,
        .access = &wire->access,
        .login = &wire->login,
        .limits = &wire->limits,
        .settings = &wire->settings,
        .site = &wire->site,
        .public_face = &wire->http,
        .instance = 7,
        .drain = start_drain,
        .not_ready = find_not_ready,
        .context = wire,
    };

    *wire = (struct wire){.settings = {.version = "1.2.3",
                                       .durability = "always",
                                       .max_connections = 1000,
                                       .max_header_bytes = 16384,
                                       .max_body_memory = 1 << 20,
                                       .idle_timeout_ms = 10000,
                                       .header_timeout_ms = 10000,
                                       .transfer_timeout_ms = 10000}};
    wire->committer.sound = true;
    ck_assert(loop_open(&wire->loop, &error));
    wire->loop.turn_ended = read_answer;
    wire->loop.turn_context = wire;
    ck_assert(site_open(&wire->site, &(struct site_settings){0}, &error));
    ck_assert(http_open(&wire->http, &services, routes_public, &error));
    ck_assert(http_open(&wire->admin, &services, routes_admin, &error));
    ck_assert(http_listen(&wire->http, "127.0.0.1:0", false, &error));
    ck_assert(http_listen(&wire->admin, "127.0.0.1:0", false, &error));
}

void wire_close(struct wire *wire)
{
    http_close(&wire->admin);
    http_close(&wire->http);
    site_close(&wire->site);
    loop_close(&wire->loop);
    buf_clear(&wire->answer);
}

static int connect_to(const struct http *face)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    long port = strtol(strchr(face->listeners[0].name, ':') + 1, NULL, 10);

    ck_assert_int_ne(fd, -1);
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

const char *wire_ask(struct wire *wire, const struct http *face, const char *head)
{
    static const char end[] = "Connection: close\r\n\r\n";
    struct error error;

    wire->fd = connect_to(face);
    buf_reset(&wire->answer);
    ck_assert_int_eq(send(wire->fd, head, strlen(head), MSG_MORE), (ssize_t)strlen(head));
    ck_assert_int_eq(send(wire->fd, end, sizeof end - 1, 0), (ssize_t)sizeof end - 1);
    ck_assert(loop_run(&wire->loop, &error));
    (void)close(wire->fd);
    return buf_str(&wire->answer).data;
}
