#include "frames.h"

#include "store/segment.h"

#include <string.h>

#include <check.h>

/* Kept, for they are compared very often. */
struct str frames_body(unsigned number)
{
    static struct buf bodies[FRAMES];
    struct buf *body = &bodies[number];

    if (body->length == 0) {
        buf_append_format(body, "frame %u", number);
        for (unsigned i = 0; i < number * 997 % 2000; i++)
            buf_append_byte(body, (char)('a' + (number + i) % 26));
    }
    return buf_str(body);
}

static enum journal_kind kind_of(unsigned number)
{
    return number % 3 == 2 ? JOURNAL_DELETION : JOURNAL_BATCH;
}

static void add_frame(struct journal_group *group, unsigned number)
{
    journal_group_add(group, kind_of(number), frames_body(number));
}

bool frames_write(struct journal *journal, unsigned first, unsigned last, struct error *error)
{
    struct journal_group group = {0};

    for (unsigned number = first; number <= last; number++)
        add_frame(&group, number);
    bool ok = journal_write(journal, &group, error);
    journal_group_clear(&group);
    return ok;
}

static void note_frame(struct reading *reading, uint32_t kind, struct str body)
{
    unsigned number = 0;

    for (size_t i = 6; i < body.length && body.data[i] >= '0' && body.data[i] <= '9'; i++)
        number = number * 10 + (unsigned)(body.data[i] - '0');
    reading->is_strange |= number >= FRAMES || reading->count == FRAMES ||
                           !str_equals(body, frames_body(number)) || kind != kind_of(number);
    if (!reading->is_strange)
        reading->numbers[reading->count++] = number;
}

static bool read_segment(struct segment *segment, struct reading *reading)
{
    struct segment_frame frame;
    enum segment_found found;

    while ((found = segment_next(segment, &frame, &reading->error)) == SEGMENT_FRAME)
        note_frame(reading, frame.kind, buf_str(&segment->body));
    return found == SEGMENT_END;
}

void frames_read(struct simdisk *simdisk, struct reading *reading)
{
    struct segment_list list;

    *reading = (struct reading){0};
    reading->ok = segment_list(&list, &simdisk->disk, ".journal", &reading->error);
    for (size_t i = 0; reading->ok && i < list.count; i++) {
        struct segment segment;

        reading->ok = segment_open(&segment, &simdisk->disk, &list, i, &reading->error);
        reading->ok = reading->ok && read_segment(&segment, reading);
        segment_close(&segment);
        segment_close(&segment);
    }
    segment_list_clear(&list);
    segment_list_clear(&list);
    reading->is_strange |= simdisk->misuses > 0 || simdisk->open_files > 1; /* the writer's */
}

void frames_assert(struct simdisk *simdisk, const unsigned *numbers, unsigned count)
{
    struct reading reading;

    frames_read(simdisk, &reading);
    ck_assert_msg(reading.ok, "%s", reading.error.message);
    ck_assert(!reading.is_strange);
    ck_assert_uint_eq(reading.count, count);
    for (unsigned i = 0; i < count; i++)
        ck_assert_uint_eq(reading.numbers[i], numbers[i]);
}

void frames_assert_damaged(struct simdisk *simdisk, const char *text)
{
    struct reading reading;

    frames_read(simdisk, &reading);
    ck_assert(!reading.ok);
    ck_assert_int_eq(reading.error.code, ERROR_DAMAGED);
    ck_assert_msg(strstr(reading.error.message, text), "%s", reading.error.message);
    ck_assert_msg(strstr(reading.error.message, "byte"), "%s", reading.error.message);
}
