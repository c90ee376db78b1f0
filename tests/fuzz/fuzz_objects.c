/* Any body of a POST: however it is cut, the same is said of it; and what is taken reads, as a line
 * of a data file, as what it was taken for. */
#include "store/record.h"
#include "sync/objects.h"

#include <stdlib.h>
#include <string.h>

enum { LENGTH_MOST = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char secret[SIPHASH_KEY_SIZE] = "0123456789abcde";

static const struct limits limits = {
    .max_post_bytes = LENGTH_MOST,
    .max_post_objects = 100,
    .max_object_bytes = 1000,
    .max_blob_bytes = 1000,
    .json_max_depth = 8,
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool read_all(struct objects *objects, struct str body, size_t piece, struct error *error)
{
    bool ok = objects_open(objects, &limits, body.length, error);

    for (size_t at = 0; ok && at < body.length; at += piece)
        ok = objects_feed(objects, str_slice(body, at, piece), error);
    return ok && objects_finish(objects, error);
}

static bool same(struct str a, struct str b)
{
    return str_equals(a, b);
}

static void check_as_line(const struct objects *objects, size_t i)
{
    struct record *record = malloc(sizeof *record);
    struct batch_object sent, read;
    struct buf line = {0};
    struct error error;

    require(record);
    buf_append(&line, STR("[1,"));
    buf_append(&line, objects_text(objects, i));
    buf_append(&line, STR("],\n"));
    require(record_read(record, buf_str(&line), &error));
    objects_describe(objects, i, secret, &sent);
    record_describe(record, secret, &read);
    require(record->counter == 1 && same(record->object, objects_text(objects, i)));
    require(sent.key == read.key && sent.type == read.type && sent.flags == read.flags &&
            sent.expires == read.expires && same(sent.text, read.text));
    buf_clear(&line);
    free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = {(const char *)data, size};
    struct objects whole, pieces;
    struct error error, again;

    if (size > LENGTH_MOST)
        return 0;
    bool ok = read_all(&whole, body, OBJECTS_PIECE, &error);
    require(read_all(&pieces, body, 1 + size % 13, &again) == ok);
    if (ok) {
        require(whole.count == pieces.count && same(buf_str(&whole.text), buf_str(&pieces.text)));
        for (size_t i = 0; i < whole.count && whole.blobs.count == 0; i++)
            check_as_line(&whole, i);
    } else {
        require(error.code == again.code && error.code != ERROR_NONE && error.message[0]);
        require(same(buf_str(&whole.errors), buf_str(&pieces.errors)));
    }
    objects_clear(&whole);
    objects_clear(&pieces);
    return 0;
}
