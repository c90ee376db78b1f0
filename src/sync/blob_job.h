/* blob_job.h - what the writer of a stream has done to the files of blobs, on a helper thread,
 * while it has the collection for itself: written before the batch that names them goes to the
 * journal, and removed when the deletion of their objects is on disk. So nobody removes what a
 * batch under way refers to. */
#ifndef SYNC_BLOB_JOB_H
#define SYNC_BLOB_JOB_H

#include "loop/task.h"
#include "sync/append.h"

/* All-zero is nothing to do. */
struct blob_job {
    struct offload_job job;
    struct operation operation;
    struct stream *stream;
    struct append *append;    /* whose blobs are to be written; NULL: none */
    struct buf removed_keys;  /* of objects whose blobs are to be removed: of uint64_t */
    uint64_t last_generation; /* up to which all are to be removed; 0: none */
    struct error error;       /* of writing */
};

/* An object is in the batch: blobs of one that is deleted go with it, unless the same batch has it
 * again. */
void blob_job_note(struct blob_job *job, const struct batch_object *object);

/* Return STEP_WAIT, or STEP_NEXT if there is nothing to do. The task is not cancelled. */
enum step blob_job_write(struct blob_job *job, struct stream *stream, struct task *task);
enum step blob_job_remove(struct blob_job *job, struct stream *stream, struct task *task);

/* After blob_job_write: whether all is as it should be. */
MUST_CHECK bool blob_job_check(struct blob_job *job, struct error *error);
void blob_job_clear(struct blob_job *job); /* harmless twice, and on all-zero */

#endif
