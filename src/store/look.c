#include "store/look.h"

#include "base/crc32c.h"
#include "base/json_read.h"
#include "store/collection.h"
#include "store/look_blobs.h"
#include "store/record.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

static const char mend[] = "stop the server and run cutoutctl repair for this collection";
static const char move_away[] = "nothing uses it; move it away";
static const char restore[] = "restore it from a backup";
static const char upgrade[] = "use the version of cutoutctl and cutoutd that wrote it";

enum {
    ENTRIES = 128,       /* read in one go */
    WINDOW = 256 * 1024, /* bytes of the data file, likewise */
    HEADER_TRIES = 3,    /* a checkpoint may be writing it */
    COMMITS_MASK = 0xffffff,
    INFO_MOST = 4096,
    HEADER_USED = 48, /* what stands behind that, up to the checksum, is zero */
    KNOWN_FLAGS = INDEX_DELETED | INDEX_BLOB | INDEX_BATCH_END | INDEX_COMMIT,
};

/* What is open and known while looking. */
struct view {
    struct look *look;
    struct disk *disk;
    const char *path;
    char index_name[PATHS_SIZE], data_name[PATHS_SIZE];
    struct file index, data;
    struct identity identity; /* if */
    bool has_identity;
    uint64_t count;      /* whole entries */
    uint64_t data_first; /* size of the data before that of the index was taken, */
    uint64_t data_size;  /* and after: writers write the data first */
    struct buf window;
    uint64_t window_at;
    /* While going over the entries. */
    struct index_entry previous;
    bool is_previous_good;
    uint64_t commits;
    uint64_t append_start; /* the entry that the current append begins with */
    struct record record;
    struct look_blobs blobs;
};

static uint64_t offset_of(uint64_t position)
{
    return INDEX_HEADER_SIZE + position * INDEX_ENTRY_SIZE;
}

/* About entry number position. */
#define BLAME(view, position, ...)                                                                 \
    findings_add(&(view)->look->findings, (view)->index_name, offset_of(position), position, mend, \
                 __VA_ARGS__)

/* --- The data file --------------------------------------------------------------------------- */

/* The bytes [at, at + length), which are within the file as it was measured. */
static bool get_bytes(struct view *view, uint64_t at, size_t length, struct str *bytes,
                      struct error *error)
{
    uint64_t window_end = view->window_at + view->window.length;

    if (at < view->window_at || at + length > window_end) {
        uint64_t left = view->data_size - at;
        size_t want = length > WINDOW ? length : WINDOW;

        if (want > left)
            want = (size_t)left;
        buf_reset(&view->window);
        view->window_at = at;
        char *to = buf_reserve(&view->window, want);
        if (!to) {
            error_set(error, ERROR_NO_MEMORY, "out of memory for a record");
            return false;
        }
        if (!file_read_at(&view->data, to, want, at, error))
            return false;
        buf_grow(&view->window, want);
    }
    *bytes = str_slice(buf_str(&view->window), (size_t)(at - view->window_at), length);
    return true;
}

static bool sum_record(struct view *view, const struct index_entry *entry, uint32_t *crc,
                       struct error *error)
{
    unsigned char encoded[INDEX_ENTRY_SIZE];
    struct str piece;

    index_write_entry(encoded, entry);
    *crc = index_entry_crc(view->previous.crc, encoded, (struct str){0});
    for (uint64_t at = view->previous.end; at < entry->end; at += piece.length) {
        uint64_t left = entry->end - at;

        if (!get_bytes(view, at, left < WINDOW ? (size_t)left : WINDOW, &piece, error))
            return false;
        *crc = crc32c_extend(*crc, piece);
    }
    return true;
}

/* --- Entries --------------------------------------------------------------------------------- */

static bool check_content(struct view *view, uint64_t i, const struct index_entry *entry,
                          struct str line, struct error *error)
{
    struct record *record = &view->record;
    struct batch_object object;
    struct error cause;

    if (!record_read(record, line, &cause)) {
        findings_add(&view->look->findings, view->data_name, view->previous.end, i, mend,
                     "the record of counter %" PRIu64 ": %s", entry->counter, cause.message);
        return true;
    }
    if (record->counter != entry->counter)
        findings_add(&view->look->findings, view->data_name, view->previous.end, i, mend,
                     "the record says counter %" PRIu64 ", the index %" PRIu64, record->counter,
                     entry->counter);
    record_describe(record, view->identity.secret, &object);
    if (object.expires != entry->expires ||
        object.flags != (entry->flags & (INDEX_DELETED | INDEX_BLOB)))
        BLAME(view, i, "the entry says otherwise than its record when it expires or was deleted");
    if (view->has_identity && (object.key != entry->key || object.type != entry->type))
        BLAME(view, i, "the hashes of the entry are not those of its record's id and type");
    return look_blobs_note(&view->blobs, record, object.key, i, error);
}

static void check_commit(struct view *view, uint64_t i, const struct index_entry *entry)
{
    uint64_t seq = entry->type | (uint64_t)entry->expires << 32;

    if (entry->counter != view->previous.counter || entry->end != view->previous.end)
        BLAME(view, i, "a commit entry has a counter or bytes of its own");
    if (entry->flags != (INDEX_COMMIT | INDEX_BATCH_END) || i == view->append_start)
        BLAME(view, i, "a commit entry does not end an append");
    if (seq == 0 || seq > INDEX_COUNTER_MOST)
        BLAME(view, i, "a commit entry has a seq that no client can have sent");
}

/* What the entry says, once it is known that it was written so. Behind a damaged one nobody knows
 * what the numbers have to be. */
static void check_sense(struct view *view, uint64_t i, const struct index_entry *entry)
{
    if (entry->flags & ~KNOWN_FLAGS)
        BLAME(view, i, "the entry has flags that this version does not know");
    if (!view->is_previous_good)
        return;
    if (entry->commits != (view->commits & COMMITS_MASK))
        BLAME(view, i,
              "the entry counts %u commit entries before it, there are %" PRIu64 " (modulo 2^24)",
              entry->commits, view->commits & COMMITS_MASK);
    if (entry->flags & INDEX_COMMIT)
        check_commit(view, i, entry);
    else if (entry->counter <= view->previous.counter || entry->counter > INDEX_COUNTER_MOST)
        BLAME(view, i, "counter %" PRIu64 " after %" PRIu64, entry->counter,
              view->previous.counter);
}

/* The record of an entry that matches its checksum. */
static bool check_record(struct view *view, uint64_t i, const struct index_entry *entry,
                         struct error *error)
{
    uint64_t length = entry->end - view->previous.end;
    struct str line;

    if (entry->flags & INDEX_COMMIT)
        return true;
    if (length == 0) {
        BLAME(view, i, "the record ends at byte %" PRIu64 ", where it begins", entry->end);
        return true;
    }
    if (!get_bytes(view, view->previous.end, (size_t)length, &line, error))
        return false;
    return check_content(view, i, entry, line, error);
}

static bool check_entry(struct view *view, uint64_t i, const struct index_entry *entry,
                        struct error *error)
{
    uint64_t start = view->previous.end;
    uint32_t crc = 0;
    bool is_good = entry->end >= start && entry->end <= view->data_size;

    if (!is_good)
        BLAME(view, i,
              "the record goes from byte %" PRIu64 " to %" PRIu64 ", the data has %" PRIu64, start,
              entry->end, view->data_size);
    else if (!sum_record(view, entry, &crc, error))
        return false;
    if (is_good && crc != entry->crc) {
        is_good = false;
        BLAME(view, i,
              "entry %" PRIu64 ", counter %" PRIu64 ", does not match its checksum: it, the one "
              "before, or bytes %" PRIu64 " to %" PRIu64 " of the data are damaged",
              i, entry->counter, start, entry->end);
    }
    if (is_good) {
        check_sense(view, i, entry);
        if (!check_record(view, i, entry, error))
            return false;
    }
    view->is_previous_good = is_good;
    view->commits = entry->commits + (entry->flags & INDEX_COMMIT ? 1u : 0u);
    return true;
}

static bool check_entries(struct view *view, struct error *error)
{
    unsigned char bytes[ENTRIES * INDEX_ENTRY_SIZE];
    struct index_entry entry;

    view->previous = (struct index_entry){.crc = index_first_crc(&view->look->header)};
    view->is_previous_good = true;
    for (uint64_t i = 0; i < view->count; i++) {
        uint64_t left = view->count - i;
        size_t some = left < ENTRIES ? (size_t)left : ENTRIES;

        if (i % ENTRIES == 0 &&
            !file_read_at(&view->index, bytes, some * INDEX_ENTRY_SIZE, offset_of(i), error))
            return false;
        index_read_entry(bytes + i % ENTRIES * INDEX_ENTRY_SIZE, &entry);
        if (!check_entry(view, i, &entry, error))
            return false;
        view->look->records += !(entry.flags & INDEX_COMMIT);
        if (entry.flags & INDEX_BATCH_END)
            view->append_start = i + 1;
        view->previous = entry;
    }
    return true;
}

/* --- The ends of both files ------------------------------------------------------------------ */

static void check_ends(struct view *view)
{
    uint64_t end = view->previous.end;

    if (view->count < view->look->header.synced_count)
        BLAME(view, view->count,
              "the file has %" PRIu64 " entries, a checkpoint has vouched for %" PRIu64,
              view->count, view->look->header.synced_count);
    if (view->append_start < view->count)
        BLAME(view, view->append_start, "the append that begins here has no end");
    if (view->data_first > end)
        findings_add(&view->look->findings, view->data_name, end, view->count, mend,
                     "%" PRIu64 " bytes that are in no index", view->data_first - end);
    view->look->bytes += view->data_size + offset_of(view->count);
}

/* --- The header ------------------------------------------------------------------------------ */

static bool read_header(struct view *view, struct error *error)
{
    struct look *look = view->look;
    unsigned char bytes[INDEX_HEADER_SIZE] = {0};
    struct error cause;

    for (int i = 0; i < HEADER_TRIES && !look->has_header; i++) {
        if (!file_read_at(&view->index, bytes, sizeof bytes, 0, error))
            return false;
        look->has_header = index_read_header(bytes, &look->header, &cause) &&
                           (!look->header.is_torn || i + 1 == HEADER_TRIES);
    }
    if (!look->has_header) {
        findings_add(&look->findings, view->index_name, 0, 0,
                     index_is_foreign(bytes) ? upgrade : mend, "%s", cause.message);
        return true;
    }
    for (size_t i = HEADER_USED; i < INDEX_MARKS_AT - sizeof(uint32_t); i++) {
        if (bytes[i] != 0) {
            findings_add(&look->findings, view->index_name, i, 0, mend,
                         "the header is not zero where it has to be");
            break;
        }
    }
    /* A crash in a checkpoint tears a mark, and then frames are pending. */
    if (look->header.is_torn)
        findings_add(&look->findings, view->index_name, INDEX_MARKS_AT, UINT64_MAX - 1, mend,
                     "a mark of a checkpoint does not match its checksum");
    return true;
}

static bool measure_index(struct view *view, struct error *error)
{
    uint64_t size;

    if (!file_size(&view->index, &size, error))
        return false;
    if (size < INDEX_HEADER_SIZE) {
        findings_add(&view->look->findings, view->index_name, size, 0, mend,
                     "the file ends inside the header");
        return true;
    }
    view->count = (size - INDEX_HEADER_SIZE) / INDEX_ENTRY_SIZE;
    if ((size - INDEX_HEADER_SIZE) % INDEX_ENTRY_SIZE != 0)
        BLAME(view, view->count, "the file ends inside an entry");
    return true;
}

/* Not there is no failure: *is_open tells. */
static bool try_open(struct file *file, struct disk *disk, const char *name, bool *is_open,
                     struct error *error)
{
    *is_open = file_open(file, disk, name, O_RDONLY, error);
    return *is_open || error->code == ERROR_NOT_FOUND;
}

static bool check_database(struct view *view, struct error *error)
{
    struct look *look = view->look;
    bool is_open;
    uint64_t size;

    if (!try_open(&view->index, view->disk, view->index_name, &is_open, error))
        return false;
    if (!is_open) /* deleted since the directory was read */
        return true;
    if (!file_size(&view->index, &size, error))
        return false;
    if (size < INDEX_HEADER_SIZE)
        return measure_index(view, error);
    if (!read_header(view, error))
        return false;
    if (!look->has_header)
        return true;
    paths_put_data(view->data_name, view->path, look->header.generation);
    if (!try_open(&view->data, view->disk, view->data_name, &is_open, error))
        return false;
    if (!is_open) {
        findings_add(&look->findings, view->data_name, FINDING_NO_OFFSET, 0, restore,
                     "the data file is missing");
        return true;
    }
    if (!file_size(&view->data, &view->data_first, error) || !measure_index(view, error) ||
        !file_size(&view->data, &view->data_size, error) || !check_entries(view, error))
        return false;
    check_ends(view);
    return true;
}

/* --- collection.json and deleted.json -------------------------------------------------------- */

struct path_member {
    const char *path;
    bool is_next, is_right;
};

static bool note_path(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct path_member *member = context;

    if (event == JSON_KEY)
        member->is_next = depth == 1 && str_equals(text, STR("path"));
    else if (member->is_next && event == JSON_STRING)
        member->is_right = str_equals(text, str_of(member->path));
    return true;
}

/* One line, whose member "path" is where it stands. */
static bool check_line(struct view *view, const char *name, struct error *error)
{
    struct path_member member = {.path = view->path};
    struct buf text = {0};
    struct error cause;
    bool ok = disk_read_file(view->disk, name, INFO_MOST, &text, error);
    struct str line = str_slice(buf_str(&text), 0, str_find_byte(buf_str(&text), '\n'));

    if (ok && line.length + 1 != text.length)
        findings_add(&view->look->findings, name, line.length, 0, mend, "it is not one line");
    else if (ok && (!json_read_text(line, 1, note_path, &member, &cause) || !member.is_right))
        findings_add(&view->look->findings, name, 0, 0, mend,
                     "its \"path\" is not where it stands");
    buf_clear(&text);
    return ok;
}

/* Without the name that errors begin with. */
static const char *strip_name(const struct error *error, const char *name)
{
    size_t length = strlen(name);
    bool begins = strncmp(error->message, name, length) == 0 && error->message[length] == ':';

    return begins ? error->message + length + 2 : error->message;
}

static bool check_info(struct view *view, struct error *error)
{
    char name[PATHS_SIZE];

    paths_put_info(name, view->path);
    view->has_identity = collection_read_info(view->disk, view->path, &view->identity, error);
    if (view->has_identity)
        return check_line(view, name, error);
    if (error->code != ERROR_DAMAGED && error->code != ERROR_NOT_FOUND)
        return false;
    findings_add(&view->look->findings, name, FINDING_NO_OFFSET, 0, mend, "%s",
                 strip_name(error, name));
    return true;
}

static void check_id(struct view *view)
{
    char name[PATHS_SIZE];

    paths_put_info(name, view->path);
    if (view->has_identity && view->look->has_header &&
        memcmp(view->identity.id, view->look->header.id, INDEX_ID_SIZE) != 0)
        findings_add(&view->look->findings, name, FINDING_NO_OFFSET, 0, mend,
                     "its id is not that of the index");
}

static bool require_object(void *context, enum json_event event, unsigned depth, struct str text)
{
    bool *is_object = context;

    (void)text;
    if (depth == 0 && event == JSON_BEGIN_OBJECT)
        *is_object = true;
    return true;
}

static bool check_deleted(struct view *view, struct error *error)
{
    enum { DEPTH_MOST = 1 << 16 };
    struct collection collection;
    bool is_object = false;
    struct error cause;
    char name[PATHS_SIZE];

    paths_put_deleted(name, view->path);
    if (!collection_load(&collection, view->disk, view->path, error)) {
        if (error->code != ERROR_DAMAGED)
            return false;
        findings_add(&view->look->findings, name, FINDING_NO_OFFSET, 0, restore, "%s",
                     strip_name(error, name));
        return true;
    }
    if (collection.state == COLLECTION_DELETED &&
        (!json_read_text(buf_str(&collection.reason), DEPTH_MOST, require_object, &is_object,
                         &cause) ||
         !is_object))
        findings_add(&view->look->findings, name, FINDING_NO_OFFSET, 0, restore,
                     "its second line is no JSON object");
    view->look->bytes += collection.reason.length;
    collection_clear(&collection);
    return true;
}

/* --- The directory --------------------------------------------------------------------------- */

bool look_parse_data_name(struct str name, uint64_t *generation)
{
    return str_starts_with(name, STR("database.")) &&
           str_parse_u64(str_slice(name, strlen("database."), name.length), UINT64_MAX, generation);
}

bool look_is_litter(const struct finding *finding)
{
    return finding->todo == move_away || finding->todo == look_blobs_litter;
}

bool look_is_lost_blob(const struct finding *finding)
{
    return finding->todo == look_blobs_restore;
}

struct names {
    bool has_index, has_info, has_deleted, has_data;
};

static struct names survey(struct str list)
{
    struct names names = {0};
    struct str name;
    uint64_t generation;

    while (str_split(&list, '\0', &name)) {
        names.has_index |= str_equals(name, STR("database.index"));
        names.has_info |= str_equals(name, STR("collection.json"));
        names.has_deleted |= str_equals(name, STR("deleted.json"));
        names.has_data |= look_parse_data_name(name, &generation);
    }
    return names;
}

/* What this name is doing here; NULL: it belongs here. */
static const char *judge_name(const struct view *view, const struct names *names, struct str name)
{
    const struct look *look = view->look;
    uint64_t generation;

    if (str_equals(name, STR("database.index")) || str_equals(name, STR("lock")) ||
        str_equals(name, STR("blobs")) || str_starts_with(name, STR("repair-")))
        return NULL;
    if (str_equals(name, STR("deleted.json")))
        return names->has_index ? "left over: the collection was begun anew" : NULL;
    if (str_equals(name, STR("collection.json")))
        return names->has_index || !names->has_deleted ? NULL : "left over from a deletion";
    if (!look_parse_data_name(name, &generation))
        return "no file of a collection";
    if (names->has_deleted && !names->has_index)
        return "left over from a deletion";
    if (look->has_header && generation != look->header.generation)
        return "of another generation than the index";
    return NULL;
}

static void check_names(struct view *view, const struct names *names, struct str list)
{
    struct buf full = {0};
    struct str name;
    struct error cause;

    while (str_split(&list, '\0', &name)) {
        const char *wrong = name.length > 0 ? judge_name(view, names, name) : NULL;

        if (!wrong)
            continue;
        buf_reset(&full);
        buf_append_text(&full, view->path);
        buf_append_byte(&full, '/');
        buf_append(&full, name);
        findings_add(&view->look->findings, buf_ok(&full, &cause) ? full.data : view->path,
                     FINDING_NO_OFFSET, 0, move_away, "%s", wrong);
    }
    buf_clear(&full);
}

/* Of a deleted collection there should be none up to its generation; one that is begun anew may
 * have its first. */
static bool check_blobs(struct view *view, const struct names *names, struct error *error)
{
    const unsigned char *secret = view->has_identity ? view->identity.secret : NULL;
    struct look *look = view->look;
    struct collection deleted = {0};
    struct error ignored;

    if (!names->has_index && (!names->has_deleted ||
                              !collection_load_deleted(&deleted, view->disk, view->path, &ignored)))
        return true; /* what is wrong has been told */
    uint64_t last_generation = deleted.head.generation;
    collection_clear(&deleted);
    if (!look_blobs_check(&view->blobs, &look->findings, view->disk, view->path, secret,
                          last_generation, error))
        return false;
    look->blobs = view->blobs.count;
    look->bytes += view->blobs.bytes;
    return true;
}

static bool check_files(struct view *view, const struct names *names, struct error *error)
{
    if (names->has_index)
        return check_info(view, error) && check_database(view, error) && (check_id(view), true);
    if (names->has_deleted)
        return check_deleted(view, error);
    if (names->has_data)
        findings_add(&view->look->findings, view->index_name, FINDING_NO_OFFSET, 0, mend,
                     "the index is missing");
    else if (names->has_info)
        findings_add(&view->look->findings, view->path, FINDING_NO_OFFSET, 0, move_away,
                     "collection.json alone, without index and data");
    return true;
}

bool look_at(struct look *look, struct disk *disk, const char *path, struct error *error)
{
    struct view view = {.look = look, .disk = disk, .path = path, .index.fd = -1, .data.fd = -1};
    struct buf list = {0};

    *look = (struct look){0};
    paths_put_index(view.index_name, path);
    bool ok = look_blobs_open(&view.blobs, error) && disk_list(disk, path, &list, error);
    if (ok) {
        struct names names = survey(buf_str(&list));

        look->is_there = list.length > 0;
        ok = check_files(&view, &names, error) && check_blobs(&view, &names, error);
        if (ok)
            check_names(&view, &names, buf_str(&list));
    }
    /* One that went, or got shorter, while it was read. */
    if (!ok && (error->code == ERROR_DAMAGED || error->code == ERROR_NOT_FOUND)) {
        findings_add(&look->findings, path, FINDING_NO_OFFSET, 0, mend, "%s", error->message);
        ok = true;
    }
    file_close(&view.index);
    file_close(&view.data);
    look_blobs_clear(&view.blobs);
    buf_clear(&view.window);
    buf_clear(&list);
    return ok;
}
