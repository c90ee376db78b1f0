/* accident.h - a server that answers before it syncs, and a machine that goes down. */
#ifndef TESTS_STORE_ACCIDENT_H
#define TESTS_STORE_ACCIDENT_H

#include "store/database.h"
#include "store/journal.h"
#include "store/losses.h"
#include "store/replay.h"
#include "store/simdisk.h"

#define ACCIDENT_INDEX SAMPLE_PATH "/database.index"
#define ACCIDENT_DATA  SAMPLE_PATH "/database.3"

struct accident {
    struct simdisk simdisk;
    struct disk *disk; /* of simdisk, or of what a power cut has left of it */
    struct journal journal;
    struct replay_report report;
    struct error error;
};

extern struct accident accident;

void accident_begin(void);
void accident_end(void);

/* A server starts: after what has come to pass, replay. */
void accident_start(uint64_t boot);

struct head accident_load(bool *is_behind);
void accident_assert_behind(bool expected);

/* What a writer does: one append of so many records, behind what is there. */
void accident_make_batch(struct batch *batch, unsigned records);

/* To the journal, ahead or not; and to the files, or not. Where that led to. */
struct head accident_append(unsigned records, bool is_ahead, bool applies);

void accident_checkpoint(void);

/* The machine goes down with something ahead. */
void accident_lose(void);

/* A collection of which the journal knows nothing since its checkpoint, but whose files got some of
 * what was lost. Where the checkpoint was. */
struct head accident_tear(void);

#endif
