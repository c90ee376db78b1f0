/* volume_crash.c - what is left of a volume: volume_crash, volume_copy. */
#include "volume.h"

#include <stdlib.h>
#include <string.h>

/* --- The power cut --------------------------------------------------------------------------- */

enum fate { FATE_LOST, FATE_KEPT, FATE_FIRST_PART, FATE_MIXED };

static enum fate find_fate(struct cut *cut)
{
    if (cut->kind != CUT_BY_CHANCE)
        return cut->kind == CUT_KEEPS_ALL ? FATE_KEPT : FATE_LOST;
    size_t number = chance_below(&cut->chance, 8);
    if (number < cut->lost)
        return FATE_LOST;
    if (number < cut->lost + cut->kept)
        return FATE_KEPT;
    return chance_below(&cut->chance, 3) == 0 ? FATE_FIRST_PART : FATE_MIXED;
}

static void note_decision(struct cut *cut, uint64_t decision)
{
    cut->digest = chance_mix(cut->digest ^ decision);
}

/* How many changes have reached a sector: none, all, or some. The same sector asks many times. */
static size_t find_reach(const struct cut *cut, uint64_t seed, uint64_t sector, size_t count)
{
    struct chance chance = {chance_mix(cut->chance.state ^ seed) ^ chance_mix(sector)};
    size_t number = chance_below(&chance, 3);

    if (number == 0)
        return 0;
    return number == 1 ? count : chance_below(&chance, count + 1);
}

static void put_sectors(struct content *content, const struct node *node, size_t i,
                        const struct cut *cut, uint64_t seed)
{
    const struct file_change *change = &node->changes[i];

    for (size_t at = 0; at < change->length;) {
        uint64_t offset = change->offset + at;
        uint64_t sector = offset / cut->sector;
        size_t piece = (size_t)((sector + 1) * cut->sector - offset);

        if (piece > change->length - at)
            piece = change->length - at;
        if (i < find_reach(cut, seed, sector, node->change_count))
            content_put(content, offset, change->bytes + at, piece);
        at += piece;
    }
}

/* The blocks behind what was durable are given out, and nothing was written to them yet. */
static void put_stale(struct content *content, const struct content *stale, size_t size,
                      size_t sector)
{
    size_t from = (content->size + sector - 1) / sector * sector;

    if (size > stale->size)
        size = stale->size;
    if (from < size)
        content_put(content, from, stale->bytes + from, size - from);
}

static struct content *mix_file(const struct volume *volume, const struct node *node,
                                struct cut *cut)
{
    struct content *content = content_copy(node->safe);
    uint64_t seed = chance_next(&cut->chance);
    size_t reach = chance_below(&cut->chance, node->change_count + 1);
    size_t size = reach > 0 ? node->changes[reach - 1].size_after : node->safe->size;

    note_decision(cut, seed);
    if (cut->shows_stale && node->role == ROLE_SEGMENT && volume->stale)
        put_stale(content, volume->stale, size, cut->sector);
    for (size_t i = 0; i < node->change_count; i++) {
        if (node->changes[i].bytes)
            put_sectors(content, node, i, cut, seed);
        else if (i < reach && node->changes[i].offset < content->size) {
            size_t before = content->size;

            content_set_size(content, (size_t)node->changes[i].offset);
            content_set_size(content, before);
        }
    }
    content_set_size(content, size);
    return content;
}

static struct content *crash_file(const struct volume *volume, const struct node *node,
                                  struct cut *cut)
{
    if (node->change_count == 0)
        return content_share(node->now);
    enum fate fate = find_fate(cut);
    note_decision(cut, fate);
    if (fate == FATE_KEPT)
        return content_share(node->now);
    if (fate == FATE_LOST)
        return content_share(node->safe);
    if (fate == FATE_MIXED)
        return mix_file(volume, node, cut);
    size_t reach = chance_below(&cut->chance, node->change_count + 1);
    struct content *content = content_copy(node->safe);
    note_decision(cut, reach);
    for (size_t i = 0; i < reach; i++)
        volume_apply_change(content, &node->changes[i]);
    return content;
}

static void crash_names(const struct node *node, struct cut *cut, struct entries *names)
{
    size_t reach = node->change_count;
    enum fate fate = node->change_count > 0 ? find_fate(cut) : FATE_LOST;

    volume_copy_entries(names, &node->safe_names);
    if (fate == FATE_LOST)
        return;
    if (fate == FATE_FIRST_PART)
        reach = chance_below(&cut->chance, node->change_count + 1);
    note_decision(cut, reach);
    for (size_t i = 0; i < reach; i++) {
        if (fate == FATE_MIXED && chance_below(&cut->chance, 2) == 0)
            continue;
        note_decision(cut, i);
        volume_apply_name_change(names, &node->name_changes[i]);
    }
}

static void crash_node(const struct volume *volume, const struct node *node, struct cut *cut,
                       struct volume *after, struct node *to)
{
    struct entries names = {0};

    if (!node->is_directory) {
        to->now = crash_file(volume, node, cut);
        to->safe = content_share(to->now);
        return;
    }
    crash_names(node, cut, &names);
    for (size_t i = 0; i < names.count; i++) {
        const struct node *child = names.items[i].node;
        struct node *copy = volume_add_node(after, child->is_directory, child->role);

        volume_set_entry(&to->names, names.items[i].name, copy);
        volume_set_entry(&to->safe_names, names.items[i].name, copy);
        crash_node(volume, child, cut, after, copy);
    }
    volume_clear_entries(&names);
}

void volume_crash(const struct volume *volume, struct cut *cut, struct volume *after)
{
    volume_init(after);
    after->stale = content_share(volume->stale);
    cut->digest = cut->kind;
    crash_node(volume, volume->root, cut, after, after->root);
}

/* --- A copy ---------------------------------------------------------------------------------- */

static struct node *copy_node(const struct node *node, struct volume *copy, struct node **copies);

static void copy_names(const struct entries *from, struct entries *to, struct volume *copy,
                       struct node **copies)
{
    for (size_t i = 0; i < from->count; i++)
        volume_set_entry(to, from->items[i].name, copy_node(from->items[i].node, copy, copies));
}

static void copy_changes(const struct node *from, struct node *to)
{
    to->changes = content_make((from->change_count + 1) * sizeof *to->changes);
    for (size_t i = 0; i < from->change_count; i++) {
        to->changes[i] = from->changes[i];
        if (from->changes[i].bytes)
            to->changes[i].bytes = memcpy(content_grow(NULL, from->changes[i].length),
                                          from->changes[i].bytes, from->changes[i].length);
    }
}

static void copy_name_changes(const struct node *from, struct node *to, struct volume *copy,
                              struct node **copies)
{
    to->name_changes = content_make((from->change_count + 1) * sizeof *to->name_changes);
    for (size_t i = 0; i < from->change_count; i++) {
        const struct name_change *change = &from->name_changes[i];

        to->name_changes[i] =
            (struct name_change){content_copy_text(change->name), content_copy_text(change->to),
                                 change->node ? copy_node(change->node, copy, copies) : NULL};
    }
}

static struct node *copy_node(const struct node *node, struct volume *copy, struct node **copies)
{
    if (copies[node->number])
        return copies[node->number];
    struct node *to = volume_add_node(copy, node->is_directory, node->role);
    copies[node->number] = to;
    to->done = node->done;
    to->change_count = node->change_count;
    to->change_room = node->change_count + 1;
    if (node->is_directory) {
        copy_names(&node->names, &to->names, copy, copies);
        copy_names(&node->safe_names, &to->safe_names, copy, copies);
        copy_name_changes(node, to, copy, copies);
    } else {
        to->now = content_share(node->now);
        to->safe = content_share(node->safe);
        copy_changes(node, to);
    }
    return to;
}

void volume_copy(const struct volume *volume, struct volume *copy)
{
    struct node **copies = content_make(volume->count * sizeof *copies);

    *copy = (struct volume){.stale = content_share(volume->stale)};
    copy->root = copy_node(volume->root, copy, copies);
    free(copies);
}
