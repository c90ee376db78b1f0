#include "sync/upload.h"

#include <stdlib.h>
#include <string.h>

struct upload *upload_new(struct stream *stream, struct str content_type)
{
    struct upload *upload = calloc(1, sizeof *upload);

    if (!upload)
        return NULL;
    upload->streams = stream->streams;
    memcpy(upload->path, stream->path, strlen(stream->path) + 1);
    memcpy(upload->content_type, content_type.data, content_type.length);
    return upload;
}

/* On the helper thread. */
static bool write_piece(struct upload *upload, struct error *error)
{
    if (!upload->is_begun &&
        !blob_begin(&upload->writing, upload->streams->disk, upload->path, error))
        return false;
    upload->is_begun = true;
    return upload->piece.length == 0 ||
           blob_extend(&upload->writing, buf_str(&upload->piece), error);
}

static bool place(struct upload *upload, struct error *error)
{
    struct str content_type = str_of(upload->content_type);
    unsigned char content[CRYPTO_HASH_SIZE];
    char name[BLOB_NAME_SIZE];

    if (!blob_seal(&upload->writing, content_type, content, error) ||
        !blob_make_id(&upload->id, upload->identity.secret, upload->id.generation, upload->id.key,
                      content_type, content, error))
        return false;
    blob_put_name(&upload->id, name);
    return blob_place(&upload->writing, upload->path, name, error);
}

static void write_file(struct offload_job *job)
{
    struct upload *upload = OWNER_OF(job, struct upload, job);
    struct error error;

    if (!write_piece(upload, &error) || (upload->is_last && !place(upload, &error)))
        upload->error = error;
}

static void forget(struct upload *upload)
{
    buf_clear(&upload->piece);
    free(upload);
}

static void drop_file(struct offload_job *job)
{
    blob_drop(&OWNER_OF(job, struct upload, job)->writing);
}

static void file_dropped(struct offload_job *job)
{
    forget(OWNER_OF(job, struct upload, job));
}

/* Removing a file may stall, too. */
static void drop(struct upload *upload)
{
    upload->job = (struct offload_job){.run = drop_file, .finished = file_dropped};
    offload_submit(upload->streams->movers, &upload->job);
}

static void job_finished(struct offload_job *job)
{
    struct upload *upload = OWNER_OF(job, struct upload, job);

    upload->is_under_way = false;
    if (upload->is_abandoned)
        drop(upload);
    else
        operation_end(&upload->operation);
}

/* The job goes on; upload_free is what tells it that nobody waits. */
static void leave(struct operation *operation)
{
    (void)operation;
}

static enum step start(struct upload *upload, struct task *task)
{
    enum step outcome = operation_begin(&upload->operation, task, leave);

    upload->error.code = ERROR_NONE;
    upload->is_under_way = true;
    upload->job = (struct offload_job){.run = write_file, .finished = job_finished};
    offload_submit(upload->streams->movers, &upload->job);
    return outcome;
}

enum step upload_write(struct upload *upload, struct str piece, struct task *task)
{
    buf_reset(&upload->piece);
    buf_append(&upload->piece, piece);
    if (!buf_ok(&upload->piece, &task->error))
        return STEP_FAIL;
    return start(upload, task);
}

enum step upload_finish(struct upload *upload, const struct stream *stream, uint64_t key,
                        struct task *task)
{
    buf_reset(&upload->piece);
    upload->is_last = true;
    upload->identity = stream->collection.identity;
    upload->id.generation = stream->collection.head.generation;
    upload->id.key = key;
    return start(upload, task);
}

void upload_free(struct upload *upload)
{
    if (!upload)
        return;
    upload->is_abandoned = true;
    if (upload->is_under_way)
        return;
    if (upload->writing.disk)
        drop(upload);
    else
        forget(upload);
}
