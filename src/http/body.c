#include "http/body.h"

#include "http/connection.h"

#include <event2/buffer.h>
#include <sys/socket.h>

bool body_reserve(struct request *request, uint64_t bytes, struct error *error)
{
    struct http *http = request->http;
    uint64_t most = http->services.settings->max_body_memory;

    if (bytes > most || http->body_memory + http->unsent_memory > most - bytes)
        return error_set(error, ERROR_BUSY,
                         "bodies of other requests take up the memory there is for them "
                         "(max_body_memory, %llu); try again later",
                         (unsigned long long)most);
    http->body_memory += bytes;
    request->body_memory += bytes;
    return true;
}

static void cancel_body_wait(struct operation *operation)
{
    struct connection *connection = OWNER_OF(operation, struct connection, body_operation);

    connection->body_wanted = 0;
}

/* RFC 9110, section 10.1.1. The line is short and the socket empty: if it is not taken, the client
 * will not wait for ever, as the standard says, and nor do we. */
static void say_continue(struct connection *connection)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct request_head *head = &connection->request->head;

    if (!head->expects || head->minor == 0)
        return;
    head->expects = false;
    (void)send(connection->fd, line, sizeof line - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

enum step body_await(struct request *request, size_t wanted, struct task *task)
{
    struct connection *connection = request->connection;

    if (wanted > connection->body_left)
        wanted = (size_t)connection->body_left;
    if (connection_rest_length(connection) >= wanted)
        return STEP_NEXT;
    if (connection->is_late) {
        request->reply.closes = true;
        return task_fail(
            task, ERROR_TOO_SLOW, "the body comes too slowly, %llu bytes of it are missing",
            (unsigned long long)(connection->body_left - connection_rest_length(connection)));
    }
    if (connection_rest_length(connection) == 0)
        say_continue(connection);
    if (connection->deadline_ms == 0) {
        connection->body_came = 0;
        connection_set_deadline(connection, request->http->services.settings->transfer_timeout_ms);
    }
    connection->body_wanted = wanted;
    connection_begin_reading(connection);
    (void)operation_begin(&connection->body_operation, task, cancel_body_wait);
    return STEP_AGAIN;
}

enum step body_await_all(struct request *request, size_t most, struct task *task)
{
    uint64_t length = request->head.body_length;

    if (length > most)
        return task_fail(task, ERROR_TOO_LARGE,
                         "the body has %llu bytes, at most %zu are taken here",
                         (unsigned long long)length, most);
    if (request->body_memory == 0 && !body_reserve(request, length, &task->error))
        return STEP_FAIL;
    return body_await(request, most, task);
}

struct str body_bytes(const struct request *request, size_t most)
{
    const struct connection *connection = request->connection;
    size_t length = connection_rest_length(connection);

    if (length > connection->body_left)
        length = (size_t)connection->body_left;
    if (length > most)
        length = most;
    if (length == 0)
        return (struct str){0};
    /* The library's pullup fails only for want of memory; then there is no piece, and the reader
     * finds the body cut short. */
    const char *data = (const char *)evbuffer_pullup(connection->rest, (ev_ssize_t)length);
    return (struct str){data, data ? length : 0};
}

void body_drop(struct request *request, size_t length)
{
    struct connection *connection = request->connection;

    if (length == 0)
        return;
    (void)evbuffer_drain(connection->rest, length);
    connection->body_left -= length;
}

bool body_has_more(const struct request *request)
{
    return request->connection->body_left > 0;
}

void body_end_wait(struct connection *connection)
{
    connection->body_wanted = 0;
    operation_end(&connection->body_operation);
}
