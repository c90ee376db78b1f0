/* jump.h - the first batch of a collection that is behind a loss (losses.h).
 *
 * It stands on entries that nothing vouches for but themselves, and they may have been given to
 * clients. So before such a batch is in any journal they are made durable, and what adds up to
 * nothing behind them goes. The index notes both that the collection is past the loss, and a floor:
 * counters go on above it, also if the batch itself never comes to be. */
#ifndef STORE_JUMP_H
#define STORE_JUMP_H

#include "store/batch.h"
#include "store/disk.h"

/* Helper threads only, and only for who may write to the collection. The batch has jumped
 * (batch_jump). Nothing is to be done if another one got so far before. After a failure it can be
 * tried again: what a failed sync may have left is written anew each time. */
MUST_CHECK bool jump_prepare(struct disk *disk, const struct batch *batch, struct error *error);

#endif
