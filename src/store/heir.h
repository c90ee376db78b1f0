/* heir.h - what a server that died has left to the others on its data directory.
 *
 * Its journal may hold batches that are in no database, of which nobody was told, and its databases
 * may not be synced. So each collection that the journal names is held, what was left half done in
 * it is settled (hold.h), and it is synced; then the journal goes. What is only in the journal goes
 * with it. Only while the machine has been up all the time: after a power cut the first server
 * replays (disk_open_shared). */
#ifndef STORE_HEIR_H
#define STORE_HEIR_H

#include "store/news.h"

/* At start, before a journal is opened in a place: settles what the one who had it before left.
 * Blocks.
 */
MUST_CHECK bool heir_settle(struct disk *disk, struct news *news, const struct place *place,
                            unsigned *settled, struct error *error);

/* Helper threads only. Looks at all places that nobody has, and settles what is
 * there. *settled says how many had something. After a failure the rest stays for the next time. */
MUST_CHECK bool heir_settle_all(struct disk *disk, struct news *news, unsigned *settled,
                                struct error *error);

#endif
