/* The steps of reading, appending, deleting and listing: what a request for a collection goes
 * through, in order. docs/protocol.md says what each answer means. */
#include "base/json_write.h"
#include "http/blob_steps.h"
#include "http/body.h"
#include "http/connection.h"
#include "http/routes.h"

enum { REASON_MOST = 65536 }; /* bytes of the JSON that goes with a deletion */

static enum step find_stream(struct task *task)
{
    struct request *request = request_of(task);

    request->stream =
        streams_find(request->http->services.streams, request->address.path, &task->error);
    return request->stream ? STEP_NEXT : STEP_FAIL;
}

static enum step load_stream(struct task *task)
{
    return stream_load(request_of(task)->stream, &task->error) ? STEP_NEXT : STEP_FAIL;
}

/* With wait, and nothing to tell yet: until there is. */
static enum step wait_for_news(struct task *task)
{
    struct request *request = request_of(task);
    uint64_t wait_ms = request->query.wait_ms;
    uint64_t most_ms = request->http->services.limits->max_wait_ms;

    if (wait_ms > most_ms)
        wait_ms = most_ms;
    if (wait_ms == 0 || request->http->draining || connection_has_more(request) ||
        !pull_is_idle(request->stream, &request->query))
        return STEP_NEXT;
    connection_park(request);
    return watch_start(&request->watch, request->stream, &request->query, wait_ms, task);
}

static void prepare_pull(struct request *request, bool conflict)
{
    request->pull.stream = request->stream;
    request->pull.query = &request->query;
    request->pull.limits = request->http->services.limits;
    request->pull.conflict = conflict;
}

static enum step begin_pull(struct task *task)
{
    struct request *request = request_of(task);

    connection_unpark(request);
    prepare_pull(request, false);
    return STEP_NEXT;
}

static enum step pull_objects(struct task *task)
{
    return pull_run(&request_of(task)->pull, task);
}

static enum step answer_pull(struct task *task)
{
    struct request *request = request_of(task);

    request->objects_out = request->pull.objects;
    if (request->pull.nothing) {
        request->reply.status = 204;
        return STEP_DONE;
    }
    request->reply.body = request->pull.body;
    request->pull.body = (struct buf){0};
    return STEP_DONE;
}

const struct step_entry read_steps[] = {
    STEP(request_check_query), STEP(request_check_access), STEP(find_stream),
    STEP(load_stream),         STEP(wait_for_news),        STEP(begin_pull),
    STEP(pull_objects),        STEP(answer_pull),          {0},
};

/* The body, as it comes, a piece a turn, so that a large one holds nobody up. */
static enum step open_objects(struct task *task)
{
    struct request *request = request_of(task);
    uint64_t length = request->head.body_length;

    if (!objects_open(&request->objects, request->http->services.limits, length, &task->error) ||
        !body_reserve(request, length, &task->error))
        return STEP_FAIL;
    request->http->stats.bytes_in += length;
    return STEP_NEXT;
}

static enum step read_objects(struct task *task)
{
    struct request *request = request_of(task);
    enum step outcome = body_await(request, OBJECTS_PIECE, task);

    if (outcome != STEP_NEXT)
        return outcome;
    struct str piece = body_bytes(request, OBJECTS_PIECE);
    if (!objects_feed(&request->objects, piece, &task->error))
        return STEP_FAIL;
    body_drop(request, piece.length);
    if (piece.length > 0 && body_has_more(request))
        return STEP_YIELD;
    if (!objects_finish(&request->objects, &task->error))
        return STEP_FAIL;
    request->objects_in = request->objects.count;
    return STEP_NEXT;
}

/* id: of the collection, to be told to who named none; NULL: there is none. */
static void put_counters(const struct request *request, uint64_t first, uint64_t count,
                         const unsigned char *collection_id, struct buf *body)
{
    char id[STREAM_ID_TEXT_SIZE];

    buf_append(body, STR("{\"object_counters\":["));
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_byte(body, ',');
        buf_append_u64(body, first + i);
    }
    buf_append_byte(body, ']');
    if (request->names_no_collection && collection_id) {
        stream_put_id(collection_id, id);
        json_write_string_member(body, "collection_id", str_of(id));
    }
}

static void put_client_seq(const struct request *request, struct buf *body)
{
    const struct stream *stream = request->stream;
    struct clients_batch last = {0};

    if (request->query.client.length == 0)
        return;
    if (stream->collection.state == COLLECTION_LIVE)
        (void)clients_find_last(stream, clients_hash(stream, request->query.client), &last);
    json_write_u64_member(body, "client_seq", last.seq);
}

/* Nothing to store needs no place in the queue. */
static enum step answer_empty(struct task *task)
{
    struct request *request = request_of(task);
    struct buf *body = &request->reply.body;

    request->names_no_collection = request->query.collection_id.length == 0;
    if (request->objects.count > 0)
        return STEP_NEXT;
    if (!stream_load(request->stream, &task->error))
        return STEP_FAIL;
    if (request->query.client.length > 0) {
        enum step outcome = clients_load(&request->pull.database, request->stream, task);

        if (outcome != STEP_NEXT)
            return outcome;
    }
    const struct collection *collection = &request->stream->collection;
    bool is_live = collection->state == COLLECTION_LIVE;
    put_counters(request, 0, 0, is_live ? collection->identity.id : NULL, body);
    put_client_seq(request, body);
    buf_append_byte(body, '}');
    return buf_ok(body, &task->error) ? STEP_DONE : STEP_FAIL;
}

static enum step queue_append(struct task *task, enum append_kind kind, struct buf *reason)
{
    struct request *request = request_of(task);
    struct append *append = append_new(kind, &request->query, &request->objects);

    if (!append)
        return task_fail(task, ERROR_NO_MEMORY, "out of memory");
    if (reason) {
        append->reason = *reason;
        *reason = (struct buf){0};
    }
    return append_start(&request->append_wait, append, request->stream, task);
}

static enum step append_objects(struct task *task)
{
    return queue_append(task, APPEND_OBJECTS, NULL);
}

static void put_stored(const struct request *request, struct buf *body)
{
    const struct append *append = request->append_wait.append;

    put_counters(request, append->first_counter, append->count, append->id, body);
    if (append->query.client.length > 0)
        json_write_u64_member(body, "client_seq", append->client_seq);
    if (append->objects.blobs.count > 0) {
        json_write_name(body, "blobs");
        object_blobs_put(&append->objects, body);
    }
    buf_append_byte(body, '}');
}

/* Stored, or why not and what the client has to see first. */
static enum step answer_append(struct task *task)
{
    struct request *request = request_of(task);
    struct append *append = request->append_wait.append;

    switch (append->outcome) {
    case APPEND_STORED:
    case APPEND_REPLAYED:
        put_stored(request, &request->reply.body);
        return buf_ok(&request->reply.body, &task->error) ? STEP_DONE : STEP_FAIL;
    case APPEND_CONFLICT:
    case APPEND_CHANGED:
        request->query = append->query;
        append->query = (struct query){0};
        prepare_pull(request, append->outcome == APPEND_CONFLICT);
        return STEP_NEXT;
    case APPEND_FAILED:
    default:
        request->objects.errors = append->objects.errors;
        append->objects.errors = (struct buf){0};
        task->error = append->error;
        return STEP_FAIL;
    }
}

const struct step_entry append_steps[] = {
    STEP(request_check_query), STEP(request_check_access), STEP(open_objects), STEP(read_objects),
    STEP(blob_steps_find),     STEP(find_stream),          STEP(answer_empty), STEP(append_objects),
    STEP(answer_append),       STEP(pull_objects),         STEP(answer_pull),  {0},
};

static enum step await_reason(struct task *task)
{
    return body_await_all(request_of(task), REASON_MOST, task);
}

/* One JSON object; stored compact, as all that clients send. */
static enum step delete_collection(struct task *task)
{
    struct request *request = request_of(task);
    struct str body = body_bytes(request, REASON_MOST);
    struct buf reason = {0};

    if (!objects_read_reason(body, request->http->services.limits, &reason, &task->error)) {
        buf_clear(&reason);
        return STEP_FAIL;
    }
    enum step outcome = queue_append(task, APPEND_DELETION, &reason);
    buf_clear(&reason);
    return outcome;
}

static enum step answer_deletion(struct task *task)
{
    struct request *request = request_of(task);

    if (request->append_wait.append->outcome == APPEND_FAILED) {
        task->error = request->append_wait.append->error;
        return STEP_FAIL;
    }
    buf_append(&request->reply.body, STR("{}"));
    return STEP_DONE;
}

const struct step_entry delete_steps[] = {
    STEP(request_check_query),
    STEP(request_check_access),
    STEP(await_reason),
    STEP(find_stream),
    STEP(delete_collection),
    STEP(answer_deletion),
    {0},
};

static enum step list_buckets(struct task *task)
{
    struct request *request = request_of(task);

    request->listing.streams = request->http->services.streams;
    request->listing.address = &request->address;
    return listing_run(&request->listing, task);
}

static enum step answer_list(struct task *task)
{
    struct request *request = request_of(task);

    request->reply.body = request->listing.body;
    request->listing.body = (struct buf){0};
    return buf_ok(&request->reply.body, &task->error) ? STEP_DONE : STEP_FAIL;
}

const struct step_entry list_steps[] = {
    STEP(request_check_query),
    STEP(request_check_access),
    STEP(list_buckets),
    STEP(answer_list),
    {0},
};
