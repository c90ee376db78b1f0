#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 64 };

static void fail(struct buf *buf)
{
    buf_clear(buf);
    buf->failed = true;
}

/* Room for more bytes and the NUL behind them. */
static bool reserve(struct buf *buf, size_t more)
{
    size_t wanted, capacity = buf->capacity ? buf->capacity : SMALLEST;

    if (buf->failed)
        return false;
    if (__builtin_add_overflow(buf->length, more, &wanted) || wanted >= SIZE_MAX / 2) {
        fail(buf);
        return false;
    }
    if (wanted < buf->capacity)
        return true;
    while (capacity <= wanted)
        capacity *= 2;
    char *data = realloc(buf->data, capacity);
    if (!data) {
        fail(buf);
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    buf->data[buf->length] = '\0';
    return true;
}

void buf_clear(struct buf *buf)
{
    if (buf->data)
        free(buf->data);
    *buf = (struct buf){0};
}

void buf_reset(struct buf *buf)
{
    buf->length = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

void buf_append_more(struct buf *buf, struct str text)
{
    if (reserve(buf, text.length))
        buf_append(buf, text);
}

void buf_append_text(struct buf *buf, const char *text)
{
    buf_append(buf, str_of(text));
}

void buf_append_byte(struct buf *buf, char byte)
{
    buf_append(buf, (struct str){&byte, 1});
}

void buf_append_u64(struct buf *buf, uint64_t number)
{
    char digits[20];
    size_t i = sizeof digits;

    do {
        digits[--i] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    buf_append(buf, (struct str){digits + i, sizeof digits - i});
}

void buf_append_format(struct buf *buf, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        fail(buf);
    if (length < 0 || !reserve(buf, (size_t)length))
        return;
    va_start(args, format);
    (void)vsnprintf(buf->data + buf->length, (size_t)length + 1, format, args);
    va_end(args);
    buf->length += (size_t)length;
}

char *buf_reserve(struct buf *buf, size_t more)
{
    return reserve(buf, more) ? buf->data + buf->length : NULL;
}

void buf_grow(struct buf *buf, size_t written)
{
    if (buf->failed)
        return;
    buf->length += written;
    buf->data[buf->length] = '\0';
}

bool buf_ok(const struct buf *buf, struct error *error)
{
    return !buf->failed || error_set(error, ERROR_NO_MEMORY, "out of memory");
}

struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->data ? buf->data : "", buf->length};
}

char *buf_copy_text(struct str text)
{
    char *copy = malloc(text.length + 1);

    if (!copy)
        return NULL;
    if (text.length > 0)
        memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    return copy;
}
