/* shelf.h - collections as a server makes them, with everything that an index can say of a record;
 * and checking them. */
#ifndef TESTS_STORE_SHELF_H
#define TESTS_STORE_SHELF_H

#include "simdisk.h"
#include "store/batch.h"
#include "store/check.h"

#define SHELF_PATH    "a.org/u@b.org/notes"
#define SHELF_INDEX   SHELF_PATH "/database.index"
#define SHELF_DATA    SHELF_PATH "/database.1"
#define SHELF_INFO    SHELF_PATH "/collection.json"
#define SHELF_DELETED SHELF_PATH "/deleted.json"

/* SHELF_PATH with so many records, in appends of one to three of which every other has a commit
 * entry, all of it synced. */
void shelf_fill(struct disk *disk, unsigned records);

/* Object number i as it is stored; on the heap of the caller. */
void shelf_put_object(struct buf *out, unsigned i);

/* What there is to say of an object's text. */
struct batch_object shelf_describe(struct str text, const unsigned char *secret);

/* Adds a batch of this one object, described as it is said here. */
void shelf_add(struct disk *disk, const struct batch_object *object);

/* Everything there is; asserts that it works. */
struct shelf_report {
    struct check check;
    struct finding first;
};
void shelf_check(struct disk *disk, struct shelf_report *report);

/* Asserts that nothing is wrong. */
void shelf_assert_sound(struct disk *disk);

/* Asserts that the first finding is in this file, with this offset, and says this. */
void shelf_assert_finding(struct disk *disk, const char *file, uint64_t offset, const char *what);

#endif
