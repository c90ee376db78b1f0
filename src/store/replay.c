#include "store/replay.h"

#include "base/list.h"
#include "base/table.h"
#include "store/cancels.h"
#include "store/collection.h"
#include "store/database.h"
#include "store/paths.h"
#include "store/segment.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* A collection that frames were found for. */
struct touched {
    struct table_node node;
    struct list link;
    struct index_header header; /* of the live one: as it is on disk */
    struct head head;           /* if is_known */
    bool is_live;
    bool is_known;    /* where it stands: the frames read so far have led there */
    bool is_changed;  /* to be synced at the end */
    bool is_orphaned; /* a batch fitted nowhere, and no deletion has explained why */
    unsigned char orphan_id[INDEX_ID_SIZE];
    uint64_t orphan_count;
    char path[];
};

struct replay {
    struct disk *disk;
    struct replay_report *report;
    struct segment_list segments;
    struct cancels cancels;
    struct table table;
    struct list list; /* of struct touched */
    uint64_t frame;   /* number of the current one */
};

typedef bool visit_fn(struct replay *replay, uint32_t kind, struct str body, struct error *error);

/* --- What there is --------------------------------------------------------------------------- */

/* What the index on disk says of itself. Its entries are not to be trusted yet. One whose header
 * cannot be read never came to be: that is in the frames. */
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
        touched->is_live = ok && index_read_header(bytes, &touched->header, &cause);
    }
    file_close(&index);
    return ok;
}

/* The index of a collection whose first batch was cancelled goes before anything else, so that what
 * was there before it is there again: a deletion, mostly, that frames may still have to tell. */
static bool forget_cancelled(struct replay *replay, struct touched *touched, struct error *error)
{
    char name[PATHS_SIZE];

    if (!touched->is_live || !cancels_test(&replay->cancels, touched->header.id, 0, 0))
        return true;
    touched->is_live = false;
    touched->is_changed = true;
    paths_put_index(name, touched->path);
    return disk_unlink(replay->disk, name, error);
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
    return read_index_header(replay->disk, touched, error) &&
                   forget_cancelled(replay, touched, error)
               ? touched
               : NULL;
}

static bool is_same_id(const struct touched *touched, const unsigned char *id)
{
    return touched->is_live && memcmp(touched->header.id, id, INDEX_ID_SIZE) == 0;
}

/* Does the index have this head in its history, below what a checkpoint vouches for? */
static bool find_in_index(struct replay *replay, const struct touched *touched,
                          const struct head *head, bool *is_found, struct error *error)
{
    struct database database;
    struct index_entry last;

    *is_found = false;
    if (head->generation != touched->header.generation ||
        head->count > touched->header.synced_count)
        return true;
    if (head->count == 0) {
        *is_found = head->data_end == 0 && head->crc == index_first_crc(&touched->header);
        return true;
    }
    if (!database_reopen(&database, replay->disk, touched->path, head, error))
        return error->code == ERROR_DAMAGED;
    bool ok = database_read_entries(&database, head->count - 1, 1, &last, error);
    *is_found = ok && last.crc == head->crc && last.end == head->data_end;
    database_close(&database);
    return ok || error->code == ERROR_DAMAGED;
}

static bool is_at(const struct touched *touched, const struct head *head)
{
    return touched->head.generation == head->generation && touched->head.count == head->count &&
           touched->head.data_end == head->data_end && touched->head.crc == head->crc;
}

/* --- Frames ---------------------------------------------------------------------------------- */

static bool write_batch(struct replay *replay, struct touched *touched, const struct batch *batch,
                        struct error *error)
{
    bool undone;

    if (!database_apply(replay->disk, batch, &undone, error))
        return false;
    if (batch->creates) {
        touched->header = (struct index_header){.generation = batch->before.generation};
        memcpy(touched->header.id, batch->identity.id, INDEX_ID_SIZE);
    }
    touched->is_live = touched->is_known = touched->is_changed = true;
    touched->head = batch->after;
    replay->report->batches++;
    return true;
}

/* What the attempt may have left behind the head is cut at the end; but only where the checkpoint
 * ends, for within it there is nothing left. */
static bool pass_over_cancelled(struct replay *replay, struct touched *touched,
                                const struct batch *batch, struct error *error)
{
    bool is_there;

    replay->report->cancelled++;
    if (!is_same_id(touched, batch->identity.id) || touched->is_known ||
        touched->header.synced_count != batch->before.count)
        return true;
    if (!find_in_index(replay, touched, &batch->before, &is_there, error))
        return false;
    if (is_there) {
        touched->head = batch->before;
        touched->is_known = touched->is_changed = true;
    }
    return true;
}

/* If another collection is live here it is a later one, and frames to come tell of the deletion
 * between the two. */
static void note_orphan(struct touched *touched, const struct batch *batch)
{
    if (touched->is_orphaned)
        return;
    touched->is_orphaned = true;
    touched->orphan_count = batch->before.count;
    memcpy(touched->orphan_id, batch->identity.id, INDEX_ID_SIZE);
}

static bool replay_batch(struct replay *replay, const struct batch *batch, struct error *error)
{
    struct touched *touched = find_touched(replay, batch->path, error);
    bool is_there = false, fits;

    if (!touched)
        return false;
    if (cancels_test(&replay->cancels, batch->identity.id, batch->before.count, replay->frame))
        return pass_over_cancelled(replay, touched, batch, error);
    bool is_same = is_same_id(touched, batch->identity.id);
    if (is_same && !touched->is_known &&
        !find_in_index(replay, touched, &batch->after, &is_there, error))
        return false;
    if (is_there)
        return true;
    if (batch->creates)
        fits =
            is_same ? !touched->is_known && touched->header.synced_count == 0 : !touched->is_live;
    else if (!is_same || touched->is_known)
        fits = is_same && is_at(touched, &batch->before);
    else if (!find_in_index(replay, touched, &batch->before, &fits, error))
        return false;
    if (fits)
        return write_batch(replay, touched, batch, error);
    note_orphan(touched, batch);
    return true;
}

static bool replay_deletion(struct replay *replay, const struct deletion *deletion,
                            struct error *error)
{
    struct touched *touched = find_touched(replay, deletion->path, error);

    bool undone;

    if (!touched)
        return false;
    if (cancels_test(&replay->cancels, deletion->id, JOURNAL_CANCEL_DELETION, replay->frame)) {
        replay->report->cancelled++;
        return true;
    }
    if (touched->is_orphaned && memcmp(touched->orphan_id, deletion->id, INDEX_ID_SIZE) == 0)
        touched->is_orphaned = false;
    if (touched->is_live && !is_same_id(touched, deletion->id))
        return true;
    if (!collection_delete(replay->disk, deletion, &undone, error))
        return false;
    touched->is_live = touched->is_known = false;
    touched->is_changed = true;
    replay->report->deletions++;
    return true;
}

static bool replay_frame(struct replay *replay, uint32_t kind, struct str body, struct error *error)
{
    struct deletion deletion = {0};
    struct batch batch = {0};
    bool ok = true;

    if (kind == JOURNAL_BATCH)
        ok = batch_read_frame(&batch, body, error) && replay_batch(replay, &batch, error);
    else if (kind == JOURNAL_DELETION)
        ok = deletion_read_frame(&deletion, body, error) &&
             replay_deletion(replay, &deletion, error);
    batch_clear(&batch);
    deletion_clear(&deletion);
    return ok;
}

static bool survey_frame(struct replay *replay, uint32_t kind, struct str body, struct error *error)
{
    struct journal_cancel cancel;

    replay->report->frames++;
    replay->report->bytes += JOURNAL_FRAME_SIZE + body.length;
    if (kind == JOURNAL_CANCEL)
        return journal_read_cancel(body, &cancel, error) &&
               cancels_add(&replay->cancels, cancel.id, cancel.count, replay->frame, error);
    return kind == JOURNAL_BATCH || kind == JOURNAL_DELETION ||
           error_set(error, ERROR_DAMAGED, "is of kind %u, which this server does not know", kind);
}

static bool visit_segment(struct replay *replay, struct segment *segment, visit_fn *visit,
                          struct error *error)
{
    struct segment_frame frame;
    enum segment_found found;

    for (;;) {
        uint64_t at = segment->at;
        struct error cause;

        found = segment_next(segment, &frame, error);
        if (found != SEGMENT_FRAME)
            return found == SEGMENT_END;
        replay->frame++;
        if (!visit(replay, frame.kind, buf_str(&segment->body), &cause)) {
            *error = cause;
            return cause.code != ERROR_DAMAGED
                       ? false
                       : error_set(error, ERROR_DAMAGED, "%s: the frame at byte %llu: %s",
                                   segment->file.name, (unsigned long long)at, cause.message);
        }
    }
}

static bool visit_segments(struct replay *replay, visit_fn *visit, struct error *error)
{
    replay->frame = 0;
    for (size_t i = 0; i < replay->segments.count; i++) {
        struct segment segment;

        if (!segment_open(&segment, replay->disk, &replay->segments, i, error))
            return false;
        bool ok = visit_segment(replay, &segment, visit, error);
        segment_close(&segment);
        if (!ok)
            return false;
    }
    return true;
}

/* --- The end --------------------------------------------------------------------------------- */

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

static bool finish_collection(struct disk *disk, const struct touched *touched, struct error *error)
{
    const struct head *head = &touched->head;
    char name[PATHS_SIZE];

    if (!touched->is_known)
        return collection_sync(disk, touched->path, touched->header.generation, 0, error);
    paths_put_index(name, touched->path);
    if (!cut(disk, name, INDEX_HEADER_SIZE + head->count * INDEX_ENTRY_SIZE, error))
        return false;
    paths_put_data(name, touched->path, head->generation);
    return cut(disk, name, head->data_end, error) &&
           collection_sync(disk, touched->path, head->generation, head->count, error);
}

static void report_orphan(struct replay_report *report, const struct touched *touched)
{
    if (report->refused++ == 0)
        error_set(&report->first_refusal, ERROR_DAMAGED,
                  "%s: the journal has entries from %llu on, which do not fit what is there",
                  touched->path, (unsigned long long)touched->orphan_count);
}

static bool finish_collections(struct replay *replay, struct error *error)
{
    for (struct list *node = replay->list.next; node != &replay->list; node = node->next) {
        const struct touched *touched = OWNER_OF(node, struct touched, link);

        if (touched->is_orphaned)
            report_orphan(replay->report, touched);
        if (touched->is_changed && !finish_collection(replay->disk, touched, error))
            return false;
    }
    return true;
}

/* Oldest first, as they are removed (journal_remove_before). */
static bool keep_segments(struct replay *replay, struct error *error)
{
    const struct segment_list *segments = &replay->segments;
    char from[SEGMENT_NAME_SIZE], to[SEGMENT_NAME_SIZE];

    for (size_t i = 0; i < segments->count; i++) {
        segment_put_name(from, segments->sequences[i]);
        segment_put_refused_name(to, segments->sequences[i]);
        if (!disk_rename(replay->disk, from, to, error) ||
            !disk_sync_directory(replay->disk, ".journal", error))
            return false;
    }
    return true;
}

static void clear(struct replay *replay)
{
    struct list *node, *after;

    list_for_each_safe (node, after, &replay->list)
        free(OWNER_OF(node, struct touched, link));
    table_clear(&replay->table);
    cancels_clear(&replay->cancels);
    segment_list_clear(&replay->segments);
}

/* Twice over the segments: before the first file is touched all of the journal has been found
 * sound, and it is known which batches do not count. */
bool replay_run(struct disk *disk, struct replay_report *report, struct error *error)
{
    struct replay replay = {.disk = disk, .report = report};

    *report = (struct replay_report){0};
    list_init(&replay.list);
    bool ok = table_init(&replay.table, error) && cancels_init(&replay.cancels, error) &&
              segment_list(&replay.segments, disk, error) &&
              visit_segments(&replay, survey_frame, error) &&
              visit_segments(&replay, replay_frame, error) && finish_collections(&replay, error);
    report->segments = replay.segments.count;
    if (ok && report->refused > 0)
        ok = keep_segments(&replay, error);
    else if (ok && report->segments > 0)
        ok = journal_remove_before(disk, replay.segments.last + 1, error);
    clear(&replay);
    return ok;
}
