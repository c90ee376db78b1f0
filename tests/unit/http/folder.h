/* folder.h - a directory on disk that a test may fill, and that goes with it. */
#ifndef HTTP_FOLDER_H
#define HTTP_FOLDER_H

#include "base/str.h"

struct folder {
    char path[64];
};

void folder_make(struct folder *folder);
void folder_remove(struct folder *folder);

/* Parent directories are made. */
void folder_write(const struct folder *folder, const char *name, struct str content);

/* "FOLDER/name"; valid until the next call. */
const char *folder_path(const struct folder *folder, const char *name);

#endif
