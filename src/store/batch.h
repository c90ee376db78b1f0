/* batch.h - what is written to one database in one go: records, their entries, and where they go.
 *
 * A batch is a value made in memory from where the database stands (struct head) and what is to be
 * appended. The same bytes go into the journal (batch_write_frame), into the database
 * (database_apply) and, after a crash, from the journal into the database (batch_read_frame).
 *
 *     batch_begin -> (batch_add_record ... [batch_add_commit] batch_end_append) ... -> batch_clear
 *
 * It can hold several appends; each is all or nothing by itself (index.h, invariant 1). */
#ifndef STORE_BATCH_H
#define STORE_BATCH_H

#include "base/address.h"
#include "base/buf.h"
#include "base/siphash.h"
#include "store/index.h"

/* Where a database stands: all a reader or writer needs to know to go on. */
struct head {
    uint64_t generation;
    uint64_t count;        /* entries, commit entries included */
    uint64_t commits;      /* commit entries among them; exact below 2^24 of them, above only
                              modulo 2^24, as in the index */
    uint64_t data_end;     /* bytes of the data file that count */
    uint64_t last_counter; /* 0: none yet */
    uint32_t crc;          /* of the last entry, or index_first_crc */
};

/* What makes a collection this collection. */
struct identity {
    unsigned char id[INDEX_ID_SIZE];        /* random; clients see it as hexadecimal */
    unsigned char secret[SIPHASH_KEY_SIZE]; /* key of the hashes in the index */
    int64_t created;                        /* unix seconds */
};

struct batch {
    char path[3 * (ADDRESS_NAME_MOST + 1)]; /* address.path */
    struct identity identity;
    struct head before, after;
    bool creates;       /* the collection is not there yet */
    bool jumps;         /* batch_jump; not in the frame */
    struct buf entries; /* encoded */
    struct buf data;    /* records: `[counter,object],\n` each */
};

/* before is where the database stands; for a new collection count is 0, crc is index_first_crc, and
 * last_counter is where counters of an earlier collection at this address ended. */
void batch_begin(struct batch *batch, const char *path, const struct identity *identity,
                 const struct head *before, bool creates);

/* Right after batch_begin: its counters begin LOSSES_JUMP higher, above all that were given out
 * before a loss. */
void batch_jump(struct batch *batch);

/* What the index keeps of an object besides its place. */
struct batch_object {
    struct str text; /* the object in stored form: compact JSON without line breaks */
    uint64_t key;
    uint32_t type, expires;
    uint8_t flags; /* INDEX_DELETED, INDEX_BLOB */
};

/* Gives it the next counter, which is returned. */
uint64_t batch_add_record(struct batch *batch, const struct batch_object *object);

/* client: keyed hash of the client's id; seq at most 2^53 - 1. */
void batch_add_commit(struct batch *batch, uint64_t client, uint64_t seq);

/* Ends the append begun by the first batch_add_record since the last call. Nothing to end is no
 * error. */
void batch_end_append(struct batch *batch);

/* False if memory or counters ran out on the way; the batch is then of no use. */
MUST_CHECK bool batch_ok(const struct batch *batch, struct error *error);
void batch_clear(struct batch *batch); /* harmless twice, and on all-zero */

/* Appends the body of a journal frame. */
void batch_write_frame(const struct batch *batch, struct buf *out);

/* From such a body; ERROR_DAMAGED if it does not add up (lengths, path, crcs, all are checked), and
 * the batch is empty then. The batch owns copies. */
MUST_CHECK bool batch_read_frame(struct batch *batch, struct str body, struct error *error);

#endif
