/* walk.h - goes over all collections of a data directory, in order of their names. */
#ifndef STORE_WALK_H
#define STORE_WALK_H

#include "store/disk.h"

struct walk {
    struct disk *disk;
    /* Each with context first; false ends the walk and leaves error as it is. */
    bool (*on_collection)(void *context, const char *path, struct error *error);
    /* Something that cannot be a collection, or lead to one. NULL: passed over. */
    bool (*on_strange)(void *context, const char *path, const char *what, struct error *error);
    /* A directory that cannot be listed; error says why. */
    bool (*on_unreadable)(void *context, const char *path, struct error *error);
    void *context;
};

MUST_CHECK bool walk_run(const struct walk *walk, struct error *error);

#endif
