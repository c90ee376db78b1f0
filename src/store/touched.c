#include "store/touched.h"

#include "store/paths.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* What the index on disk says of itself. Its entries are not to be trusted yet. One whose header
 * cannot be read never came to be: that is in the frames. */
static bool read_index_header(struct disk *disk, struct touched *touched, struct error *error)
{
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct file index = {0};
    struct error cause;
    char name[PATHS_SIZE];
    uint64_t size = 0;

    paths_put_index(name, touched->path);
    if (!file_open(&index, disk, name, O_RDONLY, error))
        return error->code == ERROR_NOT_FOUND;
    bool ok = file_size(&index, &size, error);
    if (ok && size >= sizeof bytes) {
        ok = file_read_at(&index, bytes, sizeof bytes, 0, error);
        touched->is_live = ok && index_read_header(bytes, &touched->header, &cause);
    }
    file_close(&index);
    return ok;
}

/* The index of a collection whose first batch was cancelled goes before anything else, so that what
 * was there before it is there again: a deletion, mostly, that frames may still have to tell. */
static bool forget_cancelled(struct touched *touched, struct disk *disk,
                             const struct cancels *cancels, struct error *error)
{
    char name[PATHS_SIZE];

    if (!touched->is_live || !cancels_test(cancels, touched->header.id, 0, 0))
        return true;
    touched->is_live = false;
    touched->is_changed = true;
    paths_put_index(name, touched->path);
    return disk_unlink(disk, name, error);
}

void touched_note_ended(struct touched *touched, uint64_t generation, uint64_t last_counter)
{
    if (generation > touched->ended)
        touched->ended = generation;
    if (last_counter > touched->ended_counter) /* they grow with the generations */
        touched->ended_counter = last_counter;
}

/* Generations begin at 1. */
void touched_note_begun(struct touched *touched, uint64_t generation)
{
    if (generation > touched->ended + 1)
        touched_note_ended(touched, generation - 1, 0);
}

/* The frame of a deletion may be gone, with the journal of one of several servers, while journals
 * of others still have older frames of what was deleted. But then the files tell of it: they were
 * synced before. A deleted.json that cannot be read was not, and will be written again. One of a
 * deletion that does not count is there if its index was lost with the power. */
static bool read_ended(struct touched *touched, struct disk *disk, const struct cancels *survivals,
                       struct error *error)
{
    struct collection deleted;

    if (touched->is_live) {
        touched_note_begun(touched, touched->header.generation);
        return true;
    }
    if (!collection_load_deleted(&deleted, disk, touched->path, error))
        return error->code == ERROR_DAMAGED;
    if (cancels_test(survivals, deleted.identity.id, deleted.head.last_counter, 0))
        touched_note_begun(touched, deleted.head.generation);
    else
        touched_note_ended(touched, deleted.head.generation, deleted.head.last_counter);
    collection_clear(&deleted);
    return true;
}

struct touched *touched_find(struct touched_set *set, struct disk *disk, const char *path,
                             const struct cancels *cancels, const struct cancels *survivals,
                             struct error *error)
{
    struct table_node *node = table_find(&set->table, str_of(path));
    size_t length = strlen(path);

    if (node)
        return OWNER_OF(node, struct touched, node);
    struct touched *touched = calloc(1, sizeof *touched + length + 1);
    if (!touched) {
        error_set(error, ERROR_NO_MEMORY, "out of memory to replay the journal");
        return NULL;
    }
    memcpy(touched->path, path, length + 1);
    touched->node.key = (struct str){touched->path, length};
    table_insert(&set->table, &touched->node);
    list_append(&set->list, &touched->link);
    return read_index_header(disk, touched, error) &&
                   forget_cancelled(touched, disk, cancels, error) &&
                   read_ended(touched, disk, survivals, error)
               ? touched
               : NULL;
}

bool touched_init(struct touched_set *set, struct error *error)
{
    list_init(&set->list);
    return table_init(&set->table, error);
}

void touched_clear(struct touched_set *set)
{
    struct list *node, *after;

    if (!set->list.next)
        return;
    list_for_each_safe (node, after, &set->list)
        free(OWNER_OF(node, struct touched, link));
    list_init(&set->list);
    table_clear(&set->table);
}
