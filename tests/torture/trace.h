/* trace.h - what a server did to its files, and what its clients were told, in order.
 *
 * One file of records, each appended by a single write(2) to a descriptor with O_APPEND: those of
 * the server by record.c, those of the clients (TRACE_SENT and on) by workload.js. A record is
 * struct trace_record and `size` minus that many bytes behind it. Changes are recorded with a lock
 * held around both, so their order is the kernel's; a sync is recorded before it begins and after
 * it has ended, and makes durable what stands before its beginning. A client records a request
 * before it sends the first byte of it, and the answer when it has all of it.
 *
 * Names are relative to the data directory, which is ".". */
#ifndef TESTS_TORTURE_TRACE_H
#define TESTS_TORTURE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trace_kind {
    TRACE_START = 1,      /* number: of the server; its descriptors are closed */
    TRACE_OPEN = 2,       /* number: descriptor; at: TRACE_...; bytes: name */
    TRACE_CLOSE = 3,      /* number: descriptor */
    TRACE_WRITE = 4,      /* number: descriptor; at: offset; bytes: what was written */
    TRACE_TRUNCATE = 5,   /* number: descriptor; at: the new size */
    TRACE_RENAME = 6,     /* bytes: two names, each ended by NUL */
    TRACE_UNLINK = 7,     /* bytes: name */
    TRACE_MKDIR = 8,      /* bytes: name */
    TRACE_SYNC_BEGIN = 9, /* number: descriptor; at: number of the sync */
    TRACE_SYNC_END = 10,  /* the same; not there if it failed */

    TRACE_SENT = 20, /* number: of the request; at: its seq, 0: none; bytes: path, line break, then
                        lines: objects; no two objects of a trace are the same */
    TRACE_DELETE = 21,  /* number: of the request; bytes: path, line break */
    TRACE_STORED = 22,  /* number: of the request; bytes: collection id in hex, then counters, each
                           with a blank before it */
    TRACE_REFUSED = 23, /* number: of the request; it was not stored and will never be */
    TRACE_DELETED = 24, /* number: of the request */
    TRACE_READ = 25,    /* bytes: path, line break, id, line break, then lines: counter, blank,
                           object */
};

/* A descriptor is that of the server, plus TRACE_FILES_MOST times its number; a sync is of the
 * server that is the remainder by TRACE_SERVERS_MOST. */
enum { TRACE_SERVERS_MOST = 4, TRACE_FILES_MOST = 1024 };

enum { TRACE_CREATED = 1, TRACE_EMPTIED = 2, TRACE_DIRECTORY = 4 };

struct trace_record {
    uint32_t size; /* of all, in bytes */
    uint32_t kind;
    uint64_t number, at;
};

/* A trace in memory. */
struct trace {
    char *bytes;
    size_t length;
    size_t *records; /* where each begins */
    size_t count;
};

/* False, and a message on stderr, if it cannot be read or does not add up. */
bool trace_open(struct trace *trace, const char *name);
void trace_close(struct trace *trace); /* harmless twice, and on all-zero */

/* bytes and length: what stands behind the record. */
struct trace_record trace_get(const struct trace *trace, size_t i, const char **bytes,
                              size_t *length);

#endif
