#include "sync/listing.h"

#include "base/json_write.h"
#include "base/percent.h"
#include "store/database.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_A_SLICE = 16 };

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool sort_names(struct listing *listing)
{
    const char *name = listing->names.data;
    const char *end = name + listing->names.length;

    for (const char *at = name; at < end; at += strlen(at) + 1)
        listing->count++;
    listing->sorted = calloc(listing->count + 1, sizeof *listing->sorted);
    if (!listing->sorted)
        return false;
    size_t i = 0;
    for (const char *at = name; at < end; at += strlen(at) + 1)
        listing->sorted[i++] = at;
    qsort(listing->sorted, listing->count, sizeof *listing->sorted, compare_names);
    return true;
}

static bool begin(struct listing *listing, struct error *error)
{
    listing->began = true;
    buf_append(&listing->body, STR("{\"buckets\":["));
    if (!disk_list(listing->streams->disk, listing->address->path, &listing->names, error) ||
        !buf_ok(&listing->names, error))
        return false;
    return sort_names(listing) || error_set(error, ERROR_NO_MEMORY, "out of memory for a list");
}

static int64_t last_change(const struct stream *stream)
{
    const struct collection *collection = &stream->collection;
    struct database database = {0};
    int64_t seconds = collection->identity.created;
    struct error error;

    if (database_reopen(&database, stream->streams->disk, stream->path, &collection->head,
                        &error) &&
        !file_modified(&database.data, &seconds, &error))
        seconds = collection->identity.created;
    database_close(&database);
    return seconds;
}

static void put_figures(const struct stream *stream, struct buf *body)
{
    const struct head *head = &stream->collection.head;
    char id[STREAM_ID_TEXT_SIZE];

    stream_put_id(stream->collection.identity.id, id);
    json_write_string_member(body, "collection_id", str_of(id));
    json_write_u64_member(body, "counter", head->last_counter);
    json_write_u64_member(body, "objects", head->count - head->commits);
    json_write_u64_member(body, "bytes", head->data_end);
    json_write_u64_member(body, "last_change", (uint64_t)last_change(stream));
}

static void put_bucket(struct listing *listing, struct stream *stream, struct str bucket)
{
    struct buf *body = &listing->body;
    struct error error;
    bool ok = stream_load(stream, &error);

    if (ok ? stream->collection.state != COLLECTION_LIVE : error.errnum == ENOTDIR)
        return; /* or a file, which somebody else has put here */
    if (body->length > 0 && body->data[body->length - 1] == '}')
        buf_append_byte(body, ',');
    buf_append_byte(body, '{');
    json_write_string_member(body, "bucket", bucket);
    if (ok)
        put_figures(stream, body);
    else
        json_write_string_member(body, "error", str_of(error_code_name(error.code)));
    buf_append_byte(body, '}');
}

/* Only what an address can be is a bucket; what else lies in the directory is not ours. */
static bool list_bucket(struct listing *listing, const char *name, struct error *error)
{
    struct buf path = {0}, bucket = {0};
    struct stream *stream = NULL;
    bool ok = true;

    if (percent_decode(str_of(name), false, &bucket)) {
        buf_append_format(&path, "%s/%s", listing->address->path, name);
        ok = buf_ok(&path, error);
        if (ok)
            stream = streams_find(listing->streams, path.data, error);
        ok = ok && stream;
        if (ok)
            put_bucket(listing, stream, buf_str(&bucket));
    }
    stream_release(stream);
    buf_clear(&path);
    buf_clear(&bucket);
    return ok && buf_ok(&listing->body, error);
}

enum step listing_run(struct listing *listing, struct task *task)
{
    if (!listing->began && !begin(listing, &task->error))
        return STEP_FAIL;
    for (unsigned i = 0; i < BUCKETS_A_SLICE && listing->position < listing->count; i++) {
        if (!list_bucket(listing, listing->sorted[listing->position++], &task->error))
            return STEP_FAIL;
    }
    if (listing->position < listing->count)
        return STEP_YIELD;
    buf_append(&listing->body, STR("]}"));
    return STEP_NEXT;
}

void listing_clear(struct listing *listing)
{
    buf_clear(&listing->body);
    buf_clear(&listing->names);
    free(listing->sorted);
    listing->sorted = NULL;
}
