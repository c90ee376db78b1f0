/* touched.h - the collections that a replay (replay.h) has to do with, and where each stands.
 *
 *     touched_init -> (touched_find, touched_note_...) ... -> touched_clear */
#ifndef STORE_TOUCHED_H
#define STORE_TOUCHED_H

#include "base/list.h"
#include "base/table.h"
#include "store/cancels.h"
#include "store/collection.h"
#include "store/database.h"

/* A collection that frames were found for. */
struct touched {
    struct table_node node;
    struct list link;
    struct index_header header; /* of the live one: as it is on disk */
    struct head head;           /* if is_known */
    uint64_t ended;             /* what is of this generation, or an earlier one, was deleted */
    uint64_t ended_counter;     /* its last counter; 0: not known */
    bool is_live;
    bool is_known;              /* where it stands: the frames read so far have led there */
    bool is_changed;            /* to be synced at the end */
    bool is_made_here;          /* by a batch that began it, in this replay */
    uint64_t orphan_generation; /* of a batch that fitted nowhere; 0: none */
    uint64_t orphan_count;
    char path[];
};

struct touched_set {
    struct table table;
    struct list list; /* of struct touched, in the order of their first frames */
};

MUST_CHECK bool touched_init(struct touched_set *set, struct error *error);
void touched_clear(struct touched_set *set); /* harmless twice, and on all-zero */

/* Looks at the files the first time. cancels: batches that do not count; an index that one of them
 * began goes at once. survivals: deletions that do not count, by id and last counter. NULL on
 * failure. */
struct touched *touched_find(struct touched_set *set, struct disk *disk, const char *path,
                             const struct cancels *cancels, const struct cancels *survivals,
                             struct error *error);

/* All up to this generation have been deleted; it ended with this counter. */
void touched_note_ended(struct touched *touched, uint64_t generation, uint64_t last_counter);

/* All before this generation have been deleted. */
void touched_note_begun(struct touched *touched, uint64_t generation);

#endif
