/* table.h - a hash table whose nodes are members of what it holds.
 *
 * Keys are bytes that live in the entry; the table is keyed with a random SipHash key, because
 * clients choose the keys. The table owns the array of chains and nothing else. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include "base/error.h"
#include "base/siphash.h"
#include "base/str.h"

struct table_node {
    struct table_node *next;
    uint64_t hash;
    struct str key; /* points into the entry; unchanged while in the table */
};

struct table {
    struct table_node **chains;
    size_t chain_count, count; /* chain_count is a power of two */
    unsigned char key[SIPHASH_KEY_SIZE];
};

MUST_CHECK bool table_init(struct table *table, struct error *error);
void table_clear(struct table *table); /* forgets, frees no entry; harmless twice */

/* NULL: not there. All-zero is an empty table to it. */
struct table_node *table_find(const struct table *table, struct str key);

/* To visit all: NULL gives the first, each the next, the last NULL, in no order. One may be removed
 * when the next is known; nothing may be inserted meanwhile. */
struct table_node *table_next(const struct table *table, const struct table_node *node);

/* node->key is set by the caller and must not be in the table yet. Never fails: when memory for
 * more chains is out, the chains grow longer instead. */
void table_insert(struct table *table, struct table_node *node);

/* node must be in the table. */
void table_remove(struct table *table, struct table_node *node);

#endif
