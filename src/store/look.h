/* look.h - one look at all files of one collection, holding them against docs/file-format.md.
 *
 * Nothing is locked and nothing is changed. Beside a server that writes it may see half of what is
 * being written: whoever calls this has to tell that from damage (check.h). */
#ifndef STORE_LOOK_H
#define STORE_LOOK_H

#include "store/disk.h"
#include "store/findings.h"
#include "store/index.h"

struct look {
    struct findings findings;
    struct index_header header; /* of the index, if */
    bool has_header;
    bool is_there;                  /* live or deleted, or at least some file */
    uint64_t records, blobs, bytes; /* that were read */
};

/* Fills look. False if it could not look: ERROR_IO and the like. */
MUST_CHECK bool look_at(struct look *look, struct disk *disk, const char *path,
                        struct error *error);

/* Nothing is wrong with the collection, something just lies beside it. */
bool look_is_litter(const struct finding *finding);

/* It is about a blob, of which nothing can be made anew. */
bool look_is_lost_blob(const struct finding *finding);

/* The generation that a file name "database.G" tells; false for any other name. */
bool look_parse_data_name(struct str name, uint64_t *generation);

#endif
