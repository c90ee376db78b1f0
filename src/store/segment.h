/* segment.h - reading one segment of the journal, frame by frame; the layout stands in journal.h.
 *
 *     segment_list -> (segment_open -> segment_next ... -> segment_close) ... -> segment_list_clear
 *
 * A frame that does not check ends the segment: it was torn by a crash, and so was never confirmed
 * to anybody. Unless a later frame, or the header of the next segment, says that all was durable
 * beyond it: then it is damage, and not to be passed over. So is a segment that is missing, that
 * ends too early, or whose header does not check though frames were written behind it. */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "store/journal.h"

struct segment_list {
    uint64_t *sequences; /* in order; on the heap */
    size_t count;
    char directory[DISK_JOURNAL_SIZE];
    uint64_t last; /* the highest sequence ever seen here, of a refused segment too; 0: none */
};

struct segment {
    struct file file;
    uint64_t sequence, previous_sequence, previous_end;
    unsigned char id[8];
    uint64_t boot;   /* disk->boot of who wrote it */
    bool is_relaxed; /* frames were confirmed before they were durable */
    bool is_torn;    /* it ended with a frame that does not check */
    uint64_t size, at;
    uint64_t limit;  /* all before it was confirmed and nothing behind it counts, the next segment
                        says so; UINT64_MAX: nobody says anything */
    struct buf body; /* of the current frame */
};

/* What a frame says before its body. */
struct segment_frame {
    uint32_t kind, length, group;
    uint64_t synced;
    uint64_t stamp; /* clock_monotonic_us: an order of frames of several journals */
};

enum segment_found { SEGMENT_FRAME, SEGMENT_END, SEGMENT_FAILED };

/* Name of a segment: the directory and the sequence; and of one that replay could not use. */
enum { SEGMENT_NAME_SIZE = DISK_JOURNAL_SIZE + 32 };
void segment_put_name(char out[SEGMENT_NAME_SIZE], const char *directory, uint64_t sequence);
void segment_put_refused_name(char out[SEGMENT_NAME_SIZE], const char *directory,
                              uint64_t sequence);

/* The segments there are in a directory. Other names are left alone. */
MUST_CHECK bool segment_list(struct segment_list *list, struct disk *disk, const char *directory,
                             struct error *error);
void segment_list_clear(struct segment_list *list); /* harmless twice, and on all-zero */

/* Segment i of the list, which is checked against the one behind it. ERROR_DAMAGED if it does not
 * add up. One whose header never came to disk holds nothing: it is open, and at its end. */
MUST_CHECK bool segment_open(struct segment *segment, struct disk *disk,
                             const struct segment_list *list, size_t i, struct error *error);
void segment_close(struct segment *segment); /* harmless twice, and on all-zero */

/* The next frame; its body is in segment->body until the next call. ERROR_DAMAGED as said above. */
enum segment_found segment_next(struct segment *segment, struct segment_frame *frame,
                                struct error *error);

/* After its end: may frames that were confirmed be missing there? Only of a relaxed segment, and
 * only if no other one says how much of it counts. The page cache keeps what a killed process
 * wrote, as long as the machine is up: so not if it was written in this time up, and has come to an
 * end. */
bool segment_may_have_lost(const struct segment *segment);

/* Header and frames as bytes; for the writer. */
void segment_write_header(unsigned char to[JOURNAL_HEADER_SIZE], const struct segment *segment);
/* Kind, length and stamp of a frame whose place is not known yet, or from such a one or from a
 * complete frame: these are at the same place in both. */
void segment_write_head(unsigned char to[JOURNAL_FRAME_SIZE], const struct segment_frame *frame);
void segment_read_head(const unsigned char from[JOURNAL_FRAME_SIZE], struct segment_frame *frame);
void segment_write_frame(unsigned char to[JOURNAL_FRAME_SIZE], const struct segment_frame *frame,
                         const unsigned char id[8], uint64_t offset, struct str body);

#endif
