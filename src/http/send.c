#include "http/send.h"

#include "http/connection.h"
#include "http/site.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <sys/queue.h>

/* Up to here a body is copied into the answer; a longer one is handed over as it is. */
enum { COPY_MOST = 4096 };

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

static bool add_body(struct request *request, struct evbuffer *out)
{
    struct reply *reply = &request->reply;

    if (reply->part_length > 0)
        return add_part(reply, out);
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

/* Mostly the socket takes all at once. */
static void send_now(struct connection *connection)
{
    struct evbuffer *out = bufferevent_get_output(connection->bufferevent);
    int count = evbuffer_write(out, connection->fd);

    if (evbuffer_get_length(out) == 0)
        tell(connection, true);
    else if (count >= 0 || errno == EAGAIN || errno == EINTR)
        (void)event_add(connection->writable, NULL);
    else
        tell(connection, false);
}

void send_more(int fd, short what, void *connection)
{
    (void)fd;
    (void)what;
    send_now(connection);
}

void send_reply(struct request *request, const char *first_name, struct buf *headers)
{
    struct evhttp_request *evhttp = request->evhttp;
    struct connection *connection = request->connection;

    decide_closing(request, headers);
    bool ok = add_headers(evhttp, first_name, headers);
    if (request->head.method != METHOD_HEAD)
        ok = ok && add_body(request, evhttp_request_get_output_buffer(evhttp));
    evhttp_request_set_on_complete_cb(evhttp, on_sent, connection);
    if (ok)
        evhttp_send_reply(evhttp, request->reply.status, NULL, NULL);
    else
        evhttp_send_error(evhttp, HTTP_SERVUNAVAIL, NULL);
    send_now(connection);
    connection_begin_sending(connection);
}
