/* index.h - header and entries of database.index, as values.
 *
 * The index is the only authority on what a database holds: the data file has the text, the index
 * says which bytes of it count. All integers are little-endian. docs/file-format.md has the bytes.
 *
 * Header, 128 bytes at offset 0: magic "CutOutIx", version u32, header size u32, generation u64,
 * collection id 16 bytes, losses u64 (losses.h), 12 zero bytes, crc32c of the 60 bytes before it.
 * It is written once. Then two marks of 32 bytes: synced entries u64 (a checkpoint vouches for that
 * many), losses u64, floor u64 (jump.h), 4 zero bytes, crc32c over the collection id, the
 * generation (8 bytes) and the 28 bytes before it; or 32 zero bytes. The one of more entries
 * counts, of equals the one of the higher floor; a checkpoint writes the other one, so that a write
 * that fails or is torn leaves the mark that was there before.
 *
 * Entry, 40 bytes:
 *      0 counter  u64   2^53 - 1 at most; grows from record to record
 *      8 end      u64   where the record ends in the data file; it begins where the one before ends
 *     16 key      u64   keyed hash of (type, id); 0 for an object without id
 *     24 type     u32   keyed hash of the type; 0 for an object without type
 *     28 expires  u32   unix seconds, 0: never, 2^32 - 1: then or later
 *     32 flags    u32   low 8 bits INDEX_...; high 24: commit entries before this one, mod 2^24
 *     36 crc      u32   crc32c over: crc of the entry before (4 bytes), bytes 0-35, the record
 *
 * A commit entry has no record (its end and counter are those of the entry before) and says that
 * the batch it ends came from client `key` (keyed hash of the client id) as number
 * `type + expires * 2^32` (its seq).
 *
 * Invariants:
 *  1. A batch counts only if its last entry has INDEX_BATCH_END and all its crcs are good.
 *  2. Any changed bit in an entry, in its record, or in an entry before it, makes its crc wrong.
 *  3. Entries are never changed in place once their batch counts. */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "base/error.h"
#include "base/str.h"

#include <stdint.h>

enum {
    INDEX_HEADER_SIZE = 128,
    INDEX_MARK_SIZE = 32,
    INDEX_MARKS_AT = 64, /* offset of the two marks */
    INDEX_ENTRY_SIZE = 40,
    INDEX_ID_SIZE = 16, /* of a collection */
};

/* Counters stay exact in JavaScript numbers. */
#define INDEX_COUNTER_MOST ((UINT64_C(1) << 53) - 1)

enum {
    INDEX_DELETED = 1,   /* the record is a tombstone */
    INDEX_BLOB = 2,      /* the record has a blob */
    INDEX_BATCH_END = 4, /* the batch ends here */
    INDEX_COMMIT = 8,    /* no record: whose batch this was */
};

struct index_header {
    uint64_t generation;
    unsigned char id[INDEX_ID_SIZE];
    uint64_t synced_count; /* the larger mark */
    uint64_t losses;       /* that the collection is past: the most of header and marks */
    uint64_t floor;        /* counters go on above it; of the larger mark */
    unsigned mark;         /* which of the two is to be written next: 0 or 1 */
    bool is_torn;          /* that one is neither good nor zero: a checkpoint did not get through */
};

struct index_entry {
    uint64_t counter, end, key;
    uint32_t type, expires, crc;
    uint32_t commits; /* commit entries before this one, mod 2^24 */
    uint8_t flags;
};

void index_write_header(unsigned char to[INDEX_HEADER_SIZE], const struct index_header *header);

/* What a checkpoint writes: synced_count as a mark. It goes to INDEX_MARKS_AT, mark *
 * INDEX_MARK_SIZE further. */
void index_write_mark(unsigned char to[INDEX_MARK_SIZE], const struct index_header *header);

/* ERROR_DAMAGED if magic, version, size or crc are not right; an unknown version says to upgrade.
 * A mark that is not right is told by is_torn. */
MUST_CHECK bool index_read_header(const unsigned char from[INDEX_HEADER_SIZE],
                                  struct index_header *header, struct error *error);

/* A sound header that index_read_header refuses: a later version wrote it. */
bool index_is_foreign(const unsigned char from[INDEX_HEADER_SIZE]);

void index_write_entry(unsigned char to[INDEX_ENTRY_SIZE], const struct index_entry *entry);

/* No check: that is index_entry_crc against entry->crc. */
void index_read_entry(const unsigned char from[INDEX_ENTRY_SIZE], struct index_entry *entry);

/* The crc that stands for "before the first entry". */
uint32_t index_first_crc(const struct index_header *header);

/* What entry->crc has to be. encoded is the entry as written (its last 4 bytes are not looked at),
 * record the bytes of its record (empty for a commit entry). */
uint32_t index_entry_crc(uint32_t previous_crc, const unsigned char encoded[INDEX_ENTRY_SIZE],
                         struct str record);

#endif
