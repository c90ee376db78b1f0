/* The steps of blobs: reading one, and making a link to one. docs/protocol.md, "Blobs", says what
 * each answer means. */
#include "http/blob_steps.h"
#include "auth/blob_link.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "http/base_url.h"
#include "http/disposition.h"
#include "http/etag.h"
#include "http/ranges.h"
#include "http/reply.h"
#include "http/routes.h"
#include "sync/blobs.h"

#include <stdio.h>
#include <string.h>

enum { PARTS_BYTES_MOST = 1 << 20 }; /* of several ranges together; they are sent from memory */

static enum step check_host(struct task *task)
{
    struct request *request = request_of(task);
    struct str origin = request->http->services.settings->blob_origin;
    size_t at = str_find_byte(origin, '/') + strlen("//");

    if (origin.length == 0 ||
        str_equals_nocase(request->head.host, str_slice(origin, at, origin.length)))
        return STEP_NEXT;
    return task_fail(task, ERROR_NOT_FOUND, "blobs are at %.*s", STR_ARG(origin));
}

static enum step check_access(struct task *task)
{
    struct request *request = request_of(task);
    const struct keys *keys = &request->http->services.access->keys;

    if (request->query.ticket.length == 0)
        return request_check_access(task);
    return blob_link_check(keys, request->query.ticket, request->address.path, request->blob_name,
                           clock_unix_seconds(), &task->error)
               ? STEP_NEXT
               : STEP_FAIL;
}

static enum step find_stream(struct task *task)
{
    struct request *request = request_of(task);

    request->stream =
        streams_find(request->http->services.streams, request->address.path, &task->error);
    return request->stream && stream_load(request->stream, &task->error) ? STEP_NEXT : STEP_FAIL;
}

/* A page that was not given the login or a link may not embed it, if only to learn its size: a
 * proxy's cookie comes along with any page. */
static const char *choose_policy(const struct request *request)
{
    return request->query.ticket.length > 0 || request->query.auth.length > 0 ? "cross-origin"
                                                                              : "same-site";
}

static void put_headers(struct request *request, const char *type)
{
    struct buf *more = &request->reply.more;

    buf_append(more, STR("Accept-Ranges: bytes\r\nCross-Origin-Resource-Policy: "));
    buf_append_text(more, choose_policy(request));
    buf_append(more, STR("\r\n"));
    disposition_put(type, request->query.filename, more);
}

/* The name says what the content is, and so does its last part. */
static void put_etag(struct request *request)
{
    struct str name = request->blob_name;
    struct str hash = str_slice(name, name.length - 2 * BLOB_HASH_SIZE, name.length);

    (void)snprintf(request->reply.etag, sizeof request->reply.etag, "\"%.*s\"", STR_ARG(hash));
}

static void put_content_range(struct buf *out, uint64_t start, uint64_t length, uint64_t whole)
{
    buf_append(out, STR("Content-Range: bytes "));
    buf_append_u64(out, start);
    buf_append_byte(out, '-');
    buf_append_u64(out, start + length - 1);
    buf_append_byte(out, '/');
    buf_append_u64(out, whole);
    buf_append(out, STR("\r\n"));
}

static void answer_unsatisfiable(struct request *request, const struct blob *blob)
{
    struct reply *reply = &request->reply;

    buf_clear(&reply->body);
    reply->status = 416;
    buf_append(&reply->more, STR("Content-Range: bytes */"));
    buf_append_u64(&reply->more, blob->length);
    buf_append(&reply->more, STR("\r\n"));
}

/* One part, or all of it. A small blob is in the body already. */
static void answer_part(struct request *request, struct blob *blob, uint64_t start, uint64_t length)
{
    struct reply *reply = &request->reply;

    if (length < blob->length) {
        reply->status = 206;
        put_content_range(&reply->more, start, length, blob->length);
    }
    if (blob->length <= BLOBS_SMALL) {
        memmove(reply->body.data, reply->body.data + start, (size_t)length);
        reply->body.length = (size_t)length;
        return;
    }
    reply->part_offset = start;
    reply->part_length = length;
    reply->part_fd = blobs_take_descriptor(blob);
}

/* The tag is a keyed hash: nobody who does not know the secret of the collection can have put it
 * into the content. */
static struct str boundary_of(const struct request *request)
{
    struct str etag = str_of(request->reply.etag);

    return str_slice(etag, 1, etag.length - 2);
}

static void put_part_head(const struct request *request, const struct blob *blob, uint64_t start,
                          uint64_t length, struct buf *out)
{
    buf_append(out, STR("\r\n--"));
    buf_append(out, boundary_of(request));
    buf_append(out, STR("\r\nContent-Type: "));
    buf_append_text(out, disposition_type(blob->content_type));
    buf_append(out, STR("\r\n"));
    put_content_range(out, start, length, blob->length);
    buf_append(out, STR("\r\n"));
}

/* RFC 9110, section 14.6. */
static bool answer_parts(struct request *request, struct blob *blob, const struct ranges *ranges,
                         struct error *error)
{
    struct reply *reply = &request->reply;
    struct buf body = {0};
    bool ok = true;

    for (size_t i = 0; ok && i < ranges->count; i++) {
        uint64_t start = ranges->parts[i].start, length = ranges->parts[i].length;

        put_part_head(request, blob, start, length, &body);
        ok = blobs_read_part(blob, start, (size_t)length, &body, error);
    }
    buf_append(&body, STR("\r\n--"));
    buf_append(&body, boundary_of(request));
    buf_append(&body, STR("--\r\n"));
    buf_clear(&reply->body);
    reply->body = body;
    reply->status = 206;
    (void)snprintf(request->blob_type, sizeof request->blob_type,
                   "multipart/byteranges; boundary=%.*s", STR_ARG(boundary_of(request)));
    return ok && buf_ok(&reply->body, error);
}

static bool is_little(const struct ranges *ranges)
{
    uint64_t total = 0;

    for (size_t i = 0; i < ranges->count; i++)
        total += ranges->parts[i].length;
    return total <= PARTS_BYTES_MOST;
}

/* If-Range wants a strong comparison, so a weak tag or a date never matches. */
static enum ranges_kind choose_ranges(const struct request *request, const struct blob *blob,
                                      struct ranges *ranges)
{
    bool counts = !request->head.if_range.data ||
                  str_equals(str_trim(request->head.if_range), str_of(request->reply.etag));
    enum ranges_kind kind =
        counts ? ranges_parse(ranges, request->head.range, blob->length) : RANGES_NONE;

    return kind == RANGES_SOME && ranges->count > 1 && !is_little(ranges) ? RANGES_NONE : kind;
}

static bool answer_content(struct request *request, struct blob *blob, struct error *error)
{
    struct reply *reply = &request->reply;
    struct ranges ranges;

    if (blob->length <= BLOBS_SMALL && !blob_read(blob, &reply->body, error))
        return false;
    enum ranges_kind kind = choose_ranges(request, blob, &ranges);
    if (kind == RANGES_SOME && ranges.count > 1)
        return answer_parts(request, blob, &ranges, error);
    if (kind == RANGES_SOME)
        answer_part(request, blob, ranges.parts[0].start, ranges.parts[0].length);
    else if (kind == RANGES_NONE)
        answer_part(request, blob, 0, blob->length);
    else
        answer_unsatisfiable(request, blob);
    return true;
}

static void describe(struct request *request, const struct blob *blob)
{
    struct reply *reply = &request->reply;
    const char *type = disposition_type(blob->content_type);

    (void)snprintf(request->blob_type, sizeof request->blob_type, "%s", type);
    reply->content_type = request->blob_type;
    reply->cache = REPLY_IMMUTABLE;
    reply->csp = "sandbox; default-src 'none'";
    put_etag(request);
    put_headers(request, type);
}

static enum step answer_blob(struct task *task)
{
    struct request *request = request_of(task);
    struct reply *reply = &request->reply;
    struct blob blob;

    if (!blobs_open(request->stream, request->blob_name, &blob, &task->error))
        return STEP_FAIL;
    describe(request, &blob);
    bool ok = true;
    if (etag_is_named(request->head.if_none_match, reply->etag))
        reply->status = 304;
    else
        ok = answer_content(request, &blob, &task->error);
    blob_close(&blob);
    /* Elsewhere this line comes with the body only. */
    if (ok && reply_body_length(request) == 0)
        buf_append(&reply->more, STR("X-Content-Type-Options: nosniff\r\n"));
    return ok && buf_ok(&reply->more, &task->error) ? STEP_DONE : STEP_FAIL;
}

const struct step_entry blob_steps[] = {
    STEP(request_check_query), STEP(check_host),  STEP(check_access),
    STEP(find_stream),         STEP(answer_blob), {0},
};

bool blob_steps_put_prefix(const struct request *request, struct buf *out, struct error *error)
{
    const struct http_settings *settings = request->http->services.settings;

    if (settings->blob_origin.length > 0) {
        buf_append(out, settings->blob_origin);
        buf_append(out, settings->base_path);
    } else if (!base_url_put(request, out, error)) {
        return false;
    }
    buf_append_byte(out, '/');
    object_blobs_put_path(request->address.path, out);
    buf_append(out, STR("/+static/"));
    return buf_ok(out, error);
}

enum step blob_steps_find(struct task *task)
{
    struct request *request = request_of(task);
    struct objects *objects = &request->objects;

    if (objects->blobs.count == 0)
        return STEP_NEXT;
    return blob_steps_put_prefix(request, &objects->blobs.prefix, &task->error) &&
                   object_blobs_find_hrefs(objects, request->address.path,
                                           request->http->services.settings->base_path,
                                           &task->error)
               ? STEP_NEXT
               : STEP_FAIL;
}

static enum step answer_link(struct task *task)
{
    struct request *request = request_of(task);
    const struct keys *keys = &request->http->services.access->keys;
    struct buf *body = &request->reply.body, url = {0};
    struct blob blob;

    if (!blobs_open(request->stream, request->blob_name, &blob, &task->error))
        return STEP_FAIL;
    blob_close(&blob);
    bool ok = blob_steps_put_prefix(request, &url, &task->error);
    buf_append(&url, request->blob_name);
    buf_append(&url, STR("?ticket="));
    ok = ok && blob_link_make(keys, request->address.path, request->blob_name,
                              clock_unix_seconds() + BLOB_LINK_SECONDS, &url, &task->error);
    buf_append(body, STR("{"));
    json_write_string_member(body, "url", buf_str(&url));
    json_write_u64_member(body, "expires_in", BLOB_LINK_SECONDS);
    buf_append(body, STR("}"));
    buf_clear(&url);
    return ok && buf_ok(body, &task->error) ? STEP_DONE : STEP_FAIL;
}

const struct step_entry blob_link_steps[] = {
    STEP(request_check_query),
    STEP(request_check_access),
    STEP(find_stream),
    STEP(answer_link),
    {0},
};
