/* samples.h - collections to test with. Whatever cannot be made ends the test. */
#ifndef TESTS_STORE_SAMPLES_H
#define TESTS_STORE_SAMPLES_H

#include "store/database.h"

#define SAMPLE_PATH "a.org/u@b.org/notes"

enum { SAMPLE_CREATED = 1700000000, SAMPLE_GENERATION = 3, SAMPLE_CLIENT = 0xc11e47 };

/* The id is this byte, again and again; the secret is it plus one, likewise. */
struct identity sample_identity(unsigned char byte);

/* The head from which the first batch of a collection with this identity starts. */
struct head sample_head(const struct identity *identity, uint64_t last_counter);

/* A batch for SAMPLE_PATH by sample_identity(1); it creates if head->count is 0. */
void sample_begin(struct batch *batch, const struct head *head);

/* One append: so many records, then a commit entry if seq is not 0. */
void sample_append(struct batch *batch, unsigned records, uint64_t seq);

/* Applies, asserts that this works, moves head to behind the batch and clears it. */
void sample_apply(struct disk *disk, struct batch *batch, struct head *head);

/* SAMPLE_PATH with so many records in appends of one to three, some of which have a commit entry.
 * text, if not NULL, gets all records. Returns where the database stands. */
struct head sample_fill(struct disk *disk, unsigned records, struct buf *text);

/* database_apply of one more append of this many records, which is expected to work. */
void sample_add(struct disk *disk, struct head *head, unsigned records);

#endif
