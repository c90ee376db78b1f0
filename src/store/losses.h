/* losses.h - how often this data directory may have lost what clients had been told.
 *
 * Under `durability interval` and `off` an append is answered before it is on disk, so a power cut
 * can take back counters that clients have seen, of any collection, and nothing tells which. So
 * each such loss is counted, in the file ".losses", and every collection has in its index the
 * number of losses that it is past (index.h). One that is behind jumps over LOSSES_JUMP counters
 * with its next batch, and no more than that were ever given out ahead of the disk
 * (sync/group.h): no counter is used twice. Until that batch (jump.h), what stands above its mark
 * in its files was not vouched for by anything, and the part of it that does not add up does not
 * count.
 *
 * The file: magic "CutOutLs", the number u64, crc32c u32 of these 16 bytes. None: 0. */
#ifndef STORE_LOSSES_H
#define STORE_LOSSES_H

#include "store/disk.h"

#define LOSSES_JUMP (UINT64_C(1) << 16)

/* Reads the number into disk->losses. ERROR_DAMAGED. */
MUST_CHECK bool losses_read(struct disk *disk, struct error *error);

/* Notes one more on disk, for good. disk->losses stays as it is: what is still to be replayed is
 * from before the loss. */
MUST_CHECK bool losses_add(struct disk *disk, struct error *error);

#endif
