#include "walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 4096 };

void walk_open(struct walk *walk, const struct trace *trace, enum sync_kind left_out)
{
    *walk = (struct walk){.trace = trace, .left_out = left_out};
    volume_init(&walk->volume);
}

void walk_close(struct walk *walk)
{
    volume_clear(&walk->volume);
    free(walk->syncs);
    walk->syncs = NULL;
}

/* A server begins: nothing of the one before that had its number is open, or being synced. */
static bool start(struct walk *walk, uint64_t server)
{
    if (server >= TRACE_SERVERS_MOST)
        return false;
    memset(walk->files + server * TRACE_FILES_MOST, 0, TRACE_FILES_MOST * sizeof *walk->files);
    for (size_t i = server; i < walk->sync_count; i += TRACE_SERVERS_MOST)
        walk->syncs[i] = (struct walk_sync){0};
    return true;
}

static bool open_node(struct walk *walk, const struct trace_record *record, const char *name)
{
    struct node *node = volume_find(&walk->volume, name);

    if (!node && record->at & TRACE_CREATED)
        node = volume_create(&walk->volume, name, false);
    if (!node || record->number >= WALK_FILES_MOST)
        return false;
    if (record->at & TRACE_EMPTIED && node->now->size > 0)
        volume_resize(node, 0);
    walk->files[record->number] = node;
    return true;
}

static void begin_sync(struct walk *walk, struct node *node, uint64_t number)
{
    enum sync_kind kind = volume_sync_kind(node);
    bool is_left_out = walk->left_out != SYNC_OTHER && kind == walk->left_out;

    walk->syncs_of_kind[kind]++;
    if (number >= walk->sync_count) {
        walk->syncs = realloc(walk->syncs, (number + 1) * sizeof *walk->syncs);
        if (!walk->syncs)
            abort();
        while (walk->sync_count <= number)
            walk->syncs[walk->sync_count++] = (struct walk_sync){0};
    }
    walk->syncs[number] = (struct walk_sync){is_left_out ? NULL : node, volume_begin_sync(node)};
}

static bool end_sync(struct walk *walk, uint64_t number)
{
    if (number >= walk->sync_count)
        return false;
    struct walk_sync *sync = &walk->syncs[number];
    if (sync->node)
        volume_end_sync(sync->node, sync->begun);
    return true;
}

/* Something that is done with a descriptor. */
static bool use_node(struct walk *walk, const struct trace_record *record, const char *bytes,
                     size_t length)
{
    struct node *node = record->number < WALK_FILES_MOST ? walk->files[record->number] : NULL;

    if (!node)
        return false;
    switch (record->kind) {
    case TRACE_CLOSE:
        walk->files[record->number] = NULL;
        return true;
    case TRACE_WRITE:
        volume_write(node, record->at, bytes, length);
        return true;
    case TRACE_TRUNCATE:
        volume_resize(node, record->at);
        return true;
    case TRACE_SYNC_BEGIN:
        begin_sync(walk, node, record->at);
        return true;
    default:
        return false;
    }
}

static bool apply(struct walk *walk, const struct trace_record *record, const char *bytes,
                  size_t length)
{
    char name[2 * NAME_SIZE];

    switch (record->kind) {
    case TRACE_CLOSE:
    case TRACE_WRITE:
    case TRACE_TRUNCATE:
    case TRACE_SYNC_BEGIN:
        return use_node(walk, record, bytes, length);
    case TRACE_SYNC_END:
        return end_sync(walk, record->at);
    default:
        break;
    }
    if (record->kind >= TRACE_SENT)
        return true;
    if (length >= sizeof name)
        return false;
    memcpy(name, bytes, length);
    name[length] = '\0';
    switch (record->kind) {
    case TRACE_START:
        return start(walk, record->number);
    case TRACE_OPEN:
        return open_node(walk, record, name);
    case TRACE_RENAME:
        return volume_rename(&walk->volume, name, name + strlen(name) + 1);
    case TRACE_UNLINK:
        return volume_unlink(&walk->volume, name);
    case TRACE_MKDIR:
        return volume_create(&walk->volume, name, true) != NULL;
    default:
        return false;
    }
}

bool walk_to(struct walk *walk, size_t record)
{
    for (; walk->next < record; walk->next++) {
        const char *bytes;
        size_t length;
        struct trace_record one = trace_get(walk->trace, walk->next, &bytes, &length);

        if (!apply(walk, &one, bytes, length)) {
            (void)fprintf(stderr, "record %zu, of kind %u, cannot be\n", walk->next, one.kind);
            return false;
        }
    }
    return true;
}

enum sync_kind walk_sync_kind(const struct walk *walk)
{
    const char *bytes;
    size_t length;
    struct trace_record next = trace_get(walk->trace, walk->next, &bytes, &length);
    const struct node *node = next.kind == TRACE_SYNC_BEGIN && next.number < WALK_FILES_MOST
                                  ? walk->files[next.number]
                                  : NULL;

    return node ? volume_sync_kind(node) : SYNC_KIND_COUNT;
}
