#include "sync/stream.h"

#include "store/hold.h"
#include "store/news.h"
#include "sync/clients.h"
#include "sync/committer.h"
#include "sync/watch.h"

#include <stdlib.h>
#include <string.h>

bool streams_open(struct streams *streams, struct loop *loop, struct disk *disk,
                  struct offload *helpers, struct committer *committer, struct news *news,
                  const struct limits *limits, struct error *error)
{
    *streams = (struct streams){.loop = loop,
                                .disk = disk,
                                .helpers = helpers,
                                .movers = helpers,
                                .committer = committer,
                                .news = news,
                                .limits = limits};
    list_init(&streams->watched);
    list_init(&streams->idle);
    list_init(&streams->shut);
    return table_init(&streams->table, error);
}

static void free_stream(struct stream *stream)
{
    struct streams *streams = stream->streams;

    table_remove(&streams->table, &stream->node);
    list_remove(&stream->on_idle);
    streams->count--;
    clients_free(&stream->clients);
    collection_clear(&stream->collection);
    free(stream);
}

static void drop_oldest(struct streams *streams)
{
    streams->idle_count--;
    free_stream(OWNER_OF(streams->idle.next, struct stream, on_idle));
}

void streams_close(struct streams *streams)
{
    while (streams->idle_count > 0)
        drop_oldest(streams);
    while (streams->shut.next && !list_is_empty(&streams->shut))
        free_stream(OWNER_OF(streams->shut.next, struct stream, on_idle));
    table_clear(&streams->table);
}

static struct stream *new_stream(struct streams *streams, const char *path)
{
    struct stream *stream = calloc(1, sizeof *stream);
    size_t length = strlen(path);

    if (!stream)
        return NULL;
    stream->streams = streams;
    list_init(&stream->queue);
    list_init(&stream->watches);
    list_init(&stream->on_watched);
    list_init(&stream->on_idle);
    memcpy(stream->path, path, length + 1);
    stream->node.key = (struct str){stream->path, length};
    table_insert(&streams->table, &stream->node);
    streams->count++;
    return stream;
}

struct stream *streams_find(struct streams *streams, const char *path, struct error *error)
{
    struct table_node *node = table_find(&streams->table, str_of(path));
    struct stream *stream = node ? OWNER_OF(node, struct stream, node) : new_stream(streams, path);

    if (!stream) {
        error_set(error, ERROR_NO_MEMORY, "out of memory for a collection");
        return NULL;
    }
    if (stream->users++ == 0 && !list_is_empty(&stream->on_idle)) {
        list_remove(&stream->on_idle);
        if (!stream->closed_to_writes)
            streams->idle_count--;
    }
    return stream;
}

/* The writer and the watches hold the stream as users, too. */
void stream_release(struct stream *stream)
{
    if (!stream || --stream->users > 0)
        return;
    struct streams *streams = stream->streams;
    if (stream->closed_to_writes) {
        list_append(&streams->shut, &stream->on_idle);
        return;
    }
    list_append(&streams->idle, &stream->on_idle);
    streams->idle_count++;
    while (streams->idle_count > streams->limits->cached_collections)
        drop_oldest(streams);
}

/* False if another server has written to it since it was loaded. What we write ourselves the others
 * see as soon as it is in the files, before our own commit ends: until then our readers go by the
 * files, too, lest a client who has asked another server sees less here. */
static bool is_true(const struct stream *stream)
{
    const struct news *news = stream->streams->news;

    if (!news || stream->is_held)
        return !stream->commit || !atomic_load(&stream->commit->is_changing);
    return !stream->is_being_written && news_read(news, stream->path) == stream->seen;
}

bool stream_load(struct stream *stream, struct error *error)
{
    struct streams *streams = stream->streams;

    if (stream->loaded && is_true(stream)) {
        streams->hits++;
        return true;
    }
    streams->misses++;
    collection_clear(&stream->collection);
    clients_free(&stream->clients);
    stream->loaded = false;
    if (streams->news) {
        stream->seen = news_read(streams->news, stream->path);
        stream->loaded = hold_load(&stream->collection, streams->disk, stream->path,
                                   &stream->is_being_written, error);
    } else {
        stream->loaded = collection_load(&stream->collection, streams->disk, stream->path, error);
    }
    return stream->loaded;
}

/* Our own news count up the counter, too. If it was not as we had seen it, or has got further than
 * by ours, somebody else had news of the same set: then it is loaded anew the next time. */
void stream_note_news(struct stream *stream, uint64_t news)
{
    if (news == stream->seen)
        stream->seen += COMMIT_NEWS;
}

void streams_hear_news(struct streams *streams)
{
    struct list *node, *after;

    news_wait(streams->news);
    list_for_each_safe (node, after, &streams->watched) {
        struct stream *stream = OWNER_OF(node, struct stream, on_watched);

        if (!is_true(stream))
            watch_wake(stream, (struct str){0});
    }
}

void stream_publish(struct stream *stream, struct str entries)
{
    if (entries.length > 0)
        clients_note(stream, entries);
    else
        clients_free(&stream->clients);
    watch_wake(stream, entries);
}

void stream_note_failure(struct stream *stream, struct error *error)
{
    if (error->code != ERROR_DAMAGED)
        return;
    if (stream->going)
        error_set(error, ERROR_BUSY, "the collection is being deleted");
    else
        stream->damaged = true;
}

static const char digits[] = "0123456789abcdef";

void stream_put_id(const unsigned char id[INDEX_ID_SIZE], char out[STREAM_ID_TEXT_SIZE])
{
    for (size_t i = 0; i < INDEX_ID_SIZE; i++) {
        unsigned char byte = id[i];

        out[2 * i] = digits[byte >> 4];
        out[2 * i + 1] = digits[byte & 15];
    }
    out[2 * INDEX_ID_SIZE] = '\0';
}

bool stream_has_id(const struct stream *stream, struct str text)
{
    bool same = text.length == 2 * INDEX_ID_SIZE;

    for (size_t i = 0; same && i < INDEX_ID_SIZE; i++) {
        unsigned char byte = stream->collection.identity.id[i];

        same = text.data[2 * i] == digits[byte >> 4] && text.data[2 * i + 1] == digits[byte & 15];
    }
    return same;
}
