/* reserve.h - room on the disk that is given up when there is no other.
 *
 * To delete is to write: a frame of the journal, a deleted.json, and only then files go. On a disk
 * without a free byte that would be impossible, and nobody could ever make room. So ".reserve", a
 * file of zeros, is kept; it is removed when there is no room for a deletion, or for what lets the
 * journal be dropped, and made again as soon as there is. Until it is there again nothing may be
 * appended, or the room that a deletion made would be gone before the next one needs it.
 *
 *     all-zero -> reserve_make -> (reserve_give_up -> reserve_make) ...
 *
 * on one thread at a time. */
#ifndef STORE_RESERVE_H
#define STORE_RESERVE_H

#include "store/disk.h"

/* A new segment and some deletions with the longest reasons, all of it several times over. */
enum { RESERVE_SIZE = 1 << 20 };

struct reserve {
    bool is_there; /* whole */
};

/* Makes it unless it is there; ERROR_NO_SPACE if it does not fit, and then what was written is
 * removed again. Blocks. */
MUST_CHECK bool reserve_make(struct reserve *reserve, struct disk *disk, struct error *error);

/* True if it was there, and has made room. Blocks. */
bool reserve_give_up(struct reserve *reserve, struct disk *disk);

#endif
