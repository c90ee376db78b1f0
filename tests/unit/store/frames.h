/* frames.h - journals whose frames hold running numbers, with bodies that follow from them.
 *
 * So whatever is read back can be judged: frames from some number on to another, in order, byte for
 * byte. */
#ifndef TESTS_STORE_FRAMES_H
#define TESTS_STORE_FRAMES_H

#include "simdisk.h"
#include "store/journal.h"

#define FIRST_SEGMENT  ".journal/0000000000000001"
#define SECOND_SEGMENT ".journal/0000000000000002"
#define THIRD_SEGMENT  ".journal/0000000000000003"

enum { FRAMES = 64 };

/* What a journal holds. It is read many thousand times, so nothing is asserted on the way. */
struct reading {
    bool ok, is_strange; /* strange: a good frame that nobody has written */
    unsigned numbers[FRAMES], count;
    struct error error;
};

/* Some are longer than sectors, so that they can be torn inside. */
struct str frames_body(unsigned number);

/* A group of frames [first, last]. */
MUST_CHECK bool frames_write(struct journal *journal, unsigned first, unsigned last,
                             struct error *error);

void frames_read(struct simdisk *simdisk, struct reading *reading);

/* Asserts that the journal is sound and has just these, and that it is damaged: text and an offset
 * are in the message. */
void frames_assert(struct simdisk *simdisk, const unsigned *numbers, unsigned count);
void frames_assert_damaged(struct simdisk *simdisk, const char *text);

#endif
