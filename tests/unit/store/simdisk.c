#include "simdisk.h"

#include "simdisk_node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static struct simdisk *simdisk_of(struct disk *disk)
{
    return (struct simdisk *)disk;
}

/* The errno of this call, negative, or 0. */
static int count_call(struct simdisk *simdisk)
{
    simdisk->calls++;
    if (simdisk->fail_at == 0 || simdisk->calls < simdisk->fail_at)
        return 0;
    return simdisk->calls == simdisk->fail_at || simdisk->fail_from_then_on ? -simdisk->fail_with
                                                                            : 0;
}

static int tell_change(struct simdisk *simdisk, int result)
{
    if (simdisk->changed)
        simdisk->changed(simdisk, simdisk->context);
    return result;
}

static struct simdisk_node *make_node(struct simdisk *simdisk, bool is_directory)
{
    struct simdisk_node *node = node_new(is_directory);

    simdisk->nodes = node_allocate(simdisk->nodes, (simdisk->node_count + 1) * sizeof(void *));
    simdisk->nodes[simdisk->node_count++] = node;
    return node;
}

/* The directory that holds the last component of name, which *last points to; NULL if there is no
 * such directory. */
static struct simdisk_node *find_parent(const struct simdisk *simdisk, const char *name,
                                        const char **last)
{
    struct simdisk_node *directory = simdisk->root;
    const char *slash;

    while (directory && (slash = strchr(name, '/'))) {
        directory = node_find(directory, (struct str){name, (size_t)(slash - name)});
        if (directory && !directory->is_directory)
            directory = NULL;
        name = slash + 1;
    }
    *last = name;
    return directory;
}

static struct simdisk_node *find_node(const struct simdisk *simdisk, const char *name)
{
    const char *last;
    const struct simdisk_node *parent = find_parent(simdisk, name, &last);

    if (strcmp(name, ".") == 0)
        return simdisk->root;
    return parent ? node_find(parent, str_of(last)) : NULL;
}

static int find_or_make_file(struct simdisk *simdisk, const char *name, int flags,
                             struct simdisk_node **node, bool *changed)
{
    const char *last;
    struct simdisk_node *parent = find_parent(simdisk, name, &last);

    *node = parent ? node_find(parent, str_of(last)) : NULL;
    if (!parent || (!*node && !(flags & O_CREAT)))
        return -ENOENT;
    if (*node && (flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    if (*node && (*node)->is_directory)
        return -EISDIR;
    if (!*node) {
        *node = make_node(simdisk, false);
        node_change_name(parent, "", last, *node);
        *changed = true;
    }
    return 0;
}

static int sim_open(struct disk *disk, const char *name, int flags)
{
    struct simdisk *simdisk = simdisk_of(disk);
    struct simdisk_node *node = NULL;
    bool changed = false;
    int result = count_call(simdisk);

    if (result == 0)
        result = find_or_make_file(simdisk, name, flags, &node, &changed);
    if (result < 0)
        return result;
    bool may_write = (flags & O_ACCMODE) != O_RDONLY;
    if ((flags & O_TRUNC) && may_write && node->seen.length > 0) {
        node_truncate(node, 0);
        changed = true;
    }
    simdisk->files =
        node_allocate(simdisk->files, (simdisk->file_count + 1) * sizeof(struct simdisk_open_file));
    simdisk->files[simdisk->file_count++] = (struct simdisk_open_file){node, may_write};
    simdisk->open_files++;
    int fd = (int)simdisk->file_count - 1;
    return changed ? tell_change(simdisk, fd) : fd;
}

static struct simdisk_open_file *find_open(struct simdisk *simdisk, int fd)
{
    if (fd >= 0 && (size_t)fd < simdisk->file_count && simdisk->files[fd].node)
        return &simdisk->files[fd];
    simdisk->misuses++;
    return NULL;
}

static int sim_close(struct disk *disk, int fd)
{
    struct simdisk *simdisk = simdisk_of(disk);
    struct simdisk_open_file *file = find_open(simdisk, fd);

    if (!file)
        return -EBADF;
    if (file->node->locked_by == fd)
        file->node->locked_by = -1;
    file->node = NULL;
    simdisk->open_files--;
    return 0;
}

/* Counts the call, and gives the file if the call is to go on. */
static int begin_call(struct disk *disk, int fd, struct simdisk_node **node)
{
    struct simdisk *simdisk = simdisk_of(disk);
    const struct simdisk_open_file *file = find_open(simdisk, fd);
    int result = count_call(simdisk);

    if (!file)
        return -EBADF;
    *node = file->node;
    return result;
}

static int begin_change(struct disk *disk, int fd, struct simdisk_node **node)
{
    struct simdisk *simdisk = simdisk_of(disk);
    int result = begin_call(disk, fd, node);

    if (result != -EBADF && !simdisk->files[fd].may_write) {
        simdisk->misuses++;
        return -EBADF;
    }
    return result;
}

static ssize_t sim_read_at(struct disk *disk, int fd, void *data, size_t length, uint64_t offset)
{
    struct simdisk_node *node;
    int result = begin_call(disk, fd, &node);

    if (result < 0)
        return result;
    struct str found = str_slice(buf_str(&node->seen), offset, length);
    if (found.length > 0)
        memcpy(data, found.data, found.length);
    return (ssize_t)found.length;
}

/* One that fails may have written a part. */
static ssize_t sim_write_at(struct disk *disk, int fd, const void *data, size_t length,
                            uint64_t offset)
{
    struct simdisk *simdisk = simdisk_of(disk);
    struct simdisk_node *node;
    int result = begin_change(disk, fd, &node);

    if (result == -EBADF)
        return result;
    if (result < 0)
        length /= 2;
    else if (simdisk->write_most > 0 && length > simdisk->write_most)
        length = simdisk->write_most;
    if (length > 0)
        node_write(node, (struct str){data, length}, offset);
    node->modified = simdisk->now;
    (void)tell_change(simdisk, 0);
    return result < 0 ? result : (ssize_t)length;
}

static int sim_truncate(struct disk *disk, int fd, uint64_t length)
{
    struct simdisk_node *node;
    int result = begin_change(disk, fd, &node);

    if (result < 0)
        return result;
    node_truncate(node, (size_t)length);
    return tell_change(simdisk_of(disk), 0);
}

static int sim_sync(struct disk *disk, int fd)
{
    struct simdisk *simdisk = simdisk_of(disk);
    struct simdisk_node *node;
    int result = begin_call(disk, fd, &node);

    if (result == -EBADF || simdisk->ignore_syncs)
        return result;
    node_sync(node, result == 0);
    return tell_change(simdisk, result);
}

static int64_t sim_size(struct disk *disk, int fd)
{
    struct simdisk_node *node;
    int result = begin_call(disk, fd, &node);

    return result < 0 ? result : (int64_t)node->seen.length;
}

static int64_t sim_modified(struct disk *disk, int fd)
{
    struct simdisk_node *node;
    int result = begin_call(disk, fd, &node);

    return result < 0 ? result : node->modified;
}

/* Within one directory only; nothing here needs more. */
static int sim_rename(struct disk *disk, const char *from, const char *to)
{
    struct simdisk *simdisk = simdisk_of(disk);
    const char *old_name, *new_name;
    struct simdisk_node *parent = find_parent(simdisk, from, &old_name);
    int result = count_call(simdisk);

    if (result < 0)
        return result;
    if (!parent || !node_find(parent, str_of(old_name)))
        return -ENOENT;
    if (find_parent(simdisk, to, &new_name) != parent)
        return -EXDEV;
    node_change_name(parent, old_name, new_name, node_find(parent, str_of(old_name)));
    return tell_change(simdisk, 0);
}

static int sim_unlink(struct disk *disk, const char *name)
{
    struct simdisk *simdisk = simdisk_of(disk);
    const char *last;
    struct simdisk_node *parent = find_parent(simdisk, name, &last);
    const struct simdisk_node *node = parent ? node_find(parent, str_of(last)) : NULL;
    int result = count_call(simdisk);

    if (result < 0)
        return result;
    if (!node)
        return -ENOENT;
    if (node->is_directory)
        return -EISDIR;
    node_change_name(parent, last, "", NULL);
    return tell_change(simdisk, 0);
}

static int sim_make_directory(struct disk *disk, const char *name)
{
    struct simdisk *simdisk = simdisk_of(disk);
    const char *last;
    struct simdisk_node *parent = find_parent(simdisk, name, &last);
    int result = count_call(simdisk);

    if (result < 0)
        return result;
    if (!parent)
        return -ENOENT;
    if (node_find(parent, str_of(last)))
        return -EEXIST;
    node_change_name(parent, "", last, make_node(simdisk, true));
    return tell_change(simdisk, 0);
}

static int sim_sync_directory(struct disk *disk, const char *name)
{
    struct simdisk *simdisk = simdisk_of(disk);
    struct simdisk_node *node = find_node(simdisk, name);
    int result = count_call(simdisk);

    if (!node)
        return -ENOENT;
    if (!node->is_directory)
        return -ENOTDIR;
    if (simdisk->ignore_directory_syncs)
        return result;
    node_sync(node, result == 0);
    return tell_change(simdisk, result);
}

static int sim_list(struct disk *disk, const char *name, struct buf *names)
{
    struct simdisk *simdisk = simdisk_of(disk);
    const struct simdisk_node *node = find_node(simdisk, name);
    int result = count_call(simdisk);

    if (result < 0)
        return result;
    if (!node)
        return -ENOENT;
    if (!node->is_directory)
        return -ENOTDIR;
    for (size_t i = 0; i < node->names.count; i++) {
        const char *found = node->names.items[i].name;

        buf_append(names, (struct str){found, strlen(found) + 1});
    }
    return 0;
}

static int sim_lock(struct disk *disk, int fd)
{
    struct simdisk_node *node;
    int result = begin_call(disk, fd, &node);

    if (result < 0)
        return result;
    if (node->locked_by != -1 && node->locked_by != fd)
        return -EAGAIN;
    node->locked_by = fd;
    return 0;
}

static const struct disk_calls sim_calls = {
    .open = sim_open,
    .close = sim_close,
    .read_at = sim_read_at,
    .write_at = sim_write_at,
    .truncate = sim_truncate,
    .sync = sim_sync,
    .size = sim_size,
    .modified = sim_modified,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .make_directory = sim_make_directory,
    .sync_directory = sim_sync_directory,
    .list = sim_list,
    .lock = sim_lock,
};

void simdisk_init(struct simdisk *simdisk)
{
    *simdisk = (struct simdisk){
        .disk = {.calls = &sim_calls, .root_fd = -1, .lock_fd = -1, .journal = ".journal"},
    };
    simdisk->root = make_node(simdisk, true);
}

void simdisk_clear(struct simdisk *simdisk)
{
    for (size_t i = 0; i < simdisk->node_count; i++)
        node_free(simdisk->nodes[i]);
    free(simdisk->nodes);
    free(simdisk->files);
    *simdisk = (struct simdisk){0};
}

void simdisk_calm(struct simdisk *simdisk)
{
    simdisk->calls = simdisk->fail_at = 0;
    simdisk->fail_from_then_on = false;
    simdisk->write_most = 0;
    simdisk->ignore_syncs = simdisk->ignore_directory_syncs = false;
    simdisk->changed = NULL;
}

struct buf *simdisk_find(struct simdisk *simdisk, const char *name)
{
    struct simdisk_node *node = find_node(simdisk, name);

    return node && !node->is_directory ? &node->seen : NULL;
}

bool simdisk_equals(const struct simdisk *a, const struct simdisk *b)
{
    return node_equals(a->root, b->root);
}

/* What picks leave of `from` and all below it, as a new and durable part of `to`. Without picks
 * what is seen. */
static struct simdisk_node *save_tree(const struct simdisk_node *from, struct simdisk *to,
                                      struct simdisk_picks *picks)
{
    struct simdisk_node *saved = make_node(to, from->is_directory);

    node_save(from, saved, picks);
    for (size_t i = 0; i < saved->names.count; i++)
        saved->names.items[i].node = save_tree(saved->names.items[i].node, to, picks);
    node_settle(saved);
    return saved;
}

static void save_disk(const struct simdisk *simdisk, struct simdisk *saved,
                      struct simdisk_picks *picks)
{
    *saved = (struct simdisk){.disk = simdisk->disk, .now = simdisk->now};
    saved->root = save_tree(simdisk->root, saved, picks);
}

void simdisk_copy(const struct simdisk *simdisk, struct simdisk *copy)
{
    save_disk(simdisk, copy, NULL);
}

static uint64_t count_states(const struct simdisk *simdisk)
{
    uint64_t states = 1;

    for (size_t i = 0; i < simdisk->node_count; i++) {
        if (__builtin_mul_overflow(states, node_count_states(simdisk->nodes[i]), &states))
            return UINT64_MAX;
    }
    return states;
}

unsigned simdisk_visit_crashes(const struct simdisk *simdisk, unsigned most, uint64_t seed,
                               void (*visit)(struct simdisk *after, void *context), void *context)
{
    uint64_t states = count_states(simdisk);
    unsigned count = states < most ? (unsigned)states : most;

    for (unsigned i = 0; i < count; i++) {
        struct simdisk_picks picks = {.kind = PICK_NUMBERED, .state = i};
        struct simdisk after;

        if (states > most)
            picks = picks_sample(i, seed);
        save_disk(simdisk, &after, &picks);
        visit(&after, context);
        simdisk_clear(&after);
    }
    return count;
}
