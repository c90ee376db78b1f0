/* hold.h - a collection for one process alone, where several share the data directory.
 *
 * The file "lock" in a collection's directory is made once and never removed or renamed. Its lock
 * says who may write; what stands in it says what the holder is writing at this moment: where the
 * database stood before. A process that is killed in the middle leaves that note, and so the next
 * holder, and every reader, can tell what it left half done from damage.
 *
 *     hold_take -> (hold_note -> database_apply -> hold_forget) ... -> hold_release
 *
 * Invariants:
 *  1. At most one process holds a collection.
 *  2. While there is no note the files agree (database_open).
 *  3. With a note, what stands before the head it names is as good as without. */
#ifndef STORE_HOLD_H
#define STORE_HOLD_H

#include "store/collection.h"
#include "store/news.h"

struct hold {
    struct file lock;
    bool has_note; /* left by one that died, when it was taken; see hold_settle */
    struct head note;
};

/* Without waiting. ERROR_BUSY if another process holds it; ERROR_NOT_FOUND if nobody ever has: then
 * hold_make first. Opens an existing file only: the loop may call it. */
MUST_CHECK bool hold_take(struct hold *hold, struct disk *disk, const char *path,
                          struct error *error);
void hold_release(struct hold *hold); /* harmless twice, and on all-zero */

/* Helper threads only: makes the directories and the file. */
MUST_CHECK bool hold_make(struct disk *disk, const char *path, struct error *error);

/* Helper threads only: hold_take that makes what is not there, waits for another holder, some
 * seconds at most, and settles. */
MUST_CHECK bool hold_take_waiting(struct hold *hold, struct disk *disk, struct news *news,
                                  const char *path, struct error *error);

/* Helper threads only. The files are about to change; `before` is where the database stands. */
MUST_CHECK bool hold_note(struct hold *hold, const struct head *before, struct error *error);

/* Helper threads only. The files agree again. */
MUST_CHECK bool hold_forget(struct hold *hold, struct error *error);

/* Helper threads only. If a note was left: keeps what was written completely, removes the rest,
 * also that of a deletion that has not come to its end (collection_revive), tells the news that
 * whoever left it may not have told any more, and forgets the note. */
MUST_CHECK bool hold_settle(struct hold *hold, struct news *news, const char *path,
                            struct error *error);

/* Helper threads only: collection_sync while nobody else writes. */
MUST_CHECK bool hold_sync(struct disk *disk, struct news *news, const char *path,
                          uint64_t generation, uint64_t count, struct error *error);

/* collection_load for a reader, who holds nothing: what another process has not written completely
 * is not there for him. If *is_being_written it may be the next time, though nobody tells, for who
 * is writing may be dead: what was loaded is to be used once. */
MUST_CHECK bool hold_load(struct collection *collection, struct disk *disk, const char *path,
                          bool *is_being_written, struct error *error);

#endif
