#include "store/cancels.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_SIZE = INDEX_ID_SIZE + 8 };

struct cancelled {
    struct table_node node;
    struct list link;
    uint64_t frame; /* the last that says so */
    unsigned char key[KEY_SIZE];
};

static struct str put_key(unsigned char key[KEY_SIZE], const unsigned char *id, uint64_t count)
{
    memcpy(key, id, INDEX_ID_SIZE);
    bytes_put_u64(key + INDEX_ID_SIZE, count);
    return (struct str){(const char *)key, KEY_SIZE};
}

static struct cancelled *find(const struct cancels *cancels, const unsigned char *id,
                              uint64_t count)
{
    unsigned char key[KEY_SIZE];
    struct table_node *node = table_find(&cancels->table, put_key(key, id, count));

    return node ? OWNER_OF(node, struct cancelled, node) : NULL;
}

bool cancels_init(struct cancels *cancels, struct error *error)
{
    list_init(&cancels->list);
    return table_init(&cancels->table, error);
}

void cancels_clear(struct cancels *cancels)
{
    struct list *node, *after;

    if (!cancels->list.next)
        return;
    list_for_each_safe (node, after, &cancels->list)
        free(OWNER_OF(node, struct cancelled, link));
    table_clear(&cancels->table);
    *cancels = (struct cancels){0};
}

bool cancels_add(struct cancels *cancels, const unsigned char *id, uint64_t count, uint64_t frame,
                 struct error *error)
{
    struct cancelled *cancelled = find(cancels, id, count);

    if (!cancelled) {
        cancelled = calloc(1, sizeof *cancelled);
        if (!cancelled)
            return error_set(error, ERROR_NO_MEMORY, "out of memory to replay the journal");
        cancelled->node.key = put_key(cancelled->key, id, count);
        table_insert(&cancels->table, &cancelled->node);
        list_append(&cancels->list, &cancelled->link);
    }
    cancelled->frame = frame;
    return true;
}

bool cancels_test(const struct cancels *cancels, const unsigned char *id, uint64_t count,
                  uint64_t frame)
{
    const struct cancelled *cancelled = find(cancels, id, count);

    return cancelled && cancelled->frame > frame;
}
