/* record.h - one line of a data file, "[counter,object],\n": read strictly, and described as the
 * index describes it.
 *
 * For who checks or rebuilds an index. What is appended is checked by the floor above before it
 * comes here; the rules are the same. */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "store/batch.h"
#include "store/blob.h"

enum { RECORD_NAME_MOST = 1024 }; /* bytes of an id or a type */

struct record {
    uint64_t counter;
    struct str object; /* within the line */
    uint32_t expires;
    uint8_t flags; /* INDEX_DELETED, INDEX_BLOB */
    bool has_type, has_id;
    size_t type_length, id_length;
    char blob[BLOB_NAME_SIZE]; /* name of its blob; "": it has none */
    char type[RECORD_NAME_MOST];
    char id[RECORD_NAME_MOST + 1]; /* 's' or 'i', then the id decoded */
};

/* line: all of it, with its end. ERROR_DAMAGED says what is wrong: the frame around the object,
 * the counter, JSON, white space outside strings, or a member that no object may have. */
MUST_CHECK bool record_read(struct record *record, struct str line, struct error *error);

/* What the index has to say of it; text points into the line. */
void record_describe(const struct record *record, const unsigned char secret[SIPHASH_KEY_SIZE],
                     struct batch_object *object);

/* The hashes of the index, never 0. type.data NULL: it has none. id as in struct record. */
uint32_t record_hash_type(const unsigned char secret[SIPHASH_KEY_SIZE], struct str type);
uint64_t record_hash_key(const unsigned char secret[SIPHASH_KEY_SIZE], struct str type,
                         struct str id);

#endif
