/* watch.h - a read that is held until there is news (docs/protocol.md, "wait"). It costs this
 * struct and a timer, no file. */
#ifndef SYNC_WATCH_H
#define SYNC_WATCH_H

#include "loop/pause.h"
#include "sync/query.h"
#include "sync/stream.h"

/* All-zero is ready for use; a member of the request. */
struct watch {
    struct pause pause;
    struct list on_stream;
    struct filter filter;
    struct stream *stream; /* NULL: not on one */
};

/* Waits until something that passes the query's filter is published on the stream, or wait_ms have
 * passed. The stream is loaded and held by the caller. */
enum step watch_start(struct watch *watch, struct stream *stream, const struct query *query,
                      uint64_t wait_ms, struct task *task);

/* Ends the wait now. Harmless if it has ended; called also when the task was cancelled. */
void watch_end(struct watch *watch);

/* For stream_publish: wakes those that the encoded entries concern (empty: all). */
void watch_wake(struct stream *stream, struct str entries);

#endif
