/* database.h - index and data file of one live collection.
 *
 *     database_open or database_reopen -> reads -> database_close
 *     database_apply (opens, writes, closes by itself)
 *
 * Reading opens existing files and reads what the page cache mostly has, so the loop may do it, a
 * bounded piece at a time. A reader goes by a head that somebody published: what stands behind it
 * in the files does not exist for him, so reading needs no lock against the one writer.
 *
 * Invariants:
 *  1. What database_read_records gives is byte for byte what was appended, or an error: each record
 *     is checked against its crc.
 *  2. database_apply of the same batch twice leaves what applying it once leaves. */
#ifndef STORE_DATABASE_H
#define STORE_DATABASE_H

#include "store/batch.h"
#include "store/disk.h"

struct database {
    struct file index, data;
    struct index_header header; /* after database_open only */
    struct head head;
};

/* All-zero is a database that is not open. Reads the header, finds the last entry, checks it and
 * its batch end and record, and that the data file holds all of it: ERROR_DAMAGED names file and
 * offset. ERROR_NOT_FOUND without index. */
MUST_CHECK bool database_open(struct database *database, struct disk *disk, const char *path,
                              struct error *error);

/* With a head known from before: opens the two files and reads nothing. */
MUST_CHECK bool database_reopen(struct database *database, struct disk *disk, const char *path,
                                const struct head *head, struct error *error);
void database_close(struct database *database); /* harmless twice, and on all-zero */

/* Entries [first, first + count), which must be below head.count. */
MUST_CHECK bool database_read_entries(struct database *database, uint64_t first, size_t count,
                                      struct index_entry *entries, struct error *error);

/* The position of the first entry with a counter above `counter` (head.count if there is none).
 * A commit entry counts with its batch: it is never the answer. Logarithmic; near the end one
 * read. */
MUST_CHECK bool database_find_counter(struct database *database, uint64_t counter,
                                      uint64_t *position, struct error *error);

/* Appends the text of the records of entries [first, first + count) to out, checked. The caller
 * bounds count and bytes. */
MUST_CHECK bool database_read_records(struct database *database, uint64_t first, size_t count,
                                      struct buf *out, struct error *error);

/* Helper threads only. Makes the collection first if the batch says so, then writes data and
 * entries at their places. Not synced. After a failure the index has been cut back to where it
 * was, or, if that failed too, *undone is false and nobody may write to this collection. */
MUST_CHECK bool database_apply(struct disk *disk, const struct batch *batch, bool *undone,
                               struct error *error);

#endif
