/* content.h - bytes that several files of several volumes can share, and memory that does not fail:
 * when it runs out the program ends, for this is a test. */
#ifndef TESTS_TORTURE_CONTENT_H
#define TESTS_TORTURE_CONTENT_H

#include <stddef.h>
#include <stdint.h>

/* Whoever changes it takes a copy, unless he is the only user. */
struct content {
    unsigned users;
    size_t size, room;
    unsigned char *bytes;
};

struct content *content_share(struct content *content); /* NULL is fine */
void content_release(struct content *content);          /* NULL is fine */
struct content *content_copy(const struct content *content);
struct content *content_own(struct content **content); /* for somebody who is about to change it */

/* What is new is zeros. */
void content_set_size(struct content *content, size_t size);
void content_put(struct content *content, uint64_t offset, const unsigned char *bytes,
                 size_t length);

void *content_grow(void *memory, size_t size);
void *content_make(size_t size); /* zeros */
char *content_copy_text(const char *text);

/* Room for one more in an array of so many items of that size. */
void *content_make_room(void *items, size_t count, size_t *room, size_t size);

#endif
