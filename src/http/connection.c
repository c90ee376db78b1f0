#include "http/connection.h"

#include "base/utf8.h"
#include "http/listener.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

/* Up to here a body is copied into the answer; a longer one is handed over as it is. */
enum { COPY_MOST = 4096 };

static enum method method_of(enum evhttp_cmd_type command, const char **name)
{
    switch (command) {
    case EVHTTP_REQ_GET:
        *name = "GET";
        return METHOD_GET;
    case EVHTTP_REQ_HEAD:
        *name = "HEAD";
        return METHOD_HEAD;
    case EVHTTP_REQ_POST:
        *name = "POST";
        return METHOD_POST;
    case EVHTTP_REQ_OPTIONS:
        *name = "OPTIONS";
        return METHOD_OPTIONS;
    default:
        *name = "OTHER";
        return METHOD_OTHER;
    }
}

/* How often the headers that frame a request were given: more than evhttp looks at. */
struct framing {
    unsigned lengths, hosts;
    bool encoded, bad_length, bad_name, has_body, bad_version;
};

/* RFC 9110, section 5.6.2. */
static bool is_token_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '-' ||
           (byte >= '0' && byte <= '9') || (byte && strchr("!#$%&'*+.^_`|~", byte));
}

static bool is_token(struct str name)
{
    for (size_t i = 0; i < name.length; i++) {
        if (!is_token_byte(name.data[i]))
            return false;
    }
    return name.length > 0;
}

/* Control bytes in it, or bytes that are no text, are for nobody's log or JSON. */
static bool is_good_target(struct str target)
{
    for (size_t i = 0; i < target.length; i++) {
        unsigned char byte = (unsigned char)target.data[i];

        if (byte <= ' ' || byte == 0x7f)
            return false;
    }
    return target.length > 0 && target.data[0] == '/' && utf8_check(target);
}

static void note_length(struct framing *framing, struct str value)
{
    uint64_t length = 0;

    framing->lengths++;
    framing->bad_length |= !str_parse_u64(value, INT64_MAX, &length);
    framing->has_body |= length > 0;
}

static void note_header(struct request *request, struct framing *framing, struct str name,
                        struct str value)
{
    if (str_equals_nocase(name, STR("host"))) {
        framing->hosts++;
        request->host = value;
    } else if (str_equals_nocase(name, STR("origin"))) {
        request->origin_text = value;
    } else if (str_equals_nocase(name, STR("user-agent"))) {
        request->user_agent = value;
    } else if (str_equals_nocase(name, STR("content-type"))) {
        request->content_type = value;
    } else if (str_equals_nocase(name, STR("authorization"))) {
        request->authorization = value;
    } else if (str_equals_nocase(name, STR("x-forwarded-for"))) {
        request->forwarded_for = value;
    } else if (str_equals_nocase(name, STR("if-none-match"))) {
        request->if_none_match = value;
    } else if (str_equals_nocase(name, STR("content-length"))) {
        note_length(framing, value);
    } else if (str_equals_nocase(name, STR("transfer-encoding"))) {
        framing->encoded = true;
    } else {
        framing->bad_name |= !is_token(name);
    }
}

/* The one pass over the headers. */
static void read_headers(struct request *request, struct framing *framing)
{
    const struct evkeyval *header;
    struct str trusted = str_of(request->http->services.access->trusted_header);

    TAILQ_FOREACH(header, evhttp_request_get_input_headers(request->evhttp), next)
    {
        struct str name = str_of(header->key), value = str_of(header->value);

        note_header(request, framing, name, value);
        if (trusted.length > 0 && str_equals_nocase(name, trusted)) {
            request->trusted_user_twice = request->trusted_user.data != NULL;
            request->trusted_user = value;
        }
    }
}

/* evhttp lets framing through that two parsers can read differently: one request for the proxy,
 * two for us. Each of these is refused, and the connection closed, so that what follows never runs
 * (RFC 9112, section 6.3). */
static void check_framing(struct request *request, const struct framing *framing)
{
    struct error *refusal = &request->refusal;

    if (framing->encoded)
        error_set(refusal, ERROR_BAD_REQUEST, "Transfer-Encoding is not taken, send a length");
    else if (framing->lengths > 1)
        error_set(refusal, ERROR_BAD_REQUEST, "Content-Length is given more than once");
    else if (framing->bad_length)
        error_set(refusal, ERROR_BAD_REQUEST, "Content-Length is no plain number");
    else if (framing->bad_name)
        error_set(refusal, ERROR_BAD_REQUEST, "a header has an empty name or blanks in its name");
    else if (framing->bad_version)
        error_set(refusal, ERROR_BAD_REQUEST, "HTTP/1.0 and HTTP/1.1 are spoken here");
    else if (framing->hosts > 1)
        error_set(refusal, ERROR_BAD_REQUEST, "Host is given more than once");
    else if (framing->hosts == 0 && request->evhttp->minor == 1)
        error_set(refusal, ERROR_BAD_REQUEST, "HTTP/1.1 wants a Host");
    else if (framing->has_body && request->method != METHOD_POST)
        error_set(refusal, ERROR_BAD_REQUEST, "%s takes no body", request->method_name);
    else if (!is_good_target(request->uri))
        error_set(refusal, ERROR_BAD_REQUEST,
                  "the request target has to begin with \"/\" and to be percent-coded");
    request->reply.closes = refusal->code != ERROR_NONE;
}

static void read_peer(struct request *request)
{
    char *address = NULL;
    ev_uint16_t port = 0;

    evhttp_connection_get_peer(evhttp_request_get_connection(request->evhttp), &address, &port);
    /* The C library calls the other end of a unix socket "localhost"; it alone has no port. */
    struct str peer = address && address[0] && port > 0 ? str_of(address) : STR("unix:");
    peer = str_slice(peer, 0, sizeof request->peer - 1);
    memcpy(request->peer, peer.data, peer.length);
}

static void on_request(struct evhttp_request *evhttp, void *arg)
{
    struct request *request = request_new(arg);
    struct framing framing = {0};

    if (!request) {
        evhttp_send_error(evhttp, HTTP_SERVUNAVAIL, NULL);
        return;
    }
    request->evhttp = evhttp;
    request->method = method_of(evhttp_request_get_command(evhttp), &request->method_name);
    request->uri = str_of(evhttp_request_get_uri(evhttp));
    request->body_length = evbuffer_get_length(evhttp_request_get_input_buffer(evhttp));
    read_peer(request);
    framing.bad_version = evhttp->major != 1 || evhttp->minor > 1;
    read_headers(request, &framing);
    check_framing(request, &framing);
    request_start(request);
}

/* The connection broke while the request was under way. Where that was a failure on the wire evhttp
 * has taken the request off the connection and left it to us; where the whole server ends it frees
 * it itself, right after this. */
static void on_closed(struct evhttp_connection *connection, void *arg)
{
    struct request *request = arg;

    (void)connection;
    request->gone = true;
    request->owns_evhttp = evhttp_request_get_connection(request->evhttp) == NULL;
    task_cancel(&request->task);
}

void connection_release(struct request *request)
{
    if (request->owns_evhttp)
        evhttp_request_free(request->evhttp);
    request->evhttp = NULL;
}

void connection_hold(struct request *request)
{
    evhttp_connection_set_closecb(evhttp_request_get_connection(request->evhttp), on_closed,
                                  request);
}

struct str connection_body(const struct request *request, size_t most)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(request->evhttp);
    size_t length = evbuffer_get_length(in);

    if (length > most)
        length = most;
    /* The library's pullup fails only for want of memory; then there is no piece, and the reader
     * finds the body cut short. */
    const char *data = (const char *)evbuffer_pullup(in, (ev_ssize_t)length);
    return (struct str){data, data ? length : 0};
}

void connection_drop_body(struct request *request, size_t length)
{
    (void)evbuffer_drain(evhttp_request_get_input_buffer(request->evhttp), length);
}

static void free_body(const void *data, size_t length, void *body)
{
    (void)data;
    (void)length;
    free(body);
}

static void release_file(const void *data, size_t length, void *content)
{
    (void)data;
    (void)length;
    site_release(content);
}

static bool add_file(struct reply *reply, struct evbuffer *out)
{
    struct str bytes = buf_str(&reply->file->bytes);

    if (bytes.length == 0)
        return true;
    if (evbuffer_add_reference(out, bytes.data, bytes.length, release_file, reply->file) != 0)
        return false;
    reply->file = NULL;
    return true;
}

static bool add_body(struct request *request, struct evbuffer *out)
{
    struct reply *reply = &request->reply;

    if (reply->file)
        return add_file(reply, out);
    if (reply->body.length <= COPY_MOST)
        return evbuffer_add(out, reply->body.data, reply->body.length) == 0;
    if (evbuffer_add_reference(out, reply->body.data, reply->body.length, free_body,
                               reply->body.data) != 0)
        return false;
    reply->body = (struct buf){0};
    return true;
}

/* evhttp prints each header by itself, after checking and copying name and value, which costs more
 * than all the rest of a poll. The block goes in as the value of its own first header: that is
 * one header to evhttp. What stands in it is ours, so there is nothing to check. */
static bool add_headers(struct evhttp_request *evhttp, const char *name, struct buf *block)
{
    struct evkeyval *header = block->failed ? NULL : malloc(sizeof *header);

    if (!header)
        return false;
    header->key = strdup(name);
    if (!header->key) {
        free(header);
        return false;
    }
    header->value = block->data;
    *block = (struct buf){0};
    TAILQ_INSERT_TAIL(evhttp_request_get_output_headers(evhttp), header, next);
    return true;
}

/* From here on the request is evhttp's. Until the socket has taken the answer, or is gone, it
 * counts as unsent: a server that stops waits for it. */
static void on_sent(struct evhttp_request *evhttp, void *arg)
{
    struct http *http = arg;

    http->unsent_count--;
    evhttp_connection_set_closecb(evhttp_request_get_connection(evhttp), NULL, NULL);
}

static void on_lost(struct evhttp_connection *connection, void *arg)
{
    struct http *http = arg;

    (void)connection;
    http->unsent_count--;
}

static void watch_sending(struct request *request)
{
    struct http *http = request->http;

    http->unsent_count++;
    evhttp_request_set_on_complete_cb(request->evhttp, on_sent, http);
    evhttp_connection_set_closecb(evhttp_request_get_connection(request->evhttp), on_lost, http);
}

/* Mostly the socket takes all at once. To wait for that, as the library does, costs two changes of
 * what epoll looks for and a turn of the loop. What is left, or fails, is the library's again. That
 * all is sent it hears in a turn of its own: else a client that pipelines would have us answer
 * from within the answer before. */
static void send_now(struct evhttp_connection *connection)
{
    struct bufferevent *bufferevent = evhttp_connection_get_bufferevent(connection);
    struct evbuffer *out = bufferevent_get_output(bufferevent);

    (void)evbuffer_unfreeze(out, 1);
    (void)evbuffer_write(out, bufferevent_getfd(bufferevent));
    (void)evbuffer_freeze(out, 1);
    if (evbuffer_get_length(out) == 0) {
        (void)bufferevent_disable(bufferevent, EV_WRITE);
        bufferevent_trigger(bufferevent, EV_WRITE, BEV_TRIG_DEFER_CALLBACKS);
    }
}

void connection_send(struct request *request, const char *first_name, struct buf *headers)
{
    struct evhttp_request *evhttp = request->evhttp;
    struct evhttp_connection *connection = evhttp_request_get_connection(evhttp);
    struct reply *reply = &request->reply;
    struct evkeyvalq *out = evhttp_request_get_output_headers(evhttp);
    bool ok = add_headers(evhttp, first_name, headers);

    watch_sending(request);
    if (request->method != METHOD_HEAD)
        ok = ok && add_body(request, evhttp_request_get_output_buffer(evhttp));
    if (reply->closes || request->http->draining)
        ok = ok && evhttp_add_header(out, "Connection", "close") == 0;
    if (ok)
        evhttp_send_reply(evhttp, reply->status, NULL, NULL);
    else
        evhttp_send_error(evhttp, HTTP_SERVUNAVAIL, NULL);
    send_now(connection);
}

/* Held requests: evhttp does not read while a request is under way, so it would not notice that the
 * client has gone. A one-shot look at the socket does: at its end, at an error, or when more bytes
 * have come, the wait ends and the answer goes out, or fails to. Nothing is taken from the
 * socket. */
static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
    struct request *request = arg;

    (void)fd;
    (void)what;
    watch_end(&request->watch);
}

bool connection_has_more(const struct request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request->evhttp);
    struct bufferevent *bufferevent = evhttp_connection_get_bufferevent(connection);

    return evbuffer_get_length(bufferevent_get_input(bufferevent)) > 0;
}

void connection_watch_hangup(struct request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request->evhttp);
    evutil_socket_t fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));

    request->hangup =
        event_new(request->http->services.loop->base, fd, EV_READ, on_hangup, request);
    if (request->hangup)
        (void)event_add(request->hangup, NULL);
}

void connection_forget_hangup(struct request *request)
{
    if (request->hangup)
        event_free(request->hangup);
    request->hangup = NULL;
}

/* evhttp's own limit is above ours, so that a body somewhat too long gets our answer, which names
 * the limit; far longer ones are cut off by the library before they take memory. */
enum { BODY_SLACK = 1 << 20 };

uint64_t http_body_most(const struct http *http)
{
    return http->services.limits->max_post_bytes + BODY_SLACK;
}

void http_apply_settings(struct http *http)
{
    const struct http_settings *settings = http->services.settings;
    uint64_t body = http_body_most(http);

    evhttp_set_max_headers_size(http->evhttp, (ev_ssize_t)settings->max_header_bytes);
    evhttp_set_max_body_size(http->evhttp, (ev_ssize_t)(body < SSIZE_MAX ? body : SSIZE_MAX));
    evhttp_set_timeout(http->evhttp, (int)(settings->idle_timeout_ms / 1000));
}

bool http_open(struct http *http, const struct http_services *services, const struct route *routes,
               struct error *error)
{
    *http = (struct http){.services = *services, .routes = routes};
    list_init(&http->requests);
    list_init(&http->spares);
    if (!crypto_random(&http->id_prefix, sizeof http->id_prefix, error))
        return false;
    http->evhttp = evhttp_new(services->loop->base);
    if (!http->evhttp)
        return error_set(error, ERROR_NO_MEMORY, "out of memory for HTTP");
    /* All of them, so that refusing one is ours and carries CORS headers. */
    evhttp_set_allowed_methods(http->evhttp, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                                 EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                                 EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
                                                 EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
    evhttp_set_default_content_type(http->evhttp, NULL);
    /* Otherwise the answer to a refused upload is lost: the kernel resets a connection that is
     * closed with unread bytes. */
    (void)evhttp_set_flags(http->evhttp, EVHTTP_SERVER_LINGERING_CLOSE);
    evhttp_set_gencb(http->evhttp, on_request, http);
    evhttp_set_bevcb(http->evhttp, listener_count_connection, http);
    http_apply_settings(http);
    return true;
}

void http_drain(struct http *http)
{
    struct list *node, *after;

    http->draining = true;
    listener_close_all(http);
    list_for_each_safe (node, after, &http->requests)
        watch_end(&OWNER_OF(node, struct request, on_http)->watch);
}

void http_close(struct http *http)
{
    if (!http->evhttp)
        return;
    listener_close_all(http);
    while (!list_is_empty(&http->requests))
        task_cancel(&OWNER_OF(http->requests.next, struct request, on_http)->task);
    evhttp_free(http->evhttp);
    http->evhttp = NULL;
    while (!list_is_empty(&http->spares)) {
        struct list *spare = http->spares.next;

        list_remove(spare);
        free(OWNER_OF(spare, struct request, on_http));
    }
}
