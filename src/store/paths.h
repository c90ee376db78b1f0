/* paths.h - where the files of a collection are, below the data directory.
 *
 *     DOMAIN/USER/BUCKET/collection.json      id, secret, time of creation
 *                       /database.index       header and entries; names the generation
 *                       /database.G           the records, G the generation
 *                       /deleted.json         why it was deleted, and how far its counters went
 *                       /lock                 see hold.h
 *                       /blobs/NAME           see blob.h
 *     .journal/SEQUENCE                       see journal.h
 *     .journal/N/SEQUENCE                     the same of one of several servers; see place.h
 *     .reserve                                see reserve.h
 *     .lock                                   held by the server that uses the directory */
#ifndef STORE_PATHS_H
#define STORE_PATHS_H

#include "base/address.h"

enum { PATHS_SIZE = 3 * (ADDRESS_NAME_MOST + 1) + 96 };

/* All write a NUL-terminated name. collection is address.path of an address with a bucket. */
void paths_put_info(char out[PATHS_SIZE], const char *collection);
void paths_put_index(char out[PATHS_SIZE], const char *collection);
void paths_put_data(char out[PATHS_SIZE], const char *collection, uint64_t generation);
void paths_put_deleted(char out[PATHS_SIZE], const char *collection);
void paths_put_lock(char out[PATHS_SIZE], const char *collection);
void paths_put_blobs(char out[PATHS_SIZE], const char *collection); /* their directory */
void paths_put_blob(char out[PATHS_SIZE], const char *collection, const char *name);

/* What is above: BUCKET's, USER's, DOMAIN's directory as level 0, 1, 2; level 3 is ".". */
void paths_put_directory(char out[PATHS_SIZE], const char *collection, unsigned level);

/* True for what address_parse makes of an address with a bucket: what comes from a file is looked
 * at before it becomes a name. */
bool paths_check(struct str collection);

#endif
