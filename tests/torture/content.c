#include "content.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *content_grow(void *memory, size_t size)
{
    void *grown = realloc(memory, size);

    if (!grown) {
        (void)fprintf(stderr, "torture: out of memory\n");
        abort();
    }
    return grown;
}

void *content_make(size_t size)
{
    return memset(content_grow(NULL, size), 0, size);
}

char *content_copy_text(const char *text)
{
    return text ? strcpy(content_grow(NULL, strlen(text) + 1), text) : NULL;
}

/* Room for one more in an array. */
void *content_make_room(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room ? 2 * *room : 4;
    return content_grow(items, *room * size);
}

struct content *content_share(struct content *content)
{
    if (content)
        content->users++;
    return content;
}

void content_release(struct content *content)
{
    if (!content || --content->users > 0)
        return;
    free(content->bytes);
    free(content);
}

struct content *content_copy(const struct content *content)
{
    struct content *copy = content_make(sizeof *copy);

    copy->users = 1;
    copy->size = copy->room = content->size;
    copy->bytes = content_grow(NULL, content->size + 1);
    memcpy(copy->bytes, content->bytes, content->size);
    return copy;
}

/* For somebody who is about to change it. */
struct content *content_own(struct content **content)
{
    if ((*content)->users > 1) {
        struct content *copy = content_copy(*content);

        content_release(*content);
        *content = copy;
    }
    return *content;
}

/* What is new is zeros. */
void content_set_size(struct content *content, size_t size)
{
    if (size > content->room) {
        content->room = size + size / 2;
        content->bytes = content_grow(content->bytes, content->room);
    }
    if (size > content->size)
        memset(content->bytes + content->size, 0, size - content->size);
    content->size = size;
}

void content_put(struct content *content, uint64_t offset, const unsigned char *bytes,
                 size_t length)
{
    if (offset + length > content->size)
        content_set_size(content, (size_t)offset + length);
    memcpy(content->bytes + offset, bytes, length);
}
