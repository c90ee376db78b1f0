/* objects.h - the array that a client posts: checked, and brought into stored form.
 *
 *     objects_open -> objects_feed (pieces of at most 64 KB) -> objects_finish -> objects_clear
 *
 * Stored form is what was sent without white space outside strings; numbers and escapes stay as
 * they were written, nothing is rebuilt. So what is stored parses in every client that the sender's
 * own parser is like. Only a blob is taken out, and its address put in its place (object_blobs.h).
 *
 * The whole array is good or none of it. What is wrong with single objects is gathered, so that a
 * client can set them aside and send the rest:
 *     not_object, bad_type, bad_id, bad_deleted, bad_expires, deleted_with_data, duplicate_member,
 *     too_large, bad_blob, as {"index","id","code","message"}.
 * An id is a string, or an integer within +-(2^53 - 1); neither id nor type may hold NUL or be
 * longer than OBJECTS_NAME_MOST bytes. The members id, type, deleted, expires, data and blob may
 * stand only once. `deleted` is true or absent. expires is a number of unix seconds, 0 or more. */
#ifndef SYNC_OBJECTS_H
#define SYNC_OBJECTS_H

#include "store/batch.h"
#include "store/record.h"
#include "sync/filter.h"
#include "sync/limits.h"
#include "sync/object_blobs.h"

enum {
    OBJECTS_PIECE = 65536,
    OBJECTS_NAME_MOST = RECORD_NAME_MOST, /* bytes of an id or a type */
    OBJECTS_ERRORS_MOST = 100,
};

/* Where things are, as offsets: the buffers move while they grow. */
struct object {
    size_t start, length;           /* in objects.text */
    size_t type_start, type_length; /* in objects.names, decoded */
    size_t id_start, id_length;     /* in objects.names: 's' or 'i', then the id decoded */
    bool has_type, has_id;
    uint32_t expires;
    uint8_t flags; /* INDEX_DELETED, INDEX_BLOB */
};

struct objects_scan;

struct objects {
    struct object *items;
    size_t count, capacity;
    struct buf text, names;
    struct buf errors; /* after a failure with ERROR_BAD_OBJECTS or ERROR_TOO_LARGE: a JSON array,
                          or empty if it is not about single objects */
    size_t error_count;
    struct object_blobs blobs;
    struct objects_scan *scan; /* state while reading */
    const struct limits *limits;
};

/* length: bytes that will be fed. More than max_post_bytes is ERROR_TOO_LARGE. */
MUST_CHECK bool objects_open(struct objects *objects, const struct limits *limits, size_t length,
                             struct error *error);
MUST_CHECK bool objects_feed(struct objects *objects, struct str piece, struct error *error);

/* ERROR_BAD_OBJECTS when any object is refused for another reason than size, ERROR_TOO_LARGE when
 * only sizes or the count are wrong; the limit is named. */
MUST_CHECK bool objects_finish(struct objects *objects, struct error *error);
void objects_clear(struct objects *objects); /* harmless twice, and on all-zero */

/* The JSON object that goes with the deletion of a collection, compact, into out; an empty body
 * gives {}. ERROR_BAD_JSON if it is anything but one object. */
MUST_CHECK bool objects_read_reason(struct str body, const struct limits *limits, struct buf *out,
                                    struct error *error);

/* Of a finished array: text in stored form, and its type (data NULL: none). */
struct str objects_text(const struct objects *objects, size_t i);
struct str objects_type(const struct objects *objects, size_t i);

/* Something is wrong with item i: what errors will say. objects_end_errors then, once. */
void objects_add_error(struct objects *objects, size_t i, const char *code, const char *message);
bool objects_end_errors(struct objects *objects, struct error *error); /* false */

/* The hash of (type, id) as the index has it; 0: it has no id. */
uint64_t objects_key(const struct objects *objects, size_t i,
                     const unsigned char secret[SIPHASH_KEY_SIZE]);

/* The same for a pair that a query names: id as text, or id_number as digits. type.data NULL: none.
 * ERROR_BAD_PARAMETER if that is no pair that an object may have. */
MUST_CHECK bool objects_find_key(struct str type, struct str id, struct str id_number,
                                 const unsigned char secret[SIPHASH_KEY_SIZE], uint64_t *key,
                                 struct error *error);

/* Its id as JSON. */
void objects_put_id(const struct objects *objects, size_t i, struct buf *out);

/* As the index keeps it, hashed with the collection's secret. */
void objects_describe(const struct objects *objects, size_t i,
                      const unsigned char secret[SIPHASH_KEY_SIZE], struct batch_object *out);

#endif
