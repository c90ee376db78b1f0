#include "sync/writer.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "loop/pause.h"
#include "store/losses.h"
#include "store/news.h"
#include "sync/blob_job.h"
#include "sync/committer.h"
#include "sync/judge.h"

#include <stdlib.h>
#include <string.h>

enum {
    HOLD_PAUSE_MOST_MS = 16, /* between two tries to hold a collection */
    HOLD_MOST_MS = 2000,     /* then the appends fail */
    BATCH_APPENDS_MOST = 256,
    BATCH_BYTES_MOST = 8 << 20, /* beyond that no further append joins */
};

/* On a helper thread: what holding a collection takes beyond opening a file. */
struct hold_job {
    struct offload_job job;
    struct operation operation;
    struct error error;
};

/* A round: what is taken from the queue goes through commit and publish together, then the next
 * round begins. The appends of a round stand in `taken`. */
struct writer {
    struct task task;
    struct stream *stream; /* its user */
    struct hold hold;      /* where several servers share the data directory */
    struct hold_job hold_job;
    struct pause pause;
    uint64_t pause_ms; /* 0: the last try to hold it did not fail */
    uint64_t tried_since_ms;
    struct judge judge;
    struct list taken;
    size_t taken_count;
    struct batch batch;
    struct deletion deletion;
    bool deletes;
    struct blob_job blob_job;
    struct commit commit;
};

static struct writer *writer_of(struct task *task)
{
    return OWNER_OF(task, struct writer, task);
}

static struct append *append_of(struct list *node)
{
    return OWNER_OF(node, struct append, link);
}

static void fail_all(struct list *appends, const struct error *error)
{
    while (!list_is_empty(appends)) {
        struct append *append = append_of(appends->next);

        append->outcome = APPEND_FAILED;
        append->error = *error;
        append_finish(append);
    }
}

static enum step wait_for_turn(struct task *task)
{
    struct writer *writer = writer_of(task);

    return writer->pause_ms == 0 ? STEP_NEXT : pause_start(&writer->pause, writer->pause_ms, task);
}

/* Another server writes to it. The round ends without having taken anything, and the next one
 * begins after a pause. */
static enum step try_later(struct writer *writer, const struct error *why)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (writer->pause_ms == 0)
        writer->tried_since_ms = now_ms;
    if (now_ms - writer->tried_since_ms > HOLD_MOST_MS)
        return task_fail(&writer->task, ERROR_TIMEOUT, "%s", why->message);
    writer->pause_ms = writer->pause_ms == 0 ? 1 : 2 * writer->pause_ms;
    if (writer->pause_ms > HOLD_PAUSE_MOST_MS)
        writer->pause_ms = HOLD_PAUSE_MOST_MS;
    return STEP_DONE;
}

static void prepare_hold(struct offload_job *job)
{
    struct writer *writer = OWNER_OF(job, struct writer, hold_job.job);
    struct disk *disk = writer->stream->streams->disk;
    const char *path = writer->stream->path;
    struct error *error = &writer->hold_job.error;
    struct error cause;
    bool ok = true;

    if (!writer->hold.lock.disk)
        ok = hold_make(disk, path, &cause) && hold_take(&writer->hold, disk, path, &cause);
    ok = ok && hold_settle(&writer->hold, writer->stream->streams->news, path, &cause);
    error->code = ERROR_NONE;
    if (!ok)
        *error = cause;
}

static void hold_prepared(struct offload_job *job)
{
    operation_end(&OWNER_OF(job, struct writer, hold_job.job)->hold_job.operation);
}

static void leave_hold(struct operation *operation)
{
    (void)operation;
}

static enum step hold_collection(struct task *task)
{
    struct writer *writer = writer_of(task);
    struct streams *streams = writer->stream->streams;
    struct error error;

    writer->hold_job.error.code = ERROR_NONE;
    if (!streams->news)
        return STEP_NEXT;
    bool ok = hold_take(&writer->hold, streams->disk, writer->stream->path, &error);
    if (ok && !writer->hold.has_note)
        return STEP_NEXT;
    if (!ok && error.code == ERROR_BUSY)
        return try_later(writer, &error);
    if (!ok && error.code != ERROR_NOT_FOUND) {
        task->error = error;
        return STEP_FAIL;
    }
    writer->stream->loaded = false; /* what somebody left half done may be there without news */
    writer->hold_job.job = (struct offload_job){.run = prepare_hold, .finished = hold_prepared};
    enum step outcome = operation_begin(&writer->hold_job.operation, task, leave_hold);
    offload_submit(streams->helpers, &writer->hold_job.job);
    return outcome;
}

static enum step check_hold(struct task *task)
{
    struct writer *writer = writer_of(task);
    struct stream *stream = writer->stream;

    if (!stream->streams->news)
        return STEP_NEXT;
    if (writer->hold_job.error.code == ERROR_BUSY)
        return try_later(writer, &writer->hold_job.error);
    if (writer->hold_job.error.code != ERROR_NONE) {
        task->error = writer->hold_job.error;
        return STEP_FAIL;
    }
    writer->pause_ms = 0;
    if (!stream_load(stream, &task->error))
        return STEP_FAIL;
    stream->is_held = true;
    return STEP_NEXT;
}

static enum step load_collection(struct task *task)
{
    struct stream *stream = writer_of(task)->stream;

    if (stream->closed_to_writes)
        return task_fail(task, ERROR_DAMAGED,
                         "a write to this collection failed and could not be undone; it can be "
                         "read, and written again after a restart of the server");
    if (stream->damaged)
        return task_fail(task, ERROR_DAMAGED,
                         "a file of this collection is damaged, nothing is written to it; see the "
                         "log and cutoutctl check");
    return stream_load(stream, &task->error) ? STEP_NEXT : STEP_FAIL;
}

static bool is_same_client(const struct append *a, const struct append *b)
{
    return a->query.client.length > 0 && str_equals(a->query.client, b->query.client);
}

static bool matters_to(const struct append *earlier, const struct append *later)
{
    for (size_t i = 0; i < earlier->objects.count; i++) {
        if (filter_test_type(&later->query.filter, objects_type(&earlier->objects, i)))
            return true;
    }
    return false;
}

/* Without naming the collection nothing is newer than a since that is above all counters. */
static bool has_seen_all(const struct writer *writer, const struct append *append)
{
    return append->query.collection_id.length == 0 &&
           append->query.since >= writer->batch.after.last_counter;
}

/* The judge knows of the quota what is published. */
static bool is_within_quota(const struct writer *writer, const struct append *append)
{
    const struct stream *stream = writer->stream;
    uint64_t quota = stream->streams->limits->quota_collection;

    return quota == 0 || writer->batch.after.data_end + append->objects.text.length <= quota;
}

/* Nothing the batch already holds may change what becomes of the append. */
static bool may_join(const struct writer *writer, const struct append *append)
{
    const struct list *node;

    if (writer->taken_count == 0)
        return true;
    if (append->kind == APPEND_DELETION || writer->batch.creates ||
        append->objects.blobs.count > 0 || writer->blob_job.append ||
        writer->taken_count == BATCH_APPENDS_MOST || writer->batch.data.length > BATCH_BYTES_MOST ||
        !is_within_quota(writer, append))
        return false;
    for (node = writer->taken.next; node != &writer->taken; node = node->next) {
        const struct append *taken = append_of((struct list *)node);

        if (is_same_client(taken, append) ||
            (!has_seen_all(writer, append) && matters_to(taken, append)))
            return false;
    }
    return true;
}

/* The first batch of a collection gives it its id and secret, and goes on with the counters of the
 * one that was deleted at this address, if there was one. */
static bool begin_batch(struct writer *writer, struct error *error)
{
    const struct collection *collection = &writer->stream->collection;
    struct identity identity = collection->identity;
    struct head head = collection->head;
    bool creates = collection->state != COLLECTION_LIVE;

    if (creates) {
        head = (struct head){.generation = head.generation + 1, .last_counter = head.last_counter};
        identity.created = clock_unix_seconds();
        if (!crypto_random(identity.id, sizeof identity.id, error) ||
            !crypto_random(identity.secret, sizeof identity.secret, error))
            return false;
        struct index_header header = {.generation = head.generation};
        memcpy(header.id, identity.id, sizeof header.id);
        head.crc = index_first_crc(&header);
    }
    batch_begin(&writer->batch, writer->stream->path, &identity, &head, creates);
    if (!creates && collection->is_behind)
        batch_jump(&writer->batch);
    return true;
}

static bool number_objects(struct writer *writer, struct append *append, struct error *error)
{
    struct batch *batch = &writer->batch;
    const unsigned char *secret = batch->identity.secret;
    struct batch_object object;

    if (batch->after.last_counter > INDEX_COUNTER_MOST - append->objects.count)
        return error_set(error, ERROR_QUOTA, "the collection has used up its counters");
    for (size_t i = 0; i < append->objects.count; i++) {
        objects_describe(&append->objects, i, secret, &object);
        uint64_t counter = batch_add_record(batch, &object);
        blob_job_note(&writer->blob_job, &object);
        if (i == 0)
            append->first_counter = counter;
    }
    append->count = append->objects.count;
    if (append->query.seq > 0) {
        append->client_seq = append->query.seq;
        batch_add_commit(batch, siphash_hash(secret, append->query.client), append->query.seq);
    }
    batch_end_append(batch);
    return batch_ok(batch, error);
}

static void take(struct writer *writer, struct append *append)
{
    list_remove(&append->link);
    list_append(&writer->taken, &append->link);
    writer->taken_count++;
}

/* The judge compares what would be stored with what is. */
static bool name_blobs(struct writer *writer, struct append *append, struct error *error)
{
    const struct collection *collection = &writer->stream->collection;

    return collection->state != COLLECTION_LIVE ||
           object_blobs_name(&append->objects, &collection->identity, collection->head.generation,
                             error);
}

static enum step judge_objects(struct writer *writer, struct append *append)
{
    struct task *task = &writer->task;

    return name_blobs(writer, append, &task->error) ? judge_run(&writer->judge, append, task)
                                                    : STEP_FAIL;
}

/* Those of the first objects of a collection get their names only now. */
static bool put_in_batch(struct writer *writer, struct append *append, struct error *error)
{
    const struct batch *batch = &writer->batch;

    if (writer->taken_count == 0 && !begin_batch(writer, error))
        return false;
    if (append->objects.blobs.count > 0)
        writer->blob_job.append = append;
    return object_blobs_name(&append->objects, &batch->identity, batch->before.generation, error) &&
           number_objects(writer, append, error);
}

static enum step take_objects(struct writer *writer, struct append *append)
{
    struct task *task = &writer->task;
    enum step outcome = judge_objects(writer, append);

    if (outcome == STEP_YIELD)
        return outcome;
    judge_clear(&writer->judge);
    if (outcome == STEP_FAIL) {
        append->outcome = APPEND_FAILED;
        append->error = task->error;
        task->error = (struct error){0};
    }
    if (outcome == STEP_FAIL || append->outcome != APPEND_STORED) {
        memcpy(append->id, writer->stream->collection.identity.id, sizeof append->id);
        append_finish(append);
        return STEP_NEXT;
    }
    if (put_in_batch(writer, append, &task->error)) {
        take(writer, append);
        return STEP_NEXT;
    }
    /* Part of it may be in the batch, which is of no use then. */
    take(writer, append);
    return STEP_FAIL;
}

/* What is not there is deleted already; so is what has a successor that is not meant. */
static void take_deletion(struct writer *writer, struct append *append)
{
    const struct collection *collection = &writer->stream->collection;
    struct deletion *deletion = &writer->deletion;
    struct str meant = append->query.collection_id;

    if (collection->state != COLLECTION_LIVE ||
        (meant.length > 0 && !stream_has_id(writer->stream, meant))) {
        append->outcome = APPEND_STORED;
        append_finish(append);
        return;
    }
    *deletion = (struct deletion){.last_counter = collection->head.last_counter +
                                                  (collection->is_behind ? LOSSES_JUMP : 0),
                                  .generation = collection->head.generation,
                                  .reason = append->reason};
    append->reason = (struct buf){0};
    memcpy(deletion->path, writer->stream->path, strlen(writer->stream->path) + 1);
    memcpy(deletion->id, collection->identity.id, sizeof deletion->id);
    writer->deletes = true;
    take(writer, append);
}

/* From the front of the queue, as long as they can go together. */
static enum step take_appends(struct task *task)
{
    struct writer *writer = writer_of(task);
    struct list *queue = &writer->stream->queue;

    while (!list_is_empty(queue) && !writer->deletes) {
        struct append *append = append_of(queue->next);

        if (!may_join(writer, append))
            break;
        if (append->kind == APPEND_DELETION) {
            take_deletion(writer, append);
            continue;
        }
        enum step outcome = take_objects(writer, append);
        if (outcome != STEP_NEXT)
            return outcome;
    }
    return writer->taken_count > 0 ? STEP_NEXT : STEP_DONE;
}

/* They are on disk before the journal has their objects. */
static enum step write_blobs(struct task *task)
{
    struct writer *writer = writer_of(task);

    return blob_job_write(&writer->blob_job, writer->stream, task);
}

static enum step check_blobs(struct task *task)
{
    return blob_job_check(&writer_of(task)->blob_job, &task->error) ? STEP_NEXT : STEP_FAIL;
}

static enum step commit_round(struct task *task)
{
    struct writer *writer = writer_of(task);

    writer->commit = (struct commit){
        .batch = writer->deletes ? NULL : &writer->batch,
        .deletion = writer->deletes ? &writer->deletion : NULL,
        .hold = writer->stream->is_held ? &writer->hold : NULL,
    };
    writer->stream->going = writer->deletes;
    writer->stream->commit = &writer->commit;
    return committer_start(writer->stream->streams->committer, &writer->commit, task);
}

static void publish_deletion(struct writer *writer)
{
    struct collection *collection = &writer->stream->collection;

    collection->state = COLLECTION_DELETED;
    collection->identity = (struct identity){0};
    collection->head = (struct head){.generation = writer->deletion.generation,
                                     .last_counter = writer->deletion.last_counter};
    buf_clear(&collection->reason);
    collection->reason = writer->deletion.reason;
    writer->deletion.reason = (struct buf){0};
    stream_publish(writer->stream, (struct str){0});
}

static void publish_batch(struct writer *writer)
{
    struct collection *collection = &writer->stream->collection;

    collection->head = writer->batch.after;
    collection->is_behind = false;
    if (writer->batch.creates) {
        buf_clear(&collection->reason);
        collection->state = COLLECTION_LIVE;
        collection->identity = writer->batch.identity;
    }
    if (writer->batch.creates)
        stream_publish(writer->stream, (struct str){0});
    else
        stream_publish(writer->stream, buf_str(&writer->batch.entries));
}

static enum step publish_round(struct task *task)
{
    struct writer *writer = writer_of(task);

    writer->stream->going = false;
    writer->stream->commit = NULL;
    if (writer->commit.error.code != ERROR_NONE) {
        /* Among several servers the next one to hold it settles it. */
        writer->stream->closed_to_writes = !writer->commit.undone && !writer->commit.hold;
        task->error = writer->commit.error;
        return STEP_FAIL;
    }
    if (writer->stream->is_held)
        stream_note_news(writer->stream, writer->commit.news);
    if (writer->deletes)
        publish_deletion(writer);
    else
        publish_batch(writer);
    while (!list_is_empty(&writer->taken)) {
        struct append *append = append_of(writer->taken.next);

        append->outcome = APPEND_STORED;
        memcpy(append->id, writer->batch.identity.id, sizeof append->id);
        append_finish(append);
    }
    return STEP_NEXT;
}

static enum step remove_blobs(struct task *task)
{
    struct writer *writer = writer_of(task);
    uint64_t *last_generation = &writer->blob_job.last_generation;

    if (writer->deletes)
        *last_generation = writer->deletion.generation;
    else if (writer->batch.creates)
        *last_generation = writer->batch.before.generation - 1;
    return blob_job_remove(&writer->blob_job, writer->stream, task);
}

static const struct step_entry writer_steps[] = {
    STEP(wait_for_turn),
    STEP(hold_collection),
    STEP(check_hold),
    STEP(load_collection),
    STEP(take_appends),
    STEP(write_blobs),
    STEP(check_blobs),
    STEP(commit_round),
    STEP(publish_round),
    STEP(remove_blobs),
    {0},
};

static void clear_round(struct writer *writer)
{
    hold_release(&writer->hold);
    writer->stream->is_held = false;
    batch_clear(&writer->batch);
    deletion_clear(&writer->deletion);
    blob_job_clear(&writer->blob_job);
    judge_clear(&writer->judge);
    writer->batch = (struct batch){0};
    writer->deletion = (struct deletion){0};
    writer->deletes = false;
    writer->taken_count = 0;
}

static void free_writer(struct writer *writer)
{
    struct stream *stream = writer->stream;

    stream->writer = NULL;
    stream->streams->writers--;
    free(writer);
    stream_release(stream);
}

static void end_round(struct task *task);

static const struct task_kind writer_kind = {"writer", writer_steps, end_round};

/* Appends that a failed round had taken fail with it. When the collection cannot even be loaded,
 * those in the queue would fail the same way. */
static void end_round(struct task *task)
{
    struct writer *writer = writer_of(task);
    struct stream *stream = writer->stream;

    if (task->error.code != ERROR_NONE) {
        bool is_unusable = writer->taken_count == 0;

        fail_all(&writer->taken, &task->error);
        if (is_unusable)
            fail_all(&stream->queue, &task->error);
    }
    clear_round(writer);
    if (list_is_empty(&stream->queue))
        free_writer(writer);
    else
        task_start(&writer->task, stream->streams->loop, &writer_kind);
}

static void start_round(struct deferred *deferred)
{
    struct writer *writer = OWNER_OF(deferred, struct writer, task.resume);

    task_start(&writer->task, writer->stream->streams->loop, &writer_kind);
}

/* Not within the call that queued the append: its waiter has not begun to wait. */
void writer_wake(struct stream *stream)
{
    struct error error;

    if (stream->writer)
        return;
    struct writer *writer = calloc(1, sizeof *writer);
    if (!writer) {
        error_set(&error, ERROR_NO_MEMORY, "out of memory to write");
        fail_all(&stream->queue, &error);
        return;
    }
    writer->stream = stream;
    list_init(&writer->taken);
    stream->writer = writer;
    stream->users++;
    stream->streams->writers++;
    deferred_init(&writer->task.resume, start_round);
    loop_run_soon(stream->streams->loop, &writer->task.resume);
}
