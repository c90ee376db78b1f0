/* walk.h - going through a trace: the volume as the server had it at a moment. */
#ifndef TESTS_TORTURE_WALK_H
#define TESTS_TORTURE_WALK_H

#include "trace.h"
#include "volume_disk.h"

enum { WALK_FILES_MOST = TRACE_SERVERS_MOST * TRACE_FILES_MOST };

struct walk_sync {
    struct node *node; /* NULL: not under way, or left out */
    uint64_t begun;
};

struct walk {
    const struct trace *trace;
    size_t next; /* record */
    struct volume volume;
    struct node *files[WALK_FILES_MOST]; /* by descriptor */
    struct walk_sync *syncs;             /* by number */
    size_t sync_count;
    enum sync_kind left_out; /* these syncs do nothing; SYNC_OTHER: all do what they should */
    uint64_t syncs_of_kind[SYNC_KIND_COUNT];
};

void walk_open(struct walk *walk, const struct trace *trace, enum sync_kind left_out);
void walk_close(struct walk *walk);

/* Up to, not including, this record. False, and a message on stderr, if the trace does something
 * that cannot be. */
bool walk_to(struct walk *walk, size_t record);

/* What kind of sync the next record begins; SYNC_KIND_COUNT: none. */
enum sync_kind walk_sync_kind(const struct walk *walk);

#endif
