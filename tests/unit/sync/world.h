/* world.h - everything below HTTP, in a directory of its own, for one test.
 *
 *     world_open -> world_post, world_get ... (each runs the loop until it is done) -> world_close
 *
 * All failures of the set-up end the test. */
#ifndef TESTS_SYNC_WORLD_H
#define TESTS_SYNC_WORLD_H

#include "loop/loop.h"
#include "sync/append.h"
#include "sync/checkpoint.h"
#include "sync/committer.h"
#include "sync/listing.h"
#include "sync/pull.h"
#include "sync/stream.h"
#include "sync/watch.h"

struct world {
    char directory[64];
    struct loop loop;
    struct disk disk;
    struct disk_calls calls; /* of disk; a test may replace some */
    struct offload helpers;
    struct committer committer;
    struct streams streams;
    struct limits limits;
};

extern const char world_notes[]; /* path of a collection */

void world_open(struct world *world);
void world_finish_writers(struct world *world); /* after it no other thread is at work */
void world_close(struct world *world);          /* stops the server; the directory stays */
void world_restart(struct world *world);        /* replays, too */
void world_remove(struct world *world);         /* the directory */

/* What a POST brought about; the caller clears. */
struct world_result {
    enum append_outcome outcome;
    enum error_code code; /* of a failure, also of the body's */
    uint64_t first_counter, count, client_seq;
    char id[STREAM_ID_TEXT_SIZE]; /* of the collection it was stored in */
    char blob[BLOB_NAME_SIZE];    /* of the first one */
    char text[2048];              /* errors of a refused array, or message */
};

struct world_result world_post(struct world *world, const char *path, const char *query,
                               const char *body);
struct world_result world_delete(struct world *world, const char *path, const char *reason);

/* The answer of a GET into out (replaced); false: 204. conflict as in struct pull. */
bool world_get(struct world *world, const char *path, const char *query, bool conflict,
               struct buf *out);

/* The same with the id of the collection put in place of "ID" in the query. */
bool world_get_named(struct world *world, const char *path, const char *query, struct buf *out);

/* Runs the loop until the task has ended. */
void world_run_task(struct world *world, struct task *task);

/* The id of a live collection. */
void world_put_id(struct world *world, const char *path, char out[STREAM_ID_TEXT_SIZE]);

#endif
