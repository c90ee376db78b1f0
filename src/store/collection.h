/* collection.h - a collection's directory: what it is, making it, deleting it.
 *
 * A collection is live if its index is there, deleted if only deleted.json is, else absent. Making
 * and deleting are not synced by themselves: the journal holds them (as a batch that creates, as a
 * struct deletion) until a checkpoint has synced the files. So both may be done again, by replay,
 * over what an earlier attempt left.
 *
 * collection.json and the first line of deleted.json are one JSON object each, whose last member is
 * "crc", a crc32c as a decimal number: over the line before `,"crc"`, then what follows the line.
 *
 *     {"format":1,"id":"32 hexadecimal digits","secret":"32 hexadecimal digits",
 *      "created":unix seconds,"path":"DOMAIN/USER/BUCKET","crc":n}
 *     {"format":1,"id":"32 hexadecimal digits","last_counter":n,"generation":n,"crc":n}
 *
 * (each in one line). What follows in deleted.json, up to a final line break, is the reason, byte
 * for byte as the client gave it. "path" is for people, and for whoever finds the file alone. */
#ifndef STORE_COLLECTION_H
#define STORE_COLLECTION_H

#include "store/batch.h"
#include "store/disk.h"

enum collection_state { COLLECTION_ABSENT, COLLECTION_LIVE, COLLECTION_DELETED };

/* A deletion: of which collection, where its counters ended, and what the client said. Owned text.
 */
struct deletion {
    char path[3 * (ADDRESS_NAME_MOST + 1)];
    unsigned char id[INDEX_ID_SIZE];
    uint64_t last_counter, generation;
    struct buf reason; /* the JSON object that the client sent, compact: in one line */
};

struct collection {
    enum collection_state state;
    struct identity identity; /* live only */
    struct head head;         /* live: where it stands. Else: last_counter and generation of the
                                 deleted one, or zeros */
    struct buf reason;        /* deleted only */
    bool is_behind;           /* live only: its next batch has to jump (losses.h) */
};

/* Reads what is there; checks header and tail of the index against the data file
 * (database_open). ERROR_DAMAGED if it does not add up. Opens existing files only: the loop may
 * call it. */
MUST_CHECK bool collection_load(struct collection *collection, struct disk *disk, const char *path,
                                struct error *error);

/* What deleted.json says, whether the collection is live or not: deleted, or absent. */
MUST_CHECK bool collection_load_deleted(struct collection *collection, struct disk *disk,
                                        const char *path, struct error *error);

/* Of a live one up to a head that is known from somewhere else; nothing behind it is looked at. */
MUST_CHECK bool collection_load_at(struct collection *collection, struct disk *disk,
                                   const char *path, const struct head *head, struct error *error);
void collection_clear(struct collection *collection); /* harmless twice, and on all-zero */

/* Helper threads only: bucket's, user's and domain's directory. */
MUST_CHECK bool collection_make_directories(struct disk *disk, const char *path,
                                            struct error *error);

/* collection.json alone. After ERROR_DAMAGED identity has what could be read of it all the same,
 * unchecked, and zeros for the rest. */
MUST_CHECK bool collection_read_info(struct disk *disk, const char *path, struct identity *identity,
                                     struct error *error);

/* Helper threads only. Puts it in place of the one there; synced if asked, but not the directory.
 */
MUST_CHECK bool collection_write_info(struct disk *disk, const char *path,
                                      const struct identity *identity, bool synced,
                                      struct error *error);

/* Helper threads only. Directories, collection.json, the data file and, with all entries of the
 * batch at once, the index; only then a deleted.json goes. So what was there before is there until
 * the new collection is, and after a failure if the index is removed (database_apply does). */
MUST_CHECK bool collection_create(struct disk *disk, const struct batch *batch,
                                  struct error *error);

/* Helper threads only. deleted.json first, then the rest goes, the index before all. Does nothing
 * if the collection at path is live with another id. After a failure *undone is true if the
 * collection is as it was; else its index is gone, and only doing it again brings it to an end. */
MUST_CHECK bool collection_delete(struct disk *disk, const struct deletion *deletion, bool *undone,
                                  struct error *error);

/* Helper threads only. A deletion of the live collection at path did not come to its end, and does
 * not count: its deleted.json goes, for good. Replay takes one without an index at its word, and
 * the index may not have been synced yet. */
MUST_CHECK bool collection_revive(struct disk *disk, const char *path, struct error *error);

/* Helper threads only. Syncs what a checkpoint has to make durable at path, whether live, deleted
 * or absent: files and directories up to the data directory, as far as they were not by an earlier
 * call; then, if live and of this generation, notes in the index header that `count` entries are
 * synced (or as many as the index had before, if that is less: a batch may have been undone), and
 * syncs that. */
MUST_CHECK bool collection_sync(struct disk *disk, const char *path, uint64_t generation,
                                uint64_t count, struct error *error);

/* Journal frame bodies, as in batch.h; ERROR_DAMAGED leaves the deletion empty. */
void deletion_write_frame(const struct deletion *deletion, struct buf *out);
MUST_CHECK bool deletion_read_frame(struct deletion *deletion, struct str body,
                                    struct error *error);
void deletion_clear(struct deletion *deletion); /* harmless twice, and on all-zero */

#endif
