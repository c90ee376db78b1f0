/* Any bytes, whole and in pieces: the same events and the same error, and no memory run out. */
#include "base/json_read.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool record_event(void *context, enum json_event event, unsigned depth, struct str text)
{
    buf_append_format(context, "%d %u %zu ", (int)event, depth, text.length);
    buf_append(context, text);
    return true;
}

static struct error read_in_pieces(struct str text, size_t most, struct buf *events)
{
    struct error error = {0};
    struct json_read json;
    bool ok = json_read_open(&json, text.length, DEPTH, record_event, events, &error);

    for (size_t done = 0; ok && done < text.length; done += most)
        ok = json_read_feed(&json, str_slice(text, done, most), &error);
    ok = ok && json_read_finish(&json, &error);
    if (ok != (error.code == ERROR_NONE))
        abort();
    json_read_close(&json);
    return error;
}

/* Without a place that is told as "near": the library counts it from where it began the token. */
static const char *reason_of(const struct error *error)
{
    const char *near = strstr(error->message, " near byte ");

    return near ? near + strcspn(near, ":") : error->message;
}

/* The first byte says how the rest is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data + 1, size - 1};
    struct buf whole = {0}, cut = {0};
    struct error whole_error, cut_error;

    if (size == 0)
        return 0;
    whole_error = read_in_pieces(text, size, &whole);
    cut_error = read_in_pieces(text, 1U + data[0], &cut);
    if (whole_error.code == ERROR_NO_MEMORY || whole_error.code != cut_error.code ||
        strcmp(reason_of(&whole_error), reason_of(&cut_error)) != 0 ||
        !str_equals(buf_str(&whole), buf_str(&cut)))
        abort();
    buf_clear(&whole);
    buf_clear(&cut);
    return 0;
}
