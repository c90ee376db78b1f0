#include "store/replay.h"

#include "base/list.h"
#include "base/table.h"
#include "store/cancels.h"
#include "store/collection.h"
#include "store/database.h"
#include "store/journals.h"
#include "store/losses.h"
#include "store/paths.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* A collection that frames were found for. */
struct touched {
    struct table_node node;
    struct list link;
    struct index_header header; /* of the live one: as it is on disk */
    struct head head;           /* if is_known */
    uint64_t ended;             /* what is of this generation, or an earlier one, was deleted */
    uint64_t ended_counter;     /* where counters of that generation ended, as far as is known */
    bool is_live;
    bool is_known;              /* where it stands: the frames read so far have led there */
    bool is_changed;            /* to be synced at the end */
    bool is_made_here;          /* by a batch that began it, in this replay */
    uint64_t orphan_generation; /* of a batch that fitted nowhere; 0: none */
    uint64_t orphan_count;
    char path[];
};

struct replay {
    struct disk *disk;
    struct replay_report *report;
    struct journals journals;
    struct cancels cancels;
    struct cancels deletions; /* of collections, by id */
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

static bool is_known_to_end_later(const struct touched *touched, uint64_t generation,
                                  uint64_t counter)
{
    return generation < touched->ended ||
           (generation == touched->ended && counter < touched->ended_counter);
}

static void note_ended(struct touched *touched, uint64_t generation, uint64_t counter)
{
    if (is_known_to_end_later(touched, generation, counter))
        return;
    touched->ended = generation;
    touched->ended_counter = counter;
}

/* Generations begin at 1. */
static void note_begun(struct touched *touched, uint64_t generation)
{
    note_ended(touched, generation > 0 ? generation - 1 : 0, 0);
}

/* The frame of a deletion may be gone, with the journal of one of several servers, while journals
 * of others still have older frames of what was deleted. But then the files tell of it: they were
 * synced before. A deleted.json that cannot be read was not, and will be written again. */
static bool read_ended(struct disk *disk, struct touched *touched, struct error *error)
{
    struct collection collection;

    if (touched->is_live) {
        note_begun(touched, touched->header.generation);
        return true;
    }
    if (!collection_load_deleted(&collection, disk, touched->path, error))
        return error->code == ERROR_DAMAGED;
    note_ended(touched, collection.head.generation, collection.head.last_counter);
    collection_clear(&collection);
    return true;
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
                   forget_cancelled(replay, touched, error) &&
                   read_ended(replay->disk, touched, error)
               ? touched
               : NULL;
}

static bool is_same_id(const struct touched *touched, const unsigned char *id)
{
    return touched->is_live && memcmp(touched->header.id, id, INDEX_ID_SIZE) == 0;
}

/* Up to where the index is good: what a checkpoint vouches for, and what was replayed since. */
static uint64_t good_count(const struct touched *touched)
{
    return touched->is_known ? touched->head.count : touched->header.synced_count;
}

/* Does the index have this head in its history, as far as it is good? */
static bool find_in_index(struct replay *replay, const struct touched *touched,
                          const struct head *head, bool *is_found, struct error *error)
{
    struct database database;
    struct index_entry last;

    *is_found = false;
    if (head->generation != touched->header.generation || head->count > good_count(touched))
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
        touched->is_made_here = true;
        note_begun(touched, batch->before.generation);
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

/* Frames to come may tell that it does not matter, for the collection was deleted. */
static void note_orphan(struct touched *touched, const struct batch *batch)
{
    if (batch->before.generation <= touched->orphan_generation)
        return;
    touched->orphan_generation = batch->before.generation;
    touched->orphan_count = batch->before.count;
}

static bool is_at(const struct touched *touched, const struct head *head)
{
    return touched->is_known && touched->head.generation == head->generation &&
           touched->head.count == head->count && touched->head.data_end == head->data_end &&
           touched->head.crc == head->crc;
}

/* Are there good entries where a batch would be, below what a checkpoint vouches for? */
static bool find_others(struct replay *replay, const struct touched *touched,
                        const struct batch *batch, bool *is_found, struct error *error)
{
    const struct head head = {.generation = touched->header.generation,
                              .count = touched->header.synced_count,
                              .data_end = UINT64_MAX};
    uint64_t end = batch->after.count < head.count ? batch->after.count : head.count;
    struct buf records = {0};
    struct database database;

    *is_found = false;
    if (touched->is_known || batch->before.count >= head.count)
        return true;
    bool ok = database_reopen(&database, replay->disk, touched->path, &head, error);
    if (ok)
        ok = database_read_records(&database, batch->before.count,
                                   (size_t)(end - batch->before.count), &records, error);
    *is_found = ok;
    database_close(&database);
    buf_clear(&records);
    return ok || error->code == ERROR_DAMAGED;
}

/* A frame tells of a later collection than the one that is live: that was deleted in between, and
 * nothing else may tell of it any more. */
static bool end_earlier(struct replay *replay, struct touched *touched, uint64_t generation,
                        uint64_t last_counter, struct error *error)
{
    struct deletion deletion = {.generation = touched->header.generation,
                                .last_counter = last_counter};
    bool undone;

    if (!touched->is_live || touched->header.generation >= generation)
        return true;
    memcpy(deletion.path, touched->path, strlen(touched->path) + 1);
    memcpy(deletion.id, touched->header.id, INDEX_ID_SIZE);
    buf_append_text(&deletion.reason, "{}");
    bool ok = buf_ok(&deletion.reason, error) &&
              collection_delete(replay->disk, &deletion, &undone, error);
    deletion_clear(&deletion);
    touched->is_live = touched->is_known = false;
    return ok;
}

/* Each batch was made by a process that had the collection for itself, and from what was there. So
 * where two begin at the same place, the process that made the first died before it could apply and
 * confirm it, and the second is what counts: it takes the place of the first. If the second is in
 * the database already, and synced, the first is overtaken and goes nowhere. */
static bool find_place(struct replay *replay, const struct touched *touched,
                       const struct batch *batch, bool *fits, bool *is_overtaken,
                       struct error *error)
{
    bool is_same = is_same_id(touched, batch->identity.id);

    *is_overtaken = false;
    *fits = !batch->creates && is_same && is_at(touched, &batch->before);
    if (*fits)
        return true;
    if (batch->creates) {
        if (!touched->is_live)
            *fits = true;
        else if (is_same)
            *fits = !touched->is_known && touched->header.synced_count == 0;
        else if (touched->is_made_here)
            *fits = touched->header.generation == batch->before.generation;
        else
            *is_overtaken = touched->header.generation == batch->before.generation;
        return true;
    }
    if (!is_same)
        return true;
    if (!find_others(replay, touched, batch, is_overtaken, error))
        return false;
    return *is_overtaken || find_in_index(replay, touched, &batch->before, fits, error);
}

/* A mark that is relied on is synced before the frames go: a killed process may have left one that
 * only the kernel's memory has. */
static bool replay_batch(struct replay *replay, const struct batch *batch, struct error *error)
{
    struct touched *touched = find_touched(replay, batch->path, error);
    bool is_there = false, fits = false, is_overtaken = false;

    if (!touched)
        return false;
    if (cancels_test(&replay->cancels, batch->identity.id, batch->before.count, replay->frame))
        return pass_over_cancelled(replay, touched, batch, error);
    if (batch->before.generation <= touched->ended) /* of a collection that has been deleted */
        return true;
    if (batch->creates &&
        !end_earlier(replay, touched, batch->before.generation, batch->before.last_counter, error))
        return false;
    if (is_same_id(touched, batch->identity.id) && !touched->is_known &&
        !find_in_index(replay, touched, &batch->after, &is_there, error))
        return false;
    if (!is_there && !find_place(replay, touched, batch, &fits, &is_overtaken, error))
        return false;
    if (fits)
        return write_batch(replay, touched, batch, error);
    if (is_there || is_overtaken)
        touched->is_changed = true;
    else
        note_orphan(touched, batch);
    return true;
}

/* Two began a collection in the same generation: one of them died before anybody saw his, and has
 * been brought back here, because of the other's all that is left is its deletion. */
static bool remove_impostor(struct replay *replay, struct touched *touched,
                            const struct deletion *deletion, struct error *error)
{
    char name[PATHS_SIZE];

    if (!touched->is_live || !touched->is_made_here || is_same_id(touched, deletion->id) ||
        touched->header.generation != deletion->generation)
        return true;
    touched->is_live = touched->is_known = false;
    touched->is_changed = true;
    paths_put_index(name, touched->path);
    return disk_unlink(replay->disk, name, error);
}

/* Who deletes a collection and dies before that is done has told nobody. If others then went on
 * with it, the deletion does not count. Batches behind it say so (note_survival); where these are
 * gone with another journal, the files were synced before, and are beyond it. */
static bool is_outrun(struct replay *replay, const struct touched *touched,
                      const struct deletion *deletion, bool *is_so, struct error *error)
{
    const struct head head = {.generation = touched->header.generation,
                              .count = touched->header.synced_count};
    struct index_entry last = {0};
    struct database database;

    if (!touched->is_live) {
        *is_so = is_known_to_end_later(touched, deletion->generation, deletion->last_counter);
        return true;
    }
    *is_so = false;
    if (head.count == 0)
        return true;
    bool ok = database_reopen(&database, replay->disk, touched->path, &head, error) &&
              database_read_entries(&database, head.count - 1, 1, &last, error);
    *is_so = ok && last.counter > deletion->last_counter;
    database_close(&database);
    return ok || error->code == ERROR_DAMAGED;
}

static bool replay_deletion(struct replay *replay, const struct deletion *deletion,
                            struct error *error)
{
    struct touched *touched = find_touched(replay, deletion->path, error);
    bool undone, is_late;

    if (!touched)
        return false;
    if (cancels_test(&replay->cancels, deletion->id, JOURNAL_CANCEL_DELETION, replay->frame)) {
        replay->report->cancelled++;
        return true;
    }
    if (!end_earlier(replay, touched, deletion->generation, deletion->last_counter, error) ||
        !remove_impostor(replay, touched, deletion, error))
        return false;
    if (touched->is_live && !is_same_id(touched, deletion->id)) {
        note_ended(touched, deletion->generation, deletion->last_counter);
        return true;
    }
    if (!is_outrun(replay, touched, deletion, &is_late, error))
        return false;
    if (is_late)
        return true;
    if (!collection_delete(replay->disk, deletion, &undone, error))
        return false;
    note_ended(touched, deletion->generation, deletion->last_counter);
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

/* A batch behind the deletion of its collection: see is_outrun. */
static bool note_survival(struct replay *replay, const unsigned char *id, struct error *error)
{
    return !cancels_test(&replay->deletions, id, 0, 0) ||
           cancels_add(&replay->cancels, id, JOURNAL_CANCEL_DELETION, replay->frame, error);
}

static bool survey_frame(struct replay *replay, uint32_t kind, struct str body, struct error *error)
{
    const unsigned char *id = (const unsigned char *)body.data; /* all three begin with it */
    struct journal_cancel cancel;

    replay->report->frames++;
    replay->report->bytes += JOURNAL_FRAME_SIZE + body.length;
    if (kind == JOURNAL_CANCEL)
        return journal_read_cancel(body, &cancel, error) &&
               cancels_add(&replay->cancels, cancel.id, cancel.count, replay->frame, error);
    if (kind != JOURNAL_BATCH && kind != JOURNAL_DELETION)
        return error_set(error, ERROR_DAMAGED, "is of kind %u, which this server does not know",
                         kind);
    if (body.length < INDEX_ID_SIZE)
        return error_set(error, ERROR_DAMAGED, "is too short");
    return kind == JOURNAL_BATCH ? note_survival(replay, id, error)
                                 : cancels_add(&replay->deletions, id, 0, replay->frame, error);
}

/* What a frame says is damaged is so at a place in a file. */
static bool fail_at(const struct journals_source *source, const struct error *cause,
                    struct error *error)
{
    *error = *cause;
    return cause->code != ERROR_DAMAGED
               ? false
               : error_set(error, ERROR_DAMAGED, "%s: the frame at byte %llu: %s",
                           source->segment.file.name, (unsigned long long)source->at,
                           cause->message);
}

static bool visit_frames(struct replay *replay, visit_fn *visit, struct error *error)
{
    struct journals *journals = &replay->journals;
    struct error cause;

    journals_rewind(journals);
    replay->frame = 0;
    for (;;) {
        if (!journals_next(journals, error))
            return false;
        const struct journals_source *source = journals->current;
        if (!source)
            return true;
        replay->frame++;
        if (!visit(replay, source->frame.kind, buf_str(&source->segment.body), &cause))
            return fail_at(source, &cause, error);
    }
}

/* --- The end --------------------------------------------------------------------------------- */

/* What a crash left behind the last batch was never confirmed. */
static bool finish_collection(struct disk *disk, const struct touched *touched, struct error *error)
{
    const struct head *head = &touched->head;

    if (!touched->is_known)
        return collection_sync(disk, touched->path, touched->header.generation, 0, error);
    return database_cut(disk, touched->path, head, error) &&
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

        if (touched->orphan_generation > touched->ended)
            report_orphan(replay->report, touched);
        if (touched->is_changed && !finish_collection(replay->disk, touched, error))
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
    cancels_clear(&replay->deletions);
    journals_close(&replay->journals);
}

/* Before the journals, which tell of it, are removed. What is in them is from before the loss, and
 * has not jumped because of it: that is why disk->losses stays as it is until all is done. */
static bool note_loss(struct replay *replay, struct error *error)
{
    replay->report->may_have_lost = replay->journals.may_have_lost;
    return !replay->journals.may_have_lost || losses_add(replay->disk, error);
}

/* Twice over the segments: before the first file is touched all of the journal has been found
 * sound and is on disk for sure, and it is known which batches do not count. */
bool replay_run(struct disk *disk, struct replay_report *report, struct error *error)
{
    struct replay replay = {.disk = disk, .report = report};

    *report = (struct replay_report){0};
    list_init(&replay.list);
    bool ok = losses_read(disk, error) && table_init(&replay.table, error) &&
              cancels_init(&replay.cancels, error) && cancels_init(&replay.deletions, error) &&
              journals_open(&replay.journals, disk, error) &&
              visit_frames(&replay, survey_frame, error) &&
              journals_sync(&replay.journals, error) && note_loss(&replay, error) &&
              visit_frames(&replay, replay_frame, error) && finish_collections(&replay, error);
    report->segments = journals_segment_count(&replay.journals);
    ok = ok && journals_end(&replay.journals, report->refused > 0, error);
    disk->losses += ok && report->may_have_lost;
    clear(&replay);
    return ok;
}
