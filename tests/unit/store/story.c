#include "story.h"

#include "store/database.h"
#include "store/record.h"
#include "store/replay.h"
#include "store/segment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const paths[STORY_COLLECTIONS] = {
    "app.example/ann@x.org/notes",
    "app.example/ann@x.org/photos%20of%20cats",
    "b.example/bob@x.org/notes",
};

void story_init(struct story *story, struct simdisk *simdisk)
{
    *story = (struct story){.simdisk = simdisk, .disk = &simdisk->disk};
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++)
        story->collections[i].path = paths[i];
}

static void clear_group(struct story *story)
{
    journal_group_clear(&story->group);
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++) {
        batch_clear(&story->batches[i]);
        deletion_clear(&story->deletions[i]);
        story->has_batch[i] = story->has_deletion[i] = false;
    }
}

void story_clear(struct story *story)
{
    clear_group(story);
    journal_close(&story->journal);
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++) {
        buf_clear(&story->collections[i].now.text);
        buf_clear(&story->collections[i].next.text);
        for (unsigned d = 0; d < STORY_DOUBTS; d++)
            buf_clear(&story->collections[i].doubts[d].text);
    }
    *story = (struct story){0};
}

bool story_open(struct story *story)
{
    struct error error;

    return journal_open(&story->journal, story->disk, &error);
}

static void copy_state(struct story_state *to, const struct story_state *from)
{
    struct buf text = to->text;

    buf_reset(&text);
    buf_append(&text, buf_str(&from->text));
    *to = *from;
    to->text = text;
}

/* The first batch of a collection, as sync/writer.c begins it. */
static bool begin_batch(struct story *story, unsigned i, struct story_state *next)
{
    bool creates = next->state != COLLECTION_LIVE;

    if (creates) {
        struct index_header header = {.generation = next->head.generation + 1};
        unsigned char byte = ++story->last_id;

        memset(&next->identity, byte, sizeof next->identity);
        next->identity.created = byte;
        memcpy(header.id, next->identity.id, sizeof header.id);
        next->head = (struct head){.generation = header.generation,
                                   .last_counter = next->head.last_counter,
                                   .crc = index_first_crc(&header)};
        buf_reset(&next->text);
    }
    batch_begin(&story->batches[i], paths[i], &next->identity, &next->head, creates);
    return creates;
}

static void add_frame(struct story *story, enum journal_kind kind, struct buf *body)
{
    journal_group_add(&story->group, kind, buf_str(body));
    buf_clear(body);
}

void story_append(struct story *story, unsigned i, unsigned records)
{
    struct story_collection *collection = &story->collections[i];
    struct batch *batch = &story->batches[i];
    struct buf body = {0};

    if (collection->is_closed)
        return;
    struct story_state *next = &collection->next;
    copy_state(next, &collection->now);
    (void)begin_batch(story, i, next);
    for (unsigned r = 0; r < records; r++) {
        char text[1024], id[16];
        struct str none = {0};
        int id_length = snprintf(id, sizeof id, "i%u", r);
        int length = snprintf(text, sizeof text, "{\"id\":%u,\"in\":%u,\"text\":\"%0*u\"}", r, i,
                              (int)(records * 137 % 700), story->last_id);

        struct batch_object object = {
            .text = {text, (size_t)length},
            .key =
                record_hash_key(next->identity.secret, none, (struct str){id, (size_t)id_length}),
        };

        (void)batch_add_record(batch, &object);
    }
    if (records % 2 == 1)
        batch_add_commit(batch, i + 1, batch->after.last_counter);
    batch_end_append(batch);
    next->state = COLLECTION_LIVE;
    next->head = batch->after;
    buf_append(&next->text, buf_str(&batch->data));
    batch_write_frame(batch, &body);
    add_frame(story, JOURNAL_BATCH, &body);
    story->has_batch[i] = true;
}

void story_delete(struct story *story, unsigned i)
{
    struct story_collection *collection = &story->collections[i];
    struct deletion *deletion = &story->deletions[i];
    struct head head = collection->now.head;
    struct buf body = {0};

    if (collection->is_closed || collection->now.state != COLLECTION_LIVE)
        return;
    *deletion = (struct deletion){.last_counter = head.last_counter, .generation = head.generation};
    memcpy(deletion->path, paths[i], strlen(paths[i]) + 1);
    memcpy(deletion->id, collection->now.identity.id, sizeof deletion->id);
    buf_append_format(&deletion->reason, "{\"reason\":%u}", i);
    copy_state(&collection->next, &collection->now);
    collection->next.state = COLLECTION_DELETED;
    collection->next.head =
        (struct head){.generation = head.generation, .last_counter = head.last_counter};
    buf_reset(&collection->next.text);
    deletion_write_frame(deletion, &body);
    add_frame(story, JOURNAL_DELETION, &body);
    story->has_deletion[i] = true;
}

static bool cancel(struct story *story, unsigned i)
{
    const struct batch *batch = &story->batches[i];
    const struct deletion *deletion = &story->deletions[i];
    struct journal_group group = {0};
    struct buf body = {0};
    struct error error;

    if (story->has_deletion[i])
        journal_write_cancel(&body, deletion->path, deletion->id, JOURNAL_CANCEL_DELETION);
    else
        journal_write_cancel(&body, batch->path, batch->identity.id, batch->before.count);
    journal_group_add(&group, JOURNAL_CANCEL, buf_str(&body));
    bool ok = journal_write(&story->journal, &group, &error);
    buf_clear(&body);
    journal_group_clear(&group);
    return ok;
}

static void doubt_next(struct story_collection *collection)
{
    if (collection->doubt_count == STORY_DOUBTS)
        abort();
    copy_state(&collection->doubts[collection->doubt_count++], &collection->next);
}

/* The group is in the journal, and nothing refused before it can come back. Nobody is told before
 * this has ended, one way or the other: applied, or cancelled in the journal, too. */
static void apply(struct story *story, unsigned i)
{
    struct story_collection *collection = &story->collections[i];
    struct error error;
    bool undone = true, ok;

    collection->doubt_count = 0;
    doubt_next(collection);
    if (story->has_deletion[i])
        ok = collection_delete(story->disk, &story->deletions[i], &undone, &error);
    else
        ok = database_apply(story->disk, &story->batches[i], &undone, &error);
    if (ok || (story->has_deletion[i] && !undone)) {
        copy_state(&collection->now, &collection->next);
        collection->doubt_count = 0;
        collection->is_closed = !ok;
        return;
    }
    bool is_cancelled = cancel(story, i);
    story->cancelled += is_cancelled;
    if (is_cancelled)
        collection->doubt_count = 0;
    collection->is_closed = !is_cancelled || !undone;
}

void story_commit(struct story *story, unsigned fail_apply)
{
    struct error error;
    bool ok;

    for (unsigned i = 0; i < STORY_COLLECTIONS; i++) {
        if (story->has_batch[i] || story->has_deletion[i]) {
            doubt_next(&story->collections[i]);
            story->collections[i].is_dirty = true;
        }
    }
    ok = journal_write(&story->journal, &story->group, &error);
    if (ok && fail_apply > 0) {
        story->simdisk->fail_at = story->simdisk->calls + fail_apply;
        story->simdisk->fail_with = ENOSPC;
    }
    for (unsigned i = 0; ok && i < STORY_COLLECTIONS; i++) {
        if (story->has_batch[i] || story->has_deletion[i])
            apply(story, i);
        else if (!story->collections[i].is_closed)
            story->collections[i].doubt_count =
                0; /* refused before, and now a later is confirmed */
    }
    clear_group(story);
}

void story_checkpoint(struct story *story)
{
    struct error error;
    bool ok = journal_begin_segment(&story->journal, &error);

    for (unsigned i = 0; ok && i < STORY_COLLECTIONS; i++) {
        struct story_collection *collection = &story->collections[i];
        const struct head *head = &collection->now.head;

        if (collection->is_dirty)
            ok = collection_sync(story->disk, collection->path, head->generation, head->count,
                                 &error);
    }
    for (unsigned i = 0; ok && i < STORY_COLLECTIONS; i++)
        story->collections[i].is_dirty = false;
    if (ok)
        (void)!journal_remove_before(story->disk, ".journal", story->journal.sequence, &error);
}

static void append_and_commit(struct story *story, unsigned i, unsigned records)
{
    story_append(story, i, records);
    story_commit(story, 0);
}

static void delete_and_commit(struct story *story, unsigned i)
{
    story_delete(story, i);
    story_commit(story, 0);
}

static void tell_first_part(struct story *story)
{
    story_append(story, 0, 3);
    story_append(story, 1, 2);
    story_commit(story, 0);
    append_and_commit(story, 0, 2);
    append_and_commit(story, 1, 5);
    story_checkpoint(story);
    append_and_commit(story, 0, 1);
    story_append(story, 1, 4);
    story_append(story, 2, 3);
    story_commit(story, 0);
    append_and_commit(story, 1, 1);
}

static void tell_second_part(struct story *story)
{
    /* Calls of database_apply: when it appends, and when it makes a collection. */
    enum { DATA_WRITE = 3, INDEX_WRITE = 4, LAST_DIRECTORY = 3, FORGET_DELETION = 12 };
    enum { DELETED_OPEN = 6, INDEX_REMOVAL = 9 }; /* of collection_delete */

    delete_and_commit(story, 0);
    append_and_commit(story, 0, 2);
    story_append(story, 0, 3);
    story_delete(story, 1);
    story_commit(story, 0);
    story_append(story, 2, 2);
    story_commit(story, INDEX_WRITE);
    append_and_commit(story, 2, 4);
    story_append(story, 1, 2);
    story_commit(story, LAST_DIRECTORY);
    story_append(story, 1, 1);
    story_commit(story, FORGET_DELETION);
    story_append(story, 2, 1);
    story_commit(story, DATA_WRITE);
    append_and_commit(story, 1, 3);
    story_delete(story, 1);
    story_commit(story, DELETED_OPEN);
    append_and_commit(story, 1, 2);
    story_delete(story, 2);
    story_commit(story, INDEX_REMOVAL);
    append_and_commit(story, 2, 1);
}

void story_tell(struct story *story)
{
    if (!story_open(story))
        return;
    tell_first_part(story);
    tell_second_part(story);
}

void story_tell_with_checkpoint(struct story *story)
{
    if (!story_open(story))
        return;
    story_append(story, 0, 3);
    story_commit(story, 0);
    story_checkpoint(story);
    story_append(story, 0, 2);
    story_append(story, 1, 2);
    story_commit(story, 0);
}

static bool check_records(struct disk *disk, const char *path, const struct story_state *state)
{
    struct database database;
    struct buf text = {0};
    struct error error;
    uint64_t position;

    if (!database_open(&database, disk, path, &error))
        return false;
    bool ok = database_read_records(&database, 0, (size_t)database.head.count, &text, &error) &&
              str_equals(buf_str(&text), buf_str(&state->text)) &&
              database_find_counter(&database, state->head.last_counter, &position, &error) &&
              position == state->head.count;
    buf_clear(&text);
    database_close(&database);
    return ok;
}

static bool is_same_head(const struct head *a, const struct head *b)
{
    return a->generation == b->generation && a->count == b->count && a->commits == b->commits &&
           a->data_end == b->data_end && a->last_counter == b->last_counter && a->crc == b->crc;
}

static bool is_state(struct disk *disk, const char *path, const struct collection *collection,
                     const struct story_state *state)
{
    if (collection->state != state->state || !is_same_head(&collection->head, &state->head))
        return false;
    return state->state != COLLECTION_LIVE ||
           (memcmp(collection->identity.id, state->identity.id, INDEX_ID_SIZE) == 0 &&
            memcmp(collection->identity.secret, state->identity.secret, SIPHASH_KEY_SIZE) == 0 &&
            check_records(disk, path, state));
}

static bool is_expected(struct disk *disk, const struct story_collection *expected,
                        const struct collection *found)
{
    bool ok = is_state(disk, expected->path, found, &expected->now);

    for (unsigned d = 0; !ok && d < expected->doubt_count; d++)
        ok = is_state(disk, expected->path, found, &expected->doubts[d]);
    return ok;
}

bool story_check(const struct story *story, struct simdisk *simdisk, char why[256])
{
    bool ok = true;

    for (unsigned i = 0; ok && i < STORY_COLLECTIONS; i++) {
        const struct story_collection *expected = &story->collections[i];
        const struct head *head = &expected->now.head;
        struct collection found;
        struct error error;

        ok = collection_load(&found, &simdisk->disk, expected->path, &error);
        if (!ok) {
            snprintf(why, 256, "%s", error.message);
        } else if (!is_expected(&simdisk->disk, expected, &found)) {
            ok = false;
            snprintf(why, 256, "%s: state %d, %llu entries, last counter %llu, not %d, %llu, %llu",
                     expected->path, found.state, (unsigned long long)found.head.count,
                     (unsigned long long)found.head.last_counter, expected->now.state,
                     (unsigned long long)head->count, (unsigned long long)head->last_counter);
        }
        collection_clear(&found);
    }
    return ok;
}

static bool is_empty(struct simdisk *disk)
{
    struct segment_list list;
    struct error cause;
    bool ok = segment_list(&list, &disk->disk, ".journal", &cause) && list.count == 0;

    segment_list_clear(&list);
    return ok;
}

bool story_recovers(const struct story *story, struct simdisk *simdisk, char why[256])
{
    unsigned open_before = simdisk->open_files;
    struct replay_report now;
    struct error cause;

    if (!replay_run(&simdisk->disk, &now, &cause)) {
        snprintf(why, 256, "%s", cause.message);
        return false;
    }
    simdisk->changed = NULL;
    if (now.refused > 0) {
        snprintf(why, 256, "%s", now.first_refusal.message);
        return false;
    }
    snprintf(why, 256, "files or segments are left, or descriptors were misused");
    return simdisk->open_files == open_before && simdisk->misuses == 0 && is_empty(simdisk) &&
           story_check(story, simdisk, why);
}
