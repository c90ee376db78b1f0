#include "store/pending.h"

#include "store/batch.h"
#include "store/collection.h"
#include "store/place.h"
#include "store/segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A collection that frames were found for. */
struct pending_collection {
    struct table_node node;
    struct list link;
    unsigned char id[INDEX_ID_SIZE]; /* of the frames below */
    uint64_t start;                  /* the first entry that one of them brings */
    bool is_made;                    /* one of them makes it */
    bool is_deleted;                 /* one of them deletes it, or what was there before */
    char path[];
};

static struct pending_collection *find(const struct pending *pending, const char *path)
{
    struct table_node *node = table_find(&pending->table, str_of(path));

    return node ? OWNER_OF(node, struct pending_collection, node) : NULL;
}

static struct pending_collection *find_or_make(struct pending *pending, const char *path,
                                               const unsigned char *id)
{
    struct pending_collection *collection = find(pending, path);
    size_t length = strlen(path);

    if (collection)
        return collection;
    collection = calloc(1, sizeof *collection + length + 1);
    if (!collection)
        return NULL;
    memcpy(collection->path, path, length + 1);
    memcpy(collection->id, id, INDEX_ID_SIZE);
    collection->start = UINT64_MAX;
    collection->node.key = (struct str){collection->path, length};
    table_insert(&pending->table, &collection->node);
    list_append(&pending->list, &collection->link);
    return collection;
}

static struct pending_collection *note(struct pending *pending, const char *path,
                                       const unsigned char *id, struct error *error)
{
    struct pending_collection *collection = find_or_make(pending, path, id);

    if (!collection)
        error_set(error, ERROR_NO_MEMORY, "out of memory to read the journal");
    else if (memcmp(collection->id, id, INDEX_ID_SIZE) != 0)
        collection->is_deleted = true;
    return collection;
}

static bool note_batch(struct pending *pending, struct str body, struct error *error)
{
    struct batch batch;

    if (!batch_read_frame(&batch, body, error))
        return false;
    struct pending_collection *collection = note(pending, batch.path, batch.identity.id, error);
    if (collection && batch.creates)
        collection->is_made = true;
    if (collection && batch.before.count < collection->start)
        collection->start = batch.before.count;
    batch_clear(&batch);
    return collection != NULL;
}

static bool note_deletion(struct pending *pending, struct str body, struct error *error)
{
    struct deletion deletion;

    if (!deletion_read_frame(&deletion, body, error))
        return false;
    struct pending_collection *collection = note(pending, deletion.path, deletion.id, error);
    if (collection)
        collection->is_deleted = true;
    deletion_clear(&deletion);
    return collection != NULL;
}

static bool note_frame(struct pending *pending, uint32_t kind, struct str body, struct error *error)
{
    struct journal_cancel cancel;

    pending->frames++;
    switch (kind) {
    case JOURNAL_BATCH:
        return note_batch(pending, body, error);
    case JOURNAL_DELETION:
        return note_deletion(pending, body, error);
    case JOURNAL_CANCEL:
        return journal_read_cancel(body, &cancel, error);
    default:
        return error_set(error, ERROR_DAMAGED,
                         "a frame of kind %u, which this version does not know", kind);
    }
}

static void note_place(struct pending *pending, const char *directory, uint64_t sequence,
                       uint64_t at)
{
    char name[SEGMENT_NAME_SIZE];

    segment_put_name(name, directory, sequence);
    (void)snprintf(pending->damaged_file, sizeof pending->damaged_file, "%s", name);
    pending->damaged_at = at;
}

static bool read_segment(struct pending *pending, const char *directory, struct segment *segment,
                         struct error *error)
{
    struct segment_frame frame;

    for (;;) {
        uint64_t at = segment->at;
        enum segment_found found = segment_next(segment, &frame, error);

        note_place(pending, directory, segment->sequence, at);
        if (found != SEGMENT_FRAME)
            return found == SEGMENT_END;
        pending->bytes += segment->at - at;
        if (!note_frame(pending, frame.kind, buf_str(&segment->body), error))
            return false;
    }
}

static bool read_segments(struct pending *pending, struct disk *disk,
                          const struct segment_list *list, struct error *error)
{
    for (size_t i = 0; i < list->count; i++) {
        struct segment segment;

        note_place(pending, list->directory, list->sequences[i], 0);
        if (!segment_open(&segment, disk, list, i, error))
            return false;
        bool ok = read_segment(pending, list->directory, &segment, error);
        segment_close(&segment);
        if (!ok)
            return false;
        pending->segments++;
    }
    return true;
}

static bool read_journal(struct pending *pending, struct disk *disk, unsigned number,
                         struct error *error)
{
    char directory[DISK_JOURNAL_SIZE];
    struct segment_list list;

    place_put_directory(directory, number);
    bool ok =
        segment_list(&list, disk, directory, error) && read_segments(pending, disk, &list, error);
    segment_list_clear(&list);
    return ok;
}

bool pending_read(struct pending *pending, struct disk *disk, struct error *error)
{
    uint64_t numbers;

    *pending = (struct pending){0};
    list_init(&pending->list);
    if (!table_init(&pending->table, error) || !place_list(disk, &numbers, error))
        return false;
    numbers |= 1; /* ".journal" itself */
    for (unsigned number = 0; number <= PLACES_MOST; number++) {
        if (numbers >> number & 1 && !read_journal(pending, disk, number, error))
            return false;
    }
    return true;
}

void pending_clear(struct pending *pending)
{
    struct list *node, *after;

    if (!pending->list.next)
        return;
    list_for_each_safe (node, after, &pending->list)
        free(OWNER_OF(node, struct pending_collection, link));
    table_clear(&pending->table);
    *pending = (struct pending){0};
}

/* Replay passes over what a checkpoint vouches for: it is not written again. */
uint64_t pending_find_start(const struct pending *pending, const char *path,
                            const struct index_header *header)
{
    const struct pending_collection *collection = find(pending, path);

    if (!collection)
        return UINT64_MAX;
    if (collection->is_deleted)
        return 0;
    if (!header || memcmp(collection->id, header->id, INDEX_ID_SIZE) != 0)
        return collection->is_made ? 0 : UINT64_MAX;
    return header->synced_count > collection->start ? header->synced_count : collection->start;
}
