/* buf.h - growable bytes.
 *
 * Appending never reports failure: when memory runs out the buffer is marked as failed, lets go of
 * what it held and ignores later calls, and buf_ok tells once, at the end. So code that builds
 * text stays straight and still loses no error. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/error.h"
#include "base/str.h"

struct buf {
    char *data; /* NUL-terminated; NULL until something is appended */
    size_t length, capacity;
    bool failed;
};

/* Frees. All-zero is an empty buffer. */
void buf_clear(struct buf *buf);

/* Empties but keeps the memory and forgets a failure. */
void buf_reset(struct buf *buf);

/* For buf_append: where there is no room yet. */
void buf_append_more(struct buf *buf, struct str text);

/* Inline, because nearly always there is room, and nearly all texts are short constants. */
static inline void buf_append(struct buf *buf, struct str text)
{
    if (buf->capacity - buf->length <= text.length) {
        buf_append_more(buf, text);
        return;
    }
    if (text.length > 0)
        memcpy(buf->data + buf->length, text.data, text.length);
    buf->length += text.length;
    buf->data[buf->length] = '\0';
}

void buf_append_text(struct buf *buf, const char *text);
void buf_append_byte(struct buf *buf, char byte);
void buf_append_u64(struct buf *buf, uint64_t number);
void buf_append_format(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Room for at least more bytes behind what is there, for writing in place; NULL on failure. Follow
 * with buf_grow of what was really written. */
char *buf_reserve(struct buf *buf, size_t more);
void buf_grow(struct buf *buf, size_t written);

/* False, with error filled, if any append failed since the buffer was empty. */
MUST_CHECK bool buf_ok(const struct buf *buf, struct error *error);

/* The content; valid until the next change. */
struct str buf_str(const struct buf *buf);

/* A NUL-terminated copy on the heap, NULL when memory is out. The caller frees. */
char *buf_copy_text(struct str text);

#endif
