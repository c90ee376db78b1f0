/* look_blobs.h - the blobs of one collection, held against its records: the part of a look (look.h)
 * that is about them.
 *
 *     look_blobs_open -> look_blobs_note (each record, in order) -> look_blobs_check -> _clear */
#ifndef STORE_LOOK_BLOBS_H
#define STORE_LOOK_BLOBS_H

#include "base/list.h"
#include "base/table.h"
#include "store/findings.h"
#include "store/record.h"

struct look_blobs {
    struct table objects; /* that have, or had, a blob */
    struct list in_order;
    uint64_t count, bytes; /* of blobs that were read */
};

/* todo of findings: what is damaged or missing, and what nobody needs. */
extern const char look_blobs_restore[], look_blobs_litter[];

MUST_CHECK bool look_blobs_open(struct look_blobs *blobs, struct error *error);

/* key: of its object; position: of its entry. */
MUST_CHECK bool look_blobs_note(struct look_blobs *blobs, const struct record *record, uint64_t key,
                                uint64_t position, struct error *error);

/* Reads every blob. secret: NULL, if it is not known. last_generation: of a deleted collection,
 * whose blobs should be gone; 0: it is live, and what its objects refer to has to be there. False
 * if it could not look. */
MUST_CHECK bool look_blobs_check(struct look_blobs *blobs, struct findings *findings,
                                 struct disk *disk, const char *path, const unsigned char *secret,
                                 uint64_t last_generation, struct error *error);
void look_blobs_clear(struct look_blobs *blobs); /* harmless twice, and on all-zero */

#endif
