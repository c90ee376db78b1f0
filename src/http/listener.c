#include "http/listener.h"

#include "http/connection.h"
#include "http/deadline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

/* How long nothing is accepted when descriptors have run out. */
static const struct timeval pause_time = {0, 100000};

/* Of all of this process, for on_accept_error alone. */
static struct http_listener *open_listeners;

/* Where to listen, taken apart. */
struct endpoint {
    bool is_unix, any;
    char host[64], port[8], path[sizeof((struct sockaddr_un *)NULL)->sun_path];
};

static bool put_text(char *to, size_t size, struct str text)
{
    if (text.length == 0 || text.length >= size)
        return false;
    memcpy(to, text.data, text.length);
    to[text.length] = '\0';
    return true;
}

static bool is_numeric_address(const char *host)
{
    struct in6_addr address;

    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static bool parse_tcp(struct str text, struct endpoint *place)
{
    size_t colon = text.length;
    uint64_t port;

    while (colon > 0 && text.data[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    struct str host = str_slice(text, 0, colon - 1);
    struct str number = str_slice(text, colon, text.length);
    if (!str_parse_u64(number, 65535, &port) || !put_text(place->port, sizeof place->port, number))
        return false;
    place->any = str_equals(host, STR("*"));
    if (place->any)
        return true;
    if (host.length > 2 && host.data[0] == '[' && host.data[host.length - 1] == ']')
        host = str_slice(host, 1, host.length - 2);
    return put_text(place->host, sizeof place->host, host) && is_numeric_address(place->host);
}

static bool parse_place(const char *where, struct endpoint *place, struct error *error)
{
    struct str text = str_of(where);

    *place = (struct endpoint){0};
    place->is_unix = str_starts_with(text, STR("unix:"));
    if (place->is_unix) {
        if (put_text(place->path, sizeof place->path, str_slice(text, 5, text.length)))
            return true;
        return error_set(error, ERROR_CONF, "\"%s\": a socket's path has 1 to %zu bytes", where,
                         sizeof place->path - 1);
    }
    if (parse_tcp(text, place))
        return true;
    return error_set(
        error, ERROR_CONF,
        "\"%s\" is not ADDRESS:PORT, [ADDRESS]:PORT, *:PORT or unix:PATH (addresses as "
        "numbers)",
        where);
}

bool http_check_listen(const char *where, struct error *error)
{
    struct endpoint place;

    return parse_place(where, &place, error);
}

bool http_listen_is_local(const char *where)
{
    struct endpoint place;
    struct error error;

    if (!parse_place(where, &place, &error) || place.any)
        return false;
    return place.is_unix || strncmp(place.host, "127.", 4) == 0 || strcmp(place.host, "::1") == 0;
}

static void pause_accepting(struct http_listener *listener)
{
    if (!listener->bound || event_pending(listener->again, EV_TIMEOUT, NULL))
        return;
    (void)evconnlistener_disable(evhttp_bound_socket_get_listener(listener->bound));
    (void)event_add(listener->again, &pause_time);
}

/* What the library gives to this is not ours, but what evhttp has set for its own callback; so the
 * listener has to be looked for. */
static void on_accept_error(struct evconnlistener *evconnlistener, void *evhttp)
{
    (void)evhttp;
    for (struct http_listener *listener = open_listeners; listener; listener = listener->next) {
        if (evhttp_bound_socket_get_listener(listener->bound) != evconnlistener)
            continue;
        listener->http->stats.accept_failures++;
        pause_accepting(listener);
    }
}

static void pause_all(struct http *http)
{
    for (size_t i = 0; i < http->listener_count; i++)
        pause_accepting(&http->listeners[i]);
}

/* The admin face is for telling what is wrong just then. */
static bool is_full(const struct http *http)
{
    return http == http->services.public_face &&
           http->open_count >= http->services.settings->max_connections;
}

void listener_look(struct http *http)
{
    if (is_full(http)) {
        http->stats.refused_connections++;
        pause_all(http);
    }
    if (!connection_make_ready(http)) {
        http->stats.accept_failures++;
        pause_all(http);
    }
}

/* Not while there are still as many as there may be, each time one more would be accepted; nor
 * without memory for the next. */
static void resume_accepting(evutil_socket_t fd, short what, void *arg)
{
    struct http_listener *listener = arg;

    (void)fd;
    (void)what;
    if (!listener->bound)
        return;
    if (is_full(listener->http))
        deadline_make_room(listener->http);
    if (is_full(listener->http) || !connection_make_ready(listener->http))
        (void)event_add(listener->again, &pause_time);
    else
        (void)evconnlistener_enable(evhttp_bound_socket_get_listener(listener->bound));
}

static int new_socket(int family, struct error *error)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd == -1)
        error_set_errno(error, errno, "cannot make a socket");
    return fd;
}

static int open_tcp(const struct endpoint *place, struct error *error)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const int on = 1;
    int result = getaddrinfo(place->any ? "::" : place->host, place->port, &hints, &found);

    if (result != 0) {
        error_set(error, ERROR_CONF, "%s", gai_strerror(result));
        return -1;
    }
    int fd = new_socket(found->ai_family, error);
    if (fd == -1)
        goto out;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (found->ai_family == AF_INET6) {
        const int only_v6 = !place->any;
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
    }
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0) {
        error_set_errno(error, errno, "cannot bind");
        close(fd);
        fd = -1;
    }
out:
    freeaddrinfo(found);
    return fd;
}

/* A socket file whose owner is gone is in the way; one that answers, or another kind of file, is
 * not ours to remove. */
static bool remove_stale(const struct sockaddr_un *name, struct error *error)
{
    struct stat info;

    if (lstat(name->sun_path, &info) != 0)
        return errno == ENOENT || error_set_errno(error, errno, "cannot look at the socket file");
    if (!S_ISSOCK(info.st_mode))
        return error_set(error, ERROR_CONF, "there is a file of another kind");
    int fd = new_socket(AF_UNIX, error);
    if (fd == -1)
        return false;
    bool refused =
        connect(fd, (const struct sockaddr *)name, sizeof *name) != 0 && errno == ECONNREFUSED;
    close(fd);
    if (!refused)
        return error_set(error, ERROR_BUSY, "another server listens there");
    return unlink(name->sun_path) == 0 ||
           error_set_errno(error, errno, "cannot remove the old socket file");
}

static int open_unix(const struct endpoint *place, struct error *error)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    memcpy(name.sun_path, place->path, strlen(place->path) + 1);
    if (!remove_stale(&name, error))
        return -1;
    int fd = new_socket(AF_UNIX, error);
    if (fd != -1 && bind(fd, (const struct sockaddr *)&name, sizeof name) != 0) {
        error_set_errno(error, errno, "cannot bind");
        close(fd);
        fd = -1;
    }
    return fd;
}

/* With the port that the system chose where none was asked for. */
static bool put_name(struct http_listener *listener, const struct endpoint *place, int fd,
                     struct error *error)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name = {.v6 = {0}};
    socklen_t length = sizeof name;

    if (place->is_unix) {
        (void)snprintf(listener->name, sizeof listener->name, "unix:%s", place->path);
        return true;
    }
    if (getsockname(fd, &name.any, &length) != 0)
        return error_set_errno(error, errno, "cannot ask for the port");
    unsigned port = ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
    bool brackets = strchr(place->host, ':') != NULL;
    (void)snprintf(listener->name, sizeof listener->name, "%s%s%s:%u", brackets ? "[" : "",
                   place->any ? "*" : place->host, brackets ? "]" : "", port);
    return true;
}

/* evhttp sees only what connection.c tells it. */
static bool make_evhttp(struct http_listener *listener)
{
    listener->evhttp = evhttp_new(listener->http->services.loop->base);
    if (!listener->evhttp)
        return false;
    evhttp_set_default_content_type(listener->evhttp, NULL);
    evhttp_set_gencb(listener->evhttp, connection_take_request, listener->http);
    evhttp_set_bevcb(listener->evhttp, connection_accept, listener);
    return true;
}

static bool start_accepting(struct http_listener *listener, int fd, struct error *error)
{
    listener->again =
        event_new(listener->http->services.loop->base, -1, 0, resume_accepting, listener);
    if (!listener->again || !make_evhttp(listener) || !connection_make_ready(listener->http))
        return error_set(error, ERROR_NO_MEMORY, "out of memory");
    if (listen(fd, BACKLOG) != 0)
        return error_set_errno(error, errno, "cannot listen");
    listener->bound = evhttp_accept_socket_with_handle(listener->evhttp, fd);
    if (!listener->bound)
        return error_set(error, ERROR_NO_MEMORY, "out of memory");
    listener->next = open_listeners;
    open_listeners = listener;
    evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(listener->bound), on_accept_error);
    return true;
}

static void forget_listener(struct http_listener *listener)
{
    struct http_listener **link = &open_listeners;

    while (*link && *link != listener)
        link = &(*link)->next;
    if (*link)
        *link = listener->next;
}

static void close_listener(struct http_listener *listener)
{
    forget_listener(listener);
    if (listener->bound)
        evhttp_del_accept_socket(listener->evhttp, listener->bound);
    listener->bound = NULL;
    if (listener->again)
        event_free(listener->again);
    listener->again = NULL;
    if (listener->unix_path)
        (void)unlink(listener->unix_path);
    free(listener->unix_path);
    listener->unix_path = NULL;
}

static void free_listener(struct http_listener *listener)
{
    close_listener(listener);
    if (listener->evhttp)
        evhttp_free(listener->evhttp);
    listener->evhttp = NULL;
}

bool http_listen(struct http *http, const char *where, bool is_tls, struct error *error)
{
    struct http_listener *listener = &http->listeners[http->listener_count];
    struct endpoint place;
    struct error cause;

    if (http->listener_count == HTTP_LISTENERS_MOST)
        return error_set(error, ERROR_CONF, "more than %d addresses to listen on",
                         HTTP_LISTENERS_MOST);
    *listener = (struct http_listener){.http = http, .is_tls = is_tls};
    if (!parse_place(where, &place, error))
        return false;
    int fd = place.is_unix ? open_unix(&place, &cause) : open_tcp(&place, &cause);
    if (fd != -1 && place.is_unix)
        listener->unix_path = buf_copy_text(str_of(place.path));
    if (fd != -1 && put_name(listener, &place, fd, &cause) &&
        start_accepting(listener, fd, &cause)) {
        http->listener_count++;
        return true;
    }
    if (fd != -1 && !listener->bound)
        close(fd);
    free_listener(listener);
    return error_set(error, cause.code, "%s: %s", where, cause.message);
}

void listener_close_all(struct http *http)
{
    for (size_t i = 0; i < http->listener_count; i++)
        close_listener(&http->listeners[i]);
}

void listener_free_all(struct http *http)
{
    for (size_t i = 0; i < http->listener_count; i++)
        free_listener(&http->listeners[i]);
}
