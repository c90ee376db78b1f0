#include "store/check.h"

#include "store/look.h"
#include "store/pending.h"
#include "store/place.h"
#include "store/walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char look_at_disk[] = "look at the disk, and at who may read the file";
static const char ask_log[] =
    "the log of the server says why; when the collections it names are mended, move it away";
static const char move_away[] = "nothing uses it; move it away";
static const char keep_journal[] =
    "copy the data directory before anything else; what was appended since the last checkpoint is "
    "in it";

enum {
    SAME_LOOKS = 3,   /* that make it damage */
    LOOKS_MOST = 100, /* at what never stays the same; then it is told as it is */
    JOURNAL_LOOKS = 3,
};

/* --- Telling --------------------------------------------------------------------------------- */

static void tell(struct check *check, const struct finding *finding)
{
    check->findings++;
    check->on_finding(check->context, finding);
}

static void tell_one(struct check *check, const char *file, uint64_t offset, const char *todo,
                     const char *what)
{
    struct findings one = {0};

    findings_add(&one, file, offset, 0, todo, "%s", what);
    tell(check, &one.items[0]);
}

/* No memory ends it, all else is about this file only. */
static bool tell_unreadable(struct check *check, const char *file, struct error *error)
{
    if (error->code == ERROR_NO_MEMORY)
        return false;
    check->unreadable++;
    tell_one(check, file, FINDING_NO_OFFSET, look_at_disk, error->message);
    return true;
}

/* --- One collection -------------------------------------------------------------------------- */

/* Those below start are damage; the others are not settled. */
static bool is_unsettled(const struct findings *findings, uint64_t start)
{
    for (size_t i = 0; i < findings->count; i++) {
        if (findings->items[i].position < start)
            return false;
    }
    return true;
}

static void tell_damage(struct check *check, const char *path, const struct findings *findings,
                        uint64_t start)
{
    char more[80];

    for (size_t i = 0; i < findings->count; i++) {
        if (findings->items[i].position < start)
            tell(check, &findings->items[i]);
    }
    if (findings->more > 0) {
        (void)snprintf(more, sizeof more, "%zu more findings in this collection", findings->more);
        tell_one(check, path, FINDING_NO_OFFSET, findings->items[0].todo, more);
    }
}

/* A damaged journal says nothing about what is pending; it is told of by check_journal. */
static bool find_pending(struct check *check, const char *path, const struct look *look,
                         uint64_t *start, struct error *error)
{
    struct pending pending;
    bool ok = pending_read(&pending, check->disk, error);

    *start = UINT64_MAX;
    if (ok)
        *start = pending_find_start(&pending, path, look->has_header ? &look->header : NULL);
    pending_clear(&pending);
    /* What a loss has left goes with the next batch. */
    if (look->has_header && look->header.losses < check->disk->losses &&
        look->header.synced_count > 0 && look->header.synced_count < *start)
        *start = look->header.synced_count;
    return ok || error->code != ERROR_NO_MEMORY;
}

struct looks {
    struct look now;
    struct findings before;
};

static bool look_until_sure(struct check *check, const char *path, struct looks *looks,
                            struct error *error)
{
    unsigned same = 0;
    uint64_t start;

    for (unsigned i = 0; i < LOOKS_MOST; i++) {
        if (!look_at(&looks->now, check->disk, path, error))
            return tell_unreadable(check, path, error);
        if (looks->now.findings.count == 0)
            return true;
        same = findings_equal(&looks->now.findings, &looks->before) ? same + 1 : 1;
        if (!find_pending(check, path, &looks->now, &start, error))
            return false;
        if (is_unsettled(&looks->now.findings, start)) {
            check->unsettled++;
            return true;
        }
        if (same == SAME_LOOKS)
            break;
        looks->before = looks->now.findings;
    }
    tell_damage(check, path, &looks->now.findings, start);
    return true;
}

bool check_collection(struct check *check, const char *path, struct error *error)
{
    struct looks *looks = calloc(1, sizeof *looks);

    if (!looks)
        return error_set(error, ERROR_NO_MEMORY, "out of memory to check");
    bool ok = look_until_sure(check, path, looks, error);
    check->was_there = looks->now.is_there;
    check->collections += looks->now.is_there;
    check->records += looks->now.records;
    check->blobs += looks->now.blobs;
    check->bytes += looks->now.bytes;
    free(looks);
    if (check->on_progress)
        check->on_progress(check->context);
    return ok;
}

/* --- The journal ----------------------------------------------------------------------------- */

/* The places of several servers, and how they tell each other. */
static bool is_of_several(struct str name)
{
    uint64_t number;

    return str_equals(name, STR("news")) || str_parse_u64(name, PLACES_MOST, &number);
}

static void check_journal_names(struct check *check, struct str list)
{
    struct str name;
    char full[64];

    while (str_split(&list, '\0', &name)) {
        bool is_refused = str_starts_with(name, STR("refused-"));
        bool is_segment = name.length == strspn(name.data ? name.data : "", "0123456789abcdef");

        if (name.length == 0 || str_equals(name, STR("new")) ||
            (is_segment && name.length == 2 * sizeof(uint64_t)) || is_of_several(name))
            continue;
        (void)snprintf(full, sizeof full, ".journal/%.40s", name.data);
        if (is_refused)
            tell_one(check, full, FINDING_NO_OFFSET, ask_log,
                     "appends that did not fit their collections when the server started");
        else
            tell_one(check, full, FINDING_NO_OFFSET, move_away, "no segment of the journal");
    }
}

/* Beside a server it grows, and checkpoints take segments away. */
static bool read_journal(struct check *check, struct error *error)
{
    struct pending pending;
    bool ok = false;

    for (int i = 0; i < JOURNAL_LOOKS && !ok; i++) {
        ok = pending_read(&pending, check->disk, error);
        if (!ok && i + 1 == JOURNAL_LOOKS && error->code == ERROR_DAMAGED)
            tell_one(check, pending.damaged_file, pending.damaged_at, keep_journal, error->message);
        check->bytes += ok ? pending.bytes : 0;
        pending_clear(&pending);
    }
    return ok || error->code == ERROR_DAMAGED || error->code == ERROR_NOT_FOUND ||
           tell_unreadable(check, ".journal", error);
}

bool check_journal(struct check *check, struct error *error)
{
    struct buf list = {0};
    bool ok = disk_list(check->disk, ".journal", &list, error);

    if (ok)
        check_journal_names(check, buf_str(&list));
    else
        ok = tell_unreadable(check, ".journal", error);
    buf_clear(&list);
    return ok && read_journal(check, error);
}

/* --- All of the data directory --------------------------------------------------------------- */

static bool on_collection(void *context, const char *path, struct error *error)
{
    return check_collection(context, path, error);
}

static bool on_strange(void *context, const char *path, const char *what, struct error *error)
{
    (void)error;
    tell_one(context, path, FINDING_NO_OFFSET, move_away, what);
    return true;
}

static bool on_unreadable(void *context, const char *path, struct error *error)
{
    return tell_unreadable(context, path, error);
}

bool check_all(struct check *check, struct error *error)
{
    const struct walk walk = {
        .disk = check->disk,
        .on_collection = on_collection,
        .on_strange = on_strange,
        .on_unreadable = on_unreadable,
        .context = check,
    };

    return check_journal(check, error) && walk_run(&walk, error);
}
