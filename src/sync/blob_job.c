#include "sync/blob_job.h"

#include <string.h>

void blob_job_note(struct blob_job *job, const struct batch_object *object)
{
    struct buf *keys = &job->removed_keys;
    struct str key = {(const char *)&object->key, sizeof object->key};

    if (object->key == 0)
        return;
    if (object->flags & INDEX_DELETED) {
        buf_append(keys, key);
        return;
    }
    for (size_t at = 0; object->flags & INDEX_BLOB && at < keys->length; at += key.length) {
        if (memcmp(keys->data + at, key.data, key.length) == 0)
            memset(keys->data + at, 0, key.length);
    }
}

static void write_files(struct offload_job *offload_job)
{
    struct blob_job *job = OWNER_OF(offload_job, struct blob_job, job);
    struct error error;

    if (!object_blobs_place(&job->append->objects.blobs, job->stream->streams->disk,
                            job->stream->path, &error))
        job->error = error;
}

/* What was answered is done, so nobody is told of failures. Blobs that stay behind are of no use:
 * cutoutctl check tells of them, and repair removes them. */
static void remove_files(struct offload_job *offload_job)
{
    struct blob_job *job = OWNER_OF(offload_job, struct blob_job, job);
    struct disk *disk = job->stream->streams->disk;
    const struct buf *keys = &job->removed_keys;
    struct error ignored;

    (void)!blob_remove_generations(disk, job->stream->path, job->last_generation, &ignored);
    if (keys->length > 0)
        (void)!blob_remove_objects(disk, job->stream->path,
                                   (const uint64_t *)(const void *)keys->data,
                                   keys->length / sizeof(uint64_t), &ignored);
}

static void finish(struct offload_job *offload_job)
{
    operation_end(&OWNER_OF(offload_job, struct blob_job, job)->operation);
}

static void leave(struct operation *operation)
{
    (void)operation;
}

static enum step start(struct blob_job *job, struct stream *stream, struct task *task,
                       void (*run)(struct offload_job *job))
{
    enum step outcome = operation_begin(&job->operation, task, leave);

    job->stream = stream;
    job->job = (struct offload_job){.run = run, .finished = finish};
    job->error.code = ERROR_NONE;
    offload_submit(stream->streams->movers, &job->job);
    return outcome;
}

enum step blob_job_write(struct blob_job *job, struct stream *stream, struct task *task)
{
    return job->append ? start(job, stream, task, write_files) : STEP_NEXT;
}

enum step blob_job_remove(struct blob_job *job, struct stream *stream, struct task *task)
{
    if (job->last_generation == 0 && job->removed_keys.length == 0)
        return STEP_NEXT;
    return start(job, stream, task, remove_files);
}

bool blob_job_check(struct blob_job *job, struct error *error)
{
    if (!job->append)
        return true;
    if (job->error.code == ERROR_NONE)
        return object_blobs_check(&job->append->objects, error);
    *error = job->error;
    return false;
}

void blob_job_clear(struct blob_job *job)
{
    buf_clear(&job->removed_keys);
    *job = (struct blob_job){0};
}
