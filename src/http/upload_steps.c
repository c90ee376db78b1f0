/* The steps of a blob that is sent as it is, in the body of a POST. docs/protocol.md, "Blobs". */
#include "base/json_write.h"
#include "http/blob_steps.h"
#include "http/body.h"
#include "http/routes.h"
#include "sync/upload.h"

#include <string.h>

static enum step check_upload(struct task *task)
{
    struct request *request = request_of(task);
    uint64_t most = request->http->services.limits->max_blob_bytes;
    uint64_t length = request->head.body_length;

    if (length > most)
        return task_fail(task, ERROR_TOO_LARGE, "the blob has %llu bytes, max_blob_bytes is %llu",
                         (unsigned long long)length, (unsigned long long)most);
    if (!blob_check_type(request->head.content_type))
        return task_fail(task, ERROR_BAD_REQUEST,
                         "Content-Type has to say what the blob is: a media type of at most %d "
                         "bytes",
                         BLOB_TYPE_MOST);
    return body_reserve(request, length < UPLOAD_PIECE ? length : UPLOAD_PIECE, &task->error)
               ? STEP_NEXT
               : STEP_FAIL;
}

static bool find_key(const struct request *request, uint64_t *key, struct error *error)
{
    const struct query *query = &request->query;

    return objects_find_key(query->type, query->id, query->id_number,
                            request->stream->collection.identity.secret, key, error);
}

/* A name is a keyed hash with the secret of the collection, so there has to be one. */
static enum step open_upload(struct task *task)
{
    struct request *request = request_of(task);
    uint64_t key;

    request->stream =
        streams_find(request->http->services.streams, request->address.path, &task->error);
    if (!request->stream || !stream_load(request->stream, &task->error))
        return STEP_FAIL;
    if (request->stream->collection.state != COLLECTION_LIVE)
        return task_fail(task, ERROR_NOT_FOUND,
                         "there is no such collection yet; it begins with the first object");
    if (!find_key(request, &key, &task->error))
        return STEP_FAIL;
    request->upload = upload_new(request->stream, request->head.content_type);
    return request->upload ? STEP_NEXT : task_fail(task, ERROR_NO_MEMORY, "out of memory");
}

/* A piece at a time: the next is read when this one is written. */
static enum step write_body(struct task *task)
{
    struct request *request = request_of(task);
    struct upload *upload = request->upload;

    if (upload->error.code != ERROR_NONE) {
        task->error = upload->error;
        return STEP_FAIL;
    }
    if (!body_has_more(request))
        return STEP_NEXT;
    enum step outcome = body_await(request, UPLOAD_PIECE, task);
    if (outcome != STEP_NEXT)
        return outcome;
    struct str piece = body_bytes(request, UPLOAD_PIECE);
    if (piece.length == 0)
        return task_fail(task, ERROR_NO_MEMORY, "out of memory for a piece of a blob");
    request->http->stats.bytes_in += piece.length;
    outcome = upload_write(upload, piece, task);
    body_drop(request, piece.length);
    return outcome == STEP_WAIT ? STEP_AGAIN : outcome;
}

static enum step finish_upload(struct task *task)
{
    struct request *request = request_of(task);
    struct stream *stream = request->stream;
    uint64_t key;

    if (!stream_load(stream, &task->error))
        return STEP_FAIL;
    if (stream->collection.state != COLLECTION_LIVE)
        return task_fail(task, ERROR_NOT_FOUND, "the collection was deleted meanwhile");
    if (!find_key(request, &key, &task->error))
        return STEP_FAIL;
    return upload_finish(request->upload, stream, key, task);
}

static enum step answer_upload(struct task *task)
{
    struct request *request = request_of(task);
    const struct upload *upload = request->upload;
    struct buf *body = &request->reply.body, href = {0};
    char name[BLOB_NAME_SIZE];

    if (upload->error.code != ERROR_NONE) {
        task->error = upload->error;
        return STEP_FAIL;
    }
    blob_put_name(&upload->id, name);
    bool ok = blob_steps_put_prefix(request, &href, &task->error);
    buf_append_text(&href, name);
    buf_append(body, STR("{"));
    json_write_string_member(body, "href", buf_str(&href));
    json_write_string_member(body, "content_type", str_of(upload->content_type));
    json_write_u64_member(body, "size", request->head.body_length);
    buf_append(body, STR("}"));
    buf_clear(&href);
    request->reply.status = 201;
    return ok && buf_ok(body, &task->error) ? STEP_DONE : STEP_FAIL;
}

const struct step_entry upload_steps[] = {
    STEP(request_check_query), STEP(request_check_access), STEP(check_upload),  STEP(open_upload),
    STEP(write_body),          STEP(finish_upload),        STEP(answer_upload), {0},
};
