#include "sync/pull.h"

#include "base/json_write.h"

#include <string.h>

enum {
    CHUNK = 512,              /* entries looked at in a slice */
    SLICE_BYTES = 256 * 1024, /* of records read in a slice, unless one alone is larger */
    FAILURES_MOST = 3,        /* then damage is damage */
    COMMITS_MASK = 0xffffff,  /* the index counts commit entries modulo 2^24 */
    ANSWER_END = 256,         /* bytes of an answer besides the objects, about */
};

enum phase { PHASE_BEGIN, PHASE_CLIENTS, PHASE_SCAN, PHASE_DONE };

static bool is_named_otherwise(const struct stream *stream, const struct query *query)
{
    return query->collection_id.length > 0 && !stream_has_id(stream, query->collection_id);
}

/* The stream this client followed is not this one: it has another name, or ended before. */
static bool has_changed(const struct stream *stream, const struct query *query)
{
    return is_named_otherwise(stream, query) ||
           (query->collection_id.length > 0 && query->since > stream->collection.head.last_counter);
}

bool pull_is_idle(const struct stream *stream, const struct query *query)
{
    switch (stream->collection.state) {
    case COLLECTION_LIVE:
        return query->since >= stream->collection.head.last_counter && !has_changed(stream, query);
    case COLLECTION_ABSENT:
        return query->collection_id.length == 0;
    case COLLECTION_DELETED:
    default:
        return false;
    }
}

static void put_flag(struct buf *body, const char *name)
{
    json_write_bool_member(body, name, true);
}

/* What an answer ends with, whatever its objects are. */
static void put_rest(struct pull *pull)
{
    struct buf *body = &pull->body;
    bool is_live = pull->stream->collection.state == COLLECTION_LIVE;
    char id[STREAM_ID_TEXT_SIZE];

    if (is_live && (!pull->named || pull->changed)) {
        stream_put_id(pull->stream->collection.identity.id, id);
        json_write_string_member(body, "collection_id", str_of(id));
    }
    if (pull->changed)
        put_flag(body, "collection_changed");
    if (pull->full) {
        put_flag(body, "incomplete");
        json_write_u64_member(body, "pending", pull->pending);
    } else if (is_live && pull->head.last_counter > pull->last_returned) {
        json_write_u64_member(body, "until", pull->head.last_counter);
    }
    if (pull->query->client.length > 0) {
        json_write_u64_member(body, "client_seq", pull->client_seq);
        json_write_name(body, "mine");
        buf_append_byte(body, '[');
        buf_append(body, buf_str(&pull->mine));
        buf_append_byte(body, ']');
    }
    if (pull->conflict) {
        put_flag(body, "since_invalid");
        put_flag(body, "invalid_since");
    }
    buf_append_byte(body, '}');
}

static enum step finish(struct pull *pull, struct task *task)
{
    if (pull->objects > 0 && pull->body.length > 0) /* it is empty when memory ran out */
        pull->body.length -= strlen(",\n");         /* behind the last record */
    buf_append_byte(&pull->body, ']');
    put_rest(pull);
    pull->phase = PHASE_DONE;
    database_close(&pull->database);
    return buf_ok(&pull->body, &task->error) && buf_ok(&pull->mine, &task->error) ? STEP_NEXT
                                                                                  : STEP_FAIL;
}

static enum step finish_deleted(struct pull *pull, struct task *task)
{
    buf_append(&pull->body, STR("{\"collection_deleted\":"));
    buf_append(&pull->body, buf_str(&pull->stream->collection.reason));
    buf_append_byte(&pull->body, '}');
    pull->phase = PHASE_DONE;
    return buf_ok(&pull->body, &task->error) ? STEP_NEXT : STEP_FAIL;
}

static enum step begin(struct pull *pull, struct task *task)
{
    struct stream *stream = pull->stream;
    const struct query *query = pull->query;

    if (!stream_load(stream, &task->error))
        return STEP_FAIL;
    pull->head = stream->collection.head;
    pull->named = query->collection_id.length > 0;
    pull->since = query->since;
    if (stream->collection.state == COLLECTION_DELETED)
        return finish_deleted(pull, task);
    if (stream->collection.state == COLLECTION_ABSENT)
        pull->changed = pull->named;
    else
        pull->changed = has_changed(stream, query);
    if (pull->changed)
        pull->since = 0;
    pull->last_returned = pull->since;
    if (pull->named && !pull->changed && !pull->conflict &&
        pull->since >= pull->head.last_counter) {
        pull->nothing = true;
        pull->phase = PHASE_DONE;
        return STEP_NEXT;
    }
    buf_append(&pull->body, STR("{\"objects\":["));
    if (stream->collection.state == COLLECTION_ABSENT)
        return finish(pull, task);
    pull->filter = query->filter;
    filter_prepare(&pull->filter, stream->collection.identity.secret);
    if (query->client.length > 0)
        pull->client = clients_hash(stream, query->client);
    pull->phase = PHASE_CLIENTS;
    return STEP_NEXT;
}

/* Looking for them may take a while: the moment of the answer is that at which they are known. */
static enum step load_clients(struct pull *pull, struct task *task)
{
    if (pull->query->client.length > 0) {
        enum step outcome = clients_load(&pull->database, pull->stream, task);
        struct clients_batch last = {0};

        if (outcome != STEP_NEXT)
            return outcome;
        pull->head = pull->stream->collection.head;
        (void)clients_find_last(pull->stream, pull->client, &last);
        pull->client_seq = last.seq;
    }
    database_close(&pull->database);
    if (pull->since >= pull->head.last_counter)
        return finish(pull, task);
    if (!database_reopen(&pull->database, pull->stream->streams->disk, pull->stream->path,
                         &pull->head, &task->error) ||
        !database_find_counter(&pull->database, pull->since, &pull->position, &task->error))
        return STEP_FAIL;
    pull->phase = PHASE_SCAN;
    return STEP_NEXT;
}

static uint64_t objects_most(const struct pull *pull)
{
    uint64_t most = pull->limits->max_response_objects;

    return pull->query->limit < most ? pull->query->limit : most;
}

static bool has_room(const struct pull *pull, uint64_t length)
{
    if (pull->objects >= objects_most(pull))
        return false;
    /* One object always fits, or its reader would never get past it. */
    return pull->objects == 0 || pull->body.length + length <= pull->limits->max_response_bytes;
}

/* Remembers a returned record until the end of its batch tells whose it was. */
static void note_returned(struct pull *pull, const struct index_entry *entry)
{
    pull->objects++;
    pull->last_returned = entry->counter;
    if (pull->query->client.length > 0)
        buf_append(&pull->batch,
                   (struct str){(const char *)&entry->counter, sizeof entry->counter});
}

static void note_batch_end(struct pull *pull, const struct index_entry *entry)
{
    bool ours = entry->flags & INDEX_COMMIT && entry->key == pull->client;

    if (pull->batch.failed) /* which is forgotten below */
        pull->mine.failed = true;
    for (size_t at = 0; ours && at < pull->batch.length; at += sizeof(uint64_t)) {
        uint64_t counter;

        memcpy(&counter, pull->batch.data + at, sizeof counter);
        if (pull->mine.length > 0)
            buf_append_byte(&pull->mine, ',');
        buf_append_u64(&pull->mine, counter);
    }
    buf_reset(&pull->batch);
}

/* Without a filter what is left can be told from the entry alone: all but the commit entries. */
static uint64_t count_left(const struct pull *pull, const struct index_entry *entry)
{
    uint64_t commits = (pull->head.commits - entry->commits) & COMMITS_MASK;

    return pull->head.count - pull->position - commits;
}

static void note_full(struct pull *pull, const struct index_entry *entry)
{
    if (pull->filter.kind != FILTER_ALL)
        pull->pending++;
    else if (!pull->full)
        pull->pending = count_left(pull, entry);
    pull->full = true;
}

static void take_record(struct pull *pull, const struct index_entry *entry, struct str record)
{
    enum filter_verdict verdict = filter_test_hash(&pull->filter, entry->type);

    if (verdict == FILTER_NO)
        return;
    if (pull->full || !has_room(pull, record.length)) {
        note_full(pull, entry);
        return;
    }
    if (verdict == FILTER_LOOK && !filter_test_record(&pull->filter, record))
        return;
    buf_append(&pull->body, record);
    note_returned(pull, entry);
}

/* True when nothing that follows can change the objects of the answer, or whose they are. */
static bool has_objects(const struct pull *pull)
{
    return pull->full && pull->batch.length == 0;
}

static bool is_complete(const struct pull *pull)
{
    return pull->position == pull->head.count ||
           (pull->filter.kind == FILTER_ALL && has_objects(pull));
}

/* Without a filter, as many as may be returned and the one that is too much. */
static size_t count_wanted(const struct pull *pull)
{
    uint64_t left = pull->head.count - pull->position;
    uint64_t room = objects_most(pull) - pull->objects;

    if (pull->filter.kind == FILTER_ALL && room < left)
        left = room + 1;
    return left < CHUNK ? (size_t)left : CHUNK;
}

/* So that a long answer is not copied again and again while it grows. */
static void make_room(struct pull *pull, uint64_t data_start)
{
    uint64_t bytes = pull->head.data_end - data_start, left = pull->head.count - pull->position;
    uint64_t most = pull->limits->max_response_bytes;

    if (left > objects_most(pull))
        bytes = bytes / left * objects_most(pull);
    (void)buf_reserve(&pull->body, (size_t)(bytes < most ? bytes : most) + ANSWER_END);
}

/* What is left out is read and checked like the rest: nothing but an entry's checksum tells a
 * record of another type from one whose type has rotted. */
static bool scan_records(struct pull *pull, struct error *error)
{
    struct index_entry entries[CHUNK + 1];
    size_t count = count_wanted(pull);

    if (!database_read_checked(&pull->database, pull->position, &count, SLICE_BYTES, entries,
                               &pull->records, error))
        return false;
    if (pull->objects == 0 && pull->filter.kind == FILTER_ALL)
        make_room(pull, entries[0].end);
    for (size_t i = 1; i <= count && !has_objects(pull); i++) {
        const struct index_entry *entry = &entries[i];
        size_t start = (size_t)(entries[i - 1].end - entries[0].end);
        size_t length = (size_t)(entry->end - entries[i - 1].end);

        if (!(entry->flags & INDEX_COMMIT))
            take_record(pull, entry, str_slice(buf_str(&pull->records), start, length));
        if (entry->flags & INDEX_BATCH_END)
            note_batch_end(pull, entry);
        pull->position++;
    }
    return true;
}

/* How many more pass a filter is a guess anyway, where types share a hash: from the index alone. */
static bool count_pending(struct pull *pull, struct error *error)
{
    struct index_entry entries[CHUNK];
    uint64_t left = pull->head.count - pull->position;
    size_t count = left < CHUNK ? (size_t)left : CHUNK;

    if (!database_read_entries(&pull->database, pull->position, count, entries, error))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!(entries[i].flags & INDEX_COMMIT) &&
            filter_test_hash(&pull->filter, entries[i].type) != FILTER_NO)
            pull->pending++;
    }
    pull->position += count;
    return true;
}

static enum step scan(struct pull *pull, struct task *task)
{
    bool ok =
        has_objects(pull) ? count_pending(pull, &task->error) : scan_records(pull, &task->error);

    if (!ok || !buf_ok(&pull->body, &task->error))
        return STEP_FAIL;
    return is_complete(pull) ? finish(pull, task) : STEP_YIELD;
}

/* The collection was deleted, or deleted and begun anew, between two slices. */
static bool is_outdated(const struct pull *pull)
{
    const struct collection *collection = &pull->stream->collection;

    return (pull->phase == PHASE_CLIENTS || pull->phase == PHASE_SCAN) &&
           (collection->state != COLLECTION_LIVE ||
            collection->head.generation != pull->head.generation);
}

static void begin_anew(struct pull *pull)
{
    const struct pull given = {.stream = pull->stream,
                               .query = pull->query,
                               .limits = pull->limits,
                               .conflict = pull->conflict,
                               .failures = pull->failures};

    pull_clear(pull);
    *pull = given;
}

/* Another server may be deleting it under our hands: files go before it says so. What is damaged
 * is so when it is read anew, too. */
static bool may_be_gone(struct pull *pull, const struct error *error)
{
    if (!pull->stream->streams->news || error->code != ERROR_DAMAGED ||
        pull->failures++ == FAILURES_MOST)
        return false;
    pull->stream->loaded = pull->stream->is_held;
    return true;
}

/* One phase after the other as long as none of them asks for a turn of the loop. */
enum step pull_run(struct pull *pull, struct task *task)
{
    enum step outcome = STEP_NEXT;

    if (is_outdated(pull))
        begin_anew(pull);
    while (outcome == STEP_NEXT && pull->phase != PHASE_DONE) {
        if (pull->phase == PHASE_BEGIN)
            outcome = begin(pull, task);
        else if (pull->phase == PHASE_CLIENTS)
            outcome = load_clients(pull, task);
        else
            outcome = scan(pull, task);
    }
    if (outcome == STEP_FAIL && may_be_gone(pull, &task->error)) {
        begin_anew(pull);
        return STEP_YIELD;
    }
    if (outcome == STEP_FAIL)
        stream_note_failure(pull->stream, &task->error);
    return outcome;
}

void pull_clear(struct pull *pull)
{
    database_close(&pull->database);
    buf_clear(&pull->body);
    buf_clear(&pull->records);
    buf_clear(&pull->mine);
    buf_clear(&pull->batch);
    *pull = (struct pull){0};
}
