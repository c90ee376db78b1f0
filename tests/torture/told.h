/* told.h - the requests in a trace, and what came of them; oracle.c checks recovered files by it.
 */
#ifndef TESTS_TORTURE_TOLD_H
#define TESTS_TORTURE_TOLD_H

#include "trace.h"

#include "base/table.h"

enum { TOLD_ID_SIZE = 32 };

#define TOLD_NEVER SIZE_MAX /* later than every record */

struct told_request;

struct told_object {
    struct table_node node; /* the key is its text */
    struct told_request *request;
    size_t position;        /* in the array that was sent */
    size_t told_at;         /* when a client knew where it stands */
    uint64_t counter;       /* if told */
    struct told_life *life; /* if told */
};

/* A collection between its making and its deletion. */
struct told_life {
    struct told_life *next;
    struct told_collection *collection;
    char id[TOLD_ID_SIZE + 1];
    /* as of the moment that is being checked: */
    size_t first_told, last_sent, objects;
    uint64_t top; /* the highest counter told */
};

struct told_request {
    struct told_request *next; /* to the same collection, in the order in which they were sent */
    struct told_collection *collection;
    bool deletes, is_refused;
    size_t sent_at, done_at; /* TOLD_NEVER: no answer */
    uint64_t seq;
    struct told_object *objects;
    size_t count;
    uint64_t stamp; /* of the last check that found it */
};

struct told_collection {
    struct table_node node; /* the key is its path */
    struct told_collection *next;
    struct told_request *requests, **last_request;
    struct told_life *lives;
    char path[];
};

struct told {
    struct table collections, objects;
    struct told_collection *first_collection;
    struct told_request **requests; /* by number */
    size_t request_count;
    size_t object_count, deletion_count; /* acknowledged */
};

/* False, and a message on stderr, if answers contradict each other: then the server has given one
 * counter to two objects, or two to one. */
bool told_open(struct told *told, const struct trace *trace);
void told_close(struct told *told);

#endif
