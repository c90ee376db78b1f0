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
 *  2. database_apply of the same batch twice leaves what applying it once leaves.
 *  3. Who reads all records from where database_find_counter says gets all above the counter, or an
 *     error, whatever has become of the bytes of index and data. */
#ifndef STORE_DATABASE_H
#define STORE_DATABASE_H

#include "store/batch.h"
#include "store/disk.h"

struct database {
    struct file index, data;
    struct index_header header; /* after database_open only */
    struct head head;
    bool is_behind; /* likewise: has not jumped since the last loss (losses.h) */
};

/* All-zero is a database that is not open. Checks the header; that the last entry ends a batch, and
 * its and its record's checksum; that neither file is shorter or longer than that, and none shorter
 * than a checkpoint has vouched for: ERROR_DAMAGED names file and offset. What stands before the
 * last entry is checked when it is read. ERROR_NOT_FOUND without index. Not while a batch is being
 * applied, or before replay: both leave files that do not agree for a while. If it is behind, what
 * stands above its mark and does not add up is no damage: the head is the last batch that does. */
MUST_CHECK bool database_open(struct database *database, struct disk *disk, const char *path,
                              struct error *error);

/* What the index says of itself, whatever stands behind. ERROR_DAMAGED, ERROR_NOT_FOUND. */
MUST_CHECK bool database_read_header(struct disk *disk, const char *path,
                                     struct index_header *header, struct error *error);

/* Helper threads only. Cuts both files where head says; what stands before that stays. Files that
 * are shorter are left alone. */
MUST_CHECK bool database_cut(struct disk *disk, const char *path, const struct head *head,
                             struct error *error);

/* With a head known from before: opens the two files and reads nothing. ERROR_DAMAGED if one of
 * them is not there. */
MUST_CHECK bool database_reopen(struct database *database, struct disk *disk, const char *path,
                                const struct head *head, struct error *error);
void database_close(struct database *database); /* harmless twice, and on all-zero */

/* Entries [first, first + *count), which must be below head.count, into entries[1] and on, and
 * their records into records (replaced); all are checked. entries[0] is the one before them, of
 * which end and crc can be relied on. Of the records no more than `bytes` are read, but always one
 * of them; *count (at least 1) becomes how many that are. */
MUST_CHECK bool database_read_checked(struct database *database, uint64_t first, size_t *count,
                                      size_t bytes, struct index_entry *entries,
                                      struct buf *records, struct error *error);

/* Entries [first, first + count) without their records, into entries[1] and on. Which of them are
 * commit entries, and what these say, is checked; all else is not: that needs the records. */
MUST_CHECK bool database_read_commits(struct database *database, uint64_t first, size_t count,
                                      struct index_entry *entries, struct error *error);

/* The entries alone, into entries[0] and on; nothing of them is checked. */
MUST_CHECK bool database_read_entries(struct database *database, uint64_t first, size_t count,
                                      struct index_entry *entries, struct error *error);

/* The position of the first entry with a counter above `counter` (head.count if there is none).
 * A commit entry counts with its batch: it is never the answer. Invariant 3. Logarithmic; near the
 * end two reads of the index and one of a record, behind it none. */
MUST_CHECK bool database_find_counter(struct database *database, uint64_t counter,
                                      uint64_t *position, struct error *error);

/* Appends the text of the records of entries [first, first + count) to out, checked. On failure a
 * part of them may have been appended, checked, too. The caller bounds count and bytes. */
MUST_CHECK bool database_read_records(struct database *database, uint64_t first, size_t count,
                                      struct buf *out, struct error *error);

/* Helper threads only. Writes data and entries at their places; makes the collection, with them, if
 * the batch says so; if it jumps, what was left behind its place by a loss goes. Not synced. After
 * a failure the files have been cut back to where they were, a new collection is not there, or, if
 * that failed too, *undone is false and nobody may write to this collection. */
MUST_CHECK bool database_apply(struct disk *disk, const struct batch *batch, bool *undone,
                               struct error *error);

#endif
