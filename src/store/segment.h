/* segment.h - reading one segment of the journal, frame by frame; the layout stands in journal.h.
 *
 *     segment_open -> segment_next ... -> segment_close
 *
 * A frame that does not check ends the segment: it was torn by a crash, and so was never confirmed
 * to anybody. Unless a later frame that does check says that this far all was durable already: then
 * it is damage, and not to be passed over. */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "store/journal.h"

struct segment {
    struct file file;
    uint64_t sequence, previous_sequence, previous_end;
    unsigned char id[8];
    uint64_t size, at;
    uint64_t limit;  /* nothing behind it counts: the next segment says so; UINT64_MAX: none */
    struct buf body; /* of the current frame */
    bool torn;       /* it ended before its size */
};

/* What a frame says before its body. */
struct segment_frame {
    uint32_t kind, length, group;
    uint64_t synced;
};

enum segment_found { SEGMENT_FRAME, SEGMENT_END, SEGMENT_FAILED };

/* Name of a segment: ".journal/" and the sequence. */
enum { SEGMENT_NAME_SIZE = 32 };
void segment_put_name(char out[SEGMENT_NAME_SIZE], uint64_t sequence);

/* The sequences there are, in order; *sequences is on the heap, the caller's. Other names are left
 * alone. */
MUST_CHECK bool segment_list(struct disk *disk, uint64_t **sequences, size_t *count,
                             struct error *error);

/* False with ERROR_DAMAGED for a segment that cannot be one; *is_empty is set (and the result is
 * true) for one whose header never came to disk: it holds nothing. */
MUST_CHECK bool segment_open(struct segment *segment, struct disk *disk, uint64_t sequence,
                             bool *is_empty, struct error *error);
void segment_close(struct segment *segment); /* harmless twice, and on all-zero */

/* The next frame; its body is in segment->body until the next call. */
enum segment_found segment_next(struct segment *segment, struct segment_frame *frame,
                                struct error *error);

/* Header and frames as bytes; for the writer. */
void segment_write_header(unsigned char to[JOURNAL_HEADER_SIZE], const struct segment *segment);
void segment_write_frame(unsigned char to[JOURNAL_FRAME_SIZE], const struct segment_frame *frame,
                         const unsigned char id[8], uint64_t offset, struct str body);

#endif
