#include "http/access_log.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/log.h"
#include "http/metrics.h"
#include "http/reply.h"

enum { URI_MOST = 512 }; /* bytes of a path that are logged */

static const struct str shown_parameters[] = {
    STR_INIT("since"),   STR_INIT("limit"),   STR_INIT("collection_id"),
    STR_INIT("include"), STR_INIT("exclude"), STR_INIT("wait"),
    STR_INIT("client"),  STR_INIT("seq"),     STR_INIT("delete"),
};

static bool is_shown(struct str name)
{
    for (size_t i = 0; i < sizeof shown_parameters / sizeof *shown_parameters; i++) {
        if (str_equals(name, shown_parameters[i]))
            return true;
    }
    return false;
}

static void put_target(const struct request *request, struct buf *out)
{
    struct str rest = request->query_text;
    struct str part;
    char before = '?';

    buf_append(out, str_slice(request->path, 0, URI_MOST));
    while (rest.length > 0 && str_split(&rest, '&', &part) && out->length < 2 * URI_MOST) {
        struct str name = str_slice(part, 0, str_find_byte(part, '='));

        buf_append_byte(out, before);
        before = '&';
        if (is_shown(name)) {
            buf_append(out, str_slice(part, 0, URI_MOST));
        } else {
            buf_append(out, str_slice(name, 0, URI_MOST));
            buf_append(out, STR("=*"));
        }
    }
}

static void put_text(const struct request *request, const struct buf *target, size_t length,
                     uint64_t duration_us, struct buf *out)
{
    buf_append_text(out, request->peer);
    buf_append_byte(out, ' ');
    buf_append_text(out, request->head.method_name);
    buf_append_byte(out, ' ');
    buf_append(out, buf_str(target));
    buf_append_byte(out, ' ');
    buf_append_u64(out, (uint64_t)request->reply.status);
    buf_append_byte(out, ' ');
    buf_append_u64(out, length);
    buf_append_byte(out, ' ');
    buf_append_u64(out, duration_us);
    buf_append(out, STR("us "));
    reply_put_id(request, out);
    if (request->task.error.code != ERROR_NONE) {
        buf_append(out, STR(" "));
        buf_append_text(out, error_code_name(request->task.error.code));
        buf_append(out, STR(": "));
        buf_append_text(out, request->task.error.message);
    }
}

static void put_json(const struct request *request, const struct buf *target, size_t length,
                     uint64_t duration_us, struct buf *out)
{
    struct buf id = {0};

    reply_put_id(request, &id);
    json_write_name(out, "peer");
    json_write_string(out, str_of(request->peer));
    json_write_string_member(out, "method", str_of(request->head.method_name));
    json_write_string_member(out, "target", buf_str(target));
    json_write_u64_member(out, "status", (uint64_t)request->reply.status);
    json_write_u64_member(out, "bytes", length);
    json_write_u64_member(out, "duration_us", duration_us);
    json_write_u64_member(out, "objects_in", request->objects_in);
    json_write_u64_member(out, "objects_out", request->objects_out);
    json_write_string_member(out, "id", buf_str(&id));
    if (request->task.error.code != ERROR_NONE) {
        json_write_string_member(out, "error", str_of(error_code_name(request->task.error.code)));
        json_write_string_member(out, "message", str_of(request->task.error.message));
    }
    buf_clear(&id);
}

static void write_line(const struct request *request, enum log_level level, size_t length,
                       uint64_t duration_us)
{
    struct buf target = {0}, line = {0};
    struct error error;

    put_target(request, &target);
    if (log_current_format() == LOG_JSON)
        put_json(request, &target, length, duration_us, &line);
    else
        put_text(request, &target, length, duration_us, &line);
    if (buf_ok(&line, &error))
        log_write_members(level, buf_str(&line));
    buf_clear(&target);
    buf_clear(&line);
}

void access_log_write(struct request *request, size_t length)
{
    uint64_t duration_us = clock_monotonic_us() - request->started_us;
    enum error_code code = request->task.error.code;
    bool ours = request->reply.status >= 500 && code != ERROR_NONE && code != ERROR_QUOTA &&
                code != ERROR_CANCELLED;
    enum log_level level = ours ? LOG_WARNING : LOG_INFO;

    metrics_note_request(request, length, duration_us);
    if ((ours || request->http->services.settings->access_log) && log_wants(level))
        write_line(request, level, length, duration_us);
}
