/* stream.h - a collection in use: what is known of it, who waits for it, what is queued for it.
 *
 * A stream stands for an address. It remembers where the collection stands (its head, id and
 * secret), so that an up-to-date poll opens no file; streams that nobody uses stay in a bounded
 * list, least recently used first out: this is the metadata cache. It cannot be stale: where one
 * server owns the data directory (disk_open) everything that changes a collection goes through its
 * stream, and where several share it they tell each other (news.h).
 *
 *     streams_find -> (stream_load) -> use -> stream_release
 *
 * Invariants:
 *  1. collection.head is what readers may see: durable, applied, published by stream_publish.
 *  2. At most one writer task runs for a stream, and it alone changes collection.
 *  3. A stream with users, queued writes or watchers is not dropped, nor one that is closed to
 *     writes: read anew from disk it would take writes that a replay cannot put in their place. */
#ifndef SYNC_STREAM_H
#define SYNC_STREAM_H

#include "base/list.h"
#include "base/table.h"
#include "loop/offload.h"
#include "store/collection.h"
#include "sync/limits.h"

struct clients;
struct commit;
struct committer;
struct writer;

struct streams {
    struct loop *loop;
    struct disk *disk;
    struct offload *helpers; /* for what may stall */
    struct offload *movers;  /* for bytes of blobs, which stall for long */
    struct committer *committer;
    const struct limits *limits;
    struct news *news; /* NULL: the data directory is ours alone */
    struct table table;
    struct list watched; /* of struct stream: those with watches */
    struct list idle;    /* of struct stream, least recently used first */
    struct list shut;    /* unused ones that are closed to writes: never dropped */
    size_t count, idle_count;
    size_t writers;        /* writer tasks under way */
    uint64_t hits, misses; /* of loading */
};

struct stream {
    struct streams *streams;
    struct table_node node;
    char path[3 * (ADDRESS_NAME_MOST + 1)];
    bool loaded;
    struct collection collection; /* if loaded */
    struct clients *clients;      /* NULL: not looked up yet; see clients.h */
    struct list queue;            /* of struct append (append.h), in order of arrival */
    struct writer *writer;        /* NULL: none runs */
    struct list watches;          /* of struct watch (watch.h) */
    struct list on_watched;
    uint64_t seen;               /* news_read as it was before the collection was loaded */
    bool is_being_written;       /* hold_load: what is loaded is to be used once */
    bool is_held;                /* the writer has it for us alone */
    const struct commit *commit; /* the writer waits for it; NULL: for none */
    bool closed_to_writes;       /* a write failed and could not be undone: until restart */
    bool damaged;                /* what was read of it did not add up: no writes until restart */
    bool going;                  /* a deletion is being written: its files may be gone already */
    unsigned users;
    struct list on_idle;
};

MUST_CHECK bool streams_open(struct streams *streams, struct loop *loop, struct disk *disk,
                             struct offload *helpers, struct committer *committer,
                             struct news *news, const struct limits *limits, struct error *error);

/* No stream may be in use. Harmless on all-zero. */
void streams_close(struct streams *streams);

/* The stream of an address, to be given back by stream_release. Touches no file. NULL when memory
 * is out. */
struct stream *streams_find(struct streams *streams, const char *path, struct error *error);
void stream_release(struct stream *stream); /* NULL is fine */

/* Learns what the collection is, if that is not known or no longer true: opens and reads existing
 * files. A failure is not remembered. */
MUST_CHECK bool stream_load(struct stream *stream, struct error *error);

/* For the writer: a commit was told to the others when the counter was `news`. */
void stream_note_news(struct stream *stream, uint64_t news);

/* Other servers have written: wakes the watches of all collections that they wrote to. */
void streams_hear_news(struct streams *streams);

/* For the writer: what the collection is from now on; wakes the watches that `entries` (encoded
 * index entries that were added; empty: everything changed) concern. */
void stream_publish(struct stream *stream, struct str entries);

/* A read of the files failed, or may have failed, as error says. Damage is remembered as long as
 * the stream is; but what a deletion takes away under a reader is none, and error becomes
 * ERROR_BUSY. */
void stream_note_failure(struct stream *stream, struct error *error);

/* The id in hexadecimal, as clients see it. */
enum { STREAM_ID_TEXT_SIZE = 2 * INDEX_ID_SIZE + 1 };
void stream_put_id(const unsigned char id[INDEX_ID_SIZE], char out[STREAM_ID_TEXT_SIZE]);
bool stream_has_id(const struct stream *stream, struct str text);

#endif
