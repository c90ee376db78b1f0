/* simdisk.h - a disk in memory that fails on demand, and can say all it may hold after a power cut.
 *
 *     simdisk_init -> (what is tested works on &simdisk.disk) -> simdisk_visit_crashes
 *                  -> simdisk_clear
 *
 * What the program reads back is what it wrote. What survives a power cut is another matter:
 *  - bytes, and the length of a file, only once file_sync has returned; before that any subset of
 *    the sectors written, and of the changes of length;
 *  - names in a directory only once disk_sync_directory has returned for it; before that any number
 *    of them, in the order in which they were made;
 *  - what was in doubt when a sync failed stays in doubt whatever sync succeeds later, as the
 *    kernel has dropped it, until it is written again. */
#ifndef TESTS_STORE_SIMDISK_H
#define TESTS_STORE_SIMDISK_H

#include "store/disk.h"

enum { SIMDISK_SECTOR = 512 };

struct simdisk_node; /* a file or directory */

struct simdisk_open_file {
    struct simdisk_node *node; /* NULL: closed */
    bool may_write;
};

struct simdisk {
    struct disk disk; /* first: the calls get a pointer to it */
    struct simdisk_node **nodes, *root;
    size_t node_count;
    struct simdisk_open_file *files; /* by descriptor, which are never used again */
    size_t file_count;

    unsigned calls; /* made so far; all but close, which cannot fail */
    unsigned open_files;
    unsigned misuses; /* calls with a descriptor that is not open, or not for this */
    int64_t now;      /* what "last written" becomes */

    unsigned fail_at; /* this call fails, counted from 1; 0: none */
    int fail_with;    /* errno */
    bool fail_from_then_on;
    size_t write_most; /* bytes a write takes at once; 0: all */

    /* Mutations, which tests have to notice. */
    bool ignore_syncs, ignore_directory_syncs;

    /* If not NULL, after each call that changed something. It may crash the disk, not use it. */
    void (*changed)(struct simdisk *simdisk, void *context);
    void *context;
};

void simdisk_init(struct simdisk *simdisk);
void simdisk_clear(struct simdisk *simdisk); /* harmless twice */

/* Lets nothing fail from now on, and forgets the calls made. */
void simdisk_calm(struct simdisk *simdisk);

/* A copy as it is, all of it durable, nothing open. */
void simdisk_copy(const struct simdisk *simdisk, struct simdisk *copy);

/* The bytes of a file that is there, at all or durable or not; to look at, or to damage in place.
 * NULL without such a file. */
struct buf *simdisk_find(struct simdisk *simdisk, const char *name);

/* The same content, names and bytes, as the program sees it? */
bool simdisk_equals(const struct simdisk *a, const struct simdisk *b);

/* Shows visit what the disk may hold if the power is cut now: all states there are, or if there are
 * more than most, nothing saved, everything saved, and a sample that the seed determines. visit
 * may use `after` as it likes. Returns how many it was. */
unsigned simdisk_visit_crashes(const struct simdisk *simdisk, unsigned most, uint64_t seed,
                               void (*visit)(struct simdisk *after, void *context), void *context);

#endif
