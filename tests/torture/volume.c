#include "volume.h"

#include <stdlib.h>
#include <string.h>

void volume_apply_change(struct content *content, const struct file_change *change)
{
    if (change->bytes)
        content_put(content, change->offset, change->bytes, change->length);
    else
        content_set_size(content, (size_t)change->offset);
}

/* --- Names ----------------------------------------------------------------------------------- */

static struct entry *find_entry(const struct entries *entries, const char *name, size_t length)
{
    for (size_t i = 0; i < entries->count; i++) {
        if (strncmp(entries->items[i].name, name, length) == 0 &&
            entries->items[i].name[length] == '\0')
            return &entries->items[i];
    }
    return NULL;
}

static void remove_entry(struct entries *entries, const char *name)
{
    struct entry *entry = find_entry(entries, name, strlen(name));

    if (!entry)
        return;
    free(entry->name);
    *entry = entries->items[--entries->count];
}

void volume_set_entry(struct entries *entries, const char *name, struct node *node)
{
    struct entry *entry = find_entry(entries, name, strlen(name));

    if (entry) {
        entry->node = node;
        return;
    }
    entries->items =
        content_make_room(entries->items, entries->count, &entries->room, sizeof *entry);
    entries->items[entries->count++] = (struct entry){content_copy_text(name), node};
}

void volume_apply_name_change(struct entries *entries, const struct name_change *change)
{
    if (change->name)
        remove_entry(entries, change->name);
    if (change->to)
        volume_set_entry(entries, change->to, change->node);
}

void volume_copy_entries(struct entries *to, const struct entries *from)
{
    for (size_t i = 0; i < from->count; i++)
        volume_set_entry(to, from->items[i].name, from->items[i].node);
}

void volume_clear_entries(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free(entries->items[i].name);
    free(entries->items);
}

static void change_names(struct node *directory, const char *name, const char *to,
                         struct node *node)
{
    struct name_change change = {content_copy_text(name), content_copy_text(to), node};

    volume_apply_name_change(&directory->names, &change);
    directory->name_changes = content_make_room(directory->name_changes, directory->change_count,
                                                &directory->change_room, sizeof change);
    directory->name_changes[directory->change_count++] = change;
}

/* --- Files and directories ------------------------------------------------------------------- */

struct node *volume_add_node(struct volume *volume, bool is_directory, enum volume_role role)
{
    struct node *node = content_make(sizeof *node);

    node->number = volume->count;
    node->is_directory = is_directory;
    node->role = role;
    volume->nodes =
        content_make_room(volume->nodes, volume->count, &volume->room, sizeof(struct node *));
    volume->nodes[volume->count++] = node;
    return node;
}

static void free_node(struct node *node)
{
    for (size_t i = 0; i < node->change_count; i++) {
        if (node->is_directory) {
            free(node->name_changes[i].name);
            free(node->name_changes[i].to);
        } else {
            free(node->changes[i].bytes);
        }
    }
    free(node->changes);
    free(node->name_changes);
    volume_clear_entries(&node->names);
    volume_clear_entries(&node->safe_names);
    content_release(node->now);
    content_release(node->safe);
    free(node);
}

void volume_init(struct volume *volume)
{
    *volume = (struct volume){0};
    volume->root = volume_add_node(volume, true, ROLE_ROOT);
}

void volume_clear(struct volume *volume)
{
    for (size_t i = 0; i < volume->count; i++)
        free_node(volume->nodes[i]);
    free(volume->nodes);
    content_release(volume->stale);
    *volume = (struct volume){0};
}

/* The directory that the last part of a name stands in, and that part. */
static struct node *find_above(const struct volume *volume, const char *name, const char **last)
{
    struct node *node = volume->root;

    for (;;) {
        const char *slash = strchr(name, '/');
        if (!slash)
            break;
        const struct entry *entry = find_entry(&node->names, name, (size_t)(slash - name));
        if (!entry || !entry->node->is_directory)
            return NULL;
        node = entry->node;
        name = slash + 1;
    }
    *last = name;
    return node;
}

struct node *volume_find(const struct volume *volume, const char *name)
{
    const char *last;

    if (strcmp(name, ".") == 0)
        return volume->root;
    const struct node *above = find_above(volume, name, &last);
    const struct entry *entry = above ? find_entry(&above->names, last, strlen(last)) : NULL;
    return entry ? entry->node : NULL;
}

/* In ".journal", or in ".journal/N". */
static enum volume_role find_journal_role(const char *name, bool is_directory)
{
    const char *last = strrchr(name, '/') + 1;

    if (is_directory)
        return ROLE_JOURNAL;
    return strcmp(last, "lock") == 0 || strcmp(last, "reserve") == 0 ? ROLE_OTHER : ROLE_SEGMENT;
}

static enum volume_role find_role(const char *name, bool is_directory)
{
    static const enum volume_role directories[] = {ROLE_DOMAIN, ROLE_USER, ROLE_BUCKET};
    size_t depth = 0;

    if (strcmp(name, ".journal") == 0)
        return ROLE_JOURNAL;
    if (strncmp(name, ".journal/", 9) == 0)
        return find_journal_role(name, is_directory);
    if (name[0] == '.')
        return ROLE_OTHER;
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(name, '/')) {
        depth++;
        name = slash + 1;
    }
    if (depth < 3)
        return directories[depth];
    if (strncmp(name, "collection.json", 15) == 0)
        return ROLE_INFO;
    if (strncmp(name, "deleted.json", 12) == 0)
        return ROLE_DELETED;
    if (strcmp(name, "lock") == 0)
        return ROLE_OTHER;
    return strncmp(name, "database.index", 14) == 0 ? ROLE_INDEX : ROLE_DATA;
}

struct node *volume_create(struct volume *volume, const char *name, bool is_directory)
{
    const char *last;
    struct node *above = find_above(volume, name, &last);

    if (!above || find_entry(&above->names, last, strlen(last)))
        return NULL;
    struct node *node = volume_add_node(volume, is_directory, find_role(name, is_directory));
    if (!is_directory) {
        node->now = content_make(sizeof *node->now);
        node->now->users = 1;
        node->now->bytes = content_grow(NULL, 1);
        node->now->room = 1;
        node->safe = content_share(node->now);
    }
    change_names(above, NULL, last, node);
    return node;
}

bool volume_rename(struct volume *volume, const char *from, const char *to)
{
    struct node *node = volume_find(volume, from);
    const char *old, *new;
    struct node *above = find_above(volume, from, &old);

    if (!node || !above || find_above(volume, to, &new) != above)
        return false;
    node->role = find_role(to, node->is_directory);
    change_names(above, old, new, node);
    return true;
}

bool volume_unlink(struct volume *volume, const char *name)
{
    const struct node *node = volume_find(volume, name);
    const char *last;
    struct node *above = find_above(volume, name, &last);

    if (!node)
        return false;
    if (node->role == ROLE_SEGMENT && node->now) {
        content_release(volume->stale);
        volume->stale = content_share(node->now);
    }
    change_names(above, last, NULL, NULL);
    return true;
}

static void add_change(struct node *node, struct file_change change)
{
    volume_apply_change(content_own(&node->now), &change);
    change.size_after = node->now->size;
    node->changes =
        content_make_room(node->changes, node->change_count, &node->change_room, sizeof change);
    node->changes[node->change_count++] = change;
}

void volume_write(struct node *node, uint64_t offset, const void *bytes, size_t length)
{
    unsigned char *copy = memcpy(content_grow(NULL, length), bytes, length);

    add_change(node, (struct file_change){.offset = offset, .length = length, .bytes = copy});
}

void volume_resize(struct node *node, uint64_t size)
{
    add_change(node, (struct file_change){.offset = size});
}

/* --- Syncs ----------------------------------------------------------------------------------- */

uint64_t volume_begin_sync(const struct node *node)
{
    return node->done + node->change_count;
}

static void settle_file(struct node *node, size_t count)
{
    if (count == node->change_count) {
        content_release(node->safe);
        node->safe = content_share(node->now);
    }
    for (size_t i = 0; i < count; i++) {
        if (count < node->change_count)
            volume_apply_change(content_own(&node->safe), &node->changes[i]);
        free(node->changes[i].bytes);
    }
    memmove(node->changes, node->changes + count,
            (node->change_count - count) * sizeof *node->changes);
}

static void settle_directory(struct node *node, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        volume_apply_name_change(&node->safe_names, &node->name_changes[i]);
        free(node->name_changes[i].name);
        free(node->name_changes[i].to);
    }
    memmove(node->name_changes, node->name_changes + count,
            (node->change_count - count) * sizeof *node->name_changes);
}

/* Another sync may have ended since this one began. */
void volume_end_sync(struct node *node, uint64_t begun)
{
    if (begun <= node->done)
        return;
    size_t count = (size_t)(begun - node->done);

    if (node->is_directory)
        settle_directory(node, count);
    else
        settle_file(node, count);
    node->change_count -= count;
    node->done = begun;
}
