#include "sync/watch.h"

#include "store/news.h"

/* What another server wrote between our look at the collection and this moment has woken nobody. */
static void listen(struct stream *stream)
{
    struct streams *streams = stream->streams;

    if (!streams->news)
        return;
    news_wait(streams->news);
    if (news_read(streams->news, stream->path) != stream->seen)
        watch_wake(stream, (struct str){0});
}

enum step watch_start(struct watch *watch, struct stream *stream, const struct query *query,
                      uint64_t wait_ms, struct task *task)
{
    watch->filter = query->filter;
    if (stream->collection.state == COLLECTION_LIVE)
        filter_prepare(&watch->filter, stream->collection.identity.secret);
    enum step outcome = pause_start(&watch->pause, wait_ms, task);
    if (outcome == STEP_WAIT) {
        if (list_is_empty(&stream->watches))
            list_append(&stream->streams->watched, &stream->on_watched);
        list_append(&stream->watches, &watch->on_stream);
        watch->stream = stream;
        listen(stream);
    }
    return outcome;
}

static void take_off(struct watch *watch)
{
    struct stream *stream = watch->stream;

    watch->stream = NULL;
    if (!stream)
        return;
    list_remove(&watch->on_stream);
    if (list_is_empty(&stream->watches))
        list_remove(&stream->on_watched);
}

void watch_end(struct watch *watch)
{
    take_off(watch);
    pause_end(&watch->pause);
}

static bool concerns(const struct watch *watch, struct str entries)
{
    struct index_entry entry;

    if (entries.length == 0 || watch->filter.kind == FILTER_ALL)
        return true;
    for (size_t at = 0; at + INDEX_ENTRY_SIZE <= entries.length; at += INDEX_ENTRY_SIZE) {
        index_read_entry((const unsigned char *)entries.data + at, &entry);
        if (!(entry.flags & INDEX_COMMIT) &&
            filter_test_hash(&watch->filter, entry.type) != FILTER_NO)
            return true;
    }
    return false;
}

void watch_wake(struct stream *stream, struct str entries)
{
    struct list *node, *after;

    list_for_each_safe (node, after, &stream->watches) {
        struct watch *watch = OWNER_OF(node, struct watch, on_stream);

        if (concerns(watch, entries))
            watch_end(watch);
    }
}
