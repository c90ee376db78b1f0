/* place.h - where each of several processes that share a data directory has its journal.
 *
 * A server that is alone has its journal in ".journal". Servers that share a data directory each
 * take a place: a directory ".journal/N", N from 1, whose file "lock" is locked while the process
 * lives. So a place with segments and a free lock is of a process that died; whoever finds it
 * settles what it left (sync/heir.h) and removes the segments.
 *
 *     place_take -> (journal in disk->journal) -> place_release */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include "store/disk.h"

enum { PLACES_MOST = 63 }; /* processes on one data directory: bits 1 to 63 */

struct place {
    struct file lock;
    unsigned number; /* 0: none */
    char directory[DISK_JOURNAL_SIZE];
};

/* Takes the first free one, made if need be, and makes it disk->journal. ERROR_BUSY if PLACES_MOST
 * are taken. Blocks; at start only. */
MUST_CHECK bool place_take(struct place *place, struct disk *disk, struct error *error);

/* Takes one that exists, if nobody has it: ERROR_BUSY if somebody does, ERROR_NOT_FOUND. Helper
 * threads only. */
MUST_CHECK bool place_try(struct place *place, struct disk *disk, unsigned number,
                          struct error *error);
void place_release(struct place *place); /* harmless twice, and on all-zero */

/* Which places there are: bit N of *numbers. */
MUST_CHECK bool place_list(struct disk *disk, uint64_t *numbers, struct error *error);

/* ".journal" for 0, else ".journal/N". */
void place_put_directory(char out[DISK_JOURNAL_SIZE], unsigned number);

#endif
