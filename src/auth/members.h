/* members.h - the members of a JSON object that was made by somebody else, read into a struct.
 *
 * A table says which members mean anything and where their values go. Strict: one that is there
 * twice (two readers could take different ones), that has a value of another type, that does not
 * fit, or that holds bytes which a line of text cannot, makes the object wrong. Members that are
 * not in the table mean nothing. */
#ifndef AUTH_MEMBERS_H
#define AUTH_MEMBERS_H

#include "base/json_read.h"

enum { MEMBERS_TEXT_SIZE = 256, MEMBERS_TEXTS_MOST = 8 };

enum member_type {
    MEMBER_TEXT,    /* -> char[size] */
    MEMBER_TEXTS,   /* a text or a list of texts -> struct member_texts */
    MEMBER_SECONDS, /* not negative; a fraction is dropped -> int64_t */
    MEMBER_FLAG,    /* -> bool */
    MEMBER_BAD,     /* must not be there */
};

struct member_texts {
    char items[MEMBERS_TEXTS_MOST][MEMBERS_TEXT_SIZE];
    size_t count;
};

struct member {
    const char *name; /* the table ends with NULL; at most 32 */
    enum member_type type;
    size_t offset, size; /* size: of MEMBER_TEXT */
};

struct members {
    const struct member *table;
    void *into;
    const struct member *current; /* whose value comes next; NULL: one that means nothing */
    unsigned seen;                /* bit i: member i of the table is there */
    const struct member *wrong;   /* the first that is; NULL: none */
};

/* into is all-zero. */
void members_begin(struct members *members, const struct member *table, void *into);

/* An event from inside the object; depth is 1 for its members. */
void members_take(struct members *members, enum json_event event, unsigned depth, struct str text);

/* Is it there, and right? */
bool members_has(const struct members *members, const char *name);

/* A text that is one object. *members is filled even when false is returned: ERROR_BAD_JSON if it
 * is no object or has a wrong member. */
MUST_CHECK bool members_read(struct members *members, struct str text, const struct member *table,
                             void *into, struct error *error);

#endif
