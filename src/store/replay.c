#include "store/replay.h"

#include "base/bytes.h"
#include "base/list.h"
#include "base/table.h"
#include "store/collection.h"
#include "store/database.h"
#include "store/paths.h"
#include "store/segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A collection that frames were found for. */
struct touched {
    struct table_node node;
    struct list link;
    struct index_header header; /* of the live one; what was on disk, then what frames made of it */
    struct head head, before;   /* if `written`: where it stands, and stood before the last batch */
    bool live, written, deleted;
    bool orphaned; /* a batch fitted nowhere, and nothing later has explained why */
    char path[];
};

struct replay {
    struct disk *disk;
    struct replay_report *report;
    struct table table;
    struct list list; /* of struct touched */
};

/* What the index on disk says of itself. Its entries are not to be trusted yet. */
static bool read_index_header(struct disk *disk, struct touched *touched, struct error *error)
{
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct file index = {0};
    struct error cause;
    char name[PATHS_SIZE];
    uint64_t size = 0;

    paths_put_index(name, touched->path);
    if (!file_open(&index, disk, name, O_RDONLY, error))
        return error->code == ERROR_NOT_FOUND;
    bool ok = file_size(&index, &size, error);
    if (ok && size >= sizeof bytes) {
        ok = file_read_at(&index, bytes, sizeof bytes, 0, error);
        touched->live = ok && index_read_header(bytes, &touched->header, &cause);
    }
    file_close(&index);
    return ok;
}

static struct touched *find_touched(struct replay *replay, const char *path, struct error *error)
{
    struct table_node *node = table_find(&replay->table, str_of(path));
    size_t length = strlen(path);

    if (node)
        return OWNER_OF(node, struct touched, node);
    struct touched *touched = calloc(1, sizeof *touched + length + 1);
    if (!touched) {
        error_set(error, ERROR_NO_MEMORY, "out of memory to replay the journal");
        return NULL;
    }
    memcpy(touched->path, path, length + 1);
    touched->node.key = (struct str){touched->path, length};
    table_insert(&replay->table, &touched->node);
    list_append(&replay->list, &touched->link);
    replay->report->collections++;
    return read_index_header(replay->disk, touched, error) ? touched : NULL;
}

static bool is_same_id(const struct touched *touched, const unsigned char *id)
{
    return touched->live && memcmp(touched->header.id, id, INDEX_ID_SIZE) == 0;
}

/* Does the database stand exactly where the batch begins? Up to its checkpoint it can be asked;
 * above, what this replay has written counts. */
static bool fits(struct replay *replay, const struct touched *touched, const struct batch *batch)
{
    const struct head *before = &batch->before;
    struct database database;
    struct index_entry last;
    struct error error;

    if (before->generation != touched->header.generation)
        return false;
    if (touched->written)
        return touched->head.count == before->count && touched->head.data_end == before->data_end &&
               touched->head.crc == before->crc;
    if (before->count == 0)
        return before->data_end == 0 && before->crc == index_first_crc(&touched->header);
    if (!database_reopen(&database, replay->disk, batch->path, before, &error))
        return false;
    bool ok = database_read_entries(&database, before->count - 1, 1, &last, &error) &&
              last.crc == before->crc && last.end == before->data_end;
    database_close(&database);
    return ok;
}

static bool write_batch(struct replay *replay, struct touched *touched, const struct batch *batch,
                        struct error *error)
{
    bool undone;

    if (!database_apply(replay->disk, batch, &undone, error))
        return false;
    touched->live = touched->written = true;
    touched->deleted = touched->orphaned = false;
    memcpy(touched->header.id, batch->identity.id, INDEX_ID_SIZE);
    touched->header.generation = batch->before.generation;
    if (batch->creates)
        touched->header.synced_count = 0;
    touched->before = batch->before;
    touched->head = batch->after;
    replay->report->batches++;
    return true;
}

/* Another collection being live here is one of later, which frames to come tell of; or nobody
 * knows, and then the batch is an orphan. */
static bool replay_batch(struct replay *replay, struct batch *batch, struct error *error)
{
    struct touched *touched = find_touched(replay, batch->path, error);

    if (!touched)
        return false;
    bool same = is_same_id(touched, batch->identity.id);
    if (same && !touched->written && batch->after.count <= touched->header.synced_count)
        return true;
    bool may_create = batch->creates && (same ? !touched->written : !touched->live);
    if (may_create || (same && !batch->creates && fits(replay, touched, batch)))
        return write_batch(replay, touched, batch, error);
    if (!touched->orphaned && replay->report->first_refusal.code == ERROR_NONE)
        error_set(&replay->report->first_refusal, ERROR_DAMAGED,
                  "%s: the journal has entries from %llu on, which do not fit what is there",
                  batch->path, (unsigned long long)batch->before.count);
    touched->orphaned = true;
    return true;
}

static bool replay_deletion(struct replay *replay, const struct deletion *deletion,
                            struct error *error)
{
    struct touched *touched = find_touched(replay, deletion->path, error);

    if (!touched || !collection_delete(replay->disk, deletion, error))
        return false;
    touched->orphaned = false;
    if (!touched->live || is_same_id(touched, deletion->id)) {
        touched->live = touched->written = false;
        touched->deleted = true;
        replay->report->deletions++;
    }
    return true;
}

/* The batch that began at `count` could not be applied when it was new, and its writer was told so.
 */
static bool replay_cancel(struct replay *replay, struct str body, struct error *error)
{
    struct str path = str_slice(body, INDEX_ID_SIZE + 8, body.length);
    char name[3 * (ADDRESS_NAME_MOST + 1)];

    if (!paths_check(path) || path.length >= sizeof name)
        return error_set(error, ERROR_DAMAGED, "the journal cancels what is no collection");
    memcpy(name, path.data, path.length);
    name[path.length] = '\0';
    struct touched *touched = find_touched(replay, name, error);
    if (!touched)
        return false;
    uint64_t count = bytes_get_u64((const unsigned char *)body.data + INDEX_ID_SIZE);
    if (touched->written && is_same_id(touched, (const unsigned char *)body.data) &&
        touched->before.count == count) {
        touched->head = touched->before;
        /* It would have begun the collection; the next to come begins another. */
        touched->live = count > 0;
        replay->report->cancelled++;
    }
    return true;
}

static bool replay_frame(struct replay *replay, uint32_t kind, struct str body, struct error *error)
{
    struct deletion deletion;
    struct batch batch;
    bool ok;

    switch (kind) {
    case JOURNAL_BATCH:
        ok = batch_read_frame(&batch, body, error) && replay_batch(replay, &batch, error);
        batch_clear(&batch);
        return ok;
    case JOURNAL_DELETION:
        ok = deletion_read_frame(&deletion, body, error) &&
             replay_deletion(replay, &deletion, error);
        deletion_clear(&deletion);
        return ok;
    case JOURNAL_CANCEL:
        return replay_cancel(replay, body, error);
    default:
        return error_set(error, ERROR_DAMAGED,
                         "the journal has a frame of kind %u: upgrade the "
                         "server",
                         kind);
    }
}

static bool replay_segment(struct replay *replay, struct segment *segment, struct error *error)
{
    struct segment_frame frame;
    enum segment_found found;

    replay->report->segments++;
    while ((found = segment_next(segment, &frame, error)) == SEGMENT_FRAME) {
        replay->report->frames++;
        replay->report->bytes += JOURNAL_FRAME_SIZE + frame.length;
        if (!replay_frame(replay, frame.kind, buf_str(&segment->body), error))
            return false;
    }
    return found == SEGMENT_END;
}

/* How much of a segment counts may stand in the header of the one after it. */
static bool find_limit(struct disk *disk, uint64_t sequence, uint64_t next, uint64_t *limit,
                       struct error *error)
{
    struct segment segment;
    bool is_empty;

    if (!segment_open(&segment, disk, next, &is_empty, error))
        return false;
    if (!is_empty && segment.previous_sequence == sequence)
        *limit = segment.previous_end;
    segment_close(&segment);
    return true;
}

static bool replay_segments(struct replay *replay, const uint64_t *sequences, size_t count,
                            struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct segment segment;
        bool is_empty;

        if (!segment_open(&segment, replay->disk, sequences[i], &is_empty, error))
            return false;
        bool ok = true;
        if (i + 1 < count)
            ok = find_limit(replay->disk, sequences[i], sequences[i + 1], &segment.limit, error);
        ok = ok && (is_empty || replay_segment(replay, &segment, error));
        segment_close(&segment);
        if (!ok)
            return false;
    }
    return true;
}

/* What a crash left behind the last batch was never confirmed. */
static bool cut(struct disk *disk, const char *name, uint64_t length, struct error *error)
{
    struct file file = {0};
    uint64_t size = 0;
    bool ok = file_open(&file, disk, name, O_RDWR, error) && file_size(&file, &size, error) &&
              (size <= length || file_truncate(&file, length, error));

    file_close(&file);
    return ok;
}

static bool finish_collection(struct replay *replay, const struct touched *touched,
                              struct error *error)
{
    const struct head *head = &touched->head;
    char name[PATHS_SIZE];

    if (touched->written && head->generation == touched->header.generation) {
        paths_put_index(name, touched->path);
        if (!cut(replay->disk, name, INDEX_HEADER_SIZE + head->count * INDEX_ENTRY_SIZE, error))
            return false;
        paths_put_data(name, touched->path, head->generation);
        if (!cut(replay->disk, name, head->data_end, error))
            return false;
    }
    return collection_sync(replay->disk, touched->path, touched->header.generation,
                           touched->written ? head->count : 0, error);
}

static bool finish_collections(struct replay *replay, struct error *error)
{
    for (struct list *node = replay->list.next; node != &replay->list; node = node->next) {
        const struct touched *touched = OWNER_OF(node, struct touched, link);

        replay->report->refused += touched->orphaned;
        if ((touched->written || touched->deleted) && !finish_collection(replay, touched, error))
            return false;
    }
    return true;
}

static bool keep_segments(struct disk *disk, const uint64_t *sequences, size_t count,
                          struct error *error)
{
    char from[SEGMENT_NAME_SIZE], to[SEGMENT_NAME_SIZE + 16];

    for (size_t i = 0; i < count; i++) {
        segment_put_name(from, sequences[i]);
        (void)snprintf(to, sizeof to, ".journal/refused-%016llx", (unsigned long long)sequences[i]);
        int result = disk->calls->rename(disk, from, to);
        if (result < 0)
            return error_set_errno(error, -result, "%s: cannot rename it", from);
    }
    return disk_sync_directory(disk, ".journal", error);
}

static void free_touched(struct replay *replay)
{
    struct list *node, *after;

    list_for_each_safe (node, after, &replay->list) {
        list_remove(node);
        free(OWNER_OF(node, struct touched, link));
    }
}

bool replay_run(struct disk *disk, struct replay_report *report, struct error *error)
{
    struct replay replay = {.disk = disk, .report = report};
    uint64_t *sequences = NULL;
    size_t count = 0;

    *report = (struct replay_report){0};
    list_init(&replay.list);
    bool ok = table_init(&replay.table, error) && segment_list(disk, &sequences, &count, error) &&
              replay_segments(&replay, sequences, count, error) &&
              finish_collections(&replay, error);
    if (ok && count > 0)
        ok = report->refused > 0 ? keep_segments(disk, sequences, count, error)
                                 : journal_remove_before(disk, sequences[count - 1] + 1, error);
    free_touched(&replay);
    table_clear(&replay.table);
    free(sequences);
    return ok;
}
