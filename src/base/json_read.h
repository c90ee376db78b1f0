/* json_read.h - JSON as a stream of events, with the checks that the parser library leaves out.
 * The file that knows yajl.
 *
 *     json_read_open -> json_read_feed ... -> json_read_finish -> json_read_close
 *
 * On top of RFC 8259: strict UTF-8, at most max_depth levels, no unpaired surrogate escapes, one
 * value, nothing behind it. Numbers stay text. Feeding at most 64 KB at a time keeps a call under
 * a millisecond, so the caller can slice a large body (a string that is cut is read again from its
 * beginning with each piece, so one of several MB takes longer).
 *
 * Memory is reserved at the start from the size of the input, because the library does not look
 * at failed allocations. */
#ifndef BASE_JSON_READ_H
#define BASE_JSON_READ_H

#include "base/buf.h"
#include "base/utf8.h"

enum json_event {
    JSON_NULL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NUMBER, /* text: as written */
    JSON_STRING, /* text: decoded, may hold NUL */
    JSON_KEY,    /* text: decoded */
    JSON_BEGIN_OBJECT,
    JSON_END_OBJECT,
    JSON_BEGIN_ARRAY,
    JSON_END_ARRAY,
};

/* Depth is 0 for the outermost value, 1 for what stands directly inside it, and so on; begin and
 * end of a container have the depth of the container. text is valid during the call. Returning
 * false stops the reading; json_read_feed (or json_read_finish, for a number that nothing follows)
 * then fails and leaves its error as it is: the function fills the same one, by way of context. */
typedef bool json_event_fn(void *context, enum json_event event, unsigned depth, struct str text);

struct json_read {
    void *parser; /* yajl_handle */
    void *arena;  /* reserved memory of the parser */
    json_event_fn *on_event;
    void *context;
    struct utf8 utf8;
    struct error error; /* of our own checks, while inside the parser */
    unsigned depth, max_depth;
    uint64_t fed; /* bytes */
    bool stopped; /* by on_event */
    bool in_string;
    struct { /* inside the current string */
        unsigned char state;
        bool after_high; /* a high surrogate was escaped: now a low one must be */
        unsigned unit;   /* the last digits; the mask takes four of them */
    } escape;
};

/* length is the number of bytes that will be fed in all, at most; about six times as much address
 * space is reserved. context and on_event must outlive the reading, and json must stay where it is.
 * Whether it fails or not, json_read_close is in order. */
MUST_CHECK bool json_read_open(struct json_read *json, size_t length, unsigned max_depth,
                               json_event_fn *on_event, void *context, struct error *error);

/* ERROR_BAD_JSON names the byte offset (from 0) and what is wrong. How the text is cut into pieces
 * changes neither the events nor the error, but for an offset told as "near", which may move
 * within a token. After a failure every call fails again. ERROR_TOO_LARGE: more than was
 * announced. */
MUST_CHECK bool json_read_feed(struct json_read *json, struct str piece, struct error *error);

/* That the one value is complete. */
MUST_CHECK bool json_read_finish(struct json_read *json, struct error *error);

/* Harmless twice, and on all-zero. */
void json_read_close(struct json_read *json);

/* All four in one, for small texts (conf files, collection.json, a token's payload). */
MUST_CHECK bool json_read_text(struct str text, unsigned max_depth, json_event_fn *on_event,
                               void *context, struct error *error);

#endif
