#include "base/table.h"

#include "base/crypto.h"

#include <stdlib.h>

enum { FIRST_CHAINS = 64 };

bool table_init(struct table *table, struct error *error)
{
    *table = (struct table){0};
    if (!crypto_random(table->key, sizeof table->key, error))
        return false;
    table->chains = calloc(FIRST_CHAINS, sizeof(struct table_node *));
    if (!table->chains)
        return error_set(error, ERROR_NO_MEMORY, "out of memory for a table");
    table->chain_count = FIRST_CHAINS;
    return true;
}

void table_clear(struct table *table)
{
    free(table->chains);
    *table = (struct table){0};
}

static struct table_node **chain_of(const struct table *table, uint64_t hash)
{
    return &table->chains[hash & (table->chain_count - 1)];
}

struct table_node *table_find(const struct table *table, struct str key)
{
    if (table->count == 0)
        return NULL;
    uint64_t hash = siphash_hash(table->key, key);
    struct table_node *node = *chain_of(table, hash);

    while (node && (node->hash != hash || !str_equals(node->key, key)))
        node = node->next;
    return node;
}

static void put(struct table *table, struct table_node *node)
{
    struct table_node **chain = chain_of(table, node->hash);

    node->next = *chain;
    *chain = node;
}

static void grow(struct table *table)
{
    struct table bigger = *table;

    bigger.chain_count = 2 * table->chain_count;
    bigger.chains = calloc(bigger.chain_count, sizeof(struct table_node *));
    if (!bigger.chains)
        return;
    for (size_t i = 0; i < table->chain_count; i++) {
        struct table_node *node = table->chains[i];

        while (node) {
            struct table_node *next = node->next;

            put(&bigger, node);
            node = next;
        }
    }
    free(table->chains);
    *table = bigger;
}

struct table_node *table_next(const struct table *table, const struct table_node *node)
{
    struct table_node *next = node ? node->next : NULL;
    size_t chain = node ? (node->hash & (table->chain_count - 1)) + 1 : 0;

    for (; !next && chain < table->chain_count; chain++)
        next = table->chains[chain];
    return next;
}

void table_insert(struct table *table, struct table_node *node)
{
    if (table->count >= table->chain_count)
        grow(table);
    node->hash = siphash_hash(table->key, node->key);
    put(table, node);
    table->count++;
}

void table_remove(struct table *table, struct table_node *node)
{
    struct table_node **at = chain_of(table, node->hash);

    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    table->count--;
}
