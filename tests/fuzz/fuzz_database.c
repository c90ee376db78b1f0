/* Any bytes in place of index and data file: opening, searching and reading end in an error, or in
 * what the two files say, the same whichever way it is read. */
#include "store/database.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MOST = 600 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* --- A disk of two files --------------------------------------------------------------------- */

struct two_files {
    struct disk disk;
    struct str index, data; /* descriptors 0 and 1 */
    int open_files;
};

static struct str file_of(struct disk *disk, int fd)
{
    struct two_files *files = (struct two_files *)disk;

    return fd == 0 ? files->index : files->data;
}

static int open_one(struct disk *disk, const char *name, int flags)
{
    const char *end = strrchr(name, '/');

    (void)flags;
    ((struct two_files *)disk)->open_files++;
    return end && strcmp(end, "/database.index") == 0 ? 0 : 1;
}

static int close_one(struct disk *disk, int fd)
{
    (void)fd;
    ((struct two_files *)disk)->open_files--;
    return 0;
}

static ssize_t read_one(struct disk *disk, int fd, void *data, size_t length, uint64_t offset)
{
    struct str found = str_slice(file_of(disk, fd), offset, length);

    if (found.length > 0)
        memcpy(data, found.data, found.length);
    return (ssize_t)found.length;
}

static int64_t size_of_one(struct disk *disk, int fd)
{
    return (int64_t)file_of(disk, fd).length;
}

static const struct disk_calls calls = {
    .open = open_one, .close = close_one, .read_at = read_one, .size = size_of_one};

/* --- What is in them ------------------------------------------------------------------------- */

/* Makes all checksums right, or no input would ever get past them. */
static void mend(unsigned char *index, size_t size, struct str data)
{
    struct index_header header;
    uint64_t start = 0;

    if (size < INDEX_HEADER_SIZE)
        return;
    header.generation = bytes_get_u64(index + 16);
    memcpy(header.id, index + 24, sizeof header.id);
    header.synced_count = index[40];
    index_write_header(index, &header);
    uint32_t crc = index_first_crc(&header);
    for (size_t at = INDEX_HEADER_SIZE; at + INDEX_ENTRY_SIZE <= size; at += INDEX_ENTRY_SIZE) {
        struct index_entry entry;

        index_read_entry(index + at, &entry);
        struct str record =
            entry.end < start ? (struct str){0} : str_slice(data, start, entry.end - start);
        entry.crc = crc = index_entry_crc(crc, index + at, record);
        index_write_entry(index + at, &entry);
        start = entry.end;
    }
}

/* One by one or all at once. */
static void check_records(struct database *database, const struct index_entry *entries)
{
    struct two_files *files = (struct two_files *)database->index.disk;
    size_t count = (size_t)database->head.count;
    struct buf each = {0}, all = {0};
    struct error error;
    bool is_each = true;

    for (size_t i = 0; i < count && is_each; i++) {
        size_t start = each.length;

        is_each = database_read_records(database, i, 1, &each, &error);
        require(is_each || (error.code == ERROR_DAMAGED && each.length == start));
        require(!is_each || each.length == entries[i].end);
    }
    bool is_all = database_read_records(database, 0, count, &all, &error);
    require(is_all == is_each);
    require(!is_all || str_equals(buf_str(&all), files->data));
    require(!is_all || str_equals(buf_str(&all), buf_str(&each)));
    buf_clear(&each);
    buf_clear(&all);
}

static void check_search(struct database *database, const struct index_entry *entries)
{
    uint64_t count = database->head.count, position;
    struct error error;

    for (size_t i = 0; i < count; i++) {
        uint64_t counter = entries[i].counter;

        if (!database_find_counter(database, counter, &position, &error)) {
            require(error.code == ERROR_DAMAGED);
            continue;
        }
        require(position <= count);
        require(position == 0 || entries[position - 1].counter <= counter ||
                counter >= database->head.last_counter);
        require(position == count || entries[position].counter > counter);
    }
}

static void check_database(struct two_files *files)
{
    struct index_entry entries[ENTRIES_MOST];
    struct database database;
    struct error error;

    if (!database_open(&database, &files->disk, "a/b/c", &error)) {
        require(error.code == ERROR_DAMAGED);
    } else {
        require(database.head.data_end == files->data.length);
        if (database.head.count > 0 && database.head.count <= ENTRIES_MOST) {
            require(
                database_read_entries(&database, 0, (size_t)database.head.count, entries, &error));
            check_records(&database, entries);
            check_search(&database, entries);
        }
        database_close(&database);
    }
    require(files->open_files == 0);
}

/* One byte: whether checksums are mended; two: how long the index is; index; data. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    size_t index_size = data[1] | (size_t)data[2] << 8;
    bool is_mended = data[0] & 1;
    data += 3;
    size -= 3;
    if (index_size > size)
        index_size = size;
    unsigned char *copy = malloc(size + 1);
    require(copy);
    memcpy(copy, data, size);
    struct two_files files = {
        .disk = {.calls = &calls, .root_fd = -1, .lock_fd = -1},
        .index = {(const char *)copy, index_size},
        .data = {(const char *)copy + index_size, size - index_size},
    };
    if (is_mended)
        mend(copy, index_size, files.data);
    check_database(&files);
    free(copy);
    return 0;
}
