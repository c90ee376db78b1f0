/* judge.h - what has to become of one append, given what its stream holds: the rules of appending
 * (docs/protocol.md, "Appending"), in their order:
 *
 *  1. Its (client, seq) is stored: replayed, whatever else. An older seq of that client that is not
 *     found any more is refused (ERROR_SEQ_OLD).
 *  2. The collection is deleted, is not the one named, or ends before since: changed. But a POST
 *     that names no collection and no since begins a new one.
 *  3. Something newer than since exists that passes the filter: an old client (no seq) whose array
 *     is exactly what stands after since is replayed; else conflict.
 *  4. The quota: refused.
 *  5. It is to be stored. */
#ifndef SYNC_JUDGE_H
#define SYNC_JUDGE_H

#include "sync/append.h"
#include "sync/clients.h"

/* One judgement under way; all-zero to begin. */
struct judge {
    struct database database;
    struct clients *search;
    struct filter filter;
    struct buf records;
    struct clients_batch replayed; /* what the append seems to repeat */
    uint64_t position;             /* entries before this one have been looked at */
    uint64_t first_counter;        /* of those that matter */
    uint64_t matched;              /* how many of them are, in order, what the append brings */
    unsigned phase;
    bool began;   /* looking for what is newer than since */
    bool found;   /* one that matters */
    bool differs; /* what stands there is not what the append brings */
};

/* One slice: STEP_YIELD while it has to look further, STEP_NEXT when append->outcome is set
 * (APPEND_STORED: is to be stored), STEP_FAIL when it could not be told. The stream is loaded, and
 * nothing is written to it meanwhile. */
enum step judge_run(struct judge *judge, struct append *append, struct task *task);
void judge_clear(struct judge *judge); /* harmless twice, and on all-zero */

#endif
