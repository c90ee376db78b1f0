/* secret_file.h - files that nobody else may read. */
#ifndef AUTH_SECRET_FILE_H
#define AUTH_SECRET_FILE_H

#include "base/error.h"
#include "base/str.h"

enum { SECRET_FILE_SIZE = 8192 };

/* A file that is a secret, to be wiped by the caller. ERROR_CONF if others may read or write it, if
 * it is no regular file (links included) or has SECRET_FILE_SIZE bytes or more; else of the system,
 * with errnum ENOENT if there is no such file. Blocks. */
MUST_CHECK bool secret_file_read(const char *path, char text[SECRET_FILE_SIZE], size_t *length,
                                 struct error *error);

#endif
