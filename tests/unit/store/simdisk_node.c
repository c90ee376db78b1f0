#include "simdisk_node.h"

#include "simdisk.h"

#include <stdlib.h>
#include <string.h>

struct simdisk_picks picks_sample(unsigned i, uint64_t seed)
{
    static const unsigned odds[] = {1, 4, 7};

    if (i < 2)
        return (struct simdisk_picks){.kind = i == 0 ? PICK_NOTHING : PICK_EVERYTHING};
    return (struct simdisk_picks){
        .kind = PICK_SAMPLED,
        .state = seed * 1000003 + i,
        .odds = odds[i % 3],
    };
}

/* Steele, Lea and Flood's SplitMix64. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

/* A number below count. */
static size_t pick(struct simdisk_picks *picks, size_t count)
{
    size_t picked = 0;

    switch (picks->kind) {
    case PICK_NOTHING:
        break;
    case PICK_EVERYTHING:
        return count - 1;
    case PICK_NUMBERED:
        picked = picks->state % count;
        picks->state /= count;
        break;
    case PICK_SAMPLED:
        if (count == 2)
            return next_random(&picks->state) % 8 < picks->odds;
        return next_random(&picks->state) % count;
    }
    return picked;
}

void *node_allocate(void *old, size_t size)
{
    void *memory = realloc(old, size);

    if (!memory)
        abort();
    return memory;
}

struct simdisk_node *node_new(bool is_directory)
{
    struct simdisk_node *node = node_allocate(NULL, sizeof *node);

    *node = (struct simdisk_node){.is_directory = is_directory, .locked_by = -1};
    return node;
}

void node_free(struct simdisk_node *node)
{
    for (size_t i = 0; i < node->change_count; i++)
        buf_clear(&node->changes[i].bytes);
    free(node->changes);
    free(node->names.items);
    free(node->saved_names.items);
    buf_clear(&node->seen);
    buf_clear(&node->saved);
    free(node);
}

static void set_name(char to[256], struct str name)
{
    if (name.length > 255)
        abort();
    memcpy(to, name.data, name.length);
    to[name.length] = '\0';
}

static size_t find_index(const struct simdisk_names *names, struct str name)
{
    size_t i = 0;

    while (i < names->count && !str_equals(str_of(names->items[i].name), name))
        i++;
    return i;
}

struct simdisk_node *node_find(const struct simdisk_node *directory, struct str name)
{
    size_t i = find_index(&directory->names, name);

    return i < directory->names.count ? directory->names.items[i].node : NULL;
}

bool node_equals(const struct simdisk_node *a, const struct simdisk_node *b)
{
    if (a->is_directory != b->is_directory || a->names.count != b->names.count ||
        !str_equals(buf_str(&a->seen), buf_str(&b->seen)))
        return false;
    for (size_t i = 0; i < a->names.count; i++) {
        const struct simdisk_node *other = node_find(b, str_of(a->names.items[i].name));

        if (!other || !node_equals(a->names.items[i].node, other))
            return false;
    }
    return true;
}

static void put_name(struct simdisk_names *names, const struct simdisk_name *name)
{
    size_t i = find_index(names, str_of(name->name));

    if (i == names->count) {
        names->items = node_allocate(names->items, (i + 1) * sizeof *names->items);
        names->count++;
    }
    names->items[i] = *name;
}

static void drop_name(struct simdisk_names *names, const char *name)
{
    size_t i = find_index(names, str_of(name));

    if (i < names->count)
        names->items[i] = names->items[--names->count];
}

static void set_length(struct buf *bytes, size_t length)
{
    size_t more = length > bytes->length ? length - bytes->length : 0;
    char *end = buf_reserve(bytes, more);

    if (!end)
        abort();
    memset(end, 0, more);
    bytes->length = length;
    bytes->data[length] = '\0';
}

static void apply(const struct simdisk_change *change, struct buf *bytes,
                  struct simdisk_names *names)
{
    switch (change->kind) {
    case CHANGE_BYTES:
        if (bytes->length < change->at + change->bytes.length)
            set_length(bytes, change->at + change->bytes.length);
        memcpy(bytes->data + change->at, change->bytes.data, change->bytes.length);
        break;
    case CHANGE_GROW:
        if (bytes->length < change->at)
            set_length(bytes, change->at);
        break;
    case CHANGE_LENGTH:
        set_length(bytes, change->at);
        break;
    case CHANGE_NAME:
        if (change->old_name[0])
            drop_name(names, change->old_name);
        if (change->new_name.name[0])
            put_name(names, &change->new_name);
        break;
    }
}

/* Seen at once, and in doubt until a sync. */
static void add_change(struct simdisk_node *node, const struct simdisk_change *change)
{
    size_t size = (node->change_count + 1) * sizeof *node->changes;

    apply(change, &node->seen, &node->names);
    node->changes = node_allocate(node->changes, size);
    node->changes[node->change_count++] = *change;
}

void node_write(struct simdisk_node *node, struct str text, uint64_t offset)
{
    size_t start = (size_t)offset, end = start + text.length;

    if (end > node->seen.length)
        add_change(node, &(struct simdisk_change){.kind = CHANGE_GROW, .at = end});
    for (size_t at = start; at < end;) {
        struct simdisk_change change = {.kind = CHANGE_BYTES, .at = at};
        size_t length = SIMDISK_SECTOR - at % SIMDISK_SECTOR;

        buf_append(&change.bytes, str_slice(text, at - start, length));
        at += change.bytes.length;
        add_change(node, &change);
    }
}

void node_truncate(struct simdisk_node *node, size_t length)
{
    add_change(node, &(struct simdisk_change){.kind = CHANGE_LENGTH, .at = length});
}

void node_change_name(struct simdisk_node *directory, const char *old_name, const char *new_name,
                      struct simdisk_node *target)
{
    struct simdisk_change change = {.kind = CHANGE_NAME, .new_name.node = target};

    set_name(change.old_name, str_of(old_name));
    set_name(change.new_name.name, str_of(new_name));
    add_change(directory, &change);
}

/* Changes behind one that is stuck stay, for they come after it. */
static void fold_durable(struct simdisk_node *node)
{
    size_t count = 0;

    while (count < node->change_count && node->changes[count].state == CHANGE_DURABLE) {
        apply(&node->changes[count], &node->saved, &node->saved_names);
        buf_clear(&node->changes[count].bytes);
        count++;
    }
    node->change_count -= count;
    if (count > 0)
        memmove(node->changes, node->changes + count, node->change_count * sizeof *node->changes);
}

void node_sync(struct simdisk_node *node, bool works)
{
    for (size_t i = 0; i < node->change_count; i++) {
        if (node->changes[i].state == CHANGE_WAITING)
            node->changes[i].state = works ? CHANGE_DURABLE : CHANGE_STUCK;
    }
    fold_durable(node);
}

static size_t count_changes(const struct simdisk_node *node, enum change_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < node->change_count; i++)
        count += node->changes[i].state == state;
    return count;
}

uint64_t node_count_states(const struct simdisk_node *node)
{
    size_t waiting = count_changes(node, CHANGE_WAITING);
    size_t bits = count_changes(node, CHANGE_STUCK) + (node->is_directory ? 0 : waiting);
    uint64_t orders = node->is_directory ? waiting + 1 : 1;

    return bits < 32 ? orders << bits : UINT64_MAX;
}

static void copy_content(struct simdisk_node *to, const struct buf *bytes,
                         const struct simdisk_names *names)
{
    buf_append(&to->seen, buf_str(bytes));
    for (size_t i = 0; i < names->count; i++)
        put_name(&to->names, &names->items[i]);
}

static void save_changes(const struct simdisk_node *from, struct simdisk_node *to,
                         struct simdisk_picks *picks)
{
    size_t waiting = count_changes(from, CHANGE_WAITING);
    size_t in_order = from->is_directory ? pick(picks, waiting + 1) : 0;

    for (size_t i = 0; i < from->change_count; i++) {
        const struct simdisk_change *change = &from->changes[i];
        bool is_saved = change->state == CHANGE_DURABLE;

        if (change->state == CHANGE_WAITING && from->is_directory)
            is_saved = in_order > 0 && in_order-- > 0;
        else if (!is_saved)
            is_saved = pick(picks, 2) == 1;
        if (is_saved)
            apply(change, &to->seen, &to->names);
    }
}

void node_save(const struct simdisk_node *from, struct simdisk_node *to,
               struct simdisk_picks *picks)
{
    to->modified = from->modified;
    if (!picks) {
        copy_content(to, &from->seen, &from->names);
        return;
    }
    copy_content(to, &from->saved, &from->saved_names);
    save_changes(from, to, picks);
}

void node_settle(struct simdisk_node *node)
{
    buf_append(&node->saved, buf_str(&node->seen));
    for (size_t i = 0; i < node->names.count; i++)
        put_name(&node->saved_names, &node->names.items[i]);
}
