#include "sync/judge.h"

enum {
    CHUNK = 512,              /* entries looked at in a slice */
    SLICE_BYTES = 256 * 1024, /* of their records, unless one alone is larger */
};

enum phase {
    PHASE_CLIENTS,
    PHASE_OLD_SEQ,
    PHASE_REPLAY,
    PHASE_COLLECTION,
    PHASE_SINCE,
    PHASE_QUOTA,
    PHASE_DONE
};

static enum step decide(struct judge *judge, struct append *append, enum append_outcome outcome)
{
    append->outcome = outcome;
    judge->phase = PHASE_DONE;
    return STEP_NEXT;
}

static enum step refuse(struct judge *judge, struct append *append)
{
    return decide(judge, append, APPEND_FAILED);
}

static enum step replay(struct judge *judge, struct append *append, uint64_t first, uint64_t count)
{
    append->first_counter = first;
    append->count = count;
    return decide(judge, append, APPEND_REPLAYED);
}

static enum step begin_replay(struct judge *judge, const struct clients_batch *batch)
{
    judge->replayed = *batch;
    judge->position = batch->position - batch->count;
    if (judge->position > 0)
        judge->position--; /* that the one before ends a batch is part of it */
    judge->phase = PHASE_REPLAY;
    return STEP_NEXT;
}

/* Rule 1. */
static enum step check_clients(struct judge *judge, struct append *append, struct task *task)
{
    struct stream *stream = append->stream;
    const struct query *query = &append->query;
    struct clients_batch last;

    judge->phase = PHASE_COLLECTION;
    if (query->client.length == 0 || stream->collection.state != COLLECTION_LIVE)
        return STEP_NEXT;
    enum step outcome = clients_load(&judge->database, stream, task);
    if (outcome != STEP_NEXT) {
        judge->phase = PHASE_CLIENTS;
        return outcome;
    }
    if (!clients_find_last(stream, clients_hash(stream, query->client), &last))
        return STEP_NEXT;
    append->client_seq = last.seq;
    if (query->seq == last.seq)
        return begin_replay(judge, &last);
    if (query->seq > 0 && query->seq < last.seq)
        judge->phase = PHASE_OLD_SEQ;
    return STEP_NEXT;
}

static enum step check_old_seq(struct judge *judge, struct append *append, struct task *task)
{
    struct stream *stream = append->stream;
    struct clients_batch found;
    enum step outcome =
        clients_search(&judge->search, &judge->database, stream,
                       clients_hash(stream, append->query.client), append->query.seq, &found, task);

    if (outcome != STEP_NEXT)
        return outcome;
    if (found.seq > 0)
        return begin_replay(judge, &found);
    error_set(&append->error, ERROR_SEQ_OLD,
              "seq %llu of this client is past, its last one is %llu",
              (unsigned long long)append->query.seq, (unsigned long long)append->client_seq);
    return refuse(judge, append);
}

static bool open_database(struct judge *judge, const struct append *append, struct error *error)
{
    struct stream *stream = append->stream;

    database_close(&judge->database);
    return database_reopen(&judge->database, stream->streams->disk, stream->path,
                           &stream->collection.head, error);
}

/* Which counters are answered depends on where the table of clients saw batches end: with the entry
 * before the batch, and with none within. So all of these have to be sound. */
static enum step check_replay(struct judge *judge, struct append *append, struct task *task)
{
    const struct clients_batch *batch = &judge->replayed;
    struct index_entry entries[CHUNK + 1];
    uint64_t left = batch->position + 1 - judge->position;
    size_t count = left < CHUNK ? (size_t)left : CHUNK;

    if (!open_database(judge, append, &task->error) ||
        !database_read_checked(&judge->database, judge->position, &count, SLICE_BYTES, entries,
                               &judge->records, &task->error))
        return STEP_FAIL;
    judge->position += count;
    if (judge->position <= batch->position)
        return STEP_YIELD;
    return replay(judge, append, batch->first_counter, batch->count);
}

/* Rule 2. */
static enum step check_collection(struct judge *judge, struct append *append)
{
    const struct collection *collection = &append->stream->collection;
    const struct query *query = &append->query;
    bool names = query->collection_id.length > 0;

    judge->phase = PHASE_QUOTA;
    if (collection->state == COLLECTION_ABSENT)
        return names ? decide(judge, append, APPEND_CHANGED) : STEP_NEXT;
    if (collection->state == COLLECTION_DELETED)
        return names || query->since > 0 ? decide(judge, append, APPEND_CHANGED) : STEP_NEXT;
    if (names && (!stream_has_id(append->stream, query->collection_id) ||
                  query->since > collection->head.last_counter))
        return decide(judge, append, APPEND_CHANGED);
    if (query->since < collection->head.last_counter)
        judge->phase = PHASE_SINCE;
    return STEP_NEXT;
}

static bool begin_scan(struct judge *judge, struct append *append, struct error *error)
{
    if (judge->began)
        return true;
    judge->began = true;
    judge->filter = append->query.filter;
    filter_prepare(&judge->filter, append->stream->collection.identity.secret);
    return open_database(judge, append, error) &&
           database_find_counter(&judge->database, append->query.since, &judge->position, error);
}

/* True if the record is what the append brings next. A record is "[counter,object],\n". */
static bool is_next_object(const struct judge *judge, const struct append *append,
                           struct str record)
{
    size_t comma = str_find_byte(record, ',');

    if (judge->matched >= append->objects.count || record.length < comma + sizeof ",],\n")
        return false;
    struct str object = str_slice(record, comma + 1, record.length - comma - sizeof "],\n");
    return str_equals(object, objects_text(&append->objects, (size_t)judge->matched));
}

static void look_at_record(struct judge *judge, const struct append *append,
                           const struct index_entry *entry, struct str record)
{
    enum filter_verdict verdict = filter_test_hash(&judge->filter, entry->type);

    if (entry->flags & INDEX_COMMIT || verdict == FILTER_NO ||
        (verdict == FILTER_LOOK && !filter_test_record(&judge->filter, record)))
        return;
    if (!judge->found)
        judge->first_counter = entry->counter;
    judge->found = true;
    /* Counters of an array follow one another; another's objects may not stand between. */
    if (append->query.seq == 0 && is_next_object(judge, append, record) &&
        entry->counter == judge->first_counter + judge->matched)
        judge->matched++;
    else
        judge->differs = true;
}

/* Rule 3. */
static enum step check_since(struct judge *judge, struct append *append, struct task *task)
{
    struct index_entry entries[CHUNK + 1];

    if (!begin_scan(judge, append, &task->error))
        return STEP_FAIL;
    uint64_t left = judge->database.head.count - judge->position;
    size_t count = left < CHUNK ? (size_t)left : CHUNK;
    if (!database_read_checked(&judge->database, judge->position, &count, SLICE_BYTES, entries,
                               &judge->records, &task->error))
        return STEP_FAIL;
    for (size_t i = 1; i <= count && !judge->differs; i++) {
        size_t start = (size_t)(entries[i - 1].end - entries[0].end);
        size_t length = (size_t)(entries[i].end - entries[i - 1].end);

        look_at_record(judge, append, &entries[i],
                       str_slice(buf_str(&judge->records), start, length));
        judge->position++;
    }
    if (judge->differs)
        return decide(judge, append, APPEND_CONFLICT);
    if (judge->position < judge->database.head.count)
        return STEP_YIELD;
    if (judge->found && judge->matched == append->objects.count)
        return replay(judge, append, judge->first_counter, judge->matched);
    if (judge->found)
        return decide(judge, append, APPEND_CONFLICT);
    judge->phase = PHASE_QUOTA;
    return STEP_NEXT;
}

/* Rule 4. The counters that will stand before the objects are not counted. */
static enum step check_quota(struct judge *judge, struct append *append)
{
    const struct stream *stream = append->stream;
    uint64_t quota = stream->streams->limits->quota_collection;
    uint64_t used =
        stream->collection.state == COLLECTION_LIVE ? stream->collection.head.data_end : 0;

    if (quota == 0 || used + append->objects.text.length <= quota)
        return decide(judge, append, APPEND_STORED);
    error_set(&append->error, ERROR_QUOTA,
              "the collection has %llu bytes and would get %zu more, quota_collection is %llu",
              (unsigned long long)used, append->objects.text.length, (unsigned long long)quota);
    return refuse(judge, append);
}

static enum step run_phase(struct judge *judge, struct append *append, struct task *task)
{
    switch (judge->phase) {
    case PHASE_CLIENTS:
        return check_clients(judge, append, task);
    case PHASE_OLD_SEQ:
        return check_old_seq(judge, append, task);
    case PHASE_REPLAY:
        return check_replay(judge, append, task);
    case PHASE_COLLECTION:
        return check_collection(judge, append);
    case PHASE_SINCE:
        return check_since(judge, append, task);
    case PHASE_QUOTA:
    default:
        return check_quota(judge, append);
    }
}

enum step judge_run(struct judge *judge, struct append *append, struct task *task)
{
    enum step outcome = STEP_NEXT;

    while (outcome == STEP_NEXT && judge->phase != PHASE_DONE)
        outcome = run_phase(judge, append, task);
    if (outcome == STEP_FAIL)
        stream_note_failure(append->stream, &task->error);
    return outcome;
}

void judge_clear(struct judge *judge)
{
    database_close(&judge->database);
    clients_free(&judge->search);
    buf_clear(&judge->records);
    *judge = (struct judge){0};
}
