#include "store/batch.h"

#include "base/bytes.h"
#include "store/losses.h"
#include "store/paths.h"

#include <string.h>

enum {
    COMMITS_MASK = 0xffffff,
    /* A frame's body: fixed part, path, entries, data. */
    AT_GENERATION = INDEX_ID_SIZE + SIPHASH_KEY_SIZE,
    AT_CREATED = AT_GENERATION + 8,
    AT_COUNT = AT_CREATED + 8,
    AT_COMMITS = AT_COUNT + 8,
    AT_DATA_END = AT_COMMITS + 8,
    AT_LAST_COUNTER = AT_DATA_END + 8,
    AT_CRC = AT_LAST_COUNTER + 8,
    AT_CREATES = AT_CRC + 4,
    AT_PATH_LENGTH = AT_CREATES + 4,
    AT_ENTRIES_LENGTH = AT_PATH_LENGTH + 4,
    AT_DATA_LENGTH = AT_ENTRIES_LENGTH + 4,
    FIXED_SIZE = AT_DATA_LENGTH + 4,
};

void batch_begin(struct batch *batch, const char *path, const struct identity *identity,
                 const struct head *before, bool creates)
{
    *batch = (struct batch){
        .identity = *identity, .before = *before, .after = *before, .creates = creates};
    memcpy(batch->path, path, strnlen(path, sizeof batch->path - 1));
}

void batch_jump(struct batch *batch)
{
    batch->after.last_counter += LOSSES_JUMP;
    batch->jumps = true;
}

static void add_entry(struct batch *batch, struct index_entry *entry, struct str record)
{
    unsigned char encoded[INDEX_ENTRY_SIZE];
    struct head *after = &batch->after;

    entry->commits = (uint32_t)(after->commits & COMMITS_MASK);
    index_write_entry(encoded, entry);
    entry->crc = index_entry_crc(after->crc, encoded, record);
    index_write_entry(encoded, entry);
    buf_append(&batch->entries, (struct str){(const char *)encoded, sizeof encoded});
    after->crc = entry->crc;
    after->count++;
}

uint64_t batch_add_record(struct batch *batch, const struct batch_object *object)
{
    struct head *after = &batch->after;
    size_t start = batch->data.length;

    after->last_counter++;
    buf_append_byte(&batch->data, '[');
    buf_append_u64(&batch->data, after->last_counter);
    buf_append_byte(&batch->data, ',');
    buf_append(&batch->data, object->text);
    buf_append(&batch->data, STR("],\n"));
    struct str record = str_slice(buf_str(&batch->data), start, batch->data.length);
    after->data_end += record.length;
    struct index_entry entry = {
        .counter = after->last_counter,
        .end = after->data_end,
        .key = object->key,
        .type = object->type,
        .expires = object->expires,
        .flags = object->flags,
    };
    add_entry(batch, &entry, record);
    return after->last_counter;
}

void batch_add_commit(struct batch *batch, uint64_t client, uint64_t seq)
{
    struct index_entry entry = {
        .counter = batch->after.last_counter,
        .end = batch->after.data_end,
        .key = client,
        .type = (uint32_t)seq,
        .expires = (uint32_t)(seq >> 32),
        .flags = INDEX_COMMIT,
    };

    add_entry(batch, &entry, (struct str){0});
    batch->after.commits++;
}

/* The crc before the last entry, and where the record of the last entry begins in data. */
static uint32_t find_before_last(const struct batch *batch, size_t *start)
{
    size_t length = batch->entries.length;
    struct index_entry entry = {.end = batch->before.data_end, .crc = batch->before.crc};

    if (length >= 2 * INDEX_ENTRY_SIZE)
        index_read_entry((const unsigned char *)batch->entries.data + length - 2 * INDEX_ENTRY_SIZE,
                         &entry);
    *start = (size_t)(entry.end - batch->before.data_end);
    return entry.crc;
}

/* The last entry is made anew with its flag, and so with another crc. */
void batch_end_append(struct batch *batch)
{
    size_t length = batch->entries.length;
    struct index_entry entry;
    size_t start;

    if (length < INDEX_ENTRY_SIZE)
        return;
    unsigned char *last = (unsigned char *)batch->entries.data + length - INDEX_ENTRY_SIZE;
    index_read_entry(last, &entry);
    entry.flags |= INDEX_BATCH_END;
    index_write_entry(last, &entry);
    uint32_t crc = find_before_last(batch, &start);
    struct str record = str_slice(buf_str(&batch->data), start, batch->data.length);
    entry.crc = index_entry_crc(crc, last, record);
    index_write_entry(last, &entry);
    batch->after.crc = entry.crc;
}

bool batch_ok(const struct batch *batch, struct error *error)
{
    if (batch->after.last_counter > INDEX_COUNTER_MOST)
        return error_set(error, ERROR_QUOTA, "%s: has used up its counters", batch->path);
    return buf_ok(&batch->entries, error) && buf_ok(&batch->data, error);
}

void batch_clear(struct batch *batch)
{
    buf_clear(&batch->entries);
    buf_clear(&batch->data);
    *batch = (struct batch){0};
}

void batch_write_frame(const struct batch *batch, struct buf *out)
{
    unsigned char fixed[FIXED_SIZE] = {0};
    const struct head *before = &batch->before;
    struct str path = str_of(batch->path);

    memcpy(fixed, batch->identity.id, INDEX_ID_SIZE);
    memcpy(fixed + INDEX_ID_SIZE, batch->identity.secret, SIPHASH_KEY_SIZE);
    bytes_put_u64(fixed + AT_GENERATION, before->generation);
    bytes_put_u64(fixed + AT_CREATED, (uint64_t)batch->identity.created);
    bytes_put_u64(fixed + AT_COUNT, before->count);
    bytes_put_u64(fixed + AT_COMMITS, before->commits);
    bytes_put_u64(fixed + AT_DATA_END, before->data_end);
    bytes_put_u64(fixed + AT_LAST_COUNTER, before->last_counter);
    bytes_put_u32(fixed + AT_CRC, before->crc);
    bytes_put_u32(fixed + AT_CREATES, batch->creates);
    bytes_put_u32(fixed + AT_PATH_LENGTH, (uint32_t)path.length);
    bytes_put_u32(fixed + AT_ENTRIES_LENGTH, (uint32_t)batch->entries.length);
    bytes_put_u32(fixed + AT_DATA_LENGTH, (uint32_t)batch->data.length);
    buf_append(out, (struct str){(const char *)fixed, sizeof fixed});
    buf_append(out, path);
    buf_append(out, buf_str(&batch->entries));
    buf_append(out, buf_str(&batch->data));
}

static bool refuse(struct error *error, const char *what)
{
    return error_set(error, ERROR_DAMAGED, "a batch in the journal does not add up: %s", what);
}

/* That each entry follows from the one before and from its record; fills after. */
static bool check_entries(struct batch *batch, struct error *error)
{
    const unsigned char *encoded = (const unsigned char *)batch->entries.data;
    struct head *after = &batch->after;
    struct index_entry entry = {0};

    *after = batch->before;
    for (size_t at = 0; at < batch->entries.length; at += INDEX_ENTRY_SIZE) {
        index_read_entry(encoded + at, &entry);
        bool is_commit = entry.flags & INDEX_COMMIT;
        uint64_t start = after->data_end - batch->before.data_end;

        if (entry.end < after->data_end || entry.end - after->data_end > batch->data.length - start)
            return refuse(error, "a record is not within the data");
        struct str record =
            str_slice(buf_str(&batch->data), start, (size_t)(entry.end - after->data_end));
        if (is_commit ? record.length > 0 || entry.counter != after->last_counter
                      : record.length == 0 || entry.counter <= after->last_counter)
            return refuse(error, "counters or lengths are out of order");
        if (entry.counter > INDEX_COUNTER_MOST ||
            entry.crc != index_entry_crc(after->crc, encoded + at, record))
            return refuse(error, "a checksum is wrong");
        after->crc = entry.crc;
        after->data_end = entry.end;
        after->last_counter = entry.counter;
        after->count++;
        after->commits += is_commit;
    }
    if (!(entry.flags & INDEX_BATCH_END) ||
        after->data_end - batch->before.data_end != batch->data.length)
        return refuse(error, "it has no end");
    return true;
}

/* Far from where offsets in files end, and at the beginning if it is to create the collection. */
static bool check_before(const struct batch *batch, struct error *error)
{
    const uint64_t most = (uint64_t)INT64_MAX / INDEX_ENTRY_SIZE / 2;
    const struct head *before = &batch->before;
    struct index_header header = {.generation = before->generation};

    memcpy(header.id, batch->identity.id, INDEX_ID_SIZE);
    if (before->count > most || before->data_end > most || before->commits > before->count)
        return refuse(error, "it begins nowhere");
    if (batch->creates &&
        (before->count > 0 || before->data_end > 0 || before->crc != index_first_crc(&header)))
        return refuse(error, "it creates what is there already");
    return true;
}

static bool read_fixed(struct batch *batch, const unsigned char *fixed, struct error *error)
{
    struct head *before = &batch->before;

    memcpy(batch->identity.id, fixed, INDEX_ID_SIZE);
    memcpy(batch->identity.secret, fixed + INDEX_ID_SIZE, SIPHASH_KEY_SIZE);
    before->generation = bytes_get_u64(fixed + AT_GENERATION);
    batch->identity.created = (int64_t)bytes_get_u64(fixed + AT_CREATED);
    before->count = bytes_get_u64(fixed + AT_COUNT);
    before->commits = bytes_get_u64(fixed + AT_COMMITS);
    before->data_end = bytes_get_u64(fixed + AT_DATA_END);
    before->last_counter = bytes_get_u64(fixed + AT_LAST_COUNTER);
    before->crc = bytes_get_u32(fixed + AT_CRC);
    batch->creates = bytes_get_u32(fixed + AT_CREATES) == 1;
    if (bytes_get_u32(fixed + AT_CREATES) > 1)
        return refuse(error, "it is of a kind that is not known");
    return check_before(batch, error);
}

static bool read_body(struct batch *batch, struct str body, struct error *error)
{
    const unsigned char *fixed = (const unsigned char *)body.data;

    if (body.length < FIXED_SIZE)
        return refuse(error, "it is too short");
    uint64_t path_length = bytes_get_u32(fixed + AT_PATH_LENGTH);
    uint64_t entries_length = bytes_get_u32(fixed + AT_ENTRIES_LENGTH);
    uint64_t data_length = bytes_get_u32(fixed + AT_DATA_LENGTH);
    if (body.length != FIXED_SIZE + path_length + entries_length + data_length)
        return refuse(error, "its lengths are wrong");
    struct str path = str_slice(body, FIXED_SIZE, path_length);
    if (!paths_check(path))
        return refuse(error, "it is for no collection");
    if (entries_length == 0 || entries_length % INDEX_ENTRY_SIZE != 0)
        return refuse(error, "it has no whole entries");
    if (!read_fixed(batch, fixed, error))
        return false;
    memcpy(batch->path, path.data, path.length);
    buf_append(&batch->entries, str_slice(body, FIXED_SIZE + path_length, entries_length));
    buf_append(&batch->data,
               str_slice(body, FIXED_SIZE + path_length + entries_length, data_length));
    return buf_ok(&batch->entries, error) && buf_ok(&batch->data, error) &&
           check_entries(batch, error);
}

bool batch_read_frame(struct batch *batch, struct str body, struct error *error)
{
    *batch = (struct batch){0};
    if (read_body(batch, body, error))
        return true;
    batch_clear(batch);
    return false;
}
