#include "sync/append.h"

#include "sync/writer.h"

#include <stdlib.h>

struct append *append_new(enum append_kind kind, struct query *query, struct objects *objects)
{
    struct append *append = calloc(1, sizeof *append);

    if (!append)
        return NULL;
    append->kind = kind;
    list_init(&append->link);
    append->query = *query;
    append->objects = *objects;
    *query = (struct query){.limit = UINT64_MAX};
    *objects = (struct objects){0};
    return append;
}

void append_free(struct append **append)
{
    if (!*append)
        return;
    query_clear(&(*append)->query);
    objects_clear(&(*append)->objects);
    buf_clear(&(*append)->reason);
    free(*append);
    *append = NULL;
}

/* The client has gone. What is queued is finished all the same, unseen. */
static void cut_loose(struct operation *operation)
{
    struct append_wait *wait = OWNER_OF(operation, struct append_wait, operation);

    wait->append->waiter = NULL;
    wait->append = NULL;
}

enum step append_start(struct append_wait *wait, struct append *append, struct stream *stream,
                       struct task *task)
{
    wait->append = append;
    append->waiter = wait;
    append->stream = stream;
    append->outcome = APPEND_FAILED;
    list_append(&stream->queue, &append->link);
    enum step outcome = operation_begin(&wait->operation, task, cut_loose);
    writer_wake(stream);
    return outcome;
}

void append_finish(struct append *append)
{
    list_remove(&append->link);
    if (append->waiter)
        operation_end(&append->waiter->operation);
    else
        append_free(&append);
}
