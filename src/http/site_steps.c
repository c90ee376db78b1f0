/* The steps of what the server itself serves: the client script, /info, and the files of an app. */
#include "base/json_write.h"
#include "base/percent.h"
#include "http/routes.h"
#include "http/site.h"

#include <string.h>

/* RFC 9110, section 13.1.2: a list of tags, or "*". Weak ones compare like strong ones here. */
static bool names_etag(struct str header, const char *etag)
{
    struct str part;

    while (str_split(&header, ',', &part)) {
        part = str_trim(part);
        if (str_starts_with(part, STR("W/")))
            part = str_slice(part, 2, part.length);
        if (str_equals(part, STR("*")) || str_equals(part, str_of(etag)))
            return true;
    }
    return false;
}

static enum step answer_content(struct request *request, struct site_content *content,
                                const char *content_type)
{
    struct reply *reply = &request->reply;

    reply->cache = REPLY_REVALIDATE;
    memcpy(reply->etag, content->etag, sizeof reply->etag);
    if (names_etag(request->head.if_none_match, content->etag)) {
        reply->status = 304;
        return STEP_DONE;
    }
    reply->content_type = content_type;
    reply->file = site_hold(content);
    return STEP_DONE;
}

/* What the client is to call the server. The Host header goes into a script, so it has to be a host
 * name and nothing else. */
static bool put_base_url(const struct request *request, struct buf *out, struct error *error)
{
    const struct http_settings *settings = request->http->services.settings;
    struct origin origin;
    struct error cause;

    if (settings->public_url.length > 0) {
        buf_append(out, settings->public_url);
        return buf_ok(out, error);
    }
    buf_append(out, STR("http://"));
    buf_append(out, request->head.host);
    if (!buf_ok(out, error))
        return false;
    if (!origin_parse(&origin, buf_str(out), &cause))
        return error_set(error, ERROR_BAD_REQUEST,
                         "the Host header is no host name in lower case: "
                         "%.100s",
                         cause.message);
    buf_reset(out);
    buf_append_text(out, origin.text);
    buf_append(out, settings->base_path);
    return buf_ok(out, error);
}

static enum step answer_client_script(struct task *task)
{
    struct request *request = request_of(task);
    struct site_content *content = NULL;
    struct buf base = {0};

    if (put_base_url(request, &base, &task->error))
        content = site_find_client(request->http->services.site, buf_str(&base), &task->error);
    buf_clear(&base);
    if (!content)
        return STEP_FAIL;
    return answer_content(request, content, "text/javascript; charset=utf-8");
}

const struct step_entry client_script_steps[] = {STEP(answer_client_script), {0}};

/* What this version can do beyond the first protocol (docs/protocol.md marks it "new"). */
static const char features[] = "[\"client\",\"errors\",\"list\",\"pending\",\"until\",\"wait\"]";

static enum step answer_info(struct task *task)
{
    struct request *request = request_of(task);
    const struct limits *limits = request->http->services.limits;
    struct buf *out = &request->reply.body;

    buf_append(out, STR("{"));
    json_write_string_member(out, "version", str_of(request->http->services.settings->version));
    json_write_u64_member(out, "max_post_bytes", limits->max_post_bytes);
    json_write_u64_member(out, "max_post_objects", limits->max_post_objects);
    json_write_u64_member(out, "max_object_bytes", limits->max_object_bytes);
    json_write_u64_member(out, "max_response_bytes", limits->max_response_bytes);
    json_write_u64_member(out, "max_response_objects", limits->max_response_objects);
    json_write_u64_member(out, "max_wait", limits->max_wait_ms / 1000);
    json_write_u64_member(out, "json_max_depth", limits->json_max_depth);
    json_write_u64_member(out, "quota_collection", limits->quota_collection);
    json_write_name(out, "features");
    buf_append_text(out, features);
    buf_append(out, STR("}"));
    return buf_ok(out, &task->error) ? STEP_DONE : STEP_FAIL;
}

const struct step_entry info_steps[] = {STEP(answer_info), {0}};

static enum step answer_file(struct task *task)
{
    struct request *request = request_of(task);
    const struct site *site = request->http->services.site;
    struct buf path = {0};
    bool decoded = percent_decode(request->path, false, &path);
    const struct site_file *file = decoded ? site_find(site, buf_str(&path)) : NULL;

    buf_clear(&path);
    if (!decoded)
        return task_fail(task, ERROR_BAD_PATH, "%.*s is not percent-coded correctly",
                         STR_ARG(request->path));
    if (!file)
        return task_fail(task, ERROR_NOT_FOUND, "there is nothing at %.*s", STR_ARG(request->path));
    request->reply.csp = buf_str(&site->csp).data;
    /* Other sites need not learn which page of an app a link stands on. */
    request->reply.referrer_policy = "same-origin";
    return answer_content(request, file->content, file->content_type);
}

const struct step_entry file_steps[] = {STEP(answer_file), {0}};
