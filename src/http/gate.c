#include "http/gate.h"

#include "http/admission.h"
#include "http/body.h"
#include "http/connection.h"
#include "http/tls.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <sys/socket.h>

enum {
    HEAD_PIECE = 2048,      /* bytes read at once where a head is expected */
    REST_PIECE = TLS_PIECE, /* and behind one */
    REST_MOST = 64 * 1024,  /* that lie there before nothing more is read, unless they are wanted */
};

static const struct http_settings *settings_of(const struct connection *connection)
{
    return connection->http->services.settings;
}

/* --- A head, from us to evhttp ---------------------------------------------------------------- */

/* What evhttp has to know: whether an answer has a body, which version it goes to, and whether the
 * connection ends with it. If a body belongs to the request, closing is ours (must_linger). */
static struct str plain_head(const struct request_head *head)
{
    static const char *const heads[2][2][2] = {
        {{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"},
         {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"}},
        {{"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n"},
         {"HEAD / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n"}},
    };
    bool closes = head->closes && (head->minor == 0 || head->body_length == 0);

    return str_of(heads[head->method == METHOD_HEAD][head->minor][closes]);
}

static void pass_head(struct connection *connection)
{
    struct http *http = connection->http;
    struct str text = plain_head(&connection->request->head);
    struct evbuffer *in = bufferevent_get_input(connection->bufferevent);

    if (evbuffer_add(in, text.data, text.length) != 0) {
        connection_give_up(connection);
        return;
    }
    connection->state = CONNECTION_BUSY;
    connection->deadline_ms = 0;
    http->handed = connection;
    bufferevent_trigger(connection->bufferevent, EV_READ, 0);
    /* There is nothing in it to refuse, so evhttp was out of memory. */
    if (http->handed == connection) {
        http->handed = NULL;
        connection_give_up_answer(connection);
    }
}

static struct request *new_request(struct connection *connection)
{
    struct request *request = request_new(connection->http);

    if (!request) {
        connection_give_up(connection);
        return NULL;
    }
    request->connection = connection;
    request->head =
        (struct request_head){.method = METHOD_OTHER, .method_name = "OTHER", .minor = 1};
    memcpy(request->peer, connection->peer, sizeof request->peer);
    connection->request = request;
    connection->body_left = 0;
    return request;
}

void gate_refuse(struct connection *connection, const struct error *error)
{
    struct request *request = connection->request ? connection->request : new_request(connection);

    if (!request)
        return;
    request->refusal = *error;
    request->reply.closes = true;
    request->head.minor = 1;
    request->head.closes = false;
    pass_head(connection);
}

static void begin_request(struct connection *connection)
{
    struct str trusted = str_of(connection->http->services.access->trusted_header);
    struct request *request = new_request(connection);
    struct error error;

    if (!request)
        return;
    if (!head_parse(&request->head, buf_str(&connection->head), trusted, &error)) {
        gate_refuse(connection, &error);
        return;
    }
    connection->body_left = request->head.body_length;
    pass_head(connection);
}

/* --- A head, from the client to us ------------------------------------------------------------ */

static void refuse_long_head(struct connection *connection)
{
    struct error error;

    error_set(&error, ERROR_HEAD_TOO_LARGE, "the headers are longer than max_header_bytes, %llu",
              (unsigned long long)settings_of(connection)->max_header_bytes);
    gate_refuse(connection, &error);
}

/* RFC 9112, section 2.2: empty lines before a request are nothing. */
static void skip_empty_lines(struct connection *connection)
{
    struct buf *head = &connection->head;
    size_t count = 0;

    while (str_starts_with(str_slice(buf_str(head), count, 2), STR("\r\n")))
        count += 2;
    if (count > 0) {
        memmove(head->data, head->data + count, head->length - count);
        head->length -= count;
        connection->looked_at = 0;
    }
}

static bool make_rest(struct connection *connection)
{
    if (!connection->rest)
        connection->rest = evbuffer_new();
    return connection->rest != NULL;
}

/* What has been read beyond the end of the head goes before the rest. */
static bool give_back(struct connection *connection, size_t end)
{
    struct buf *head = &connection->head;
    size_t more = head->length - end;

    if (more == 0)
        return true;
    if (!make_rest(connection) || evbuffer_prepend(connection->rest, head->data + end, more) != 0)
        return false;
    head->length = end;
    return true;
}

static void begin_head(struct connection *connection)
{
    if (connection->state != CONNECTION_IDLE)
        return;
    connection->state = CONNECTION_HEAD;
    connection_set_deadline(connection, settings_of(connection)->header_timeout_ms);
}

/* If it is complete, a request begins. The connection may be gone when this returns. */
static void look_for_head(struct connection *connection)
{
    uint64_t most = settings_of(connection)->max_header_bytes;

    skip_empty_lines(connection);
    size_t end = head_find_end(buf_str(&connection->head), &connection->looked_at);
    if (end > most || (end == 0 && connection->head.length > most)) {
        refuse_long_head(connection);
    } else if (end > 0) {
        if (give_back(connection, end))
            begin_request(connection);
        else
            connection_give_up(connection);
    } else {
        begin_head(connection);
    }
}

void gate_take_next(struct connection *connection)
{
    uint64_t most = settings_of(connection)->max_header_bytes + 1;
    size_t count = connection_rest_length(connection);

    if (count > most)
        count = (size_t)most;
    char *room = buf_reserve(&connection->head, count);
    if (!room || evbuffer_remove(connection->rest, room, count) != (int)count) {
        connection_give_up(connection);
        return;
    }
    buf_grow(&connection->head, count);
    look_for_head(connection);
}

/* --- What arrives ----------------------------------------------------------------------------- */

/* As recv. */
static ssize_t receive(struct connection *connection, void *room, size_t size, int flags)
{
    return connection->tls ? tls_read(connection->tls, room, size)
                           : recv(connection->fd, room, size, flags);
}

/* 0: the client has closed its side. -1: errno tells, EAGAIN among others. By way of a room that
 * all share: of ten thousand that wait, each keeps no more than what he sent. */
static ssize_t read_head(struct connection *connection, int flags)
{
    char *room = connection->http->room;
    ssize_t count = receive(connection, room, connection->tls ? TLS_PIECE : HEAD_PIECE, flags);

    if (count <= 0)
        return count;
    buf_append(&connection->head, (struct str){room, (size_t)count});
    if (!connection->head.failed)
        return count;
    errno = ENOMEM;
    return -1;
}

static ssize_t read_rest(struct connection *connection)
{
    struct evbuffer_iovec room;

    if (!make_rest(connection) ||
        evbuffer_reserve_space(connection->rest, REST_PIECE, &room, 1) != 1) {
        errno = ENOMEM;
        return -1;
    }
    ssize_t count = receive(connection, room.iov_base, REST_PIECE, 0);
    room.iov_len = count > 0 ? (size_t)count : 0;
    (void)evbuffer_commit_space(connection->rest, &room, 1);
    return count;
}

/* Of a connection that is about to be closed. */
static ssize_t read_for_nothing(struct connection *connection)
{
    char room[4096];

    return receive(connection, room, sizeof room, 0);
}

static void use_rest(struct connection *connection, size_t count)
{
    size_t length = connection_rest_length(connection);

    connection->body_came += count;
    if (connection->state == CONNECTION_SKIPPING)
        connection_skip_body(connection);
    else if (connection->body_wanted > 0 && length >= connection->body_wanted)
        body_end_wait(connection);
    else if (connection->is_parked)
        watch_end(&connection->request->watch);
    if (connection->body_wanted == 0 && length > REST_MOST)
        connection_end_reading(connection);
}

/* The client has closed its side: it may still want to read an answer that is under way. */
static bool waits_for_answer(const struct connection *connection)
{
    return connection->state == CONNECTION_SENDING ||
           (connection->state == CONNECTION_BUSY && connection->body_wanted == 0 &&
            !connection->is_parked);
}

static void take_end(struct connection *connection, bool is_failure)
{
    if (!is_failure && waits_for_answer(connection)) {
        connection->is_ended = true;
        connection_end_reading(connection);
    } else {
        evhttp_connection_free(connection->evhttp);
    }
}

static void become_idle(struct connection *connection)
{
    connection->state = CONNECTION_IDLE;
    connection_set_deadline(connection, settings_of(connection)->idle_timeout_ms);
}

/* Nothing came that is meant for us, but TLS may have begun with it. */
static void follow_handshake(struct connection *connection)
{
    if (tls_wants_to_write(connection->tls))
        (void)event_add(connection->writable, NULL);
    if (!tls_is_established(connection->tls))
        begin_head(connection);
    else if (connection->state == CONNECTION_HEAD && connection->head.length == 0)
        become_idle(connection);
}

static void take_nothing(struct connection *connection, ssize_t count)
{
    if (count < 0 && errno == ENOMEM)
        connection_give_up(connection);
    else if (count == 0 || (errno != EAGAIN && errno != EINTR))
        take_end(connection, count < 0);
    else if (connection->tls)
        follow_handshake(connection);
}

/* What follows it may be TLS, which reads from the socket itself: so no more is taken from there
 * than belongs to it. */
static void take_preface(struct connection *connection)
{
    struct buf *head = &connection->head;
    size_t before = head->length, length;
    ssize_t count = read_head(connection, MSG_PEEK);

    if (count <= 0) {
        take_nothing(connection, count);
        return;
    }
    enum proxy_header_outcome outcome = admission_read_preface(connection, &length);
    size_t used = outcome == PROXY_HEADER_READ ? length - before : (size_t)count;
    bool ok = outcome != PROXY_HEADER_BAD &&
              recv(connection->fd, head->data + before, used, 0) == (ssize_t)used;
    if (ok && outcome == PROXY_HEADER_MORE) {
        begin_head(connection);
        return;
    }
    buf_reset(head);
    if (ok && connection_open(connection))
        become_idle(connection);
    else
        evhttp_connection_free(connection->evhttp);
}

void gate_take_input(int fd, short what, void *arg)
{
    struct connection *connection = arg;
    bool is_head = connection->state == CONNECTION_IDLE || connection->state == CONNECTION_HEAD;
    ssize_t count;

    (void)fd;
    (void)what;
    if (connection->has_preface) {
        take_preface(connection);
        return;
    }
    is_head = is_head && connection_rest_length(connection) == 0;
    if (connection->state == CONNECTION_CLOSING)
        count = read_for_nothing(connection);
    else
        count = is_head ? read_head(connection, 0) : read_rest(connection);
    if (count <= 0)
        take_nothing(connection, count);
    else if (is_head)
        look_for_head(connection);
    else if (connection->state != CONNECTION_CLOSING)
        use_rest(connection, (size_t)count);
}
