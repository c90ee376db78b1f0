/* The steps of what the server itself serves: the client script, /info, and the files of an app. */
#include "base/json_write.h"
#include "base/percent.h"
#include "http/base_url.h"
#include "http/etag.h"
#include "http/routes.h"
#include "http/site.h"

#include <string.h>

static enum step answer_content(struct request *request, struct site_content *content,
                                const char *content_type)
{
    struct reply *reply = &request->reply;

    reply->cache = REPLY_REVALIDATE;
    memcpy(reply->etag, content->etag, sizeof reply->etag);
    if (etag_is_named(request->head.if_none_match, content->etag)) {
        reply->status = 304;
        return STEP_DONE;
    }
    reply->content_type = content_type;
    reply->file = site_hold(content);
    return STEP_DONE;
}

static enum step answer_client_script(struct task *task)
{
    struct request *request = request_of(task);
    struct site_content *content = NULL;
    struct buf base = {0};

    if (base_url_put(request, &base, &task->error))
        content = site_find_client(request->http->services.site, buf_str(&base), &task->error);
    buf_clear(&base);
    if (!content)
        return STEP_FAIL;
    return answer_content(request, content, "text/javascript; charset=utf-8");
}

const struct step_entry client_script_steps[] = {STEP(answer_client_script), {0}};

/* What this version can do beyond the first protocol (docs/protocol.md marks it "new"). */
static const char features[] =
    "[\"blobs\",\"client\",\"errors\",\"list\",\"pending\",\"until\",\"wait\"]";

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
    json_write_u64_member(out, "max_blob_bytes", limits->max_blob_bytes);
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
