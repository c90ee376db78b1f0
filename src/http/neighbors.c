#include "http/neighbors.h"

#include "auth/rate.h"
#include "base/list.h"

#include <stdlib.h>
#include <string.h>

bool neighbors_open(struct neighbors *neighbors, struct error *error)
{
    return table_init(&neighbors->table, error);
}

void neighbors_close(struct neighbors *neighbors)
{
    struct table_node *node, *after;

    for (node = table_next(&neighbors->table, NULL); node; node = after) {
        after = table_next(&neighbors->table, node);
        table_remove(&neighbors->table, node);
        free(OWNER_OF(node, struct neighbor, node));
    }
    table_clear(&neighbors->table);
}

static struct neighbor *add(struct neighbors *neighbors, struct str name, struct error *error)
{
    struct neighbor *neighbor = calloc(1, sizeof *neighbor);

    if (!neighbor) {
        error_set(error, ERROR_NO_MEMORY, "out of memory for an address");
        return NULL;
    }
    name = str_slice(name, 0, sizeof neighbor->name);
    memcpy(neighbor->name, name.data, name.length);
    neighbor->node.key = (struct str){neighbor->name, name.length};
    table_insert(&neighbors->table, &neighbor->node);
    return neighbor;
}

struct neighbor *neighbors_join(struct neighbors *neighbors, const char *peer, uint64_t most,
                                struct error *error)
{
    unsigned char room[8];
    struct str name = rate_name_address(peer, room);
    struct table_node *node = table_find(&neighbors->table, name);
    struct neighbor *neighbor = node ? OWNER_OF(node, struct neighbor, node) : NULL;

    if (neighbor && neighbor->count >= most) {
        error_set(error, ERROR_TOO_OFTEN,
                  "%s has %llu connections already (max_connections_per_address); if that is a "
                  "proxy, name it in trusted_proxies",
                  peer, (unsigned long long)neighbor->count);
        return NULL;
    }
    if (!neighbor)
        neighbor = add(neighbors, name, error);
    if (neighbor)
        neighbor->count++;
    return neighbor;
}

void neighbors_leave(struct neighbors *neighbors, struct neighbor *neighbor)
{
    if (--neighbor->count > 0)
        return;
    table_remove(&neighbors->table, &neighbor->node);
    free(neighbor);
}
