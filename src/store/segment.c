#include "store/segment.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "CutOutJn";
static const char refused_prefix[] = "refused-";
static const char digits[] = "0123456789abcdef";

enum {
    VERSION = 1,
    AT_VERSION = 8,
    AT_SIZE = 12,
    AT_SEQUENCE = 16,
    AT_ID = 24,
    AT_PREVIOUS = 32,
    AT_PREVIOUS_END = 40,
    AT_BOOT = 48,
    AT_FLAGS = 56,
    AT_HEADER_CRC = JOURNAL_HEADER_SIZE - 4,
    RELAXED = 1,              /* a flag */
    FRAME_MAGIC = 0x464f4a43, /* "CJOF" */
    AT_KIND = 4,
    AT_LENGTH = 8,
    AT_GROUP = 12,
    AT_SYNCED = 16,
    AT_STAMP = 24,
    AT_ZERO = 32,
    AT_CRC = 36,
    SCAN_STEP = 8192, /* bytes looked through at once behind a bad frame */
    DIGITS = 16,
};

void segment_put_name(char out[SEGMENT_NAME_SIZE], const char *directory, uint64_t sequence)
{
    (void)snprintf(out, SEGMENT_NAME_SIZE, "%s/%016llx", directory, (unsigned long long)sequence);
}

void segment_put_refused_name(char out[SEGMENT_NAME_SIZE], const char *directory, uint64_t sequence)
{
    (void)snprintf(out, SEGMENT_NAME_SIZE, "%s/%s%016llx", directory, refused_prefix,
                   (unsigned long long)sequence);
}

static bool parse_name(struct str name, uint64_t *sequence)
{
    *sequence = 0;
    for (size_t i = 0; i < name.length; i++) {
        const char *digit = memchr(digits, name.data[i], sizeof digits - 1);

        if (!digit)
            return false;
        *sequence = *sequence << 4 | (uint64_t)(digit - digits);
    }
    return name.length == DIGITS && *sequence > 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t left, right;

    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right;
}

static void add_name(struct segment_list *list, struct str name)
{
    bool is_refused = str_starts_with(name, str_of(refused_prefix));
    uint64_t sequence;

    if (is_refused)
        name = str_slice(name, sizeof refused_prefix - 1, name.length);
    if (!parse_name(name, &sequence))
        return;
    if (sequence > list->last)
        list->last = sequence;
    if (!is_refused)
        list->sequences[list->count++] = sequence;
}

static bool note_names(struct segment_list *list, struct str names, struct error *error)
{
    struct str name;

    list->sequences = calloc(names.length / (DIGITS + 1) + 1, sizeof *list->sequences);
    if (!list->sequences)
        return error_set(error, ERROR_NO_MEMORY, "out of memory for the journal");
    while (str_split(&names, '\0', &name))
        add_name(list, name);
    qsort(list->sequences, list->count, sizeof *list->sequences, compare);
    return true;
}

bool segment_list(struct segment_list *list, struct disk *disk, const char *directory,
                  struct error *error)
{
    struct buf names = {0};

    *list = (struct segment_list){0};
    memcpy(list->directory, directory, strlen(directory) + 1);
    bool ok = disk_list(disk, directory, &names, error) && buf_ok(&names, error) &&
              note_names(list, buf_str(&names), error);
    buf_clear(&names);
    return ok;
}

void segment_list_clear(struct segment_list *list)
{
    free(list->sequences);
    *list = (struct segment_list){0};
}

void segment_write_header(unsigned char to[JOURNAL_HEADER_SIZE], const struct segment *segment)
{
    memset(to, 0, JOURNAL_HEADER_SIZE);
    memcpy(to, magic, sizeof magic - 1);
    bytes_put_u32(to + AT_VERSION, VERSION);
    bytes_put_u32(to + AT_SIZE, JOURNAL_HEADER_SIZE);
    bytes_put_u64(to + AT_SEQUENCE, segment->sequence);
    memcpy(to + AT_ID, segment->id, sizeof segment->id);
    bytes_put_u64(to + AT_PREVIOUS, segment->previous_sequence);
    bytes_put_u64(to + AT_PREVIOUS_END, segment->previous_end);
    bytes_put_u64(to + AT_BOOT, segment->boot);
    bytes_put_u32(to + AT_FLAGS, segment->is_relaxed ? RELAXED : 0);
    bytes_put_u32(to + AT_HEADER_CRC,
                  crc32c_extend(0, (struct str){(const char *)to, AT_HEADER_CRC}));
}

static uint32_t frame_crc(const unsigned char *head, const unsigned char id[8], uint64_t offset,
                          struct str body)
{
    unsigned char place[16];

    memcpy(place, id, 8);
    bytes_put_u64(place + 8, offset);
    uint32_t crc = crc32c_extend(0, (struct str){(const char *)place, sizeof place});
    crc = crc32c_extend(crc, (struct str){(const char *)head, AT_CRC});
    return crc32c_extend(crc, body);
}

void segment_write_head(unsigned char to[JOURNAL_FRAME_SIZE], const struct segment_frame *frame)
{
    memset(to, 0, JOURNAL_FRAME_SIZE);
    bytes_put_u32(to, FRAME_MAGIC);
    bytes_put_u32(to + AT_KIND, frame->kind);
    bytes_put_u32(to + AT_LENGTH, frame->length);
    bytes_put_u32(to + AT_GROUP, frame->group);
    bytes_put_u64(to + AT_SYNCED, frame->synced);
    bytes_put_u64(to + AT_STAMP, frame->stamp);
}

void segment_read_head(const unsigned char from[JOURNAL_FRAME_SIZE], struct segment_frame *frame)
{
    frame->kind = bytes_get_u32(from + AT_KIND);
    frame->length = bytes_get_u32(from + AT_LENGTH);
    frame->group = bytes_get_u32(from + AT_GROUP);
    frame->synced = bytes_get_u64(from + AT_SYNCED);
    frame->stamp = bytes_get_u64(from + AT_STAMP);
}

void segment_write_frame(unsigned char to[JOURNAL_FRAME_SIZE], const struct segment_frame *frame,
                         const unsigned char id[8], uint64_t offset, struct str body)
{
    segment_write_head(to, frame);
    bytes_put_u32(to + AT_CRC, frame_crc(to, id, offset, body));
}

static bool complain(const struct segment *segment, uint64_t at, const char *what,
                     struct error *error)
{
    return error_set(error, ERROR_DAMAGED,
                     "%s: at byte %llu: %s; copy the data directory before anything else",
                     segment->file.name, (unsigned long long)at, what);
}

/* *is_good is false for a header that does not check. */
static bool read_header(struct segment *segment, bool *is_good, struct error *error)
{
    unsigned char bytes[JOURNAL_HEADER_SIZE];

    *is_good = false;
    if (segment->size < sizeof bytes)
        return true;
    if (!file_read_at(&segment->file, bytes, sizeof bytes, 0, error))
        return false;
    if (memcmp(bytes, magic, sizeof magic - 1) != 0 ||
        bytes_get_u32(bytes + AT_HEADER_CRC) !=
            crc32c_extend(0, (struct str){(const char *)bytes, AT_HEADER_CRC}))
        return true;
    if (bytes_get_u32(bytes + AT_VERSION) != VERSION)
        return error_set(error, ERROR_DAMAGED, "%s: has version %u, this server knows %d",
                         segment->file.name, bytes_get_u32(bytes + AT_VERSION), VERSION);
    if (bytes_get_u64(bytes + AT_SEQUENCE) != segment->sequence)
        return complain(segment, AT_SEQUENCE, "this is another segment", error);
    memcpy(segment->id, bytes + AT_ID, sizeof segment->id);
    segment->previous_sequence = bytes_get_u64(bytes + AT_PREVIOUS);
    segment->previous_end = bytes_get_u64(bytes + AT_PREVIOUS_END);
    segment->boot = bytes_get_u64(bytes + AT_BOOT);
    segment->is_relaxed = bytes_get_u32(bytes + AT_FLAGS) & RELAXED;
    *is_good = true;
    return true;
}

static bool open_one(struct segment *segment, struct disk *disk, const char *directory,
                     uint64_t sequence, bool *is_good, struct error *error)
{
    char name[SEGMENT_NAME_SIZE];

    *segment = (struct segment){.sequence = sequence, .limit = UINT64_MAX, .file.fd = -1};
    segment_put_name(name, directory, sequence);
    return file_open(&segment->file, disk, name, O_RDONLY, error) &&
           file_size(&segment->file, &segment->size, error) && read_header(segment, is_good, error);
}

/* What the next segment says of this one. A crash can leave a next one that says nothing: then
 * nothing was ever confirmed behind this one. */
static bool ask_next(struct segment *segment, struct disk *disk, const char *directory,
                     uint64_t sequence, struct error *error)
{
    struct segment next;
    bool is_good;
    bool ok = open_one(&next, disk, directory, sequence, &is_good, error);

    if (ok && is_good && next.previous_sequence == segment->sequence)
        segment->limit = next.previous_end;
    else if (ok && is_good && next.previous_sequence != 0)
        ok = complain(&next, AT_PREVIOUS, "the segment before it is missing", error);
    segment_close(&next);
    return ok;
}

bool segment_open(struct segment *segment, struct disk *disk, const struct segment_list *list,
                  size_t i, struct error *error)
{
    bool is_good;
    bool ok = open_one(segment, disk, list->directory, list->sequences[i], &is_good, error);

    if (ok && i + 1 < list->count)
        ok = ask_next(segment, disk, list->directory, list->sequences[i + 1], error);
    segment->at = JOURNAL_HEADER_SIZE;
    /* The header is synced before anything is written behind it. */
    if (ok && !is_good && segment->size > JOURNAL_HEADER_SIZE)
        ok = complain(segment, 0, "the header is damaged", error);
    if (ok && segment->limit != UINT64_MAX && segment->limit > segment->size)
        ok = complain(segment, segment->size, "the file ends too early", error);
    if (!ok)
        segment_close(segment);
    return ok;
}

void segment_close(struct segment *segment)
{
    file_close(&segment->file);
    buf_clear(&segment->body);
}

/* Reads and checks the frame at an offset: END if there is no good one. */
static enum segment_found read_frame(struct segment *segment, uint64_t at,
                                     struct segment_frame *frame, struct error *error)
{
    unsigned char head[JOURNAL_FRAME_SIZE];

    *frame = (struct segment_frame){0};
    if (segment->size - at < JOURNAL_FRAME_SIZE)
        return SEGMENT_END;
    if (!file_read_at(&segment->file, head, sizeof head, at, error))
        return SEGMENT_FAILED;
    segment_read_head(head, frame);
    if (bytes_get_u32(head) != FRAME_MAGIC || bytes_get_u32(head + AT_ZERO) != 0 ||
        frame->length > JOURNAL_GROUP_MOST ||
        frame->length > segment->size - at - JOURNAL_FRAME_SIZE)
        return SEGMENT_END;
    buf_reset(&segment->body);
    char *to = buf_reserve(&segment->body, frame->length);
    if (!to) {
        error_set(error, ERROR_NO_MEMORY, "out of memory for the journal");
        return SEGMENT_FAILED;
    }
    if (!file_read_at(&segment->file, to, frame->length, at + JOURNAL_FRAME_SIZE, error))
        return SEGMENT_FAILED;
    buf_grow(&segment->body, frame->length);
    return bytes_get_u32(head + AT_CRC) == frame_crc(head, segment->id, at, buf_str(&segment->body))
               ? SEGMENT_FRAME
               : SEGMENT_END;
}

/* A good frame somewhere in [from, to), which is at most SCAN_STEP long, that says that `bad` was
 * durable when it was written. */
static enum segment_found find_witness(struct segment *segment, uint64_t from, size_t length,
                                       uint64_t bad, struct error *error)
{
    unsigned char bytes[SCAN_STEP];
    struct segment_frame frame;

    if (!file_read_at(&segment->file, bytes, length, from, error))
        return SEGMENT_FAILED;
    for (size_t i = 0; i + 4 <= length; i++) {
        if (bytes_get_u32(bytes + i) != FRAME_MAGIC)
            continue;
        enum segment_found found = read_frame(segment, from + i, &frame, error);

        if (found == SEGMENT_FAILED || (found == SEGMENT_FRAME && frame.synced > bad))
            return found;
    }
    return SEGMENT_END;
}

static enum segment_found fail_damaged(const struct segment *segment, struct error *error)
{
    (void)complain(segment, segment->at, "damaged in a part that was on disk before", error);
    return SEGMENT_FAILED;
}

/* Torn, or damaged? Without a witness nobody was told of anything from here on. */
static enum segment_found end_or_fail(struct segment *segment, struct error *error)
{
    if (segment->limit != UINT64_MAX)
        return fail_damaged(segment, error);
    for (uint64_t from = segment->at + 1; from + JOURNAL_FRAME_SIZE <= segment->size;
         from += SCAN_STEP - JOURNAL_FRAME_SIZE) {
        uint64_t left = segment->size - from;
        size_t length = left < SCAN_STEP ? (size_t)left : SCAN_STEP;
        enum segment_found found = find_witness(segment, from, length, segment->at, error);

        if (found == SEGMENT_FRAME)
            return fail_damaged(segment, error);
        if (found == SEGMENT_FAILED)
            return found;
    }
    segment->is_torn = true;
    return SEGMENT_END;
}

bool segment_may_have_lost(const struct segment *segment)
{
    uint64_t boot = segment->file.disk->boot;
    bool is_same_boot = boot != 0 && segment->boot == boot;

    return segment->is_relaxed && segment->limit == UINT64_MAX &&
           (!is_same_boot || segment->is_torn);
}

enum segment_found segment_next(struct segment *segment, struct segment_frame *frame,
                                struct error *error)
{
    if (segment->at >= segment->size || segment->at >= segment->limit)
        return SEGMENT_END;
    enum segment_found found = read_frame(segment, segment->at, frame, error);
    uint64_t total = JOURNAL_FRAME_SIZE + (uint64_t)frame->length;
    if (found == SEGMENT_END || (found == SEGMENT_FRAME && total > segment->limit - segment->at))
        return end_or_fail(segment, error);
    if (found == SEGMENT_FRAME)
        segment->at += total;
    return found;
}
