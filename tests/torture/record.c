/* record.c - a library to be preloaded, that notes what a server does to the files below a
 * directory: RECORD_ROOT, an absolute path without links. RECORD_TRACE names the file that takes
 * the records; trace.h has their layout.
 *
 * What the C library calls inside itself is not seen here; that nothing was missed is checked at
 * the end of a recording: the trace has to lead to the directory that is there.
 *
 * RECORD_KILL_AT kills the server (SIGKILL) with its record of that number, before anything else
 * can happen: so the trace tells all that a server did until then.
 *
 * Several servers may share a trace: RECORD_SERVER, from 0, tells them apart. While one changes
 * something and notes it the others wait, so that the trace has one order, and it is the true one.
 * How they tell each other what is new (store/news.h) is left out: nothing of it has to last.
 *
 * Never part of the product. */
#include "trace.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NAME_SIZE = 4096 };

enum watched { OTHER = 0, OUR_FILE, OUR_DIRECTORY };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char watched[TRACE_FILES_MOST]; /* enum watched */
static const char *root;
static size_t root_length;
static int trace_fd = -1;
static uint64_t server, syncs;
static unsigned long records, kill_at; /* 0: never */

/* The function that this one stands before. */
#define NEXT(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

static int open_really(int directory, const char *name, int flags, mode_t mode)
{
    static int (*next)(int, const char *, int, ...);

    if (!next)
        next = NEXT(openat);
    return next(directory, name, flags, mode);
}

static void give_up(const char *why)
{
    (void)dprintf(STDERR_FILENO, "[error] record: %s: %s\n", why, strerror(errno));
    abort();
}

static uint64_t file_number(int fd)
{
    return server * TRACE_FILES_MOST + (uint64_t)fd;
}

/* Waits for the other threads, and the other servers. A killed server gives its lock back. */
static void begin_change(void)
{
    (void)pthread_mutex_lock(&lock);
    while (flock(trace_fd, LOCK_EX) < 0) {
        if (errno != EINTR)
            give_up("cannot lock the trace");
    }
}

static void end_change(void)
{
    (void)flock(trace_fd, LOCK_UN);
    (void)pthread_mutex_unlock(&lock);
}

/* Lock held. */
static void note(enum trace_kind kind, uint64_t number, uint64_t at, const void *bytes,
                 size_t length)
{
    struct trace_record record = {(uint32_t)(sizeof record + length), kind, number, at};
    struct iovec parts[2] = {{&record, sizeof record}, {(void *)(uintptr_t)bytes, length}};

    if (writev(trace_fd, parts, length > 0 ? 2 : 1) != (ssize_t)record.size)
        give_up("cannot write the trace");
    if (++records == kill_at)
        (void)kill(getpid(), SIGKILL);
}

__attribute__((constructor)) static void begin(void)
{
    const char *trace = getenv("RECORD_TRACE");
    const char *killing = getenv("RECORD_KILL_AT"), *which = getenv("RECORD_SERVER");

    root = getenv("RECORD_ROOT");
    if (!root || !trace)
        return;
    root_length = strlen(root);
    kill_at = killing ? strtoul(killing, NULL, 10) : 0;
    server = which ? strtoul(which, NULL, 10) : 0;
    trace_fd = open_really(AT_FDCWD, trace, O_WRONLY | O_APPEND | O_CLOEXEC, 0);
    if (trace_fd < 0)
        give_up(trace);
    begin_change();
    note(TRACE_START, server, 0, NULL, 0);
    end_change();
}

static bool is_news(const char *name)
{
    const char *last = strrchr(name, '/');

    return strncmp(name, ".journal/", 9) == 0 && strcmp(last, "/news") == 0;
}

/* The name of what a descriptor is open for, below the root; NULL: outside of it. */
static const char *name_of(int fd, char name[NAME_SIZE])
{
    char link[64];

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, NAME_SIZE - 1);
    if (length < 0)
        return NULL;
    name[length] = '\0';
    if (strncmp(name, root, root_length) != 0)
        return NULL;
    if (name[root_length] == '\0')
        return ".";
    return name[root_length] == '/' ? name + root_length + 1 : NULL;
}

/* The same for a name that a call was given. */
static const char *find_name(int directory, const char *given, char name[NAME_SIZE])
{
    char above[NAME_SIZE];

    if (trace_fd < 0)
        return NULL;
    if (given[0] == '/') {
        bool is_ours = strncmp(given, root, root_length) == 0 && given[root_length] == '/';
        return is_ours ? given + root_length + 1 : NULL;
    }
    if (directory == AT_FDCWD)
        return NULL;
    const char *found = name_of(directory, above);
    if (!found)
        return NULL;
    if (strcmp(found, ".") == 0)
        return given;
    (void)snprintf(name, NAME_SIZE, "%s/%s", found, given);
    return name;
}

static enum watched kind_of(int fd)
{
    return trace_fd >= 0 && fd >= 0 && fd < TRACE_FILES_MOST ? watched[fd] : OTHER;
}

/* --- Descriptors ----------------------------------------------------------------------------- */

static void note_open(int fd, bool is_new, int flags)
{
    char space[NAME_SIZE];
    const char *name = name_of(fd, space);
    struct stat info;

    if (fd >= TRACE_FILES_MOST)
        give_up("too many descriptors");
    watched[fd] = OTHER;
    if (!name || is_news(name) || fstat(fd, &info) < 0)
        return;
    watched[fd] = S_ISDIR(info.st_mode) ? OUR_DIRECTORY : OUR_FILE;
    uint64_t how = (is_new ? TRACE_CREATED : 0u) | (flags & O_TRUNC ? TRACE_EMPTIED : 0u) |
                   (S_ISDIR(info.st_mode) ? TRACE_DIRECTORY : 0u);
    note(TRACE_OPEN, file_number(fd), how, name, strlen(name));
}

static int open_noting(int directory, const char *name, int flags, mode_t mode)
{
    if (trace_fd < 0)
        return open_really(directory, name, flags, mode);
    begin_change();
    bool is_new = flags & O_CREAT && faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
    int fd = open_really(directory, name, flags, mode);
    int errnum = errno;
    if (fd >= 0)
        note_open(fd, is_new, flags);
    end_change();
    errno = errnum;
    return fd;
}

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(arguments, unsigned) : 0;
}

int openat(int directory, const char *name, int flags, ...)
{
    va_list arguments;

    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_noting(directory, name, flags, mode);
}

int open(const char *name, int flags, ...)
{
    va_list arguments;

    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_noting(AT_FDCWD, name, flags, mode);
}

int close(int fd)
{
    static int (*next)(int);

    if (!next)
        next = NEXT(close);
    if (kind_of(fd) == OTHER)
        return next(fd);
    begin_change();
    watched[fd] = OTHER;
    note(TRACE_CLOSE, file_number(fd), 0, NULL, 0);
    int result = next(fd);
    end_change();
    return result;
}

/* --- Bytes ----------------------------------------------------------------------------------- */

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    static ssize_t (*next)(int, const void *, size_t, off_t);

    if (!next)
        next = NEXT(pwrite);
    if (kind_of(fd) != OUR_FILE)
        return next(fd, data, length, offset);
    begin_change();
    ssize_t count = next(fd, data, length, offset);
    int errnum = errno;
    if (count > 0)
        note(TRACE_WRITE, file_number(fd), (uint64_t)offset, data, (size_t)count);
    end_change();
    errno = errnum;
    return count;
}

ssize_t write(int fd, const void *data, size_t length)
{
    static ssize_t (*next)(int, const void *, size_t);

    if (!next)
        next = NEXT(write);
    if (kind_of(fd) != OUR_FILE)
        return next(fd, data, length);
    begin_change();
    ssize_t count = next(fd, data, length);
    int errnum = errno;
    if (count > 0)
        note(TRACE_WRITE, file_number(fd), (uint64_t)(lseek(fd, 0, SEEK_CUR) - count), data,
             (size_t)count);
    end_change();
    errno = errnum;
    return count;
}

/* One at a time, which the caller must be ready for. */
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    static ssize_t (*next)(int, const struct iovec *, int, off_t);

    if (!next)
        next = NEXT(pwritev);
    if (kind_of(fd) != OUR_FILE)
        return next(fd, parts, count, offset);
    return count > 0 ? pwrite(fd, parts[0].iov_base, parts[0].iov_len, offset) : 0;
}

int ftruncate(int fd, off_t length)
{
    static int (*next)(int, off_t);

    if (!next)
        next = NEXT(ftruncate);
    if (kind_of(fd) != OUR_FILE)
        return next(fd, length);
    begin_change();
    int result = next(fd, length);
    int errnum = errno;
    if (result == 0)
        note(TRACE_TRUNCATE, file_number(fd), (uint64_t)length, NULL, 0);
    end_change();
    errno = errnum;
    return result;
}

/* Room alone changes nothing that can be read; a new size is one. */
int fallocate(int fd, int mode, off_t offset, off_t length)
{
    static int (*next)(int, int, off_t, off_t);
    struct stat info;

    if (!next)
        next = NEXT(fallocate);
    if (kind_of(fd) != OUR_FILE)
        return next(fd, mode, offset, length);
    begin_change();
    int result = next(fd, mode, offset, length);
    int errnum = errno;
    if (result == 0 && (mode & ~FALLOC_FL_KEEP_SIZE) != 0)
        give_up("fallocate: a mode that is not known here");
    if (result == 0 && fstat(fd, &info) == 0)
        note(TRACE_TRUNCATE, file_number(fd), (uint64_t)info.st_size, NULL, 0);
    end_change();
    errno = errnum;
    return result;
}

/* --- Syncs ----------------------------------------------------------------------------------- */

static uint64_t note_begin(int fd)
{
    begin_change();
    uint64_t number = ++syncs * TRACE_SERVERS_MOST + server;
    note(TRACE_SYNC_BEGIN, file_number(fd), number, NULL, 0);
    end_change();
    return number;
}

static int sync_noting(int fd, int (*next)(int))
{
    if (kind_of(fd) == OTHER)
        return next(fd);
    uint64_t number = note_begin(fd);
    int result = next(fd);
    int errnum = errno;

    begin_change();
    if (result == 0)
        note(TRACE_SYNC_END, file_number(fd), number, NULL, 0);
    end_change();
    errno = errnum;
    return result;
}

int fsync(int fd)
{
    static int (*next)(int);

    if (!next)
        next = NEXT(fsync);
    return sync_noting(fd, next);
}

int fdatasync(int fd)
{
    static int (*next)(int);

    if (!next)
        next = NEXT(fdatasync);
    return sync_noting(fd, next);
}

/* --- Names ----------------------------------------------------------------------------------- */

int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    static int (*next)(int, const char *, int, const char *);
    char space[NAME_SIZE], more_space[NAME_SIZE], both[2 * NAME_SIZE];

    if (!next)
        next = NEXT(renameat);
    const char *old = find_name(from_directory, from, space);
    const char *new = find_name(to_directory, to, more_space);
    if (!old || !new)
        return next(from_directory, from, to_directory, to);
    begin_change();
    int result = next(from_directory, from, to_directory, to);
    int errnum = errno;
    int length = snprintf(both, sizeof both, "%s%c%s", old, '\0', new);
    if (result == 0)
        note(TRACE_RENAME, 0, 0, both, (size_t)length + 1);
    end_change();
    errno = errnum;
    return result;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int directory, const char *given, int flags)
{
    static int (*next)(int, const char *, int);
    char space[NAME_SIZE];

    if (!next)
        next = NEXT(unlinkat);
    const char *name = find_name(directory, given, space);
    if (!name || is_news(name))
        return next(directory, given, flags);
    begin_change();
    int result = next(directory, given, flags);
    int errnum = errno;
    if (result == 0)
        note(TRACE_UNLINK, 0, 0, name, strlen(name));
    end_change();
    errno = errnum;
    return result;
}

int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

int mkdirat(int directory, const char *given, mode_t mode)
{
    static int (*next)(int, const char *, mode_t);
    char space[NAME_SIZE];

    if (!next)
        next = NEXT(mkdirat);
    const char *name = find_name(directory, given, space);
    if (!name)
        return next(directory, given, mode);
    begin_change();
    int result = next(directory, given, mode);
    int errnum = errno;
    if (result == 0)
        note(TRACE_MKDIR, 0, 0, name, strlen(name));
    end_change();
    errno = errnum;
    return result;
}

int mkdir(const char *name, mode_t mode)
{
    return mkdirat(AT_FDCWD, name, mode);
}
