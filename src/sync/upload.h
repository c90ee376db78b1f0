/* upload.h - the bytes of one blob on their way from a client into a file, a piece at a time, so
 * that a large one takes no more memory than a small one.
 *
 *     upload_new -> upload_write ... -> upload_finish -> (id says what its name is) -> upload_free
 *
 * Each of the calls in the middle gives a helper thread something to do and waits for that; until
 * it is done the client is not read any further. Who was cancelled may free it all the same: the
 * helper's job is finished first, unseen, and what it has written goes. */
#ifndef SYNC_UPLOAD_H
#define SYNC_UPLOAD_H

#include "loop/task.h"
#include "store/blob.h"
#include "sync/stream.h"

enum { UPLOAD_PIECE = 64 * 1024 };

struct upload {
    struct offload_job job;
    struct operation operation;
    struct streams *streams;
    struct blob_writing writing;
    struct buf piece;
    struct identity identity; /* of the collection it is for; set by upload_finish */
    bool is_begun, is_under_way, is_abandoned;
    bool is_last;       /* the job under way is to finish it */
    struct blob_id id;  /* generation and key are the caller's, hash is there in the end */
    struct error error; /* of the last call; code ERROR_NONE: it was done */
    char content_type[BLOB_TYPE_MOST + 1];
    char path[3 * (ADDRESS_NAME_MOST + 1)];
};

/* content_type has been checked (blob_check_type). NULL when memory is out. */
struct upload *upload_new(struct stream *stream, struct str content_type);

/* Copies the piece, of at most UPLOAD_PIECE bytes. Returns STEP_WAIT. After an error it is of no
 * further use. */
enum step upload_write(struct upload *upload, struct str piece, struct task *task);

/* All has come: gives the blob its name, as one of the object with this key of the collection that
 * the stream is now, which is live. Returns STEP_WAIT. Then it is on disk. */
enum step upload_finish(struct upload *upload, const struct stream *stream, uint64_t key,
                        struct task *task);

/* Harmless on NULL. What was not finished is removed. */
void upload_free(struct upload *upload);

#endif
