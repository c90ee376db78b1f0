#include "store/collection.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/crypto.h"
#include "base/json_read.h"
#include "base/json_write.h"
#include "base/percent.h"
#include "store/database.h"
#include "store/mark.h"
#include "store/paths.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
    INFO_MOST = 4096,       /* bytes of collection.json */
    DELETED_MOST = 1 << 30, /* bytes of deleted.json: no frame of the journal holds more */
    DEPTH = 1,
    FORMAT = 1,
    /* The body of a deletion's frame: fixed part, path, reason. */
    AT_LAST_COUNTER = INDEX_ID_SIZE,
    AT_GENERATION = AT_LAST_COUNTER + 8,
    AT_PATH_LENGTH = AT_GENERATION + 8,
    FIXED_SIZE = AT_PATH_LENGTH + 4,
};

/* --- Members of collection.json, and of the first line of deleted.json ------------------------ */

enum member {
    MEMBER_FORMAT = 1,
    MEMBER_ID = 2,
    MEMBER_SECRET = 4,
    MEMBER_CREATED = 8,
    MEMBER_LAST_COUNTER = 16,
    MEMBER_GENERATION = 32,
    MEMBER_CRC = 64,
    INFO_MEMBERS = MEMBER_FORMAT | MEMBER_ID | MEMBER_SECRET | MEMBER_CREATED | MEMBER_CRC,
    DELETED_MEMBERS =
        MEMBER_FORMAT | MEMBER_ID | MEMBER_LAST_COUNTER | MEMBER_GENERATION | MEMBER_CRC,
};

struct info {
    const struct member_kind *current;
    unsigned found; /* members that are there and good */
    uint64_t format, created, last_counter, generation, crc;
    unsigned char id[INDEX_ID_SIZE], secret[SIPHASH_KEY_SIZE];
};

/* Numbers, and hexadecimal strings of so many bytes. Others, like "path", are for people. */
static const struct member_kind {
    struct str name;
    enum member member;
    size_t offset, hex_bytes;
} member_kinds[] = {
    {STR_INIT("format"), MEMBER_FORMAT, offsetof(struct info, format), 0},
    {STR_INIT("id"), MEMBER_ID, offsetof(struct info, id), INDEX_ID_SIZE},
    {STR_INIT("secret"), MEMBER_SECRET, offsetof(struct info, secret), SIPHASH_KEY_SIZE},
    {STR_INIT("created"), MEMBER_CREATED, offsetof(struct info, created), 0},
    {STR_INIT("last_counter"), MEMBER_LAST_COUNTER, offsetof(struct info, last_counter), 0},
    {STR_INIT("generation"), MEMBER_GENERATION, offsetof(struct info, generation), 0},
    {STR_INIT("crc"), MEMBER_CRC, offsetof(struct info, crc), 0},
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

static bool read_member(struct info *info, enum json_event event, struct str text)
{
    const struct member_kind *kind = info->current;
    char *field = (char *)info + kind->offset;

    if (kind->hex_bytes > 0)
        return event == JSON_STRING && read_hex(text, (unsigned char *)field, kind->hex_bytes);
    return event == JSON_NUMBER && str_parse_u64(text, INDEX_COUNTER_MOST, (void *)field);
}

static const struct member_kind *find_kind(struct str name)
{
    for (size_t i = 0; i < sizeof member_kinds / sizeof *member_kinds; i++) {
        if (str_equals(name, member_kinds[i].name))
            return &member_kinds[i];
    }
    return NULL;
}

static bool note_member(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct info *info = context;

    if (depth == 0)
        return true;
    if (event == JSON_KEY)
        info->current = find_kind(text);
    else if (info->current && read_member(info, event, text))
        info->found |= info->current->member;
    return true;
}

/* Of the line without its last member, and of what stands behind the line. */
static uint32_t checksum(struct str line, struct str rest)
{
    return crc32c_extend(crc32c_extend(0, line), rest);
}

/* The line as write_line has ended it? */
static bool check_crc(struct str line, struct str rest, uint64_t crc)
{
    char end[40];
    int length = snprintf(end, sizeof end, ",\"crc\":%llu}", (unsigned long long)crc);
    struct str suffix = {end, (size_t)length};

    return str_ends_with(line, suffix) &&
           checksum(str_slice(line, 0, line.length - suffix.length), rest) == crc;
}

/* text: the file. *rest: what stands behind its first line. */
static bool read_info(struct str text, const char *name, unsigned members, struct info *info,
                      struct str *rest, struct error *error)
{
    struct str line = str_slice(text, 0, str_find_byte(text, '\n'));
    struct error cause;

    *info = (struct info){0};
    *rest = str_slice(text, line.length + 1, text.length);
    if (line.length == text.length)
        return error_set(error, ERROR_DAMAGED, "%s: the line has no end", name);
    if (!json_read_text(line, DEPTH, note_member, info, &cause))
        return error_set(error, ERROR_DAMAGED, "%s: %s", name, cause.message);
    if (info->found & MEMBER_FORMAT && info->format != FORMAT)
        return error_set(error, ERROR_DAMAGED,
                         "%s: has format %llu, this server knows %d: upgrade the server", name,
                         (unsigned long long)info->format, FORMAT);
    if ((info->found & members) != members)
        return error_set(error, ERROR_DAMAGED, "%s: a member is missing or bad", name);
    return check_crc(line, *rest, info->crc) ||
           error_set(error, ERROR_DAMAGED, "%s: does not match its checksum", name);
}

static void put_hex(struct buf *out, const char *name, const unsigned char *bytes, size_t size)
{
    json_write_name(out, name);
    buf_append_byte(out, '"');
    crypto_hex_encode((struct str){(const char *)bytes, size}, out);
    buf_append_byte(out, '"');
}

/* Ends the line in text, which holds nothing else, and appends what follows it. */
static void end_line(struct buf *text, struct str rest)
{
    json_write_u64_member(text, "crc", checksum(buf_str(text), rest));
    buf_append(text, STR("}\n"));
    buf_append(text, rest);
}

/* --- Reading --------------------------------------------------------------------------------- */

bool collection_read_info(struct disk *disk, const char *path, struct identity *identity,
                          struct error *error)
{
    char name[PATHS_SIZE];
    struct buf text = {0};
    struct info info = {0};
    struct str rest;

    paths_put_info(name, path);
    bool ok = disk_read_file(disk, name, INFO_MOST, &text, error) &&
              read_info(buf_str(&text), name, INFO_MEMBERS, &info, &rest, error);
    buf_clear(&text);
    memcpy(identity->id, info.id, sizeof info.id);
    memcpy(identity->secret, info.secret, sizeof info.secret);
    identity->created = (int64_t)info.created;
    return ok;
}

static bool load_live(struct collection *collection, struct disk *disk, const char *path,
                      const struct index_header *header, const struct head *head,
                      struct error *error)
{
    if (!collection_read_info(disk, path, &collection->identity, error)) {
        if (error->code == ERROR_NOT_FOUND)
            error->code = ERROR_DAMAGED; /* the index is there */
        return false;
    }
    if (memcmp(collection->identity.id, header->id, INDEX_ID_SIZE) != 0)
        return error_set(error, ERROR_DAMAGED,
                         "%s/collection.json: is of another collection than the index", path);
    collection->state = COLLECTION_LIVE;
    collection->head = *head;
    return true;
}

bool collection_load_deleted(struct collection *collection, struct disk *disk, const char *path,
                             struct error *error)
{
    char name[PATHS_SIZE];
    struct buf text = {0};
    struct str reason;
    struct info info;

    *collection = (struct collection){0};
    paths_put_deleted(name, path);
    bool ok = disk_read_file(disk, name, DELETED_MOST, &text, error);
    if (!ok && error->code == ERROR_NOT_FOUND)
        return true; /* absent */
    ok = ok && read_info(buf_str(&text), name, DELETED_MEMBERS, &info, &reason, error);
    if (ok) {
        collection->state = COLLECTION_DELETED;
        collection->head.generation = info.generation;
        collection->head.last_counter = info.last_counter;
        buf_append(&collection->reason, str_slice(reason, 0, reason.length - 1));
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
        ok = load_live(collection, disk, path, &database.header, &database.head, error);
        collection->is_behind = database.is_behind;
        database_close(&database);
    } else {
        ok = error->code == ERROR_NOT_FOUND &&
             collection_load_deleted(collection, disk, path, error);
    }
    if (!ok)
        collection_clear(collection);
    return ok;
}

bool collection_load_at(struct collection *collection, struct disk *disk, const char *path,
                        const struct head *head, struct error *error)
{
    struct index_header header;

    *collection = (struct collection){0};
    if (!database_read_header(disk, path, &header, error))
        return false;
    if (header.generation != head->generation)
        return error_set(error, ERROR_DAMAGED, "%s: is of another generation", path);
    if (load_live(collection, disk, path, &header, head, error))
        return true;
    collection_clear(collection);
    return false;
}

void collection_clear(struct collection *collection)
{
    buf_clear(&collection->reason);
    *collection = (struct collection){0};
}

/* --- Making ---------------------------------------------------------------------------------- */

bool collection_make_directories(struct disk *disk, const char *path, struct error *error)
{
    char name[PATHS_SIZE];

    for (unsigned level = 3; level-- > 0;) {
        paths_put_directory(name, path, level);
        if (!disk_make_directory(disk, name, error))
            return false;
    }
    return true;
}

bool collection_write_info(struct disk *disk, const char *path, const struct identity *identity,
                           bool synced, struct error *error)
{
    char name[PATHS_SIZE];
    struct buf text = {0};

    buf_append(&text, STR("{"));
    json_write_u64_member(&text, "format", FORMAT);
    put_hex(&text, "id", identity->id, INDEX_ID_SIZE);
    put_hex(&text, "secret", identity->secret, SIPHASH_KEY_SIZE);
    json_write_u64_member(&text, "created", (uint64_t)identity->created);
    json_write_string_member(&text, "path", str_of(path));
    end_line(&text, (struct str){0});
    paths_put_info(name, path);
    bool ok = buf_ok(&text, error) && disk_replace_file(disk, name, buf_str(&text), synced, error);
    buf_clear(&text);
    return ok;
}

static bool write_data(struct disk *disk, const struct batch *batch, struct error *error)
{
    struct file file = {0};
    char name[PATHS_SIZE];

    paths_put_data(name, batch->path, batch->before.generation);
    bool ok = file_open(&file, disk, name, O_RDWR | O_CREAT | O_TRUNC, error) &&
              file_write_at(&file, buf_str(&batch->data), 0, error);
    file_close(&file);
    return ok;
}

static bool write_index(struct disk *disk, const struct batch *batch, struct error *error)
{
    struct index_header header = {.generation = batch->before.generation, .losses = disk->losses};
    unsigned char bytes[INDEX_HEADER_SIZE];
    char name[PATHS_SIZE];
    struct buf text = {0};

    memcpy(header.id, batch->identity.id, INDEX_ID_SIZE);
    index_write_header(bytes, &header);
    buf_append(&text, (struct str){(const char *)bytes, sizeof bytes});
    buf_append(&text, buf_str(&batch->entries));
    paths_put_index(name, batch->path);
    bool ok = buf_ok(&text, error) && disk_replace_file(disk, name, buf_str(&text), false, error);
    buf_clear(&text);
    return ok;
}

/* The index, with all its entries at once, is what says that the collection is there. */
bool collection_create(struct disk *disk, const struct batch *batch, struct error *error)
{
    char name[PATHS_SIZE];

    if (!collection_make_directories(disk, batch->path, error) ||
        !collection_write_info(disk, batch->path, &batch->identity, false, error) ||
        !write_data(disk, batch, error) || !write_index(disk, batch, error))
        return false;
    paths_put_deleted(name, batch->path);
    return disk_unlink(disk, name, error);
}

/* --- Deleting -------------------------------------------------------------------------------- */

static bool write_deleted(struct disk *disk, const struct deletion *deletion, struct error *error)
{
    char name[PATHS_SIZE];
    struct buf text = {0}, reason = {0};

    buf_append(&text, STR("{"));
    json_write_u64_member(&text, "format", FORMAT);
    put_hex(&text, "id", deletion->id, INDEX_ID_SIZE);
    json_write_u64_member(&text, "last_counter", deletion->last_counter);
    json_write_u64_member(&text, "generation", deletion->generation);
    buf_append(&reason, buf_str(&deletion->reason));
    buf_append_byte(&reason, '\n');
    end_line(&text, buf_str(&reason));
    paths_put_deleted(name, deletion->path);
    bool ok = buf_ok(&deletion->reason, error) && buf_ok(&reason, error) && buf_ok(&text, error) &&
              disk_replace_file(disk, name, buf_str(&text), false, error);
    buf_clear(&reason);
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

bool collection_revive(struct disk *disk, const char *path, struct error *error)
{
    char name[PATHS_SIZE];

    paths_put_deleted(name, path);
    if (!disk_unlink(disk, name, error))
        return false;
    paths_put_directory(name, path, 0);
    return disk_sync_directory(disk, name, error);
}

bool collection_delete(struct disk *disk, const struct deletion *deletion, bool *undone,
                       struct error *error)
{
    struct error cause;
    char name[PATHS_SIZE];
    bool is_other;

    *undone = true;
    if (!find_other(disk, deletion, &is_other, error))
        return false;
    if (is_other)
        return true;
    if (!collection_make_directories(disk, deletion->path, error) ||
        !write_deleted(disk, deletion, error))
        return false;
    paths_put_index(name, deletion->path);
    if (!disk_unlink(disk, name, error)) {
        (void)!collection_revive(disk, deletion->path, &cause);
        return false;
    }
    *undone = false;
    paths_put_data(name, deletion->path, deletion->generation);
    if (!disk_unlink(disk, name, error))
        return false;
    paths_put_info(name, deletion->path);
    return disk_unlink(disk, name, error);
}

/* --- Checkpoints ----------------------------------------------------------------------------- */

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

/* One that is not there could not be made: the batch that wanted it was cancelled. */
static bool sync_directories(struct disk *disk, const char *path, struct error *error)
{
    char name[PATHS_SIZE];

    for (unsigned level = 0; level <= 3; level++) {
        paths_put_directory(name, path, level);
        if (!disk_sync_directory(disk, name, error) && error->code != ERROR_NOT_FOUND)
            return false;
    }
    return true;
}

static bool sync_data(struct disk *disk, const char *path, uint64_t generation, struct error *error)
{
    char name[PATHS_SIZE];

    paths_put_data(name, path, generation);
    return sync_file(disk, name, error);
}

static bool sync_others(struct disk *disk, const char *path, uint64_t generation,
                        struct error *error)
{
    char name[PATHS_SIZE];

    if (!sync_data(disk, path, generation, error))
        return false;
    paths_put_info(name, path);
    if (!sync_file(disk, name, error))
        return false;
    paths_put_deleted(name, path);
    return sync_file(disk, name, error) && sync_directories(disk, path, error);
}

/* Counted before anything is synced: these entries, and so their records, are all there then. */
static bool count_entries(struct file *index, uint64_t *count, struct error *error)
{
    uint64_t size;

    if (!file_size(index, &size, error))
        return false;
    *count = size < INDEX_HEADER_SIZE ? 0 : (size - INDEX_HEADER_SIZE) / INDEX_ENTRY_SIZE;
    return true;
}

/* A mark was written only after all the rest had been synced; since then the two files have grown
 * and nothing else has changed. */
static bool sync_live(struct file *index, const char *path, uint64_t generation, uint64_t count,
                      struct error *error)
{
    struct index_header header;
    uint64_t there;

    if (!mark_read(index, &header, error) || !count_entries(index, &there, error) ||
        !file_sync(index, error))
        return false;
    if (header.synced_count > 0 ? !sync_data(index->disk, path, generation, error)
                                : !sync_others(index->disk, path, generation, error))
        return false;
    if (count > there)
        count = there;
    if (header.generation != generation || (header.synced_count >= count && !header.is_torn))
        return true;
    if (header.synced_count < count)
        header.synced_count = count;
    return mark_write(index, &header, error);
}

bool collection_sync(struct disk *disk, const char *path, uint64_t generation, uint64_t count,
                     struct error *error)
{
    char name[PATHS_SIZE];
    struct file index = {0};

    paths_put_index(name, path);
    if (!file_open(&index, disk, name, O_RDWR, error))
        return error->code == ERROR_NOT_FOUND && sync_others(disk, path, generation, error);
    bool ok = sync_live(&index, path, generation, count, error);
    file_close(&index);
    return ok;
}

/* --- Frames of deletions --------------------------------------------------------------------- */

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

static bool refuse(struct error *error, const char *what)
{
    return error_set(error, ERROR_DAMAGED, "a deletion in the journal does not add up: %s", what);
}

bool deletion_read_frame(struct deletion *deletion, struct str body, struct error *error)
{
    const unsigned char *fixed = (const unsigned char *)body.data;

    *deletion = (struct deletion){0};
    if (body.length < FIXED_SIZE)
        return refuse(error, "it is too short");
    uint32_t path_length = bytes_get_u32(fixed + AT_PATH_LENGTH);
    struct str path = str_slice(body, FIXED_SIZE, path_length);
    if (path.length != path_length || !paths_check(path))
        return refuse(error, "it is of no collection");
    uint64_t last_counter = bytes_get_u64(fixed + AT_LAST_COUNTER);
    uint64_t generation = bytes_get_u64(fixed + AT_GENERATION);
    if (last_counter > INDEX_COUNTER_MOST || generation > INDEX_COUNTER_MOST)
        return refuse(error, "a number is too large");
    memcpy(deletion->path, path.data, path.length);
    memcpy(deletion->id, fixed, INDEX_ID_SIZE);
    deletion->last_counter = last_counter;
    deletion->generation = generation;
    buf_append(&deletion->reason, str_slice(body, FIXED_SIZE + path.length, body.length));
    if (buf_ok(&deletion->reason, error))
        return true;
    deletion_clear(deletion);
    return false;
}

void deletion_clear(struct deletion *deletion)
{
    buf_clear(&deletion->reason);
    *deletion = (struct deletion){0};
}
