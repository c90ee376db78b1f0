#include "store/journal.h"

#include "base/bytes.h"
#include "base/crypto.h"
#include "store/segment.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* In a group the head of a frame holds kind and length only, until journal_write knows where the
 * frame goes. */
void journal_group_add(struct journal_group *group, enum journal_kind kind, struct str body)
{
    unsigned char head[JOURNAL_FRAME_SIZE] = {0};

    bytes_put_u32(head, (uint32_t)kind);
    bytes_put_u32(head + 4, (uint32_t)body.length);
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
        };
        struct str body = str_slice(buf_str(&group->bytes), at + JOURNAL_FRAME_SIZE, frame.length);

        segment_write_frame(head, &frame, journal->segment_id, journal->end + at, body);
        at += JOURNAL_FRAME_SIZE + frame.length;
    }
}

/* Goes on behind what counts of the segment before, which may be less than what was written. */
static bool begin_segment(struct journal *journal, struct error *error)
{
    struct segment segment = {
        .sequence = journal->sequence + 1,
        .previous_sequence = journal->file.disk ? journal->sequence : 0,
        .previous_end = journal->synced,
    };
    unsigned char header[JOURNAL_HEADER_SIZE];
    char name[SEGMENT_NAME_SIZE];
    struct file file = {0};

    if (!crypto_random(segment.id, sizeof segment.id, error))
        return false;
    segment_write_header(header, &segment);
    segment_put_name(name, segment.sequence);
    if (!file_open(&file, journal->disk, name, O_RDWR | O_CREAT | O_TRUNC, error) ||
        !file_write_at(&file, (struct str){(const char *)header, sizeof header}, 0, error) ||
        !file_sync(&file, error) || !disk_sync_directory(journal->disk, ".journal", error)) {
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
    uint64_t *sequences = NULL;
    size_t count;

    *journal = (struct journal){.disk = disk, .file.fd = -1};
    bool ok = disk_make_directory(disk, ".journal", error) &&
              disk_sync_directory(disk, ".", error) &&
              segment_list(disk, &sequences, &count, error);
    if (ok && count > 0)
        journal->sequence = sequences[count - 1];
    ok = ok && begin_segment(journal, error);
    free(sequences);
    return ok;
}

void journal_close(struct journal *journal)
{
    file_close(&journal->file);
}

bool journal_write(struct journal *journal, struct journal_group *group, struct error *error)
{
    if (journal->broken && !begin_segment(journal, error))
        return false;
    complete_frames(journal, group);
    journal->broken = !file_write_at(&journal->file, buf_str(&group->bytes), journal->end, error) ||
                      !file_sync(&journal->file, error);
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

/* Oldest first: what is left after a crash in the middle ends with the latest there was, deletions
 * and new collections included, so replaying it leads to where the databases already are. */
bool journal_remove_before(struct disk *disk, uint64_t sequence, struct error *error)
{
    uint64_t *sequences;
    size_t count;
    char name[SEGMENT_NAME_SIZE];
    bool ok = segment_list(disk, &sequences, &count, error);

    for (size_t i = 0; ok && i < count && sequences[i] < sequence; i++) {
        segment_put_name(name, sequences[i]);
        ok = disk_unlink(disk, name, error);
    }
    ok = ok && disk_sync_directory(disk, ".journal", error);
    free(sequences);
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
