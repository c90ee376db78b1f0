/* show.h - what cutoutctl dump and stat print of one collection. */
#ifndef TOOLS_SHOW_H
#define TOOLS_SHOW_H

#include "store/disk.h"

/* Each record as a line of JSON, [counter,object]; checked. What was printed before an error is
 * right. */
MUST_CHECK bool show_records(struct disk *disk, const char *path, struct error *error);

/* The entries of the index, in columns, as they are: damaged ones, too. */
MUST_CHECK bool show_index(struct disk *disk, const char *path, struct error *error);

/* A collection's figures. ERROR_NOT_FOUND if there is none. */
MUST_CHECK bool show_stat(struct disk *disk, const char *path, bool json, struct error *error);

#endif
