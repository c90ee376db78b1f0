/* journal.h - what is on disk before anybody is told so.
 *
 * One journal a process: a directory of segments, of which the last is written. A group of frames,
 * from any number of collections, is appended and then synced once; only then are its batches
 * applied to their databases. A checkpoint syncs the databases and removes the segments that are
 * no longer needed. replay.c reads segments after a crash.
 *
 *     journal_open -> journal_write ... -> journal_close        on one helper thread
 *                     journal_write_ahead ... journal_sync
 *     journal_begin_segment -> (databases synced) -> journal_remove_before     a checkpoint
 *
 * Segment: a file named by its sequence as 16 hexadecimal digits, in disk->journal: header of 64
 * bytes (magic "CutOutJn", version u32, size u32, sequence u64, segment id 8 random bytes, previous
 * sequence u64 and previous end u64: how much of the segment before counts, boot u64: when the
 * machine was up, flags u32: 1 relaxed, crc32c of the 60 bytes before it), then frames without
 * gaps. Frame: magic u32, kind u32, length u32 of the body, group u32 (bytes from this frame to the
 * end of its group, both included), synced u64 (how far this segment was durable when the frame was
 * made), stamp u64 (CLOCK_MONOTONIC in microseconds: which of two frames of different journals was
 * first), 4 zero bytes, crc32c u32 over segment id, offset of the frame, the fields before it and
 * the body; the body.
 *
 * Invariants:
 *  1. What journal_write has confirmed is found by every later replay, in order, byte for byte.
 *  2. Replay finds what was written, in order, up to some frame, and nothing else.
 *  3. What journal_write refused is found by no replay once a later journal_write is confirmed.
 *  4. After a failed write or sync a segment is never written again: the next group begins a new
 * one, whose header says where the old one ends.
 *  5. What journal_write_ahead has confirmed is found by every later replay, too, in its order,
 * unless the machine goes down before a sync. It is kept in memory until then: a segment that
 * follows one that could not be synced begins with it. Segments with such frames are relaxed,
 * others are not. */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "store/disk.h"
#include "store/index.h"

enum {
    JOURNAL_HEADER_SIZE = 64,
    JOURNAL_FRAME_SIZE = 40,      /* what stands before a body */
    JOURNAL_GROUP_MOST = 1 << 30, /* bytes of a group; replay takes what is longer for damage */
};

enum journal_kind {
    JOURNAL_BATCH = 1,    /* batch_write_frame */
    JOURNAL_DELETION = 2, /* deletion_write_frame */
    JOURNAL_CANCEL = 3,   /* journal_write_cancel: what could not be applied */
};

/* In place of the entry that a batch began at: the deletion of the collection. */
#define JOURNAL_CANCEL_DELETION UINT64_MAX

/* How long syncs took: counts by upper bound, the last one takes the rest. */
enum { JOURNAL_SYNC_BUCKETS = 14 };
extern const uint64_t journal_sync_bounds_us[JOURNAL_SYNC_BUCKETS];

struct journal_syncs {
    uint64_t counts[JOURNAL_SYNC_BUCKETS];
    uint64_t us_total, us_most, failed;
};

struct journal {
    struct disk *disk;
    struct file file;
    uint64_t sequence; /* of the segment being written; 0: none yet */
    uint64_t end;      /* where the next frame goes */
    uint64_t synced;   /* how far it is durable */
    unsigned char segment_id[8];
    bool broken;       /* invariant 4 */
    bool is_relaxed;   /* invariant 5: this segment is */
    struct buf *ahead; /* groups that are not synced, in order; on the heap */
    size_t ahead_count, ahead_room;
    struct journal_syncs syncs;
};

/* Frames gathered in memory, to be written as one group. */
struct journal_group {
    struct buf bytes; /* frames with headers still to be completed by journal_write */
};

/* The frame's stamp is of this moment: whoever adds a batch holds its collection. */
void journal_group_add(struct journal_group *group, enum journal_kind kind, struct str body);
void journal_group_clear(struct journal_group *group);

/* Makes the directory if need be and begins a new segment behind the last there is. Nothing may
 * be left to replay, or to be settled. Blocks. */
MUST_CHECK bool journal_open(struct journal *journal, struct disk *disk, struct error *error);
void journal_close(struct journal *journal); /* harmless twice, and on all-zero */

/* Helper thread only. Appends the group and syncs it. On failure nothing of it counts; the journal
 * is broken, and the next call begins a new segment first. The group is completed in place, so it
 * is good for one call. ERROR_NO_MEMORY for a group whose memory ran out. */
MUST_CHECK bool journal_write(struct journal *journal, struct journal_group *group,
                              struct error *error);

/* Helper thread only. Appends the group and does not sync it, or does if memory is short. The rest
 * is as with journal_write. */
MUST_CHECK bool journal_write_ahead(struct journal *journal, struct journal_group *group,
                                    struct error *error);

/* Helper thread only. What was written ahead is durable then. On failure the journal is broken, and
 * the next call of these three begins a new segment with it. */
MUST_CHECK bool journal_sync(struct journal *journal, struct error *error);

/* Helper thread only. Goes on in a new segment: what is written from now on is not in those that
 * journal_remove_before(disk, journal->sequence) removes. After a failure the journal is broken:
 * the new segment may be on disk, and say that the old one ends here. */
MUST_CHECK bool journal_begin_segment(struct journal *journal, struct error *error);

/* Any helper thread. Removes segments with a smaller sequence, the oldest first, each for good
 * before the next. */
MUST_CHECK bool journal_remove_before(struct disk *disk, const char *directory, uint64_t sequence,
                                      struct error *error);

/* The batch for path that began at entry `count` of the collection with this id does not count:
 * the latest such batch before the frame that says so. */
struct journal_cancel {
    struct str path;
    const unsigned char *id; /* INDEX_ID_SIZE bytes */
    uint64_t count;
};

/* Appends the body of a JOURNAL_CANCEL frame. */
void journal_write_cancel(struct buf *out, const char *path, const unsigned char *id,
                          uint64_t count);

/* From such a body, which path and id point into. */
MUST_CHECK bool journal_read_cancel(struct str body, struct journal_cancel *cancel,
                                    struct error *error);

#endif
