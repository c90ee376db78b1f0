/* shop.h - a collection to damage and to repair, and what must be there afterwards. */
#ifndef TESTS_STORE_SHOP_H
#define TESTS_STORE_SHOP_H

#include "store/collection.h"
#include "store/repair.h"
#include "store/shelf.h"

enum { SHOP_RECORDS = 20, SHOP_NOW = 1800000000 };

#define SHOP_KEPT_IN SHELF_PATH "/repair-20270115-080000" /* SHOP_NOW */

struct shop {
    struct simdisk whole; /* as it was before the damage */
    struct simdisk simdisk;
    struct disk *disk; /* of simdisk */
    struct repair repair;
    struct error error;
    struct buf said;
    size_t starts[SHOP_RECORDS + 1]; /* of the records in the data */
};

extern struct shop shop;

void shop_open(void);
void shop_close(void);

/* simdisk is as whole as before. */
void shop_begin_anew(void);
void shop_flip(const char *name, size_t bit);

/* Repairs; shop_run asserts that it works. */
MUST_CHECK bool shop_run_on(struct disk *where);
void shop_run(void);

/* What a reader gets; the last counter. */
uint64_t shop_read_all(struct disk *where, struct buf *text, struct collection *collection);

/* All records but those of [lost, lost_end), in order, in a collection that is sound; with the old
 * id and counters if all are there, else a new id and a last counter that nobody has seen. */
void shop_assert_repaired(unsigned lost, unsigned lost_end);
void shop_assert_repaired_on(struct disk *where, unsigned lost, unsigned lost_end, bool new_id);

#endif
