/* cancels.h - which batches of a journal do not count.
 *
 * A batch that could not be applied when it was new is cancelled by a later frame; its writer was
 * told that it failed. Replay has to know that before it comes to the batch: undoing it afterwards
 * could not bring back what it wrote over. */
#ifndef STORE_CANCELS_H
#define STORE_CANCELS_H

#include "base/list.h"
#include "base/table.h"
#include "store/index.h"

/* All-zero is none, and must be init'ed before use. */
struct cancels {
    struct table table;
    struct list list;
};

MUST_CHECK bool cancels_init(struct cancels *cancels, struct error *error);
void cancels_clear(struct cancels *cancels); /* harmless twice, and on all-zero */

/* Frame number `frame` cancels the latest batch before it that begins at entry `count` of the
 * collection `id`. */
MUST_CHECK bool cancels_add(struct cancels *cancels, const unsigned char *id, uint64_t count,
                            uint64_t frame, struct error *error);

/* Is the batch in frame number `frame` cancelled? Until it is, nothing else can begin at its place;
 * so any later frame that says so will do. */
bool cancels_test(const struct cancels *cancels, const unsigned char *id, uint64_t count,
                  uint64_t frame);

#endif
