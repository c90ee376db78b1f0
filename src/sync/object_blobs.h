/* object_blobs.h - the blobs that the objects of one POST bring along or refer to.
 *
 * An object comes with "blob":{"content_type":T,"data":BASE64} or "blob":{"content_type":T,
 * "href":URL}; what is stored has {"content_type":T,"href":URL} either way, so that what was sent
 * again is stored the same.
 *
 *     object_blobs_begin, _note ... (while the array is read) -> object_blobs_find_hrefs
 *         -> object_blobs_name (by the writer, once it is known which collection it is)
 *         -> object_blobs_place (on a helper thread) -> object_blobs_check -> object_blobs_put
 *
 * Bytes that came in the array are kept here until they are in their files. */
#ifndef SYNC_OBJECT_BLOBS_H
#define SYNC_OBJECT_BLOBS_H

#include "base/json_read.h"
#include "store/batch.h"
#include "store/blob.h"

struct objects;

struct object_blob {
    size_t object;   /* which one of the array */
    unsigned member; /* the how manieth member of the object it is, from 0 */
    bool has_data, has_href;
    size_t type_start, type_length; /* in object_blobs.texts */
    size_t href_start, href_length;
    struct buf bytes; /* decoded data */
    unsigned char content[CRYPTO_HASH_SIZE];
    struct blob_id id; /* from object_blobs_find_hrefs on, if it has no data, else from _name on */
    const char *wrong; /* what is; NULL: nothing, so far */
};

struct object_blobs {
    struct object_blob *items;
    size_t count, capacity;
    struct buf texts;
    struct buf prefix; /* of hrefs: all but the name, without anything that JSON escapes. For the
                          caller to fill */
    unsigned seen;     /* members of the current one */
    unsigned value;    /* which of them comes next */
    bool is_named;
};

/* The member "blob" begins. NULL when memory is out: the caller gives up. */
struct object_blob *object_blobs_begin(struct object_blobs *blobs, size_t object, unsigned member);

/* What stands in it: depth 0 is the value of the member itself. What is wrong with it, for good, or
 * NULL. *is_too_large tells that it is only that it has more than most bytes. */
const char *object_blobs_note(struct object_blobs *blobs, enum json_event event, unsigned depth,
                              struct str text, uint64_t most, bool *is_too_large);

/* False when memory has run out on the way. */
MUST_CHECK bool object_blobs_ok(const struct object_blobs *blobs, struct error *error);

/* Takes the hrefs of those without data apart. ERROR_BAD_OBJECTS unless they are of the collection
 * at path (address.path); base_path: of the server's addresses. */
MUST_CHECK bool object_blobs_find_hrefs(struct objects *objects, const char *path,
                                        struct str base_path, struct error *error);

/* Gives those with data their names, and brings the objects into stored form. ERROR_BAD_OBJECTS if
 * a blob is that of another object. Harmless twice. */
MUST_CHECK bool object_blobs_name(struct objects *objects, const struct identity *identity,
                                  uint64_t generation, struct error *error);

/* Helper threads only: looks whether those without data are there (object_blobs_check tells), and
 * writes the others. */
MUST_CHECK bool object_blobs_place(struct object_blobs *blobs, struct disk *disk, const char *path,
                                   struct error *error);

/* ERROR_BAD_OBJECTS if one was not there. */
MUST_CHECK bool object_blobs_check(struct objects *objects, struct error *error);

/* Appends [{"id","type","href","content_type"},...] of those that came with data. */
void object_blobs_put(const struct objects *objects, struct buf *out);
void object_blobs_clear(struct object_blobs *blobs); /* harmless twice, and on all-zero */

/* "PATH/+static/NAME" of a URL, its path still coded and without base_path: the name, or empty. The
 * rest of path stays in *collection. */
struct str object_blobs_split_path(struct str path, struct str *collection);

/* Appends the path of a collection as it stands in URLs; path is address.path. */
void object_blobs_put_path(const char *path, struct buf *out);

#endif
