#include "auth/secret_file.h"

#include "base/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool check_file(int fd, const char *path, struct error *error)
{
    struct stat info;

    if (fstat(fd, &info) != 0)
        return error_set_errno(error, errno, "%s", path);
    if (!S_ISREG(info.st_mode))
        return error_set(error, ERROR_CONF, "%s: is no regular file", path);
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        return error_set(error, ERROR_CONF,
                         "%s: others may read or write it; chmod 600 it, and change what it holds "
                         "if anybody could have read it",
                         path);
    return true;
}

static bool read_all(int fd, const char *path, char text[SECRET_FILE_SIZE], size_t *length,
                     struct error *error)
{
    *length = 0;
    for (;;) {
        ssize_t count = read(fd, text + *length, SECRET_FILE_SIZE - *length);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_set_errno(error, errno, "%s: cannot read it", path);
        if (count == 0)
            return true;
        *length += (size_t)count;
        if (*length == SECRET_FILE_SIZE)
            return error_set(error, ERROR_CONF, "%s: has %d bytes or more", path, SECRET_FILE_SIZE);
    }
}

bool secret_file_read(const char *path, char text[SECRET_FILE_SIZE], size_t *length,
                      struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd == -1)
        return error_set_errno(error, errno, "%s: cannot open it", path);
    bool ok = check_file(fd, path, error) && read_all(fd, path, text, length, error);
    (void)close(fd);
    if (!ok)
        crypto_wipe(text, SECRET_FILE_SIZE);
    return ok;
}
