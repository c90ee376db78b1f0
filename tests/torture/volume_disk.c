#include "volume_disk.h"

#include "store/index.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

const char *const volume_sync_names[SYNC_KIND_COUNT] = {
    [SYNC_OTHER] = "other",
    [SYNC_SEGMENT_HEADER] = "segment-header",
    [SYNC_JOURNAL] = "journal",
    [SYNC_JOURNAL_BEGUN] = "journal-begun",
    [SYNC_JOURNAL_ENDED] = "journal-ended",
    [SYNC_DATA] = "data",
    [SYNC_INDEX] = "index",
    [SYNC_INDEX_MARK] = "index-mark",
    [SYNC_INFO] = "info",
    [SYNC_DELETED] = "deleted",
    [SYNC_BUCKET] = "bucket",
    [SYNC_USER] = "user",
    [SYNC_DOMAIN] = "domain",
    [SYNC_ROOT] = "root",
};

static enum sync_kind find_index_kind(const struct node *node)
{
    const struct file_change *last =
        node->change_count > 0 ? &node->changes[node->change_count - 1] : NULL;

    return last && last->bytes && last->length == INDEX_MARK_SIZE ? SYNC_INDEX_MARK : SYNC_INDEX;
}

static enum sync_kind find_journal_kind(const struct node *node)
{
    const struct name_change *last =
        node->change_count > 0 ? &node->name_changes[node->change_count - 1] : NULL;

    return last && !last->to ? SYNC_JOURNAL_ENDED : SYNC_JOURNAL_BEGUN;
}

enum sync_kind volume_sync_kind(const struct node *node)
{
    static const enum sync_kind kinds[] = {
        [ROLE_OTHER] = SYNC_OTHER, [ROLE_ROOT] = SYNC_ROOT,       [ROLE_DOMAIN] = SYNC_DOMAIN,
        [ROLE_USER] = SYNC_USER,   [ROLE_BUCKET] = SYNC_BUCKET,   [ROLE_INFO] = SYNC_INFO,
        [ROLE_DATA] = SYNC_DATA,   [ROLE_DELETED] = SYNC_DELETED, [ROLE_SEGMENT] = SYNC_JOURNAL,
    };

    if (node->role == ROLE_INDEX)
        return find_index_kind(node);
    if (node->role == ROLE_JOURNAL)
        return find_journal_kind(node);
    if (node->role == ROLE_SEGMENT && node->done == 0 && node->change_count <= 1)
        return SYNC_SEGMENT_HEADER;
    return kinds[node->role];
}

/* --- Calls ----------------------------------------------------------------------------------- */

static struct volume_disk *of(struct disk *disk)
{
    return (struct volume_disk *)disk;
}

/* May there be one more change? */
static bool has_power(struct volume_disk *disk)
{
    if (disk->changes >= disk->changes_most)
        return false;
    disk->changes++;
    return true;
}

static bool is_dead(const struct volume_disk *disk)
{
    return disk->changes >= disk->changes_most;
}

static struct node *node_of(struct disk *disk, int fd)
{
    return fd >= 0 && fd < VOLUME_DISK_FILES_MOST ? of(disk)->files[fd] : NULL;
}

static int take_descriptor(struct volume_disk *disk, struct node *node)
{
    for (int fd = 0; fd < VOLUME_DISK_FILES_MOST; fd++) {
        if (!disk->files[fd]) {
            disk->files[fd] = node;
            return fd;
        }
    }
    return -EMFILE;
}

static int open_file(struct disk *disk, const char *name, int flags)
{
    struct node *node = volume_find(of(disk)->volume, name);

    if (is_dead(of(disk)))
        return -EIO;
    if (node && flags & O_EXCL)
        return -EEXIST;
    if (!node && !(flags & O_CREAT))
        return -ENOENT;
    if (!node) {
        node = has_power(of(disk)) ? volume_create(of(disk)->volume, name, false) : NULL;
        if (!node)
            return -ENOENT;
    }
    if (flags & O_TRUNC && node->now->size > 0) {
        if (!has_power(of(disk)))
            return -EIO;
        volume_resize(node, 0);
    }
    return take_descriptor(of(disk), node);
}

static int close_file(struct disk *disk, int fd)
{
    if (!node_of(disk, fd))
        return -EBADF;
    of(disk)->files[fd] = NULL;
    return 0;
}

static ssize_t read_at(struct disk *disk, int fd, void *data, size_t length, uint64_t offset)
{
    const struct node *node = node_of(disk, fd);

    if (!node || is_dead(of(disk)))
        return -EIO;
    if (offset >= node->now->size)
        return 0;
    if (length > node->now->size - offset)
        length = (size_t)(node->now->size - offset);
    memcpy(data, node->now->bytes + offset, length);
    return (ssize_t)length;
}

static ssize_t write_at(struct disk *disk, int fd, const void *data, size_t length, uint64_t offset)
{
    struct node *node = node_of(disk, fd);

    if (!node || !has_power(of(disk)))
        return -EIO;
    volume_write(node, offset, data, length);
    return (ssize_t)length;
}

static int truncate_file(struct disk *disk, int fd, uint64_t length)
{
    struct node *node = node_of(disk, fd);

    if (!node || !has_power(of(disk)))
        return -EIO;
    volume_resize(node, length);
    return 0;
}

static int sync_node(struct disk *disk, struct node *node)
{
    if (!node || !has_power(of(disk)))
        return -EIO;
    if (of(disk)->left_out == SYNC_OTHER || volume_sync_kind(node) != of(disk)->left_out)
        volume_end_sync(node, volume_begin_sync(node));
    return 0;
}

static int sync_file(struct disk *disk, int fd)
{
    return sync_node(disk, node_of(disk, fd));
}

static int64_t find_size(struct disk *disk, int fd)
{
    const struct node *node = node_of(disk, fd);

    return node && !is_dead(of(disk)) ? (int64_t)node->now->size : -EIO;
}

static int64_t find_time(struct disk *disk, int fd)
{
    (void)disk;
    (void)fd;
    return 0;
}

static int rename_file(struct disk *disk, const char *from, const char *to)
{
    if (!has_power(of(disk)))
        return -EIO;
    return volume_rename(of(disk)->volume, from, to) ? 0 : -ENOENT;
}

static int unlink_file(struct disk *disk, const char *name)
{
    if (!volume_find(of(disk)->volume, name))
        return is_dead(of(disk)) ? -EIO : -ENOENT;
    if (!has_power(of(disk)))
        return -EIO;
    return volume_unlink(of(disk)->volume, name) ? 0 : -ENOENT;
}

static int make_directory(struct disk *disk, const char *name)
{
    if (volume_find(of(disk)->volume, name))
        return is_dead(of(disk)) ? -EIO : -EEXIST;
    if (!has_power(of(disk)))
        return -EIO;
    return volume_create(of(disk)->volume, name, true) ? 0 : -ENOENT;
}

static int sync_directory(struct disk *disk, const char *name)
{
    struct node *node = volume_find(of(disk)->volume, name);

    if (!node && !is_dead(of(disk)))
        return -ENOENT;
    return sync_node(disk, node);
}

static int list_names(struct disk *disk, const char *name, struct buf *names)
{
    const struct node *node = volume_find(of(disk)->volume, name);

    if (is_dead(of(disk)))
        return -EIO;
    if (!node)
        return -ENOENT;
    for (size_t i = 0; i < node->names.count; i++) {
        const char *found = node->names.items[i].name;

        buf_append(names, (struct str){found, strlen(found) + 1});
    }
    return 0;
}

static int lock_file(struct disk *disk, int fd)
{
    (void)disk;
    (void)fd;
    return 0;
}

static const struct disk_calls calls = {
    .open = open_file,
    .close = close_file,
    .read_at = read_at,
    .write_at = write_at,
    .truncate = truncate_file,
    .sync = sync_file,
    .size = find_size,
    .modified = find_time,
    .rename = rename_file,
    .unlink = unlink_file,
    .make_directory = make_directory,
    .sync_directory = sync_directory,
    .list = list_names,
    .lock = lock_file,
};

void volume_disk_init(struct volume_disk *volume_disk, struct volume *volume,
                      enum sync_kind left_out, uint64_t changes_most)
{
    *volume_disk = (struct volume_disk){
        .disk = {.calls = &calls, .root_fd = -1, .lock_fd = -1, .journal = ".journal"},
        .volume = volume,
        .changes_most = changes_most,
        .left_out = left_out,
    };
}
