#include "store/repair.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "store/collection.h"
#include "store/journals.h"
#include "store/look.h"
#include "store/salvage.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PIECE = 1 << 20, /* bytes copied, or written, at once */
    SAY_SIZE = 512,
    FILE_NAME_SIZE = PATHS_SIZE + 80,
};

/* What is done to one collection. */
struct work {
    struct repair *repair;
    struct disk *disk;
    const char *path;
    struct look look;
    struct salvage salvage;
    struct identity identity; /* of the repaired collection */
    bool has_new_secret, must_write_info;
    uint64_t generation; /* likewise */
    struct buf names;    /* what there is in the directory */
    char keep[FILE_NAME_SIZE];
    /* While writing. */
    struct file index, data;
    struct batch batch;
    bool is_whole;        /* all records of the current append are there */
    uint64_t append_next; /* the entry that goes on with it */
    struct buf line;
    struct record record;
};

static PRINTF_LIKE(2, 3) void say(struct work *work, const char *format, ...)
{
    char line[SAY_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    work->repair->say(work->repair->context, line);
}

/* --- What there is --------------------------------------------------------------------------- */

static bool require_empty_journal(struct disk *disk, struct error *error)
{
    struct journals journals;
    bool ok = journals_open(&journals, disk, error);

    if (ok && journals_segment_count(&journals) > 0)
        ok = error_set(error, ERROR_BUSY,
                       "the journal is not empty: start the server once and stop it again, then it "
                       "will be");
    journals_close(&journals);
    return ok;
}

static bool has_name(const struct work *work, struct str wanted)
{
    struct str rest = buf_str(&work->names), name;

    while (str_split(&rest, '\0', &name)) {
        if (str_equals(name, wanted))
            return true;
    }
    return false;
}

/* The index names the generation. Without one it is the oldest: a younger one may be unfinished.
 * *highest: of all there are. */
static bool find_generation(struct work *work, uint64_t *highest, struct error *error)
{
    struct str rest = buf_str(&work->names), name;
    uint64_t generation, lowest = UINT64_MAX;
    bool is_named = false;

    *highest = 0;
    while (str_split(&rest, '\0', &name)) {
        if (!look_parse_data_name(name, &generation))
            continue;
        lowest = generation < lowest ? generation : lowest;
        *highest = generation > *highest ? generation : *highest;
        is_named |= work->look.has_header && generation == work->look.header.generation;
    }
    if (work->look.has_header && !is_named)
        return error_set(
            error, ERROR_DAMAGED,
            "%s: the data file that the index names is missing: restore it from a backup",
            work->path);
    if (lowest == UINT64_MAX)
        return error_set(error, ERROR_DAMAGED,
                         "%s: there is no data file: restore it from a backup", work->path);
    work->salvage.generation = is_named ? work->look.header.generation : lowest;
    if (*highest >= INDEX_COUNTER_MOST)
        return error_set(error, ERROR_DAMAGED, "%s: has a data file of generation %" PRIu64,
                         work->path, *highest);
    return true;
}

static bool is_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* What could be read of a damaged collection.json is tried: the secret proves itself. */
static bool read_identity(struct work *work, struct error *error)
{
    struct salvage *salvage = &work->salvage;
    bool ok = collection_read_info(work->disk, work->path, &salvage->identity, error);

    if (!ok && error->code != ERROR_DAMAGED && error->code != ERROR_NOT_FOUND)
        return false;
    salvage->knows_id = ok;
    work->must_write_info = !ok;
    work->identity = salvage->identity;
    if (work->look.has_header &&
        memcmp(work->identity.id, work->look.header.id, INDEX_ID_SIZE) != 0) {
        memcpy(work->identity.id, work->look.header.id, INDEX_ID_SIZE);
        work->must_write_info = true;
    }
    return true;
}

/* --- What will be ---------------------------------------------------------------------------- */

static void say_lost(struct work *work)
{
    const struct salvage *salvage = &work->salvage;

    for (size_t i = 0; i < salvage->count; i++) {
        const struct salvage_item *item = &salvage->items[i];

        if (item->why && item->counter > 0)
            say(work, "lost: counter %" PRIu64 ", bytes %" PRIu64 " to %" PRIu64 ": %s",
                item->counter, item->at, item->at + item->length, item->why);
        else if (item->why)
            say(work, "lost: bytes %" PRIu64 " to %" PRIu64 ": %s", item->at,
                item->at + item->length, item->why);
        else if (!item->is_proven)
            say(work, "kept, but no checksum vouches for it: counter %" PRIu64, item->counter);
    }
    for (uint64_t i = 0; i < salvage->entry_count && salvage->missing > 0; i++) {
        if (!salvage->is_matched[i] && !(salvage->entries[i].flags & INDEX_COMMIT))
            say(work,
                "lost: the record of entry %" PRIu64 ", counter %" PRIu64
                ": it is not in the data file",
                i, salvage->entries[i].counter);
    }
}

/* What clients were told of it may be gone; see losses.h and jump.h. */
static bool may_have_lost(const struct work *work)
{
    const struct salvage *salvage = &work->salvage;

    return salvage->header.losses < work->disk->losses ||
           salvage->header.floor > salvage->items[salvage->last_kept].counter;
}

static bool choose_identity(struct work *work, struct error *error)
{
    const struct salvage *salvage = &work->salvage;
    bool has_secret =
        salvage->fits_secret && !is_zero(work->identity.secret, sizeof work->identity.secret);

    /* One that was read from a damaged file has to be proven by some hash. */
    if (!has_secret || (!salvage->knows_id && !salvage->proves_secret)) {
        work->has_new_secret = work->must_write_info = true;
        if (!crypto_random(work->identity.secret, sizeof work->identity.secret, error))
            return false;
        say(work, "the secret of the hashes is lost: a new one is made, and repeated POSTs of "
                  "before are not known any more");
    }
    if (!salvage->is_complete || may_have_lost(work) ||
        (!work->look.has_header && !salvage->knows_id)) {
        work->repair->has_new_id = work->must_write_info = true;
        if (!crypto_random(work->identity.id, sizeof work->identity.id, error))
            return false;
        say(work, "the collection gets a new id: clients read it anew and send what is missing");
    }
    if (work->must_write_info && work->identity.created == 0)
        work->identity.created = clock_unix_seconds();
    return true;
}

static bool make_plan(struct work *work, struct error *error)
{
    struct salvage *salvage = &work->salvage;
    uint64_t highest;

    if (!find_generation(work, &highest, error) || !read_identity(work, error) ||
        !salvage_read(salvage, error))
        return false;
    say_lost(work);
    if (salvage->kept == 0)
        return error_set(error, ERROR_DAMAGED,
                         "%s: there is no sound record: restore it from a backup, or move the "
                         "directory away and let the clients begin anew",
                         work->path);
    if (salvage->last_counter > INDEX_COUNTER_MOST - REPAIR_JUMP)
        return error_set(error, ERROR_DAMAGED, "%s: its counters are used up", work->path);
    work->generation = highest + 1;
    work->repair->kept = salvage->kept;
    work->repair->lost = salvage->left_out + salvage->missing;
    return choose_identity(work, error);
}

/* --- Keeping what was ------------------------------------------------------------------------ */

static bool copy_bytes(struct file *from, struct file *to, struct error *error)
{
    struct buf piece = {0};
    uint64_t size = 0;
    bool ok = file_size(from, &size, error);
    char *bytes = buf_reserve(&piece, PIECE);

    if (ok && !bytes)
        ok = buf_ok(&piece, error);
    for (uint64_t at = 0; ok && at < size; at += PIECE) {
        size_t length = size - at < PIECE ? (size_t)(size - at) : PIECE;

        ok = file_read_at(from, bytes, length, at, error) &&
             file_write_at(to, (struct str){bytes, length}, at, error);
    }
    buf_clear(&piece);
    return ok && file_sync(to, error);
}

static bool copy_file(struct work *work, const char *name, struct error *error)
{
    char from_name[FILE_NAME_SIZE], to_name[2 * FILE_NAME_SIZE];
    struct file from = {0}, to = {0};

    (void)snprintf(from_name, sizeof from_name, "%s/%.70s", work->path, name);
    (void)snprintf(to_name, sizeof to_name, "%s/%s", work->keep, name);
    bool ok = file_open(&from, work->disk, from_name, O_RDONLY, error) &&
              file_open(&to, work->disk, to_name, O_WRONLY | O_CREAT | O_EXCL, error) &&
              copy_bytes(&from, &to, error);
    file_close(&from);
    file_close(&to);
    return ok;
}

/* Files of a collection, also ones that lie there by mistake. */
static bool is_our_name(struct str name)
{
    uint64_t generation;

    if (str_ends_with(name, STR(".new")))
        name = str_slice(name, 0, name.length - strlen(".new"));
    return str_equals(name, STR("database.index")) || str_equals(name, STR("collection.json")) ||
           str_equals(name, STR("deleted.json")) || look_parse_data_name(name, &generation);
}

static bool copy_files(struct work *work, struct error *error)
{
    struct str rest = buf_str(&work->names), name;

    while (str_split(&rest, '\0', &name)) {
        if (is_our_name(name) && !copy_file(work, name.data, error))
            return false;
    }
    return disk_sync_directory(work->disk, work->keep, error) &&
           disk_sync_directory(work->disk, work->path, error);
}

static bool make_keep(struct work *work, struct error *error)
{
    char *name = work->repair->kept_in;
    size_t size = sizeof work->repair->kept_in;
    time_t now = (time_t)clock_unix_seconds();
    struct tm parts;
    char stamp[32] = "";

    if (gmtime_r(&now, &parts))
        (void)strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &parts);
    (void)snprintf(name, size, "repair-%s", stamp);
    for (unsigned i = 2; has_name(work, str_of(name)); i++)
        (void)snprintf(name, size, "repair-%s-%u", stamp, i);
    (void)snprintf(work->keep, sizeof work->keep, "%s/%s", work->path, name);
    if (!disk_make_directory(work->disk, work->keep, error))
        return false;
    say(work, "what is there now is kept in %s", work->keep);
    return copy_files(work, error);
}

/* --- Writing --------------------------------------------------------------------------------- */

static void put_file_name(char out[FILE_NAME_SIZE], const struct work *work, const char *name)
{
    (void)snprintf(out, FILE_NAME_SIZE, "%s/%s", work->path, name);
}

static bool write_header(struct work *work, uint64_t count, struct error *error)
{
    struct index_header header = {
        .generation = work->generation, .synced_count = count, .losses = work->disk->losses};
    unsigned char bytes[INDEX_HEADER_SIZE];

    memcpy(header.id, work->identity.id, INDEX_ID_SIZE);
    index_write_header(bytes, &header);
    return file_write_at(&work->index, (struct str){(const char *)bytes, sizeof bytes}, 0, error);
}

static bool begin_files(struct work *work, struct error *error)
{
    struct index_header header = {.generation = work->generation};
    char name[FILE_NAME_SIZE], data_name[PATHS_SIZE];

    put_file_name(name, work, "database.index.new");
    paths_put_data(data_name, work->path, work->generation);
    memcpy(header.id, work->identity.id, INDEX_ID_SIZE);
    struct head head = {.generation = work->generation, .crc = index_first_crc(&header)};
    batch_begin(&work->batch, work->path, &work->identity, &head, true);
    work->append_next = SALVAGE_NO_ENTRY;
    return file_open(&work->index, work->disk, name, O_RDWR | O_CREAT | O_TRUNC, error) &&
           file_open(&work->data, work->disk, data_name, O_RDWR | O_CREAT | O_TRUNC, error);
}

/* Between two appends. */
static bool flush(struct work *work, struct error *error)
{
    struct batch *batch = &work->batch;
    struct head head = batch->after;
    uint64_t index_end = INDEX_HEADER_SIZE + batch->before.count * INDEX_ENTRY_SIZE;
    bool ok = batch_ok(batch, error) &&
              file_write_at(&work->data, buf_str(&batch->data), batch->before.data_end, error) &&
              file_write_at(&work->index, buf_str(&batch->entries), index_end, error);

    batch_clear(batch);
    batch_begin(batch, work->path, &work->identity, &head, false);
    return ok;
}

/* Does this item begin an append, as far as the index tells? */
static bool begins_append(const struct salvage *salvage, const struct salvage_item *item)
{
    return item->is_proven &&
           (item->entry == 0 || salvage->entries[item->entry - 1].flags & INDEX_BATCH_END);
}

/* The append goes on only where the index says so, and the next record is the next entry. */
static void end_item(struct work *work, const struct salvage_item *item)
{
    const struct salvage *salvage = &work->salvage;
    struct index_entry commit;

    if (item->is_proven && !(salvage->entries[item->entry].flags & INDEX_BATCH_END) &&
        !salvage_find_commit(salvage, item, &commit)) {
        work->append_next = item->entry + 1;
        return;
    }
    /* Who repeats a POST of which a part is lost must not be told that all of it is stored. */
    if (work->is_whole && !work->has_new_secret && salvage_find_commit(salvage, item, &commit))
        batch_add_commit(&work->batch, commit.key, commit.type | (uint64_t)commit.expires << 32);
    batch_end_append(&work->batch);
    work->append_next = SALVAGE_NO_ENTRY;
}

static bool write_item(struct work *work, size_t i, struct error *error)
{
    struct salvage *salvage = &work->salvage;
    const struct salvage_item *item = &salvage->items[i];
    bool goes_on = item->is_proven && item->entry == work->append_next;
    struct batch_object object;

    if (!goes_on && work->append_next != SALVAGE_NO_ENTRY)
        batch_end_append(&work->batch);
    if (!goes_on) {
        work->is_whole = begins_append(salvage, item);
        if (work->batch.data.length > PIECE && !flush(work, error))
            return false;
    }
    if (!salvage_get(salvage, item, &work->line, &work->record, error))
        return false;
    uint64_t counter = i == salvage->last_kept && work->repair->has_new_id
                           ? salvage->last_counter + REPAIR_JUMP
                           : item->counter;
    record_describe(&work->record, work->identity.secret, &object);
    work->batch.after.last_counter = counter - 1; /* it gets the next one */
    (void)batch_add_record(&work->batch, &object);
    end_item(work, item);
    return true;
}

static bool write_items(struct work *work, struct error *error)
{
    for (size_t i = 0; i < work->salvage.count; i++) {
        if (!work->salvage.items[i].why && !write_item(work, i, error))
            return false;
    }
    if (work->append_next != SALVAGE_NO_ENTRY)
        batch_end_append(&work->batch);
    uint64_t count = work->batch.after.count;
    return flush(work, error) && write_header(work, count, error) &&
           file_sync(&work->data, error) && file_sync(&work->index, error);
}

static bool write_files(struct work *work, struct error *error)
{
    bool ok = begin_files(work, error) && write_items(work, error);

    file_close(&work->index);
    file_close(&work->data);
    return ok && disk_sync_directory(work->disk, work->path, error);
}

/* Renaming the index is what makes the new files count. The directory is synced around it, for not
 * every file system keeps changes of names in their order. */
static bool put_in_place(struct work *work, struct error *error)
{
    char from[FILE_NAME_SIZE], to[FILE_NAME_SIZE];

    if (work->must_write_info &&
        (!collection_write_info(work->disk, work->path, &work->identity, true, error) ||
         !disk_sync_directory(work->disk, work->path, error)))
        return false;
    put_file_name(from, work, "database.index.new");
    put_file_name(to, work, "database.index");
    return disk_rename(work->disk, from, to, error) &&
           disk_sync_directory(work->disk, work->path, error);
}

/* --- Litter ---------------------------------------------------------------------------------- */

/* Of a live collection all that is not the index, what it names, and collection.json; of one that
 * is not live all but deleted.json. */
static bool is_litter(const struct work *work, struct str name, bool is_live)
{
    uint64_t generation;

    if (!is_our_name(name))
        return false;
    if (str_equals(name, STR("deleted.json")))
        return is_live;
    if (!is_live)
        return true;
    if (look_parse_data_name(name, &generation))
        return generation != work->generation;
    return !str_equals(name, STR("database.index")) && !str_equals(name, STR("collection.json"));
}

static bool remove_litter(struct work *work, bool is_live, struct error *error)
{
    struct str rest = buf_str(&work->names), name;
    char full[FILE_NAME_SIZE];

    while (str_split(&rest, '\0', &name)) {
        if (!is_litter(work, name, is_live))
            continue;
        put_file_name(full, work, name.data);
        if (!disk_unlink(work->disk, full, error))
            return false;
    }
    return disk_sync_directory(work->disk, work->path, error);
}

/* --- All of it ------------------------------------------------------------------------------- */

static bool rebuild(struct work *work, struct error *error)
{
    return make_plan(work, error) && make_keep(work, error) && write_files(work, error) &&
           put_in_place(work, error) && remove_litter(work, true, error);
}

/* What is lost of blobs is told by the check that follows; records are not to be made anew for it.
 */
static bool needs_no_rebuild(const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];

        if (!look_is_litter(finding) && !look_is_lost_blob(finding))
            return false;
    }
    return findings->more == 0;
}

static bool clear_litter(struct work *work, bool is_live, struct error *error)
{
    struct str rest = buf_str(&work->names), name;
    bool has_litter = false;

    work->generation = work->look.header.generation;
    while (str_split(&rest, '\0', &name))
        has_litter |= is_litter(work, name, is_live);
    return !has_litter || (make_keep(work, error) && remove_litter(work, is_live, error));
}

static bool mend(struct work *work, struct error *error)
{
    bool is_live = has_name(work, STR("database.index"));
    bool is_deleted = !is_live && has_name(work, STR("deleted.json"));
    const struct findings *findings = &work->look.findings;

    if (findings->count == 0) {
        work->repair->was_sound = true;
        return true;
    }
    if (needs_no_rebuild(findings))
        return clear_litter(work, is_live, error);
    if (is_deleted)
        return error_set(error, ERROR_DAMAGED,
                         "%s/deleted.json: cannot be made anew: restore it from a backup, or move "
                         "it away, and the collection has never been",
                         work->path);
    return rebuild(work, error);
}

/* What is left is told by whoever checks afterwards. */
bool repair_collection(struct repair *repair, struct error *error)
{
    struct work *work = calloc(1, sizeof *work);

    if (!work)
        return error_set(error, ERROR_NO_MEMORY, "out of memory to repair");
    *work = (struct work){.repair = repair, .disk = repair->disk, .path = repair->path};
    work->salvage = (struct salvage){.disk = repair->disk, .path = repair->path};
    bool ok = require_empty_journal(repair->disk, error) &&
              disk_list(repair->disk, repair->path, &work->names, error) &&
              look_at(&work->look, repair->disk, repair->path, error);
    if (ok && !work->look.is_there)
        ok = error_set(error, ERROR_NOT_FOUND, "%s: there is no collection", repair->path);
    ok = ok && mend(work, error);
    salvage_clear(&work->salvage);
    batch_clear(&work->batch);
    buf_clear(&work->names);
    buf_clear(&work->line);
    free(work);
    return ok;
}
