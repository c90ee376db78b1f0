#include "tools/report.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/percent.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { PROGRESS_MS = 100 };

static const char clear_line[] = "\r\033[K";

bool report_print(struct buf *text)
{
    bool ok = !text->failed &&
              fwrite(text->data ? text->data : "", 1, text->length, stdout) == text->length;

    buf_reset(text);
    return ok;
}

static bool is_printable(struct str name)
{
    for (size_t i = 0; i < name.length; i++) {
        unsigned char byte = (unsigned char)name.data[i];

        if (byte < ' ' || byte == 0x7f)
            return false;
    }
    return utf8_check(name);
}

void report_put_name(struct buf *out, const char *name)
{
    if (is_printable(str_of(name)))
        buf_append_text(out, name);
    else
        percent_encode(str_of(name), out);
}

static void put_json(struct buf *out, const struct finding *finding)
{
    struct buf name = {0}, what = {0};

    report_put_name(&name, finding->file);
    report_put_name(&what, finding->what);
    buf_append_byte(out, '{');
    json_write_string_member(out, "file", buf_str(&name));
    if (finding->offset != FINDING_NO_OFFSET)
        json_write_u64_member(out, "offset", finding->offset);
    json_write_string_member(out, "what", buf_str(&what));
    json_write_string_member(out, "todo", str_of(finding->todo));
    buf_append(out, STR("}\n"));
    buf_clear(&name);
    buf_clear(&what);
}

static void put_text(struct buf *out, const struct finding *finding)
{
    report_put_name(out, finding->file);
    if (finding->offset != FINDING_NO_OFFSET)
        buf_append_format(out, ": at byte %" PRIu64, finding->offset);
    buf_append_text(out, ": ");
    report_put_name(out, finding->what);
    buf_append_format(out, "\n    what to do: %s\n", finding->todo);
}

static void print_finding(void *context, const struct finding *finding)
{
    struct report *report = context;
    struct buf text = {0};

    if (report->shows_progress)
        (void)fputs(clear_line, stderr);
    if (report->json)
        put_json(&text, finding);
    else
        put_text(&text, finding);
    if (!report_print(&text))
        report->failed = true;
    buf_clear(&text);
}

static void show_progress(void *context)
{
    struct report *report = context;
    const struct check *check = &report->check;
    uint64_t now = clock_monotonic_ms();

    if (now - report->shown_ms < PROGRESS_MS)
        return;
    report->shown_ms = now;
    (void)fprintf(stderr, "%s%" PRIu64 " collections, %" PRIu64 " MB, %" PRIu64 " findings",
                  clear_line, check->collections, check->bytes >> 20, check->findings);
}

void report_begin(struct report *report, struct disk *disk, bool json)
{
    *report = (struct report){.json = json, .shows_progress = isatty(STDERR_FILENO)};
    report->check = (struct check){
        .disk = disk,
        .on_finding = print_finding,
        .on_progress = report->shows_progress ? show_progress : NULL,
        .context = report,
    };
}

static void put_json_sum(struct buf *out, const struct check *check)
{
    buf_append_byte(out, '{');
    json_write_u64_member(out, "collections", check->collections);
    json_write_u64_member(out, "records", check->records);
    json_write_u64_member(out, "blobs", check->blobs);
    json_write_u64_member(out, "bytes", check->bytes);
    json_write_u64_member(out, "findings", check->findings);
    json_write_u64_member(out, "unreadable", check->unreadable);
    json_write_u64_member(out, "unsettled", check->unsettled);
    buf_append(out, STR("}\n"));
}

static void put_text_sum(struct buf *out, const struct check *check)
{
    buf_append_format(
        out, "%" PRIu64 " collections, %" PRIu64 " records, %" PRIu64 " blobs, %" PRIu64 " bytes: ",
        check->collections, check->records, check->blobs, check->bytes);
    if (check->findings == 0)
        buf_append_text(out, "sound\n");
    else
        buf_append_format(out, "%" PRIu64 " findings\n", check->findings);
    if (check->unsettled > 0)
        buf_append_format(out,
                          "%" PRIu64 " collections wait for what is in the journal: they are being "
                          "written, or the next start of the server writes them\n",
                          check->unsettled);
}

void report_end(struct report *report)
{
    struct buf text = {0};

    if (report->shows_progress)
        (void)fputs(clear_line, stderr);
    if (report->json)
        put_json_sum(&text, &report->check);
    else
        put_text_sum(&text, &report->check);
    if (!report_print(&text))
        report->failed = true;
    buf_clear(&text);
}
