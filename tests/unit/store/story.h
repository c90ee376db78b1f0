/* story.h - what a server does to a few collections, and what must be there after it has died.
 *
 * Acts as the server's committer does: a group goes into the journal and then into the databases,
 * what cannot be applied is cancelled. Keeps in mind what was confirmed; what was on its way when
 * the power went, or was refused by a failing disk, may be there as a whole or not at all. */
#ifndef TESTS_STORE_STORY_H
#define TESTS_STORE_STORY_H

#include "simdisk.h"
#include "store/collection.h"
#include "store/journal.h"

enum { STORY_COLLECTIONS = 3, STORY_DOUBTS = 24 };

/* A collection as it is known to be. */
struct story_state {
    enum collection_state state;
    struct identity identity;
    struct head head;
    struct buf text; /* all records */
};

struct story_collection {
    const char *path;
    struct story_state now;                  /* confirmed */
    struct story_state next;                 /* what the group makes of it */
    struct story_state doubts[STORY_DOUBTS]; /* what it may be as well */
    unsigned doubt_count;
    bool is_closed; /* to writes: an apply or its cancellation failed */
    bool is_dirty;  /* since the last checkpoint */
};

struct story {
    struct simdisk *simdisk;
    struct disk *disk;
    struct journal journal;
    struct journal_group group;
    struct story_collection collections[STORY_COLLECTIONS];
    struct batch batches[STORY_COLLECTIONS]; /* of the group */
    struct deletion deletions[STORY_COLLECTIONS];
    bool has_batch[STORY_COLLECTIONS], has_deletion[STORY_COLLECTIONS];
    unsigned char last_id; /* collections get ids of this byte, one after another */
    unsigned cancelled;
};

void story_init(struct story *story, struct simdisk *simdisk);
void story_clear(struct story *story); /* harmless twice */

MUST_CHECK bool story_open(struct story *story);

/* Add to the group: one append of so many records to collection i, made if it is not there; its
 * deletion. At most one of these a group and collection. Nothing happens to one that is closed. */
void story_append(struct story *story, unsigned i, unsigned records);
void story_delete(struct story *story, unsigned i);

/* Commits the group. If fail_apply is not 0, the disk is full at this call of applying it. */
void story_commit(struct story *story, unsigned fail_apply);

void story_checkpoint(struct story *story);

/* All of it: creations, appends, a checkpoint in the middle, deletions, recreations, batches that
 * cannot be applied. */
void story_tell(struct story *story);

/* Less: collection 0 with a checkpoint at three records and two more above it; 1 without. */
void story_tell_with_checkpoint(struct story *story);

/* Is on this disk what must be there, and nothing else? Says what is not in why. */
MUST_CHECK bool story_check(const struct story *story, struct simdisk *simdisk, char why[256]);

/* Replays the disk, then the same. Changes are not told any more. */
MUST_CHECK bool story_recovers(const struct story *story, struct simdisk *simdisk, char why[256]);

#endif
