#include "store/journal.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "store/paths.h"
#include "store/segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CANCEL_PATH_AT = INDEX_ID_SIZE + 8 };

/* In a group the head of a frame holds kind, length and stamp only, until it is known where the
 * frame goes. */
void journal_group_add(struct journal_group *group, enum journal_kind kind, struct str body)
{
    const struct segment_frame frame = {
        .kind = (uint32_t)kind, .length = (uint32_t)body.length, .stamp = clock_monotonic_us()};
    unsigned char head[JOURNAL_FRAME_SIZE];

    segment_write_head(head, &frame);
    buf_append(&group->bytes, (struct str){(const char *)head, sizeof head});
    buf_append(&group->bytes, body);
}

void journal_group_clear(struct journal_group *group)
{
    buf_clear(&group->bytes);
}

/* Where a group goes. */
struct spot {
    const unsigned char *id; /* of the segment */
    uint64_t at, synced;
};

/* Also of a group that was completed for another spot. */
static void complete_frames(struct buf *bytes, const struct spot *spot)
{
    size_t length = bytes->length;

    for (size_t at = 0; at < length;) {
        unsigned char *head = (unsigned char *)bytes->data + at;
        struct segment_frame frame;

        segment_read_head(head, &frame);
        frame.group = (uint32_t)(length - at);
        frame.synced = spot->synced;
        struct str body = str_slice(buf_str(bytes), at + JOURNAL_FRAME_SIZE, frame.length);
        segment_write_frame(head, &frame, spot->id, spot->at + at, body);
        at += JOURNAL_FRAME_SIZE + frame.length;
    }
}

/* --- Syncs ----------------------------------------------------------------------------------- */

const uint64_t journal_sync_bounds_us[JOURNAL_SYNC_BUCKETS] = {
    50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000, UINT64_MAX,
};

static bool sync_timed(struct journal *journal, struct file *file, struct error *error)
{
    struct journal_syncs *syncs = &journal->syncs;
    uint64_t started_us = clock_monotonic_us();
    size_t i = 0;

    if (!file_sync(file, error)) {
        syncs->failed++;
        return false;
    }
    uint64_t took_us = clock_monotonic_us() - started_us;
    while (took_us > journal_sync_bounds_us[i])
        i++;
    syncs->counts[i]++;
    syncs->us_total += took_us;
    if (took_us > syncs->us_most)
        syncs->us_most = took_us;
    return true;
}

static void drop_ahead(struct journal *journal)
{
    while (journal->ahead_count > 0)
        buf_clear(&journal->ahead[--journal->ahead_count]);
}

static bool sync_segment(struct journal *journal, struct error *error)
{
    journal->broken = !sync_timed(journal, &journal->file, error);
    if (journal->broken)
        return false;
    journal->synced = journal->end;
    drop_ahead(journal);
    return true;
}

static bool make_room_ahead(struct journal *journal)
{
    enum { FIRST_ROOM = 64 };

    if (journal->ahead_count < journal->ahead_room)
        return true;
    size_t room = journal->ahead_room > 0 ? 2 * journal->ahead_room : FIRST_ROOM;
    struct buf *ahead = realloc(journal->ahead, room * sizeof *ahead);
    if (!ahead)
        return false;
    journal->ahead = ahead;
    journal->ahead_room = room;
    return true;
}

/* --- Segments -------------------------------------------------------------------------------- */

/* Header, and what was written ahead in a segment that could not be synced. */
static bool fill_file(struct journal *journal, struct file *file, const struct segment *segment,
                      uint64_t *end, struct error *error)
{
    unsigned char header[JOURNAL_HEADER_SIZE];

    segment_write_header(header, segment);
    if (!file_write_at(file, (struct str){(const char *)header, sizeof header}, 0, error))
        return false;
    *end = JOURNAL_HEADER_SIZE;
    for (size_t i = 0; i < journal->ahead_count; i++) {
        const struct spot spot = {segment->id, *end, JOURNAL_HEADER_SIZE};

        complete_frames(&journal->ahead[i], &spot);
        if (!file_write_at(file, buf_str(&journal->ahead[i]), *end, error))
            return false;
        *end += journal->ahead[i].length;
    }
    return true;
}

/* Under its name only when all of it is there: its header takes away from the segment before what
 * is written again here. What an attempt that failed has left is made anew: nothing says which part
 * of the old one is on disk. */
static bool create_file(struct journal *journal, struct file *file, const struct segment *segment,
                        uint64_t *end, struct error *error)
{
    struct disk *disk = journal->disk;
    char name[SEGMENT_NAME_SIZE], unnamed[SEGMENT_NAME_SIZE];

    segment_put_name(name, disk->journal, segment->sequence);
    (void)snprintf(unnamed, sizeof unnamed, "%s/new", disk->journal);
    return disk_unlink(disk, unnamed, error) &&
           file_open(file, disk, unnamed, O_RDWR | O_CREAT | O_EXCL, error) &&
           fill_file(journal, file, segment, end, error) && sync_timed(journal, file, error) &&
           disk_rename(disk, unnamed, name, error) &&
           disk_sync_directory(disk, disk->journal, error);
}

/* Goes on behind what counts of the segment before, which may be less than what was written. From
 * the moment the new file may be on disk the old one must not be written: replay goes by the end
 * that the new header tells. */
static bool begin_segment(struct journal *journal, bool is_relaxed, struct error *error)
{
    struct segment segment = {
        .sequence = journal->sequence + 1,
        .previous_sequence = journal->synced > 0 ? journal->sequence : 0,
        .previous_end = journal->synced,
        .boot = journal->disk->boot,
        .is_relaxed = is_relaxed,
    };
    struct file file = {0};
    uint64_t end;

    journal->broken = true;
    if (!crypto_random(segment.id, sizeof segment.id, error) ||
        !create_file(journal, &file, &segment, &end, error)) {
        file_close(&file);
        return false;
    }
    file_close(&journal->file);
    journal->file = file;
    journal->sequence = segment.sequence;
    journal->end = journal->synced = end;
    journal->is_relaxed = is_relaxed;
    memcpy(journal->segment_id, segment.id, sizeof segment.id);
    journal->broken = false;
    drop_ahead(journal);
    return true;
}

bool journal_open(struct journal *journal, struct disk *disk, struct error *error)
{
    struct segment_list list = {0};

    *journal = (struct journal){.disk = disk, .file.fd = -1};
    bool ok = disk_make_directory(disk, disk->journal, error) &&
              disk_sync_directory(disk, ".", error) &&
              segment_list(&list, disk, disk->journal, error);
    journal->sequence = list.last;
    ok = ok && begin_segment(journal, false, error);
    segment_list_clear(&list);
    return ok;
}

void journal_close(struct journal *journal)
{
    file_close(&journal->file);
    drop_ahead(journal);
    free(journal->ahead);
    journal->ahead = NULL;
    journal->ahead_room = 0;
}

/* A full disk needs it, be it for the next segment, without which the old ones can never go. What
 * is cut off counts for nothing; should the cut not reach the disk, nothing is different. */
static void give_back_room(struct journal *journal)
{
    struct error error;

    (void)!file_truncate(&journal->file, journal->end, &error);
}

static bool check_group(const struct journal_group *group, struct error *error)
{
    if (!buf_ok(&group->bytes, error))
        return false;
    return group->bytes.length <= JOURNAL_GROUP_MOST ||
           error_set(error, ERROR_TOO_LARGE, "%zu bytes are too much for the journal at once",
                     group->bytes.length);
}

/* It does not count yet. */
static bool put_group(struct journal *journal, struct journal_group *group, struct error *error)
{
    const struct spot spot = {journal->segment_id, journal->end, journal->synced};

    complete_frames(&group->bytes, &spot);
    if (file_write_at(&journal->file, buf_str(&group->bytes), journal->end, error))
        return true;
    journal->broken = true;
    give_back_room(journal);
    return false;
}

bool journal_write(struct journal *journal, struct journal_group *group, struct error *error)
{
    if (!check_group(group, error) || (journal->broken && !begin_segment(journal, false, error)) ||
        !put_group(journal, group, error))
        return false;
    uint64_t before = journal->end;
    journal->end += group->bytes.length;
    if (sync_segment(journal, error))
        return true;
    journal->end = before;
    return false;
}

bool journal_write_ahead(struct journal *journal, struct journal_group *group, struct error *error)
{
    if (!make_room_ahead(journal))
        return journal_write(journal, group, error);
    if (!check_group(group, error) ||
        ((journal->broken || !journal->is_relaxed) && !begin_segment(journal, true, error)) ||
        !put_group(journal, group, error))
        return false;
    journal->end += group->bytes.length;
    journal->ahead[journal->ahead_count++] = group->bytes;
    group->bytes = (struct buf){0};
    return true;
}

bool journal_sync(struct journal *journal, struct error *error)
{
    if (journal->ahead_count == 0)
        return true;
    return journal->broken ? begin_segment(journal, false, error) : sync_segment(journal, error);
}

/* If what was written ahead cannot be synced where it is it goes into the new segment. */
bool journal_begin_segment(struct journal *journal, struct error *error)
{
    struct error ignored;

    if (!journal->broken)
        (void)!journal_sync(journal, &ignored);
    return begin_segment(journal, false, error);
}

/* Oldest first, because what a crash in the middle leaves must be the end of the history, without
 * gaps: replaying that leads to where the databases already are. The other way round a collection
 * could be found that a later segment, gone by then, had deleted, and a segment could lose the one
 * behind it, which says how much of it counts. */
bool journal_remove_before(struct disk *disk, const char *directory, uint64_t sequence,
                           struct error *error)
{
    struct segment_list list;
    char name[SEGMENT_NAME_SIZE];
    bool ok = segment_list(&list, disk, directory, error);

    for (size_t i = 0; ok && i < list.count && list.sequences[i] < sequence; i++) {
        segment_put_name(name, directory, list.sequences[i]);
        ok = disk_unlink(disk, name, error) && disk_sync_directory(disk, directory, error);
    }
    segment_list_clear(&list);
    return ok;
}

void journal_write_cancel(struct buf *out, const char *path, const unsigned char *id,
                          uint64_t count)
{
    unsigned char position[8];

    bytes_put_u64(position, count);
    buf_append(out, (struct str){(const char *)id, INDEX_ID_SIZE});
    buf_append(out, (struct str){(const char *)position, sizeof position});
    buf_append_text(out, path);
}

bool journal_read_cancel(struct str body, struct journal_cancel *cancel, struct error *error)
{
    const unsigned char *id = (const unsigned char *)body.data;

    cancel->path = str_slice(body, CANCEL_PATH_AT, body.length);
    if (!paths_check(cancel->path))
        return error_set(error, ERROR_DAMAGED, "cancels a batch of no collection");
    cancel->id = id;
    cancel->count = bytes_get_u64(id + INDEX_ID_SIZE);
    return true;
}
