/* clients.h - which batch of which client was stored last: what makes a repeated POST harmless.
 *
 * The commit entries of the index are the truth; a stream keeps the newest one of each client in
 * memory once somebody asked, and learns of new ones as they are published. Looking through a large
 * index goes in slices; who asks meanwhile goes on where the one before has got to. */
#ifndef SYNC_CLIENTS_H
#define SYNC_CLIENTS_H

#include "loop/task.h"
#include "store/database.h"
#include "sync/stream.h"

enum {
    CLIENTS_MOST = 1024
}; /* a collection; beyond that the one silent for longest is forgotten */

/* A stored batch, and the counters of its records. The commit entry has been checked; where its
 * batch begins has not, which needs the records (judge.c does before it says so). */
struct clients_batch {
    uint64_t client, seq;
    uint64_t first_counter, count;
    uint64_t position; /* of the commit entry */
};

/* The keyed hash under which the index of a live collection knows a client id. */
uint64_t clients_hash(const struct stream *stream, struct str client);

/* One slice: STEP_YIELD while there is more to look through, STEP_NEXT when the table is complete
 * (at once if it was), STEP_FAIL with task->error. database: all-zero to begin; opened while it is
 * needed, to be closed by the caller. */
enum step clients_load(struct database *database, struct stream *stream, struct task *task);

/* The newest batch of this client; false: none is known. The table must be complete. */
bool clients_find_last(const struct stream *stream, uint64_t client, struct clients_batch *batch);

/* Looks for a batch that is not the client's newest: one slice, STEP_YIELD, STEP_NEXT with *found
 * filled (seq 0: there is none), or STEP_FAIL. *search is NULL to begin; clients_free when done. */
enum step clients_search(struct clients **search, struct database *database, struct stream *stream,
                         uint64_t client, uint64_t seq, struct clients_batch *found,
                         struct task *task);

/* For stream_publish: entries that were just added. */
void clients_note(struct stream *stream, struct str entries);
void clients_free(struct clients **clients); /* harmless on NULL */

#endif
