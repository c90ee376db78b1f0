/* filter.h - include and exclude: which types of objects a request is about. */
#ifndef SYNC_FILTER_H
#define SYNC_FILTER_H

#include "base/siphash.h"
#include "base/str.h"

enum { FILTER_TYPES_MOST = 64 };

enum filter_kind { FILTER_ALL, FILTER_INCLUDE, FILTER_EXCLUDE };

struct filter_types {
    size_t count;
    struct str types[FILTER_TYPES_MOST]; /* borrowed from whoever parsed the request */
    uint32_t hashes[FILTER_TYPES_MOST];  /* after filter_prepare */
};

/* Copies of a filter share the types, which the query owns. One request is about one collection, so
 * one set of hashes will do. */
struct filter {
    enum filter_kind kind;
    struct filter_types *types; /* NULL with FILTER_ALL */
};

/* Computes the hashes for the collection with this secret; before filter_test_hash. */
void filter_prepare(const struct filter *filter, const unsigned char secret[SIPHASH_KEY_SIZE]);

/* The hash that the index keeps of a type, never 0; 0 stands for "no type". */
uint32_t filter_hash_type(const unsigned char secret[SIPHASH_KEY_SIZE], struct str type);

enum filter_verdict { FILTER_NO, FILTER_YES, FILTER_LOOK };

/* From the hash in the index alone. FILTER_LOOK: only the record itself can tell, since different
 * types may share a hash. */
enum filter_verdict filter_test_hash(const struct filter *filter, uint32_t hash);

/* From the type itself; data NULL: the object has none. Without type nothing is matched: an
 * include leaves the object out, an exclude lets it in. */
bool filter_test_type(const struct filter *filter, struct str type);

/* The same from a record as stored, "[counter,object],\n". False also if the record cannot be
 * read (it was checked when it was stored). */
bool filter_test_record(const struct filter *filter, struct str record);

#endif
