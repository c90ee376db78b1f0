#include "store/shelf.h"

#include "store/collection.h"
#include "store/record.h"
#include "store/samples.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

static const char *const objects[] = {
    "{\"id\":\"a\",\"type\":\"note\",\"data\":{\"text\":\"milk \\\"2 l\\\"\"}}",
    "{\"id\":7,\"type\":\"list\",\"expires\":1790000000,\"data\":[1,[2,{\"x\":null}]]}",
    "{\"data\":\"without id and type \\u00e4\"}",
    "{\"id\":\"a\",\"type\":\"note\",\"deleted\":true}",
    "{\"id\":-3,\"other\":1.50e2}",
};

void shelf_put_object(struct buf *out, unsigned i)
{
    buf_append_text(out, objects[i % (sizeof objects / sizeof *objects)]);
}

struct batch_object shelf_describe(struct str text, const unsigned char *secret)
{
    struct batch_object object;
    struct record record;
    struct buf line = {0};
    struct error error;

    buf_append_text(&line, "[1,");
    buf_append(&line, text);
    buf_append_text(&line, "],\n");
    ck_assert_msg(record_read(&record, buf_str(&line), &error), "%s", error.message);
    record_describe(&record, secret, &object);
    object.text = text;
    buf_clear(&line);
    return object;
}

static void sync_shelf(struct disk *disk, const struct head *head)
{
    struct error error;

    ck_assert(collection_sync(disk, SHELF_PATH, head->generation, head->count, &error));
}

static void add_objects(struct batch *batch, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        struct buf text = {0};

        shelf_put_object(&text, i);
        struct batch_object object = shelf_describe(buf_str(&text), batch->identity.secret);
        (void)batch_add_record(batch, &object);
        buf_clear(&text);
    }
}

void shelf_fill(struct disk *disk, unsigned records)
{
    struct identity identity = sample_identity(1);
    struct index_header header = {.generation = 1};

    memcpy(header.id, identity.id, sizeof header.id);
    struct head head = {.generation = 1, .crc = index_first_crc(&header)};
    for (unsigned done = 0, round = 0; done < records; round++) {
        unsigned some = round % 3 + 1;
        struct batch batch;

        if (some > records - done)
            some = records - done;
        batch_begin(&batch, SHELF_PATH, &identity, &head, head.count == 0);
        add_objects(&batch, done, some);
        if (round % 2)
            batch_add_commit(&batch, SAMPLE_CLIENT, round);
        batch_end_append(&batch);
        sample_apply(disk, &batch, &head);
        done += some;
    }
    sync_shelf(disk, &head);
}

void shelf_add(struct disk *disk, const struct batch_object *object)
{
    struct collection collection;
    struct batch batch;
    struct error error;

    ck_assert(collection_load(&collection, disk, SHELF_PATH, &error));
    struct head head = collection.head;
    batch_begin(&batch, SHELF_PATH, &collection.identity, &head, false);
    (void)batch_add_record(&batch, object);
    batch_end_append(&batch);
    sample_apply(disk, &batch, &head);
    sync_shelf(disk, &head);
    collection_clear(&collection);
}

static void note_finding(void *context, const struct finding *finding)
{
    struct shelf_report *report = context;

    if (report->check.findings == 1)
        report->first = *finding;
    ck_assert_ptr_nonnull(finding->todo);
    ck_assert_str_ne(finding->what, "");
    ck_assert_str_ne(finding->file, "");
}

void shelf_check(struct disk *disk, struct shelf_report *report)
{
    struct error error;

    *report = (struct shelf_report){0};
    report->check.disk = disk;
    report->check.on_finding = note_finding;
    report->check.context = report;
    ck_assert_msg(check_all(&report->check, &error), "%s", error.message);
}

void shelf_assert_sound(struct disk *disk)
{
    struct shelf_report report;

    shelf_check(disk, &report);
    ck_assert_msg(report.check.findings == 0, "%s: at %llu: %s", report.first.file,
                  (unsigned long long)report.first.offset, report.first.what);
    ck_assert_uint_eq(report.check.unsettled, 0);
}

void shelf_assert_finding(struct disk *disk, const char *file, uint64_t offset, const char *what)
{
    struct shelf_report report;

    shelf_check(disk, &report);
    ck_assert_uint_gt(report.check.findings, 0);
    ck_assert_str_eq(report.first.file, file);
    ck_assert_msg(report.first.offset == offset, "offset %llu, not %llu: %s",
                  (unsigned long long)report.first.offset, (unsigned long long)offset,
                  report.first.what);
    ck_assert_msg(strstr(report.first.what, what) != NULL, "%s", report.first.what);
}
