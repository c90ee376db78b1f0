/* volume_disk.h - a volume as the disk that the store works on; and which syncs there are, so that
 * one kind can be left out.
 *
 * The power goes after so many changes: from then on every call fails. */
#ifndef TESTS_TORTURE_VOLUME_DISK_H
#define TESTS_TORTURE_VOLUME_DISK_H

#include "volume.h"

#include "store/disk.h"

enum { VOLUME_DISK_FILES_MOST = 64 };

/* What a sync is for. */
enum sync_kind {
    SYNC_OTHER,
    SYNC_SEGMENT_HEADER, /* the first of a segment */
    SYNC_JOURNAL,        /* of groups */
    SYNC_JOURNAL_BEGUN,  /* of the names of segments: there is a new one */
    SYNC_JOURNAL_ENDED,  /* one is gone */
    SYNC_DATA,
    SYNC_INDEX,
    SYNC_INDEX_MARK, /* how many entries are on disk was noted last */
    SYNC_INFO,
    SYNC_DELETED,
    SYNC_BUCKET,
    SYNC_USER,
    SYNC_DOMAIN,
    SYNC_ROOT,
    SYNC_KIND_COUNT,
};

extern const char *const volume_sync_names[SYNC_KIND_COUNT];

/* What kind a sync is that begins now. */
enum sync_kind volume_sync_kind(const struct node *node);

struct volume_disk {
    struct disk disk; /* first: the calls get a pointer to it */
    struct volume *volume;
    struct node *files[VOLUME_DISK_FILES_MOST]; /* by descriptor */
    uint64_t changes, changes_most;             /* syncs count, too */
    enum sync_kind left_out;                    /* SYNC_OTHER: none */
};

void volume_disk_init(struct volume_disk *volume_disk, struct volume *volume,
                      enum sync_kind left_out, uint64_t changes_most);

#endif
