/* simdisk_node.h - a file or directory of the simulated disk: what is seen, and what a power cut
 * may leave of it. Part of simdisk.c; tests use simdisk.h. */
#ifndef TESTS_STORE_SIMDISK_NODE_H
#define TESTS_STORE_SIMDISK_NODE_H

#include "base/buf.h"

struct simdisk_name {
    char name[256];
    struct simdisk_node *node;
};

struct simdisk_names {
    struct simdisk_name *items;
    size_t count;
};

enum change_kind { CHANGE_BYTES, CHANGE_GROW, CHANGE_LENGTH, CHANGE_NAME };

/* STUCK: a sync of it failed. It may be on disk or not, and no later sync tells. */
enum change_state { CHANGE_WAITING, CHANGE_DURABLE, CHANGE_STUCK };

struct simdisk_change {
    enum change_kind kind;
    enum change_state state;
    size_t at; /* offset of bytes; the length to grow to, or to have */
    struct buf bytes;
    char old_name[256];           /* which goes, or "" */
    struct simdisk_name new_name; /* which comes, or "" */
};

struct simdisk_node {
    bool is_directory;
    int locked_by; /* a descriptor, or -1 */
    int64_t modified;
    struct buf seen, saved;                  /* of a file; saved: without what is in changes */
    struct simdisk_names names, saved_names; /* of a directory, likewise */
    struct simdisk_change *changes;          /* in order, since the first that is not durable */
    size_t change_count;
};

enum pick_kind { PICK_NOTHING, PICK_EVERYTHING, PICK_NUMBERED, PICK_SAMPLED };

/* Decides what a power cut leaves. */
struct simdisk_picks {
    enum pick_kind kind;
    uint64_t state;
    unsigned odds; /* of 8, that a change is on disk; SAMPLED only */
};

/* Number i of a sample: nothing, everything, then random ones. */
struct simdisk_picks picks_sample(unsigned i, uint64_t seed);

void *node_allocate(void *old, size_t size); /* or the test ends */
struct simdisk_node *node_new(bool is_directory);
void node_free(struct simdisk_node *node);

struct simdisk_node *node_find(const struct simdisk_node *directory, struct str name);
bool node_equals(const struct simdisk_node *a, const struct simdisk_node *b);

void node_write(struct simdisk_node *node, struct str text, uint64_t offset);
void node_truncate(struct simdisk_node *node, size_t length);

/* In one step: old_name goes if it is not "", new_name stands for target if it is not "". */
void node_change_name(struct simdisk_node *directory, const char *old_name, const char *new_name,
                      struct simdisk_node *target);

/* A sync that works makes all that waits durable; one that fails leaves it in doubt for ever. */
void node_sync(struct simdisk_node *node, bool works);

/* In how many ways a power cut can leave it; UINT64_MAX stands for that many or more. */
uint64_t node_count_states(const struct simdisk_node *node);

/* Makes `to`, which is fresh, see what a power cut leaves of `from`; or what that sees if picks is
 * NULL. */
void node_save(const struct simdisk_node *from, struct simdisk_node *to,
               struct simdisk_picks *picks);

/* What is seen is durable. */
void node_settle(struct simdisk_node *node);

#endif
