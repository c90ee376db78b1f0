#include "store/database.h"

#include "store/collection.h"
#include "store/paths.h"

#include <fcntl.h>
#include <string.h>

enum {
    TAIL = 128,        /* entries at the end that are read in one go */
    CHECK_CHUNK = 256, /* entries whose records are checked together */
};

static uint64_t offset_of(uint64_t position)
{
    return INDEX_HEADER_SIZE + position * INDEX_ENTRY_SIZE;
}

static bool damaged(const struct file *file, uint64_t offset, const char *what, struct error *error)
{
    return error_set(error, ERROR_DAMAGED, "%s: at byte %llu: %s; see cutoutctl check", file->name,
                     (unsigned long long)offset, what);
}

static bool read_header(struct database *database, struct error *error)
{
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct error cause;

    if (!file_read_at(&database->index, bytes, sizeof bytes, 0, error))
        return false;
    if (index_read_header(bytes, &database->header, &cause))
        return true;
    return error_set(error, cause.code, "%s: %s", database->index.name, cause.message);
}

static bool read_record(struct database *database, uint64_t start, uint64_t end, struct buf *out,
                        struct error *error)
{
    size_t length = (size_t)(end - start);
    char *to = buf_reserve(out, length);

    if (!to)
        return buf_ok(out, error);
    if (!file_read_at(&database->data, to, length, start, error))
        return false;
    buf_grow(out, length);
    return true;
}

/* That entry follows from the one before it and from its record. */
static bool check_last(struct database *database, const struct index_entry *before,
                       const struct index_entry *last, struct error *error)
{
    uint64_t at = offset_of(database->head.count - 1);
    unsigned char encoded[INDEX_ENTRY_SIZE];
    struct buf record = {0};
    bool ok = true;

    if (!(last->flags & INDEX_BATCH_END))
        return damaged(&database->index, at, "the last batch has no end", error);
    if (last->end < before->end || last->counter < before->counter)
        return damaged(&database->index, at, "the last entry is out of order", error);
    index_write_entry(encoded, last);
    if (!(last->flags & INDEX_COMMIT))
        ok = read_record(database, before->end, last->end, &record, error);
    if (ok && index_entry_crc(before->crc, encoded, buf_str(&record)) != last->crc)
        ok = damaged(&database->index, at, "the last entry does not match its checksum", error);
    buf_clear(&record);
    return ok;
}

static void note_last(struct head *head, const struct index_entry *last)
{
    head->commits = last->commits + (last->flags & INDEX_COMMIT ? 1u : 0u);
    head->data_end = last->end;
    head->last_counter = last->counter;
    head->crc = last->crc;
}

static bool check_tail(struct database *database, struct error *error)
{
    struct index_entry entries[2] = {{.crc = index_first_crc(&database->header)}, {0}};
    struct head *head = &database->head;
    uint64_t data_size;

    if (head->count >= 2 && !database_read_entries(database, head->count - 2, 2, entries, error))
        return false;
    if (head->count == 1 && !database_read_entries(database, 0, 1, &entries[1], error))
        return false;
    if (!file_size(&database->data, &data_size, error))
        return false;
    /* Replay has cut what a crash left behind the last batch, so a longer file is as wrong as a
     * shorter one. */
    if (data_size != entries[1].end)
        return damaged(&database->data, data_size, "the file ends where the index does not", error);
    if (head->count == 0) {
        head->crc = entries[0].crc;
        return true;
    }
    note_last(head, &entries[1]);
    return check_last(database, &entries[0], &entries[1], error);
}

static bool open_files(struct database *database, struct disk *disk, const char *path,
                       uint64_t generation, struct error *error)
{
    char name[PATHS_SIZE];

    paths_put_data(name, path, generation);
    return file_open(&database->data, disk, name, O_RDONLY, error);
}

static bool open_index(struct database *database, struct disk *disk, const char *path,
                       struct error *error)
{
    char name[PATHS_SIZE];

    *database = (struct database){.index.fd = -1, .data.fd = -1};
    paths_put_index(name, path);
    return file_open(&database->index, disk, name, O_RDONLY, error);
}

static bool measure(struct database *database, struct error *error)
{
    uint64_t size;

    if (!file_size(&database->index, &size, error))
        return false;
    if (size < INDEX_HEADER_SIZE || (size - INDEX_HEADER_SIZE) % INDEX_ENTRY_SIZE != 0)
        return damaged(&database->index, size, "the file ends inside an entry", error);
    database->head.count = (size - INDEX_HEADER_SIZE) / INDEX_ENTRY_SIZE;
    database->head.generation = database->header.generation;
    return true;
}

bool database_open(struct database *database, struct disk *disk, const char *path,
                   struct error *error)
{
    if (open_index(database, disk, path, error) && read_header(database, error) &&
        measure(database, error)) {
        if (open_files(database, disk, path, database->header.generation, error)) {
            if (check_tail(database, error))
                return true;
        } else if (error->code == ERROR_NOT_FOUND) {
            /* The collection is there: its data is what is missing. */
            error->code = ERROR_DAMAGED;
        }
    }
    database_close(database);
    return false;
}

bool database_reopen(struct database *database, struct disk *disk, const char *path,
                     const struct head *head, struct error *error)
{
    bool ok = open_index(database, disk, path, error);

    database->head = *head;
    ok = ok && open_files(database, disk, path, head->generation, error);
    if (!ok) {
        /* Somebody was just told that it is there. */
        if (error->code == ERROR_NOT_FOUND)
            error->code = ERROR_DAMAGED;
        database_close(database);
    }
    return ok;
}

void database_close(struct database *database)
{
    file_close(&database->index);
    file_close(&database->data);
}

bool database_read_entries(struct database *database, uint64_t first, size_t count,
                           struct index_entry *entries, struct error *error)
{
    unsigned char bytes[TAIL * INDEX_ENTRY_SIZE];

    while (count > 0) {
        size_t piece = count < TAIL ? count : TAIL;

        if (!file_read_at(&database->index, bytes, piece * INDEX_ENTRY_SIZE, offset_of(first),
                          error))
            return false;
        for (size_t i = 0; i < piece; i++)
            index_read_entry(bytes + i * INDEX_ENTRY_SIZE, entries++);
        first += piece;
        count -= piece;
    }
    return true;
}

/* The first record above counter. A commit entry has the counter of the record before it and is
 * never the answer. */
static bool find_among(const struct index_entry *entries, size_t count, uint64_t counter,
                       size_t *found)
{
    for (size_t i = 0; i < count; i++) {
        if (entries[i].counter > counter && !(entries[i].flags & INDEX_COMMIT)) {
            *found = i;
            return true;
        }
    }
    return false;
}

/* Entries before low are not above counter, the one at high and those behind it are. */
static bool halve(struct database *database, uint64_t counter, uint64_t *low, uint64_t *high,
                  struct error *error)
{
    struct index_entry entry;
    uint64_t middle = *low + (*high - *low) / 2;

    if (!database_read_entries(database, middle, 1, &entry, error))
        return false;
    if (entry.counter > counter)
        *high = middle;
    else
        *low = middle + 1;
    return true;
}

bool database_find_counter(struct database *database, uint64_t counter, uint64_t *position,
                           struct error *error)
{
    struct index_entry entries[TAIL];
    uint64_t count = database->head.count;
    uint64_t low = count > TAIL ? count - TAIL : 0, high = count;
    size_t found = 0;

    /* Most readers have seen nearly all. */
    size_t length = (size_t)(high - low);
    if (!database_read_entries(database, low, length, entries, error))
        return false;
    if (low > 0 && entries[0].counter > counter) {
        high = low;
        low = 0;
        while (high - low >= TAIL) {
            if (!halve(database, counter, &low, &high, error))
                return false;
        }
        length = (size_t)(high - low) + 1;
        if (!database_read_entries(database, low, length, entries, error))
            return false;
    }
    *position = find_among(entries, length, counter, &found) ? low + found : high;
    return true;
}

static bool check_chunk(const struct database *database, const struct index_entry *entries,
                        size_t count, struct str records, struct error *error)
{
    unsigned char encoded[INDEX_ENTRY_SIZE];
    uint64_t start = entries[0].end;
    size_t at = 0;

    for (size_t i = 1; i <= count; i++) {
        size_t length = (size_t)(entries[i].end - start);

        index_write_entry(encoded, &entries[i]);
        if (entries[i].crc !=
            index_entry_crc(entries[i - 1].crc, encoded, str_slice(records, at, length)))
            return damaged(&database->data, start, "a record does not match its checksum", error);
        at += length;
        start = entries[i].end;
    }
    return true;
}

static bool are_in_order(const struct database *database, const struct index_entry *entries,
                         size_t count)
{
    for (size_t i = 1; i <= count; i++) {
        if (entries[i].end < entries[i - 1].end || entries[i].end > database->head.data_end)
            return false;
    }
    return true;
}

/* entries[0] becomes the one before first: what the chain of checksums hangs on. */
static bool read_chained(struct database *database, uint64_t first, size_t count,
                         struct index_entry *entries, struct error *error)
{
    if (first > 0)
        return database_read_entries(database, first - 1, count + 1, entries, error);
    if (!read_header(database, error))
        return false;
    entries[0] = (struct index_entry){.crc = index_first_crc(&database->header)};
    return database_read_entries(database, 0, count, entries + 1, error);
}

bool database_read_records(struct database *database, uint64_t first, size_t count, struct buf *out,
                           struct error *error)
{
    struct index_entry entries[CHECK_CHUNK + 1];

    while (count > 0) {
        size_t piece = count < CHECK_CHUNK ? count : CHECK_CHUNK;
        size_t start = out->length;

        if (!read_chained(database, first, piece, entries, error))
            return false;
        if (!are_in_order(database, entries, piece))
            return damaged(&database->index, offset_of(first), "entries are out of order", error);
        if (!read_record(database, entries[0].end, entries[piece].end, out, error) ||
            !check_chunk(database, entries, piece, str_slice(buf_str(out), start, out->length),
                         error))
            return false;
        first += piece;
        count -= piece;
    }
    return true;
}

/* Data first: an entry must never be there without its record. */
static bool write_batch(struct file *index, struct file *data, const struct batch *batch,
                        struct error *error)
{
    return file_write_at(data, buf_str(&batch->data), batch->before.data_end, error) &&
           file_write_at(index, buf_str(&batch->entries), offset_of(batch->before.count), error);
}

static bool cut_back(struct file *index, struct file *data, const struct batch *batch)
{
    struct error error;

    return file_truncate(index, offset_of(batch->before.count), &error) &&
           file_truncate(data, batch->before.data_end, &error);
}

bool database_apply(struct disk *disk, const struct batch *batch, bool *undone, struct error *error)
{
    struct file index = {0}, data = {0};
    char name[PATHS_SIZE];

    *undone = true;
    if (batch->creates && !collection_create(disk, batch, error))
        return false;
    paths_put_data(name, batch->path, batch->before.generation);
    bool ok = file_open(&data, disk, name, O_RDWR, error);
    paths_put_index(name, batch->path);
    ok = ok && file_open(&index, disk, name, O_RDWR, error);
    if (ok && !write_batch(&index, &data, batch, error)) {
        ok = false;
        *undone = cut_back(&index, &data, batch);
    }
    file_close(&index);
    file_close(&data);
    return ok;
}
