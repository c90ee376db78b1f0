#include "http/reply.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "http/cors.h"
#include "http/send.h"

#include <time.h>
#include <unistd.h>

enum {
    BUSY_RETRY_S = 5,   /* what a client waits when told to come back */
    DISK_RETRY_S = 30,  /* and when an operator has to do something first */
    HEADERS_SIZE = 512, /* enough for nearly every block of headers: one allocation */
};

static const struct {
    int status;
    uint64_t retry_after_s;
} answers[ERROR_COUNT] = {
    [ERROR_NONE] = {500, 0},
    [ERROR_BAD_REQUEST] = {400, 0},
    [ERROR_BAD_PATH] = {400, 0},
    [ERROR_BAD_PARAMETER] = {400, 0},
    [ERROR_BAD_JSON] = {400, 0},
    [ERROR_BAD_OBJECTS] = {400, 0},
    [ERROR_UNAUTHORIZED] = {401, 0},
    [ERROR_FORBIDDEN] = {403, 0},
    [ERROR_NOT_FOUND] = {404, 0},
    [ERROR_METHOD] = {405, 0},
    [ERROR_SEQ_OLD] = {409, 0},
    [ERROR_TOO_LARGE] = {413, 0},
    [ERROR_HEAD_TOO_LARGE] = {431, 0},
    [ERROR_TOO_SLOW] = {408, 0},
    [ERROR_EXPECTATION] = {417, 0},
    [ERROR_TOO_OFTEN] = {429, BUSY_RETRY_S},
    [ERROR_QUOTA] = {507, 0},
    [ERROR_NO_SPACE] = {507, DISK_RETRY_S},
    [ERROR_NO_MEMORY] = {503, BUSY_RETRY_S},
    [ERROR_BUSY] = {503, BUSY_RETRY_S},
    [ERROR_IO] = {503, DISK_RETRY_S},
    [ERROR_DAMAGED] = {500, 0},
    [ERROR_TIMEOUT] = {503, BUSY_RETRY_S},
    [ERROR_CANCELLED] = {503, BUSY_RETRY_S},
    [ERROR_CONF] = {500, 0},
};

void reply_clear(struct reply *reply)
{
    buf_clear(&reply->body);
    buf_clear(&reply->more);
    site_release(reply->file);
    reply->file = NULL;
    if (reply->part_length > 0)
        (void)close(reply->part_fd);
    reply->part_length = 0;
}

void reply_put_error(struct request *request, const struct error *error)
{
    struct reply *reply = &request->reply;
    struct buf *body = &reply->body;
    struct str errors = buf_str(&request->objects.errors);

    reply->status = answers[error->code].status;
    reply->retry_after_s =
        request->retry_after_s ? request->retry_after_s : answers[error->code].retry_after_s;
    reply_clear(reply);
    reply->content_type = NULL;
    reply->cache = REPLY_NO_STORE;
    reply->etag[0] = '\0';
    reply->csp = reply->referrer_policy = NULL;
    buf_append(body, STR("{"));
    json_write_string_member(body, "error", str_of(error_code_name(error->code)));
    json_write_string_member(body, "message", str_of(error->message));
    if (errors.length > 0) {
        json_write_name(body, "errors");
        buf_append(body, errors);
    }
    buf_append(body, STR("}"));
    if (body->failed) /* nothing left to say it with */
        buf_reset(body);
}

void reply_put_id(const struct request *request, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t id = request->http->id_prefix + request->id;
    char text[16];

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = digits[id >> (60 - 4 * i) & 15];
    buf_append(out, (struct str){text, sizeof text});
}

size_t reply_body_length(const struct request *request)
{
    const struct reply *reply = &request->reply;

    if (reply->part_length > 0)
        return (size_t)reply->part_length;
    return reply->file ? reply->file->bytes.length : reply->body.length;
}

static void put_line(struct buf *out, struct str name, const char *value)
{
    if (!value || !value[0])
        return;
    buf_append(out, name);
    buf_append_text(out, value);
    buf_append(out, STR("\r\n"));
}

static void put_number_line(struct buf *out, struct str name, uint64_t value)
{
    buf_append(out, name);
    buf_append_u64(out, value);
    buf_append(out, STR("\r\n"));
}

static void put_rare_headers(const struct request *request, struct buf *out)
{
    const struct reply *reply = &request->reply;

    if (reply->retry_after_s)
        put_number_line(out, STR("Retry-After: "), reply->retry_after_s);
    put_line(out, STR("Allow: "), reply->allow);
    put_line(out, STR("ETag: "), reply->etag);
    put_line(out, STR("Content-Security-Policy: "), reply->csp);
    put_line(out, STR("Referrer-Policy: "), reply->referrer_policy);
    put_line(out, STR("Location: "), reply->location);
    buf_append(out, buf_str(&reply->more));
    if (reply->status == 401)
        put_line(out, STR("WWW-Authenticate: "), "Bearer");
    /* The library gives a length to what it sends; to a HEAD nothing is sent. */
    if (request->head.method == METHOD_HEAD && reply_body_length(request) > 0)
        put_number_line(out, STR("Content-Length: "), reply_body_length(request));
}

/* The library would print it anew for each answer. */
static const char *date_now(struct http *http)
{
    int64_t now = clock_unix_seconds();
    struct tm parts;
    time_t time = (time_t)now;

    if (now != http->date_second && gmtime_r(&time, &parts)) {
        (void)strftime(http->date, sizeof http->date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        http->date_second = now;
    }
    return http->date;
}

static void put_headers(const struct request *request, struct buf *out)
{
    const struct reply *reply = &request->reply;
    const struct http_settings *settings = request->http->services.settings;
    uint64_t poll_time_s =
        load_poll_time(&request->http->load, settings->poll_time_s, settings->busy_poll_time_s);

    buf_append_text(out, date_now(request->http)); /* its name goes beside the block */
    if (reply->cache == REPLY_NO_STORE)
        buf_append(out, STR("\r\nCache-Control: private, no-store\r\n"));
    else if (reply->cache == REPLY_REVALIDATE)
        buf_append(out, STR("\r\nCache-Control: no-cache\r\n"));
    else
        buf_append(out, STR("\r\nCache-Control: private, max-age=31536000, immutable\r\n"));
    cors_put_headers(request, out);
    if (reply_body_length(request) > 0) {
        buf_append(out, STR("X-Content-Type-Options: nosniff\r\n"));
        put_line(out, STR("Content-Type: "),
                 reply->content_type ? reply->content_type : "application/json");
    }
    if (poll_time_s)
        put_number_line(out, STR("X-Sync-Poll-Time: "), poll_time_s);
    put_rare_headers(request, out);
    buf_append(out, STR("X-Request-Id: "));
    reply_put_id(request, out);
}

void reply_send(struct request *request)
{
    struct buf headers = {0};

    (void)buf_reserve(&headers, HEADERS_SIZE);
    put_headers(request, &headers);
    send_reply(request, "Date", &headers);
    buf_clear(&headers);
}
