/* append.h - one POST on its way into a stream: what it brings, and what became of it.
 *
 *     append_new -> append_start: the stream has it -> append_finish: outcome -> append_free
 *
 * It owns its bytes: once queued it is finished even if the client goes away meanwhile. Deleting a
 * collection goes the same way, in the same queue. */
#ifndef SYNC_APPEND_H
#define SYNC_APPEND_H

#include "loop/task.h"
#include "sync/objects.h"
#include "sync/query.h"
#include "sync/stream.h"

enum append_kind { APPEND_OBJECTS, APPEND_DELETION };

enum append_outcome {
    APPEND_STORED,   /* durable; first_counter and count. Deletions: done */
    APPEND_REPLAYED, /* was stored already; first_counter and count of then */
    APPEND_CONFLICT, /* something newer than since; the answer is a pull with conflict set */
    APPEND_CHANGED,  /* the collection is not the one named, or is deleted: the answer is a pull */
    APPEND_FAILED,   /* error */
};

struct append;

/* Whoever waits for an append: a member of the request. All-zero is nobody. */
struct append_wait {
    struct operation operation;
    struct append *append; /* the stream's until the operation has ended, then the waiter's */
};

struct append {
    struct list link; /* in stream.queue, or in the batch of the writer */
    enum append_kind kind;
    struct query query;
    struct objects objects; /* APPEND_OBJECTS */
    struct buf reason;      /* APPEND_DELETION: compact JSON object */
    struct stream *stream;
    struct append_wait *waiter; /* NULL: nobody waits (any more) */

    enum append_outcome outcome;
    uint64_t first_counter, count;
    uint64_t client_seq;             /* last seq stored for query.client, if one was given */
    unsigned char id[INDEX_ID_SIZE]; /* of the collection it was stored in: the stream's may be
                                        another one by the time that the waiter goes on */
    struct error error;
};

/* Takes query and objects over (they are all-zero afterwards); NULL when memory is out, and then
 * takes nothing. */
struct append *append_new(enum append_kind kind, struct query *query, struct objects *objects);

/* Harmless on NULL; sets *append to NULL. Not while queued. */
void append_free(struct append **append);

/* Queues it for the stream, which the waiter holds; returns STEP_WAIT. When the task goes on the
 * outcome is there and wait->append is the waiter's, to be freed. If the task is cancelled first
 * the stream keeps the append, finishes and frees it, and wait->append is NULL. */
enum step append_start(struct append_wait *wait, struct append *append, struct stream *stream,
                       struct task *task);

/* For the writer: outcome is set; the append is given back, or freed if nobody waits. */
void append_finish(struct append *append);

#endif
