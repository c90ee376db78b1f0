#include "tools/show.h"

#include "base/crypto.h"
#include "base/json_write.h"
#include "store/collection.h"
#include "store/database.h"
#include "store/paths.h"
#include "tools/report.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    CHUNK_BYTES = 1 << 20,
    CHUNK = 127,   /* records read at once */
    ENTRIES = 128, /* entries, likewise */
    TRIES = 1000,  /* beside a server that writes: what it writes is seen as a whole soon */
    ID_TEXT_SIZE = 2 * INDEX_ID_SIZE,
    FILE_NAME_SIZE = PATHS_SIZE + 256,
};

static bool print(struct buf *text, struct error *error)
{
    return (buf_ok(text, error) && report_print(text)) ||
           error_set(error, ERROR_IO, "cannot print");
}

/* Damage that stays is damage. */
static bool load(struct collection *collection, struct disk *disk, const char *path,
                 struct error *error)
{
    bool ok = false;

    for (int i = 0; i < TRIES && !ok; i++) {
        ok = collection_load(collection, disk, path, error);
        if (!ok && error->code != ERROR_DAMAGED)
            return false;
    }
    if (ok && collection->state == COLLECTION_ABSENT) {
        collection_clear(collection);
        return error_set(error, ERROR_NOT_FOUND, "%s: there is no collection", path);
    }
    return ok;
}

/* --- Records --------------------------------------------------------------------------------- */

/* "[1,{}],\n" becomes "[1,{}]\n". */
static void drop_commas(struct buf *text)
{
    size_t to = 0;

    for (size_t i = 0; i < text->length; i++) {
        if (text->data[i] == ',' && i + 1 < text->length && text->data[i + 1] == '\n')
            continue;
        text->data[to++] = text->data[i];
    }
    text->length = to;
}

static bool print_records(struct database *database, struct error *error)
{
    struct index_entry entries[CHUNK + 1];
    struct buf text = {0};
    size_t count = 0;
    bool ok = true;

    for (uint64_t i = 0; ok && i < database->head.count; i += count) {
        uint64_t left = database->head.count - i;

        count = left < CHUNK ? (size_t)left : CHUNK;
        ok = database_read_checked(database, i, &count, CHUNK_BYTES, entries, &text, error);
        drop_commas(&text);
        ok = ok && print(&text, error);
    }
    buf_clear(&text);
    return ok;
}

bool show_records(struct disk *disk, const char *path, struct error *error)
{
    struct collection collection;
    struct database database;

    if (!load(&collection, disk, path, error))
        return false;
    bool is_live = collection.state == COLLECTION_LIVE;
    struct head head = collection.head;
    collection_clear(&collection);
    if (!is_live)
        return error_set(error, ERROR_NOT_FOUND, "%s: the collection was deleted", path);
    if (!database_reopen(&database, disk, path, &head, error))
        return false;
    bool ok = print_records(&database, error);
    database_close(&database);
    return ok;
}

/* --- The index ------------------------------------------------------------------------------- */

static void put_flags(struct buf *out, uint8_t flags)
{
    static const struct {
        uint8_t flag;
        char letter;
    } letters[] = {
        {INDEX_DELETED, 'D'}, {INDEX_BLOB, 'B'}, {INDEX_BATCH_END, 'E'}, {INDEX_COMMIT, 'C'}};

    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        buf_append_byte(out, flags & letters[i].flag ? letters[i].letter : '-');
    if (flags & ~(INDEX_DELETED | INDEX_BLOB | INDEX_BATCH_END | INDEX_COMMIT))
        buf_append_byte(out, '?');
}

static void put_entry(struct buf *out, uint64_t i, const struct index_entry *entry)
{
    buf_append_format(out, "%8" PRIu64 " %16" PRIu64 " %12" PRIu64 " ", i, entry->counter,
                      entry->end);
    put_flags(out, entry->flags);
    buf_append_format(out, " %8u %016" PRIx64, entry->commits, entry->key);
    if (entry->flags & INDEX_COMMIT)
        buf_append_format(out, " seq %-16" PRIu64, entry->type | (uint64_t)entry->expires << 32);
    else
        buf_append_format(out, " %08x %-11u", entry->type, entry->expires);
    buf_append_format(out, " %08x\n", entry->crc);
}

static void put_index_head(struct buf *out, const unsigned char *bytes)
{
    struct index_header header;
    struct error cause;

    if (!index_read_header(bytes, &header, &cause)) {
        buf_append_format(out, "header: %s\n", cause.message);
    } else {
        buf_append_text(out, "id ");
        crypto_hex_encode((struct str){(const char *)header.id, sizeof header.id}, out);
        buf_append_format(out, ", generation %" PRIu64 ", checkpoint at entry %" PRIu64 "\n",
                          header.generation, header.synced_count);
    }
    buf_append_text(out, "   entry          counter          end flag  commits key or client    "
                         "type     expires     crc\n");
}

static bool print_index(struct file *index, struct error *error)
{
    unsigned char bytes[ENTRIES * INDEX_ENTRY_SIZE];
    struct index_entry entry;
    struct buf text = {0};
    uint64_t size;

    if (!file_size(index, &size, error) || !file_read_at(index, bytes, INDEX_HEADER_SIZE, 0, error))
        return false;
    put_index_head(&text, bytes);
    uint64_t count = (size - INDEX_HEADER_SIZE) / INDEX_ENTRY_SIZE;
    bool ok = true;
    for (uint64_t i = 0; ok && i < count; i++) {
        size_t some = count - i < ENTRIES ? (size_t)(count - i) : ENTRIES;

        if (i % ENTRIES == 0)
            ok = print(&text, error) &&
                 file_read_at(index, bytes, some * INDEX_ENTRY_SIZE,
                              INDEX_HEADER_SIZE + i * INDEX_ENTRY_SIZE, error);
        index_read_entry(bytes + i % ENTRIES * INDEX_ENTRY_SIZE, &entry);
        put_entry(&text, i, &entry);
    }
    ok = ok && print(&text, error);
    buf_clear(&text);
    return ok;
}

bool show_index(struct disk *disk, const char *path, struct error *error)
{
    char name[PATHS_SIZE];
    struct file index;

    paths_put_index(name, path);
    if (!file_open(&index, disk, name, O_RDONLY, error))
        return false;
    bool ok = print_index(&index, error);
    file_close(&index);
    return ok;
}

/* --- Figures --------------------------------------------------------------------------------- */

struct figures {
    const char *path;
    struct collection collection;
    uint64_t synced_count, blobs, bytes;
};

static bool add_size(struct figures *figures, struct disk *disk, const char *name,
                     struct error *error)
{
    char full[FILE_NAME_SIZE];
    struct file file = {0};
    uint64_t size = 0;

    (void)snprintf(full, sizeof full, "%s/%s", figures->path, name);
    /* What was kept by repairs stands in directories; and a file may go meanwhile. */
    bool ok = file_open(&file, disk, full, O_RDONLY, error) && file_size(&file, &size, error);
    file_close(&file);
    figures->bytes += size;
    return ok || error->code == ERROR_NOT_FOUND;
}

static bool measure_blobs(struct figures *figures, struct disk *disk, struct error *error)
{
    char directory[PATHS_SIZE], name[FILE_NAME_SIZE];
    struct buf list = {0};

    paths_put_blobs(directory, figures->path);
    bool ok = disk_list(disk, directory, &list, error);
    for (size_t at = 0; ok && at < list.length; at += strlen(list.data + at) + 1) {
        (void)snprintf(name, sizeof name, "blobs/%.250s", list.data + at);
        ok = add_size(figures, disk, name, error);
        figures->blobs++;
    }
    buf_clear(&list);
    return ok;
}

static bool measure(struct figures *figures, struct disk *disk, struct error *error)
{
    struct buf list = {0};
    bool ok = disk_list(disk, figures->path, &list, error);

    for (size_t at = 0; ok && at < list.length; at += strlen(list.data + at) + 1) {
        struct str name = str_of(list.data + at);

        if (str_equals(name, STR("blobs")))
            ok = measure_blobs(figures, disk, error);
        else if (!str_starts_with(name, STR("repair-")))
            ok = add_size(figures, disk, list.data + at, error);
    }
    buf_clear(&list);
    return ok;
}

static bool read_synced(struct figures *figures, struct disk *disk, struct error *error)
{
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct index_header header;
    char name[PATHS_SIZE];
    struct file index;

    paths_put_index(name, figures->path);
    if (!file_open(&index, disk, name, O_RDONLY, error))
        return false;
    bool ok = file_read_at(&index, bytes, sizeof bytes, 0, error);
    if (ok && index_read_header(bytes, &header, error))
        figures->synced_count = header.synced_count;
    file_close(&index);
    return ok;
}

static void put_id(struct buf *out, const struct figures *figures)
{
    const unsigned char *id = figures->collection.identity.id;

    crypto_hex_encode((struct str){(const char *)id, INDEX_ID_SIZE}, out);
}

static void put_json(struct buf *out, const struct figures *figures)
{
    const struct collection *collection = &figures->collection;
    const struct head *head = &collection->head;
    struct buf id = {0};

    put_id(&id, figures);
    buf_append_byte(out, '{');
    json_write_string_member(out, "path", str_of(figures->path));
    json_write_string_member(out, "state",
                             collection->state == COLLECTION_LIVE ? STR("live") : STR("deleted"));
    json_write_u64_member(out, "last_counter", head->last_counter);
    json_write_u64_member(out, "generation", head->generation);
    json_write_u64_member(out, "blobs", figures->blobs);
    json_write_u64_member(out, "bytes", figures->bytes);
    if (collection->state == COLLECTION_LIVE) {
        json_write_string_member(out, "id", buf_str(&id));
        json_write_u64_member(out, "created", (uint64_t)collection->identity.created);
        json_write_u64_member(out, "records", head->count - head->commits);
        json_write_u64_member(out, "record_bytes", head->data_end);
        json_write_u64_member(out, "entries", head->count);
        json_write_u64_member(out, "checkpoint", figures->synced_count);
    } else {
        json_write_name(out, "reason");
        buf_append(out, buf_str(&collection->reason));
    }
    buf_append(out, STR("}\n"));
    buf_clear(&id);
}

static void put_text(struct buf *out, const struct figures *figures)
{
    const struct collection *collection = &figures->collection;
    const struct head *head = &collection->head;

    buf_append_format(out, "%s\n", figures->path);
    if (collection->state == COLLECTION_LIVE) {
        buf_append_text(out, "  id            ");
        put_id(out, figures);
        buf_append_format(out, "\n  created       %" PRId64 " (unix seconds)\n",
                          collection->identity.created);
        buf_append_format(out, "  records       %" PRIu64 " in %" PRIu64 " bytes\n",
                          head->count - head->commits, head->data_end);
        buf_append_format(out, "  entries       %" PRIu64 ", checkpoint at %" PRIu64 "\n",
                          head->count, figures->synced_count);
    } else {
        buf_append_format(out, "  deleted       %s\n",
                          collection->reason.data ? collection->reason.data : "");
    }
    buf_append_format(out, "  last counter  %" PRIu64 "\n  generation    %" PRIu64 "\n",
                      head->last_counter, head->generation);
    buf_append_format(out, "  blobs         %" PRIu64 "\n", figures->blobs);
    buf_append_format(out, "  on disk       %" PRIu64 " bytes\n", figures->bytes);
}

bool show_stat(struct disk *disk, const char *path, bool json, struct error *error)
{
    struct figures figures = {.path = path};
    struct buf text = {0};

    if (!load(&figures.collection, disk, path, error))
        return false;
    bool is_live = figures.collection.state == COLLECTION_LIVE;
    bool ok = measure(&figures, disk, error) && (!is_live || read_synced(&figures, disk, error));
    if (ok) {
        if (json)
            put_json(&text, &figures);
        else
            put_text(&text, &figures);
        ok = print(&text, error);
    }
    buf_clear(&text);
    collection_clear(&figures.collection);
    return ok;
}
