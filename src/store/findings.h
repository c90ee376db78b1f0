/* findings.h - what is wrong with one collection, as found by one look at it. A value. */
#ifndef STORE_FINDINGS_H
#define STORE_FINDINGS_H

#include "store/paths.h"

#include "base/error.h"

#include <stdint.h>

enum { FINDINGS_MOST = 50 }; /* of a collection; further ones are counted */

#define FINDING_NO_OFFSET UINT64_MAX

struct finding {
    char file[PATHS_SIZE]; /* below the data directory */
    uint64_t offset;       /* in the file; FINDING_NO_OFFSET: it is about the file as a whole */
    uint64_t position;     /* the first entry of the index that it is about; 0: all */
    const char *todo;      /* what to do, static */
    char what[240];
};

struct findings {
    size_t count; /* in items */
    size_t more;  /* that found no place there */
    struct finding items[FINDINGS_MOST];
};

void findings_add(struct findings *findings, const char *file, uint64_t offset, uint64_t position,
                  const char *todo, const char *format, ...) PRINTF_LIKE(6, 7);

/* Two looks that found the same. */
bool findings_equal(const struct findings *a, const struct findings *b);

#endif
