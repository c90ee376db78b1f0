/* check.h - does all that is on disk add up? For cutoutctl check.
 *
 * Reads only, takes no lock, and so may run beside a server that writes. What looks wrong then may
 * be half of a write. The tail rules: a frame is in the journal before anything is written to its
 * collection, and stays there until a checkpoint vouches for what was written. So
 *
 *  1. what is wrong in a place that a frame of the journal still covers (pending.h) is not settled,
 *     be it that it is being written now, or that a server died and the next start writes it;
 *  2. what is wrong elsewhere is looked at again, with a fresh look at the journal in between, and
 *     is damage only if it stays the same. */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include "store/disk.h"
#include "store/findings.h"

struct check {
    /* Given. */
    struct disk *disk;
    void (*on_finding)(void *context, const struct finding *finding);
    void (*on_progress)(void *context); /* after each collection; NULL: nobody looks */
    void *context;

    /* So far. */
    uint64_t collections, records, blobs, bytes;
    uint64_t findings;   /* told */
    uint64_t unreadable; /* among them: could not be looked at */
    uint64_t unsettled;  /* collections that wait for what is in the journal */
    bool was_there;      /* the last collection had files */
};

/* Each tells what it finds. False only if it cannot go on: no memory. */
MUST_CHECK bool check_collection(struct check *check, const char *path, struct error *error);
MUST_CHECK bool check_journal(struct check *check, struct error *error);

/* Journal, all collections, and what else lies in the directories. */
MUST_CHECK bool check_all(struct check *check, struct error *error);

#endif
