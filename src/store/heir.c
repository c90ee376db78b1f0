#include "store/heir.h"

#include "base/list.h"
#include "base/table.h"
#include "store/batch.h"
#include "store/hold.h"
#include "store/place.h"
#include "store/segment.h"

#include <stdlib.h>
#include <string.h>

/* A collection that the journal names. */
struct named {
    struct table_node node;
    struct list link;
    char path[];
};

struct inventory {
    struct disk *disk;
    struct news *news;
    struct table table;
    struct list list; /* of struct named */
};

static bool note_path(struct inventory *inventory, struct str path, struct error *error)
{
    if (table_find(&inventory->table, path))
        return true;
    struct named *named = calloc(1, sizeof *named + path.length + 1);
    if (!named)
        return error_set(error, ERROR_NO_MEMORY, "out of memory for a journal that was left");
    memcpy(named->path, path.data, path.length);
    named->node.key = (struct str){named->path, path.length};
    table_insert(&inventory->table, &named->node);
    list_append(&inventory->list, &named->link);
    return true;
}

static bool note_frame(struct inventory *inventory, uint32_t kind, struct str body,
                       struct error *error)
{
    struct deletion deletion = {0};
    struct batch batch = {0};
    bool ok = true;

    if (kind == JOURNAL_BATCH)
        ok = batch_read_frame(&batch, body, error) &&
             note_path(inventory, str_of(batch.path), error);
    else if (kind == JOURNAL_DELETION)
        ok = deletion_read_frame(&deletion, body, error) &&
             note_path(inventory, str_of(deletion.path), error);
    batch_clear(&batch);
    deletion_clear(&deletion);
    return ok;
}

static bool read_segment(struct inventory *inventory, const struct segment_list *list, size_t i,
                         struct error *error)
{
    struct segment_frame frame;
    struct segment segment;
    enum segment_found found;
    bool ok = true;

    if (!segment_open(&segment, inventory->disk, list, i, error))
        return false;
    do {
        found = segment_next(&segment, &frame, error);
        if (found == SEGMENT_FRAME)
            ok = note_frame(inventory, frame.kind, buf_str(&segment.body), error);
    } while (ok && found == SEGMENT_FRAME);
    segment_close(&segment);
    return ok && found != SEGMENT_FAILED;
}

/* As it stands. One that is damaged is not for us to vouch for: its journal stays. */
static bool sync_collection(struct disk *disk, struct news *news, const char *path,
                            struct error *error)
{
    struct collection collection;
    struct hold hold;

    if (!hold_take_waiting(&hold, disk, news, path, error))
        return false;
    bool ok = collection_load(&collection, disk, path, error);
    ok =
        ok && collection_sync(disk, path, collection.head.generation, collection.head.count, error);
    collection_clear(&collection);
    hold_release(&hold);
    return ok;
}

static bool sync_named(struct inventory *inventory, struct error *error)
{
    for (struct list *node = inventory->list.next; node != &inventory->list; node = node->next) {
        if (!sync_collection(inventory->disk, inventory->news,
                             OWNER_OF(node, struct named, link)->path, error))
            return false;
    }
    return true;
}

static void clear(struct inventory *inventory)
{
    struct list *node, *after;

    list_for_each_safe (node, after, &inventory->list)
        free(OWNER_OF(node, struct named, link));
    table_clear(&inventory->table);
}

static bool settle_segments(struct disk *disk, struct news *news, const struct segment_list *list,
                            struct error *error)
{
    struct inventory inventory = {.disk = disk, .news = news};
    bool ok = table_init(&inventory.table, error);

    list_init(&inventory.list);
    for (size_t i = 0; ok && i < list->count; i++)
        ok = read_segment(&inventory, list, i, error);
    ok = ok && sync_named(&inventory, error) &&
         journal_remove_before(disk, list->directory, list->last + 1, error);
    clear(&inventory);
    return ok;
}

bool heir_settle(struct disk *disk, struct news *news, const struct place *place, unsigned *settled,
                 struct error *error)
{
    struct segment_list list;
    bool ok = segment_list(&list, disk, place->directory, error);

    if (ok && list.count > 0) {
        ok = settle_segments(disk, news, &list, error);
        *settled += ok;
    }
    segment_list_clear(&list);
    return ok;
}

bool heir_settle_all(struct disk *disk, struct news *news, unsigned *settled, struct error *error)
{
    struct place place;
    uint64_t numbers;

    *settled = 0;
    if (!place_list(disk, &numbers, error))
        return false;
    for (unsigned number = 1; number <= PLACES_MOST; number++) {
        if (!(numbers >> number & 1))
            continue;
        bool ok = place_try(&place, disk, number, error);
        if (!ok && (error->code == ERROR_BUSY || error->code == ERROR_NOT_FOUND))
            continue;
        ok = ok && heir_settle(disk, news, &place, settled, error);
        place_release(&place);
        if (!ok)
            return false;
    }
    return true;
}
