#include "store/database.h"

#include "base/crc32c.h"
#include "store/collection.h"
#include "store/paths.h"

#include <fcntl.h>
#include <string.h>

enum {
    TAIL = 128,        /* entries that are read in one go */
    CHUNK = TAIL - 1,  /* records that are read in one go: the entry before them is needed, too */
    PIECE = 16 * 1024, /* bytes of a record that are checked at once */
    HEADER_TRIES = 3,  /* see read_header */
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

/* A checkpoint may be writing the header at this very moment, and then half of it is of yesterday.
 * What is damaged stays damaged. */
static bool read_header(struct database *database, struct error *error)
{
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct error cause;

    for (int i = 0; i < HEADER_TRIES; i++) {
        if (!file_read_at(&database->index, bytes, sizeof bytes, 0, error))
            return false;
        if (!index_read_header(bytes, &database->header, &cause))
            continue;
        if (!database->header.is_torn)
            return true;
        error_set(&cause, ERROR_DAMAGED, "a mark of a checkpoint does not match its checksum");
    }
    return error_set(error, cause.code, "%s: %s", database->index.name, cause.message);
}

/* entries[0] becomes the one before first, on which the checksum of first and the start of its
 * record depend; before the very first there is nothing but a checksum. */
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

/* That the second of a pair, which stands at position, follows from the first and from its record.
 */
static bool check_pair(struct database *database, uint64_t position,
                       const struct index_entry pair[2], struct error *error)
{
    uint64_t start = pair[0].end, end = pair[1].end;
    unsigned char encoded[INDEX_ENTRY_SIZE];
    char piece[PIECE];

    if (end < start || end > database->head.data_end)
        return damaged(&database->index, offset_of(position), "the entry is out of order", error);
    index_write_entry(encoded, &pair[1]);
    uint32_t crc = index_entry_crc(pair[0].crc, encoded, (struct str){0});
    while (start < end) {
        size_t length = end - start < PIECE ? (size_t)(end - start) : PIECE;

        if (!file_read_at(&database->data, piece, length, start, error))
            return false;
        crc = crc32c_extend(crc, (struct str){piece, length});
        start += length;
    }
    return crc == pair[1].crc || damaged(&database->index, offset_of(position),
                                         "the entry does not match its checksum", error);
}

static void note_last(struct head *head, const struct index_entry *last)
{
    head->commits = last->commits + (last->flags & INDEX_COMMIT ? 1u : 0u);
    head->data_end = last->end;
    head->last_counter = last->counter;
    head->crc = last->crc;
}

/* Replay has cut what a crash left behind the last batch, and a write that failed was undone. So
 * whatever stands behind it now, in either file, is as wrong as what is missing. */
static bool check_tail(struct database *database, struct error *error)
{
    struct head *head = &database->head;
    struct index_entry pair[2] = {{0}};
    uint64_t data_size;

    if (head->count < database->header.synced_count)
        return damaged(&database->index, offset_of(head->count),
                       "the file ends before what is known to be there", error);
    if (head->count == 0)
        head->crc = index_first_crc(&database->header);
    else if (read_chained(database, head->count - 1, 1, pair, error))
        note_last(head, &pair[1]);
    else
        return false;
    if (!file_size(&database->data, &data_size, error))
        return false;
    if (data_size != head->data_end)
        return damaged(&database->data, data_size, "the file ends where the index does not", error);
    if (head->count == 0)
        return true;
    if (!(pair[1].flags & INDEX_BATCH_END))
        return damaged(&database->index, offset_of(head->count), "the last batch has no end",
                       error);
    return check_pair(database, head->count - 1, pair, error);
}

static bool open_index(struct database *database, struct disk *disk, const char *path,
                       struct error *error)
{
    char name[PATHS_SIZE];

    *database = (struct database){.index.fd = -1, .data.fd = -1};
    paths_put_index(name, path);
    return file_open(&database->index, disk, name, O_RDONLY, error);
}

/* The collection is there, or somebody was just told so: its data is what is missing. */
static bool open_data(struct database *database, struct disk *disk, const char *path,
                      struct error *error)
{
    char name[PATHS_SIZE];

    paths_put_data(name, path, database->head.generation);
    if (file_open(&database->data, disk, name, O_RDONLY, error))
        return true;
    if (error->code == ERROR_NOT_FOUND)
        error->code = ERROR_DAMAGED;
    return false;
}

/* One that is behind may end anywhere above its mark. What was made since the loss has no mark, and
 * over what was made just before it replay has gone. */
static bool measure(struct database *database, const struct disk *disk, struct error *error)
{
    const struct index_header *header = &database->header;
    uint64_t size;

    if (!file_size(&database->index, &size, error))
        return false;
    database->is_behind = header->losses < disk->losses && header->synced_count > 0;
    bool is_torn = size < INDEX_HEADER_SIZE || (size - INDEX_HEADER_SIZE) % INDEX_ENTRY_SIZE != 0;
    if (is_torn && !database->is_behind)
        return damaged(&database->index, size, "the file ends inside an entry", error);
    database->head.count = (size - INDEX_HEADER_SIZE) / INDEX_ENTRY_SIZE;
    database->head.generation = database->header.generation;
    return true;
}

/* --- After a loss ---------------------------------------------------------------------------- */

/* From the mark to the last batch that is all there. */
static bool walk_to_end(struct database *database, uint64_t count, struct error *error)
{
    struct head *head = &database->head;
    uint64_t most = head->data_end;
    struct index_entry pair[2];
    struct error cause;

    if (!read_chained(database, head->count - 1, 1, pair, error) ||
        !check_pair(database, head->count - 1, pair, error))
        return false;
    struct head end = *head;
    note_last(&end, &pair[1]);
    for (uint64_t i = head->count; i < count; i++) {
        pair[0] = pair[1];
        head->data_end = most;
        if (!database_read_entries(database, i, 1, &pair[1], &cause) ||
            !check_pair(database, i, pair, &cause)) {
            if (cause.code == ERROR_DAMAGED)
                break;
            *error = cause;
            return false;
        }
        if (pair[1].flags & INDEX_BATCH_END) {
            end.count = i + 1;
            note_last(&end, &pair[1]);
        }
    }
    *head = end;
    return true;
}

/* What a loss leaves may look sound at its end and have holes before it. */
static bool find_end_after_loss(struct database *database, struct error *error)
{
    uint64_t synced = database->header.synced_count, count = database->head.count;
    struct head *head = &database->head;

    *head = (struct head){.generation = database->header.generation, .count = synced};
    if (count < synced)
        return damaged(&database->index, offset_of(count),
                       "the file ends before what is known to be there", error);
    return file_size(&database->data, &head->data_end, error) &&
           walk_to_end(database, count, error);
}

static bool find_end(struct database *database, struct error *error)
{
    struct head *head = &database->head;

    if (database->is_behind ? !find_end_after_loss(database, error) : !check_tail(database, error))
        return false;
    if (head->last_counter < database->header.floor)
        head->last_counter = database->header.floor;
    return true;
}

bool database_open(struct database *database, struct disk *disk, const char *path,
                   struct error *error)
{
    if (open_index(database, disk, path, error) && read_header(database, error) &&
        measure(database, disk, error) && open_data(database, disk, path, error) &&
        find_end(database, error))
        return true;
    database_close(database);
    return false;
}

bool database_read_header(struct disk *disk, const char *path, struct index_header *header,
                          struct error *error)
{
    struct database database;
    bool ok = open_index(&database, disk, path, error) && read_header(&database, error);

    *header = database.header;
    database_close(&database);
    return ok;
}

static bool cut_file(struct disk *disk, const char *name, uint64_t length, struct error *error)
{
    struct file file = {0};
    uint64_t size = 0;
    bool ok = file_open(&file, disk, name, O_RDWR, error) && file_size(&file, &size, error) &&
              (size <= length || file_truncate(&file, length, error));

    file_close(&file);
    return ok;
}

bool database_cut(struct disk *disk, const char *path, const struct head *head, struct error *error)
{
    char name[PATHS_SIZE];

    paths_put_index(name, path);
    if (!cut_file(disk, name, offset_of(head->count), error))
        return false;
    paths_put_data(name, path, head->generation);
    return cut_file(disk, name, head->data_end, error);
}

bool database_reopen(struct database *database, struct disk *disk, const char *path,
                     const struct head *head, struct error *error)
{
    bool ok = open_index(database, disk, path, error);

    database->head = *head;
    if (ok && open_data(database, disk, path, error))
        return true;
    if (error->code == ERROR_NOT_FOUND)
        error->code = ERROR_DAMAGED;
    database_close(database);
    return false;
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

/* The first record above counter; what was read on the way is not checked. */
static bool search(struct database *database, uint64_t counter, uint64_t *position,
                   struct error *error)
{
    struct index_entry entries[TAIL];
    uint64_t count = database->head.count;
    uint64_t low = count > TAIL ? count - TAIL : 0, high = count;
    size_t length = (size_t)(high - low), found = 0;

    /* Most readers have seen nearly all. */
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

/* A wrong counter in the index leads the search astray, to one of two places: before the wrong
 * entry, and whoever reads from there meets it; or behind it, and then the last that the reader
 * would not get has to be looked at. */
bool database_find_counter(struct database *database, uint64_t counter, uint64_t *position,
                           struct error *error)
{
    struct index_entry pair[2];

    *position = counter == 0 ? 0 : database->head.count;
    if (counter == 0 || counter >= database->head.last_counter)
        return true;
    if (!search(database, counter, position, error))
        return false;
    if (*position == 0)
        return true;
    if (!read_chained(database, *position - 1, 1, pair, error) ||
        !check_pair(database, *position - 1, pair, error))
        return false;
    return pair[1].counter <= counter ||
           damaged(&database->index, offset_of(*position - 1), "counters are out of order", error);
}

/* entries[0] is the one before them. */
static bool check_records(const struct database *database, const struct index_entry *entries,
                          size_t count, struct str records, struct error *error)
{
    unsigned char encoded[INDEX_ENTRY_SIZE];
    uint64_t first = entries[0].end;

    for (size_t i = 1; i <= count; i++) {
        uint64_t start = entries[i - 1].end;
        struct str record =
            str_slice(records, (size_t)(start - first), (size_t)(entries[i].end - start));

        index_write_entry(encoded, &entries[i]);
        if (entries[i].crc != index_entry_crc(entries[i - 1].crc, encoded, record))
            return damaged(&database->data, start, "a record does not match its checksum", error);
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

/* How many of the entries, which are in order, have no more than `bytes` of records; one at least.
 */
static size_t count_that_fit(const struct index_entry *entries, size_t count, size_t bytes)
{
    while (count > 1 && entries[count].end - entries[0].end > bytes)
        count--;
    return count;
}

/* Appends the records of entries[1] ... entries[count] to out. Nothing is in it before it has been
 * checked. */
static bool append_checked(struct database *database, const struct index_entry *entries,
                           size_t count, struct buf *out, struct error *error)
{
    size_t length = (size_t)(entries[count].end - entries[0].end);
    char *to = buf_reserve(out, length);

    if (!to)
        return buf_ok(out, error);
    bool ok = file_read_at(&database->data, to, length, entries[0].end, error) &&
              check_records(database, entries, count, (struct str){to, length}, error);
    buf_grow(out, ok ? length : 0);
    return ok;
}

static bool read_ordered(struct database *database, uint64_t first, size_t count,
                         struct index_entry *entries, struct error *error)
{
    return read_chained(database, first, count, entries, error) &&
           (are_in_order(database, entries, count) ||
            damaged(&database->index, offset_of(first), "entries are out of order", error));
}

bool database_read_checked(struct database *database, uint64_t first, size_t *count, size_t bytes,
                           struct index_entry *entries, struct buf *records, struct error *error)
{
    buf_reset(records);
    if (!read_ordered(database, first, *count, entries, error))
        return false;
    *count = count_that_fit(entries, *count, bytes);
    return append_checked(database, entries, *count, records, error);
}

static bool read_chunk(struct database *database, uint64_t first, size_t count, struct buf *out,
                       struct error *error)
{
    struct index_entry entries[CHUNK + 1];

    return read_ordered(database, first, count, entries, error) &&
           append_checked(database, entries, count, out, error);
}

/* A record has bytes and a higher counter than the one before; a commit entry has neither, and so
 * can be checked without any. */
static bool follows(const struct index_entry *before, const struct index_entry *entry)
{
    unsigned char encoded[INDEX_ENTRY_SIZE];

    if (!(entry->flags & INDEX_COMMIT))
        return entry->end > before->end && entry->counter > before->counter;
    index_write_entry(encoded, entry);
    return entry->end == before->end && entry->counter == before->counter &&
           entry->crc == index_entry_crc(before->crc, encoded, (struct str){0});
}

bool database_read_commits(struct database *database, uint64_t first, size_t count,
                           struct index_entry *entries, struct error *error)
{
    if (!read_chained(database, first, count, entries, error))
        return false;
    for (size_t i = 1; i <= count; i++) {
        if (!follows(&entries[i - 1], &entries[i]))
            return damaged(&database->index, offset_of(first + i - 1),
                           "the entry does not follow from the one before", error);
    }
    return true;
}

bool database_read_records(struct database *database, uint64_t first, size_t count, struct buf *out,
                           struct error *error)
{
    while (count > 0) {
        size_t piece = count < CHUNK ? count : CHUNK;

        if (!read_chunk(database, first, piece, out, error))
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

static bool append_batch(struct disk *disk, const struct batch *batch, bool *undone,
                         struct error *error)
{
    struct file index = {0}, data = {0};
    char name[PATHS_SIZE];

    paths_put_data(name, batch->path, batch->before.generation);
    bool ok = file_open(&data, disk, name, O_RDWR, error);
    paths_put_index(name, batch->path);
    ok = ok && file_open(&index, disk, name, O_RDWR, error);
    if (!ok && error->code == ERROR_NOT_FOUND)
        error->code = ERROR_DAMAGED; /* the collection is there, one of its files is not */
    if (ok && !write_batch(&index, &data, batch, error)) {
        ok = false;
        *undone = cut_back(&index, &data, batch);
    }
    file_close(&index);
    file_close(&data);
    return ok;
}

/* Without index there is what was there before: a deletion, or nothing. */
static bool remove_index(struct disk *disk, const struct batch *batch)
{
    char name[PATHS_SIZE];
    struct error error;

    paths_put_index(name, batch->path);
    return disk_unlink(disk, name, &error);
}

bool database_apply(struct disk *disk, const struct batch *batch, bool *undone, struct error *error)
{
    *undone = true;
    if (!batch->creates)
        return append_batch(disk, batch, undone, error);
    if (collection_create(disk, batch, error))
        return true;
    *undone = remove_index(disk, batch);
    return false;
}
