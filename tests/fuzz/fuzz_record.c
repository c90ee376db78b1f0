/* Any line of a data file: what is taken for a record is one that could have been posted, and is
 * the same when it is posted again. */
#include "store/record.h"
#include "sync/objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct limits limits = {
    .max_post_bytes = 1 << 24,
    .max_post_objects = 1,
    .max_object_bytes = 1 << 24,
    .max_blob_bytes = 1000,
    .json_max_depth = 1000,
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_frame(const struct record *record, struct str line)
{
    char start[32];
    int length = snprintf(start, sizeof start, "[%llu,", (unsigned long long)record->counter);

    require(record->counter > 0 && str_starts_with(line, (struct str){start, (size_t)length}));
    require(str_ends_with(line, STR("],\n")));
    require(record->object.data == line.data + length &&
            record->object.length == line.length - (size_t)length - 3);
    require(record->type_length <= RECORD_NAME_MOST && record->id_length <= RECORD_NAME_MOST + 1);
}

/* Of a blob the server takes what it has stored itself, which needs a collection. */
static void check_posted(const struct record *record)
{
    struct objects objects;
    struct buf body = {0};
    struct error error;

    buf_append(&body, STR("["));
    buf_append(&body, record->object);
    buf_append(&body, STR("]"));
    require(objects_open(&objects, &limits, body.length, &error));
    for (size_t at = 0; at < body.length; at += OBJECTS_PIECE)
        require(objects_feed(&objects, str_slice(buf_str(&body), at, OBJECTS_PIECE), &error));
    require(objects_finish(&objects, &error));
    require(str_equals(objects_text(&objects, 0), record->object));
    objects_clear(&objects);
    buf_clear(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str line = {(const char *)data, size};
    struct record *record = malloc(sizeof *record);
    struct error error = {.code = ERROR_NONE};

    require(record);
    if (record_read(record, line, &error)) {
        check_frame(record, line);
        if ((record->flags & INDEX_BLOB) == 0)
            check_posted(record);
    } else {
        require(error.code == ERROR_DAMAGED && error.message[0]);
    }
    free(record);
    return 0;
}
