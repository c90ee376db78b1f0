#include "store/journal.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "store/paths.h"
#include "store/segment.h"

#include <fcntl.h>
#include <string.h>

enum { CANCEL_PATH_AT = INDEX_ID_SIZE + 8 };

/* In a group the head of a frame holds kind, length and stamp only, until journal_write knows where
 * the frame goes. */
void journal_group_add(struct journal_group *group, enum journal_kind kind, struct str body)
{
    unsigned char head[JOURNAL_FRAME_SIZE] = {0};

    bytes_put_u32(head, (uint32_t)kind);
    bytes_put_u32(head + 4, (uint32_t)body.length);
    bytes_put_u64(head + 8, clock_monotonic_us());
    buf_append(&group->bytes, (struct str){(const char *)head, sizeof head});
    buf_append(&group->bytes, body);
}

void journal_group_clear(struct journal_group *group)
{
    buf_clear(&group->bytes);
}

static void complete_frames(const struct journal *journal, struct journal_group *group)
{
    size_t length = group->bytes.length;

    for (size_t at = 0; at < length;) {
        unsigned char *head = (unsigned char *)group->bytes.data + at;
        struct segment_frame frame = {
            .kind = bytes_get_u32(head),
            .length = bytes_get_u32(head + 4),
            .group = (uint32_t)(length - at),
            .synced = journal->synced,
            .stamp = bytes_get_u64(head + 8),
        };
        struct str body = str_slice(buf_str(&group->bytes), at + JOURNAL_FRAME_SIZE, frame.length);

        segment_write_frame(head, &frame, journal->segment_id, journal->end + at, body);
        at += JOURNAL_FRAME_SIZE + frame.length;
    }
}

/* A file of that name can only be what an attempt that failed has left. It is made anew: nothing
 * says which part of the old one is on disk. */
static bool create_file(struct journal *journal, struct file *file, const struct segment *segment,
                        struct error *error)
{
    unsigned char header[JOURNAL_HEADER_SIZE];
    char name[SEGMENT_NAME_SIZE];

    segment_write_header(header, segment);
    segment_put_name(name, journal->disk->journal, segment->sequence);
    return disk_unlink(journal->disk, name, error) &&
           file_open(file, journal->disk, name, O_RDWR | O_CREAT | O_EXCL, error) &&
           file_write_at(file, (struct str){(const char *)header, sizeof header}, 0, error) &&
           file_sync(file, error) &&
           disk_sync_directory(journal->disk, journal->disk->journal, error);
}

/* Goes on behind what counts of the segment before, which may be less than what was written. From
 * the moment the new file may be on disk the old one must not be written: replay goes by the end
 * that the new header tells. */
static bool begin_segment(struct journal *journal, struct error *error)
{
    struct segment segment = {
        .sequence = journal->sequence + 1,
        .previous_sequence = journal->synced > 0 ? journal->sequence : 0,
        .previous_end = journal->synced,
    };
    struct file file = {0};

    journal->broken = true;
    if (!crypto_random(segment.id, sizeof segment.id, error) ||
        !create_file(journal, &file, &segment, error)) {
        file_close(&file);
        return false;
    }
    file_close(&journal->file);
    journal->file = file;
    journal->sequence = segment.sequence;
    journal->end = journal->synced = JOURNAL_HEADER_SIZE;
    memcpy(journal->segment_id, segment.id, sizeof segment.id);
    journal->broken = false;
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
    ok = ok && begin_segment(journal, error);
    segment_list_clear(&list);
    return ok;
}

void journal_close(struct journal *journal)
{
    file_close(&journal->file);
}

/* A full disk needs it, be it for the next segment, without which the old ones can never go. What
 * is cut off counts for nothing; should the cut not reach the disk, nothing is different. */
static void give_back_room(struct journal *journal)
{
    struct error error;

    (void)!file_truncate(&journal->file, journal->end, &error);
}

bool journal_write(struct journal *journal, struct journal_group *group, struct error *error)
{
    if (!buf_ok(&group->bytes, error))
        return false;
    if (group->bytes.length > JOURNAL_GROUP_MOST)
        return error_set(error, ERROR_TOO_LARGE, "%zu bytes are too much for the journal at once",
                         group->bytes.length);
    if (journal->broken && !begin_segment(journal, error))
        return false;
    complete_frames(journal, group);
    bool written = file_write_at(&journal->file, buf_str(&group->bytes), journal->end, error);
    journal->broken = !written || !file_sync(&journal->file, error);
    if (!written)
        give_back_room(journal);
    if (journal->broken)
        return false;
    journal->end += group->bytes.length;
    journal->synced = journal->end;
    return true;
}

bool journal_begin_segment(struct journal *journal, struct error *error)
{
    return begin_segment(journal, error);
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
