#include "store/collection.h"

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/json_read.h"
#include "base/json_write.h"
#include "base/percent.h"
#include "store/database.h"
#include "store/paths.h"

#include <fcntl.h>
#include <string.h>

enum {
    INFO_MOST = 4096,       /* bytes of collection.json */
    DELETED_MOST = 1 << 20, /* bytes of deleted.json */
    DEPTH = 4,
    FORMAT = 1,
    /* The body of a deletion's frame: fixed part, path, reason. */
    AT_LAST_COUNTER = INDEX_ID_SIZE,
    AT_GENERATION = AT_LAST_COUNTER + 8,
    AT_PATH_LENGTH = AT_GENERATION + 8,
    FIXED_SIZE = AT_PATH_LENGTH + 4,
};

/* The members of collection.json, and of the first line of deleted.json. */
struct info {
    char name[16];
    uint64_t format, created, last_counter, generation;
    unsigned char id[INDEX_ID_SIZE], secret[SIPHASH_KEY_SIZE];
    bool has_id, has_secret, is_bad;
};

static bool read_hex(struct str text, unsigned char *to, size_t size)
{
    if (text.length != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = percent_hex_value(text.data[2 * i]);
        int low = percent_hex_value(text.data[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        to[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static void note_number(struct info *info, struct str text)
{
    static const struct {
        const char *name;
        size_t offset;
    } fields[] = {
        {"format", offsetof(struct info, format)},
        {"created", offsetof(struct info, created)},
        {"last_counter", offsetof(struct info, last_counter)},
        {"generation", offsetof(struct info, generation)},
    };

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        uint64_t *field = (uint64_t *)(void *)((char *)info + fields[i].offset);

        if (strcmp(info->name, fields[i].name) == 0)
            info->is_bad |= !str_parse_u64(text, INDEX_COUNTER_MOST, field);
    }
}

static bool note_member(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct info *info = context;

    if (depth != 1)
        return true;
    if (event == JSON_KEY) {
        struct str name = str_slice(text, 0, sizeof info->name - 1);

        memcpy(info->name, name.data, name.length);
        info->name[name.length] = '\0';
    } else if (event == JSON_NUMBER) {
        note_number(info, text);
    } else if (event == JSON_STRING && strcmp(info->name, "id") == 0) {
        info->has_id = read_hex(text, info->id, sizeof info->id);
    } else if (event == JSON_STRING && strcmp(info->name, "secret") == 0) {
        info->has_secret = read_hex(text, info->secret, sizeof info->secret);
    }
    return true;
}

static bool read_info(struct str text, const char *name, struct info *info, struct error *error)
{
    struct error cause;

    *info = (struct info){0};
    if (!json_read_text(text, DEPTH, note_member, info, &cause))
        return error_set(error, ERROR_DAMAGED, "%s: %s", name, cause.message);
    if (info->format != FORMAT)
        return error_set(error, ERROR_DAMAGED, "%s: has format %llu, this server knows %d", name,
                         (unsigned long long)info->format, FORMAT);
    return (info->has_id && !info->is_bad) ||
           error_set(error, ERROR_DAMAGED, "%s: has no good id or number", name);
}

static void put_hex(struct buf *out, const char *name, const unsigned char *bytes, size_t size)
{
    json_write_name(out, name);
    buf_append_byte(out, '"');
    crypto_hex_encode((struct str){(const char *)bytes, size}, out);
    buf_append_byte(out, '"');
}

static bool load_live(struct collection *collection, struct disk *disk, const char *path,
                      const struct database *database, struct error *error)
{
    char name[PATHS_SIZE];
    struct buf text = {0};
    struct info info;

    paths_put_info(name, path);
    bool ok = disk_read_file(disk, name, INFO_MOST, &text, error);
    if (!ok && error->code == ERROR_NOT_FOUND)
        error->code = ERROR_DAMAGED; /* the index is there */
    ok = ok && read_info(buf_str(&text), name, &info, error);
    buf_clear(&text);
    if (!ok)
        return false;
    if (!info.has_secret || memcmp(info.id, database->header.id, sizeof info.id) != 0)
        return error_set(error, ERROR_DAMAGED, "%s: is of another collection than the index", name);
    collection->state = COLLECTION_LIVE;
    memcpy(collection->identity.id, info.id, sizeof info.id);
    memcpy(collection->identity.secret, info.secret, sizeof info.secret);
    collection->identity.created = (int64_t)info.created;
    collection->head = database->head;
    return true;
}

/* Two lines: what the server has to know, then the reason as the client sent it. */
static bool load_deleted(struct collection *collection, struct disk *disk, const char *path,
                         struct error *error)
{
    char name[PATHS_SIZE];
    struct buf text = {0};
    struct info info;

    paths_put_deleted(name, path);
    bool ok = disk_read_file(disk, name, DELETED_MOST, &text, error);
    if (!ok && error->code == ERROR_NOT_FOUND)
        return true; /* absent */
    struct str first = str_slice(buf_str(&text), 0, str_find_byte(buf_str(&text), '\n'));
    struct str reason = str_slice(buf_str(&text), first.length + 1, text.length);
    reason = str_slice(reason, 0, str_find_byte(reason, '\n'));
    ok = ok && read_info(first, name, &info, error);
    if (ok) {
        collection->state = COLLECTION_DELETED;
        collection->head.generation = info.generation;
        collection->head.last_counter = info.last_counter;
        buf_append(&collection->reason, reason);
        ok = buf_ok(&collection->reason, error);
    }
    buf_clear(&text);
    return ok;
}

bool collection_load(struct collection *collection, struct disk *disk, const char *path,
                     struct error *error)
{
    struct database database;
    bool ok;

    *collection = (struct collection){0};
    if (database_open(&database, disk, path, error)) {
        ok = load_live(collection, disk, path, &database, error);
        database_close(&database);
    } else {
        ok = error->code == ERROR_NOT_FOUND && load_deleted(collection, disk, path, error);
    }
    if (!ok)
        collection_clear(collection);
    return ok;
}

void collection_clear(struct collection *collection)
{
    buf_clear(&collection->reason);
    *collection = (struct collection){0};
}

static bool make_directories(struct disk *disk, const char *path, struct error *error)
{
    char name[PATHS_SIZE];

    for (unsigned level = 3; level-- > 0;) {
        paths_put_directory(name, path, level);
        if (!disk_make_directory(disk, name, error))
            return false;
    }
    return true;
}

static bool write_info(struct disk *disk, const struct batch *batch, struct error *error)
{
    char name[PATHS_SIZE];
    struct buf text = {0};

    buf_append(&text, STR("{"));
    json_write_u64_member(&text, "format", FORMAT);
    put_hex(&text, "id", batch->identity.id, INDEX_ID_SIZE);
    put_hex(&text, "secret", batch->identity.secret, SIPHASH_KEY_SIZE);
    json_write_u64_member(&text, "created", (uint64_t)batch->identity.created);
    json_write_string_member(&text, "path", str_of(batch->path));
    buf_append(&text, STR("}\n"));
    paths_put_info(name, batch->path);
    bool ok = buf_ok(&text, error) && disk_replace_file(disk, name, buf_str(&text), false, error);
    buf_clear(&text);
    return ok;
}

static bool write_empty(struct disk *disk, const char *name, struct str content,
                        struct error *error)
{
    struct file file = {0};
    bool ok = file_open(&file, disk, name, O_RDWR | O_CREAT | O_TRUNC, error) &&
              file_write_at(&file, content, 0, error);

    file_close(&file);
    return ok;
}

/* The index last: it is what says that the collection is there. */
bool collection_create(struct disk *disk, const struct batch *batch, struct error *error)
{
    struct index_header header = {.generation = batch->before.generation};
    unsigned char bytes[INDEX_HEADER_SIZE];
    char name[PATHS_SIZE];

    memcpy(header.id, batch->identity.id, INDEX_ID_SIZE);
    index_write_header(bytes, &header);
    if (!make_directories(disk, batch->path, error) || !write_info(disk, batch, error))
        return false;
    paths_put_data(name, batch->path, header.generation);
    if (!write_empty(disk, name, (struct str){0}, error))
        return false;
    paths_put_index(name, batch->path);
    if (!disk_replace_file(disk, name, (struct str){(const char *)bytes, sizeof bytes}, false,
                           error))
        return false;
    paths_put_deleted(name, batch->path);
    return disk_unlink(disk, name, error);
}

static bool write_deleted(struct disk *disk, const struct deletion *deletion, struct error *error)
{
    char name[PATHS_SIZE];
    struct buf text = {0};

    buf_append(&text, STR("{"));
    json_write_u64_member(&text, "format", FORMAT);
    put_hex(&text, "id", deletion->id, INDEX_ID_SIZE);
    json_write_u64_member(&text, "last_counter", deletion->last_counter);
    json_write_u64_member(&text, "generation", deletion->generation);
    buf_append(&text, STR("}\n"));
    buf_append(&text, buf_str(&deletion->reason));
    buf_append(&text, STR("\n"));
    paths_put_deleted(name, deletion->path);
    bool ok = buf_ok(&text, error) && disk_replace_file(disk, name, buf_str(&text), false, error);
    buf_clear(&text);
    return ok;
}

/* What is there now, as far as its index says; *is_other: a live collection with another id. */
static bool find_other(struct disk *disk, const struct deletion *deletion, bool *is_other,
                       struct error *error)
{
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct index_header header;
    struct file index = {0};
    struct error cause;
    char name[PATHS_SIZE];

    *is_other = false;
    paths_put_index(name, deletion->path);
    if (!file_open(&index, disk, name, O_RDONLY, error))
        return error->code == ERROR_NOT_FOUND;
    /* A header that cannot be read is of what is to be deleted, or of nothing. */
    if (file_read_at(&index, bytes, sizeof bytes, 0, &cause) &&
        index_read_header(bytes, &header, &cause))
        *is_other = memcmp(header.id, deletion->id, INDEX_ID_SIZE) != 0;
    file_close(&index);
    return true;
}

bool collection_delete(struct disk *disk, const struct deletion *deletion, struct error *error)
{
    char name[PATHS_SIZE];
    bool is_other;

    if (!find_other(disk, deletion, &is_other, error))
        return false;
    if (is_other)
        return true;
    if (!make_directories(disk, deletion->path, error) || !write_deleted(disk, deletion, error))
        return false;
    paths_put_index(name, deletion->path);
    if (!disk_unlink(disk, name, error))
        return false;
    paths_put_data(name, deletion->path, deletion->generation);
    if (!disk_unlink(disk, name, error))
        return false;
    paths_put_info(name, deletion->path);
    return disk_unlink(disk, name, error);
}

/* A file that is not there has been deleted; its directory tells that. */
static bool sync_file(struct disk *disk, const char *name, struct error *error)
{
    struct file file = {0};

    if (!file_open(&file, disk, name, O_RDWR, error))
        return error->code == ERROR_NOT_FOUND;
    bool ok = file_sync(&file, error);
    file_close(&file);
    return ok;
}

static bool sync_directories(struct disk *disk, const char *path, struct error *error)
{
    char name[PATHS_SIZE];

    for (unsigned level = 0; level <= 3; level++) {
        paths_put_directory(name, path, level);
        if (!disk_sync_directory(disk, name, error))
            return false;
    }
    return true;
}

static bool note_synced(struct disk *disk, const char *path, uint64_t generation, uint64_t count,
                        struct error *error)
{
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct index_header header;
    struct file index = {0};
    char name[PATHS_SIZE];

    paths_put_index(name, path);
    if (!file_open(&index, disk, name, O_RDWR, error))
        return error->code == ERROR_NOT_FOUND;
    bool ok = file_read_at(&index, bytes, sizeof bytes, 0, error) &&
              index_read_header(bytes, &header, error);
    if (ok && header.generation == generation && header.synced_count < count) {
        header.synced_count = count;
        index_write_header(bytes, &header);
        ok = file_write_at(&index, (struct str){(const char *)bytes, sizeof bytes}, 0, error) &&
             file_sync(&index, error);
    }
    file_close(&index);
    return ok;
}

bool collection_sync(struct disk *disk, const char *path, uint64_t generation, uint64_t count,
                     struct error *error)
{
    char name[PATHS_SIZE];

    paths_put_data(name, path, generation);
    if (!sync_file(disk, name, error))
        return false;
    paths_put_info(name, path);
    if (!sync_file(disk, name, error))
        return false;
    paths_put_deleted(name, path);
    if (!sync_file(disk, name, error))
        return false;
    paths_put_index(name, path);
    return sync_file(disk, name, error) && sync_directories(disk, path, error) &&
           note_synced(disk, path, generation, count, error);
}

void deletion_write_frame(const struct deletion *deletion, struct buf *out)
{
    unsigned char fixed[FIXED_SIZE];
    struct str path = str_of(deletion->path);

    memcpy(fixed, deletion->id, INDEX_ID_SIZE);
    bytes_put_u64(fixed + AT_LAST_COUNTER, deletion->last_counter);
    bytes_put_u64(fixed + AT_GENERATION, deletion->generation);
    bytes_put_u32(fixed + AT_PATH_LENGTH, (uint32_t)path.length);
    buf_append(out, (struct str){(const char *)fixed, sizeof fixed});
    buf_append(out, path);
    buf_append(out, buf_str(&deletion->reason));
}

bool deletion_read_frame(struct deletion *deletion, struct str body, struct error *error)
{
    const unsigned char *fixed = (const unsigned char *)body.data;

    *deletion = (struct deletion){0};
    if (body.length < FIXED_SIZE)
        return error_set(error, ERROR_DAMAGED, "a deletion in the journal is too short");
    struct str path = str_slice(body, FIXED_SIZE, bytes_get_u32(fixed + AT_PATH_LENGTH));
    if (path.length != bytes_get_u32(fixed + AT_PATH_LENGTH) || !paths_check(path))
        return error_set(error, ERROR_DAMAGED, "a deletion in the journal is of no collection");
    memcpy(deletion->path, path.data, path.length);
    memcpy(deletion->id, fixed, INDEX_ID_SIZE);
    deletion->last_counter = bytes_get_u64(fixed + AT_LAST_COUNTER);
    deletion->generation = bytes_get_u64(fixed + AT_GENERATION);
    buf_append(&deletion->reason, str_slice(body, FIXED_SIZE + path.length, body.length));
    return buf_ok(&deletion->reason, error);
}

void deletion_clear(struct deletion *deletion)
{
    buf_clear(&deletion->reason);
}
