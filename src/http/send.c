#include "http/send.h"

#include "http/connection.h"
#include "http/gate.h"
#include "http/site.h"
#include "http/tls.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

/* Up to here a body is copied into the answer; a longer one is handed over as it is. */
enum { COPY_MOST = 4096 };

enum {
    FILE_PIECE = 64 * 1024, /* bytes read of a file at once */
    TURN_MOST = 256 * 1024, /* encrypted in one go, before others have their turn */
};

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

/* By sendfile: the flag says that the buffer goes to a socket and is read by nobody on the way.
 * Without it the library would map the file. */
static bool add_part(struct reply *reply, struct evbuffer *out)
{
    uint64_t length = reply->part_length;
    struct evbuffer_file_segment *segment =
        evbuffer_file_segment_new(reply->part_fd, (ev_off_t)reply->part_offset, (ev_off_t)length,
                                  EVBUF_FS_CLOSE_ON_FREE | EVBUF_FS_DISABLE_MMAP);

    if (!segment)
        return false;
    reply->part_length = 0; /* the descriptor is the segment's */
    bool ok = evbuffer_set_flags(out, EVBUFFER_FLAG_DRAINS_TO_FD) == 0 &&
              evbuffer_add_file_segment(out, segment, 0, (ev_off_t)length) == 0;
    evbuffer_file_segment_free(segment);
    return ok;
}

/* With TLS the file goes through our hands, a piece when the last one is on its way. The library,
 * which would count, is told how long it is. */
static bool keep_part(struct request *request)
{
    struct reply *reply = &request->reply;
    struct file_part *file = &request->connection->file;
    char length[24];

    *file = (struct file_part){reply->part_fd, reply->part_offset, reply->part_length};
    reply->part_length = 0; /* the descriptor is the connection's */
    (void)snprintf(length, sizeof length, "%" PRIu64, file->left);
    return evhttp_add_header(evhttp_request_get_output_headers(request->evhttp), "Content-Length",
                             length) == 0;
}

static bool add_body(struct request *request, struct evbuffer *out)
{
    struct reply *reply = &request->reply;

    if (reply->part_length > 0)
        return request->connection->tls ? keep_part(request) : add_part(reply, out);
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

/* evhttp closes what it is told to close as soon as the socket has taken the answer. Where more
 * bytes may come from the client, that would lose it; so then evhttp is not told. To HTTP/1.0 it
 * would promise to go on. */
static void decide_closing(struct request *request, struct buf *headers)
{
    struct connection *connection = request->connection;

    connection->lingers = connection_must_linger(connection);
    if (!connection->lingers)
        return;
    if (request->head.minor == 0) {
        (void)evhttp_remove_header(evhttp_request_get_input_headers(request->evhttp), "Connection");
        connection->lingers = false;
        return;
    }
    buf_append(headers, STR("\r\nConnection: close"));
}

/* The socket has taken the answer. */
static void on_sent(struct evhttp_request *evhttp, void *connection)
{
    (void)evhttp;
    connection_end_sending(connection);
}

/* What happens then is evhttp's, in a turn of its own, since it may close the connection, and a
 * client that pipelines would have us answer from within the answer before. */
static void tell(struct connection *connection, bool is_sent)
{
    if (is_sent)
        bufferevent_trigger(connection->bufferevent, EV_WRITE, BEV_TRIG_DEFER_CALLBACKS);
    else
        bufferevent_trigger_event(connection->bufferevent, BEV_EVENT_WRITING | BEV_EVENT_ERROR,
                                  BEV_TRIG_DEFER_CALLBACKS);
}

/* --- TLS -------------------------------------------------------------------------------------- */

void send_drop_file(struct connection *connection)
{
    if (connection->file.left > 0)
        (void)close(connection->file.fd);
    connection->file.left = 0;
}

/* The next piece of the file. False: memory is out, or the file is shorter than it was. */
static bool add_piece(struct connection *connection, struct evbuffer *out)
{
    struct file_part *file = &connection->file;
    struct evbuffer_iovec room;
    size_t most = file->left < FILE_PIECE ? (size_t)file->left : FILE_PIECE;

    if (evbuffer_reserve_space(out, (ev_ssize_t)most, &room, 1) != 1)
        return false;
    ssize_t count = pread(file->fd, room.iov_base, most, (off_t)file->offset);
    room.iov_len = count > 0 ? (size_t)count : 0;
    if (evbuffer_commit_space(out, &room, 1) != 0 || count <= 0)
        return false;
    file->offset += (uint64_t)count;
    if (file->left == (uint64_t)count)
        send_drop_file(connection);
    else
        file->left -= (uint64_t)count;
    return true;
}

static ssize_t encrypt_piece(struct connection *connection, struct evbuffer *out)
{
    size_t length = evbuffer_get_length(out);
    size_t piece = length < TLS_PIECE ? length : TLS_PIECE;
    const void *bytes = evbuffer_pullup(out, (ev_ssize_t)piece);

    if (!bytes) {
        errno = ENOMEM;
        return -1;
    }
    ssize_t count = tls_write(connection->tls, bytes, piece);
    if (count > 0)
        (void)evbuffer_drain(out, (size_t)count);
    return count;
}

/* As evbuffer_write. A reader as fast as we are gets no more than TURN_MOST in one go. */
static int encrypt(struct connection *connection, struct evbuffer *out)
{
    size_t sent = 0;

    while (sent < TURN_MOST && send_count_left(connection) > 0) {
        if (connection->file.left > 0 && evbuffer_get_length(out) < TLS_PIECE &&
            !add_piece(connection, out)) {
            errno = EIO;
            return -1;
        }
        ssize_t count = encrypt_piece(connection, out);
        if (count < 0)
            return -1;
        sent += (size_t)count;
    }
    return (int)sent;
}

uint64_t send_count_left(const struct connection *connection)
{
    return evbuffer_get_length(bufferevent_get_output(connection->bufferevent)) +
           connection->file.left;
}

/* Mostly the socket takes all at once. */
static void send_now(struct connection *connection)
{
    struct evbuffer *out = bufferevent_get_output(connection->bufferevent);
    int count = connection->tls ? encrypt(connection, out) : evbuffer_write(out, connection->fd);

    if (send_count_left(connection) == 0)
        tell(connection, true);
    else if (count >= 0 || errno == EAGAIN || errno == EINTR)
        (void)event_add(connection->writable, NULL);
    else
        tell(connection, false);
}

/* Before there is an answer only TLS waits for the socket, on behalf of a read. */
void send_more(int fd, short what, void *arg)
{
    struct connection *connection = arg;

    if (connection->state == CONNECTION_SENDING)
        send_now(connection);
    else
        gate_take_input(fd, what, connection);
}

void send_reply(struct request *request, const char *first_name, struct buf *headers)
{
    struct evhttp_request *evhttp = request->evhttp;
    struct connection *connection = request->connection;

    uint64_t memory = request->reply.body.length;

    decide_closing(request, headers);
    bool ok = add_headers(evhttp, first_name, headers);
    if (request->head.method != METHOD_HEAD)
        ok = ok && add_body(request, evhttp_request_get_output_buffer(evhttp));
    if (!ok) {
        /* Out of memory. An error page of evhttp's would need some, and it may close at once. */
        connection_give_up_answer(connection);
        return;
    }
    evhttp_request_set_on_complete_cb(evhttp, on_sent, connection);
    evhttp_send_reply(evhttp, request->reply.status, NULL, NULL);
    send_now(connection);
    connection_begin_sending(connection, memory);
}
