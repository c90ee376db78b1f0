/* fail.c - a library to be preloaded, that makes a call of the system fail.
 *
 * FAIL_CONTROL names a file of at least CONTROL_SIZE bytes, which is mapped; tests write it while
 * the program runs (tests/faults/syscalls/faults.js has the other side of the layout). Calls of the
 * function named there are counted; number `at`, or that and all behind it, fail with errno
 * errnum, without having been made (close is made all the same: Linux closes whatever it says).
 *
 * Besides, `room` can stand in for a small disk: what makes a file longer takes of it, what
 * shortens or removes one gives back.
 *
 * Never part of the product. What the C library calls inside itself is not seen here. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CONTROL_SIZE = 4096, NAME_SIZE = 32 };

struct control {
    char name[NAME_SIZE];
    uint32_t at; /* 0: nothing is counted */
    int32_t errnum;
    uint32_t for_ever;
    uint32_t count, hits;
    uint32_t room_counts;
    int64_t room;
};

static struct control *control;

/* Without this the first malloc would come from opening the file. */
__attribute__((constructor)) static void map_control(void)
{
    const char *name = getenv("FAIL_CONTROL");
    int fd = name ? (int)openat(AT_FDCWD, name, O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    void *mapped = mmap(NULL, CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (mapped != MAP_FAILED)
        __atomic_store_n(&control, (struct control *)mapped, __ATOMIC_RELEASE);
}

static bool fails(const char *name)
{
    struct control *now = __atomic_load_n(&control, __ATOMIC_ACQUIRE);
    uint32_t at = now ? __atomic_load_n(&now->at, __ATOMIC_ACQUIRE) : 0;

    if (at == 0 || strcmp(now->name, name) != 0)
        return false;
    uint32_t count = __atomic_add_fetch(&now->count, 1, __ATOMIC_ACQ_REL);
    if (count != at && !(now->for_ever && count > at))
        return false;
    (void)__atomic_add_fetch(&now->hits, 1, __ATOMIC_ACQ_REL);
    errno = now->errnum;
    return true;
}

/* The same function of the next library. Pointers to functions are no objects in C; POSIX lets them
 * pass as such. */
static void find_next(const char *name, void *pointer)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (!found)
        abort();
    memcpy(pointer, &found, sizeof found);
}

#define NEXT(name, result, ...)                                                                    \
    static result (*next)(__VA_ARGS__);                                                            \
    if (!next)                                                                                     \
    find_next(name, &next)

/* --- A small disk ----------------------------------------------------------------------------- */

static int64_t size_of(int fd)
{
    struct stat info;

    return fstatat(fd, "", &info, AT_EMPTY_PATH) == 0 && S_ISREG(info.st_mode) ? info.st_size
                                                                               : INT64_MAX;
}

static void give_room(int64_t bytes)
{
    if (control && control->room_counts && bytes > 0 && bytes < INT64_MAX)
        (void)__atomic_add_fetch(&control->room, bytes, __ATOMIC_ACQ_REL);
}

/* How much of a write there is room for; 0: none. Files that are no files have no size. */
static size_t take_room(int fd, size_t length, int64_t offset)
{
    if (!control || !control->room_counts)
        return length;
    int64_t size = size_of(fd), end = offset + (int64_t)length;
    int64_t more = end > size ? end - size : 0;
    int64_t left = __atomic_sub_fetch(&control->room, more, __ATOMIC_ACQ_REL);
    if (left >= 0)
        return length;
    int64_t missing = left < -more ? more : -left;
    (void)__atomic_add_fetch(&control->room, missing, __ATOMIC_ACQ_REL);
    return length - (size_t)missing;
}

static int64_t size_at(int dir, const char *name)
{
    struct stat info;

    return fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode)
               ? info.st_size
               : 0;
}

/* --- Files ------------------------------------------------------------------------------------ */

static mode_t mode_of(int flags, va_list args)
{
    return flags & O_CREAT ? (mode_t)va_arg(args, int) : 0;
}

int open(const char *name, int flags, ...)
{
    NEXT("open", int, const char *, int, ...);
    va_list args;

    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return fails("open") ? -1 : next(name, flags, mode);
}

int openat(int dir, const char *name, int flags, ...)
{
    NEXT("openat", int, int, const char *, int, ...);
    va_list args;

    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    if (fails("openat"))
        return -1;
    int64_t old = flags & O_TRUNC ? size_at(dir, name) : 0;
    int fd = next(dir, name, flags, mode);
    give_room(fd >= 0 ? old : 0);
    return fd;
}

int close(int fd)
{
    NEXT("close", int, int);
    bool failed = fails("close");
    int errnum = errno;
    int result = next(fd);

    if (!failed)
        return result;
    errno = errnum;
    return -1;
}

ssize_t read(int fd, void *data, size_t length)
{
    NEXT("read", ssize_t, int, void *, size_t);
    return fails("read") ? -1 : next(fd, data, length);
}

/* What read becomes where the size of data is known. */
ssize_t __read_chk(int fd, void *data, size_t length, size_t room);
ssize_t __read_chk(int fd, void *data, size_t length, size_t room)
{
    if (length > room)
        abort();
    return read(fd, data, length);
}

ssize_t readv(int fd, const struct iovec *pieces, int count)
{
    NEXT("readv", ssize_t, int, const struct iovec *, int);
    return fails("readv") ? -1 : next(fd, pieces, count);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    NEXT("writev", ssize_t, int, const struct iovec *, int);
    return fails("writev") ? -1 : next(fd, pieces, count);
}

ssize_t write(int fd, const void *data, size_t length)
{
    NEXT("write", ssize_t, int, const void *, size_t);
    return fails("write") ? -1 : next(fd, data, length);
}

ssize_t pread(int fd, void *data, size_t length, off_t offset)
{
    NEXT("pread", ssize_t, int, void *, size_t, off_t);
    return fails("pread") ? -1 : next(fd, data, length, offset);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    NEXT("pwrite", ssize_t, int, const void *, size_t, off_t);
    if (fails("pwrite"))
        return -1;
    size_t fits = take_room(fd, length, offset);
    if (fits > 0 || length == 0)
        return next(fd, data, fits, offset);
    errno = ENOSPC;
    return -1;
}

int ftruncate(int fd, off_t length)
{
    NEXT("ftruncate", int, int, off_t);
    if (fails("ftruncate"))
        return -1;
    int64_t old = size_of(fd);
    int result = next(fd, length);
    give_room(result == 0 ? old - length : 0);
    return result;
}

int fsync(int fd)
{
    NEXT("fsync", int, int);
    return fails("fsync") ? -1 : next(fd);
}

int fdatasync(int fd)
{
    NEXT("fdatasync", int, int);
    return fails("fdatasync") ? -1 : next(fd);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    NEXT("renameat", int, int, const char *, int, const char *);
    if (fails("renameat"))
        return -1;
    int64_t old = size_at(to_dir, to);
    int result = next(from_dir, from, to_dir, to);
    give_room(result == 0 ? old : 0);
    return result;
}

int unlinkat(int dir, const char *name, int flags)
{
    NEXT("unlinkat", int, int, const char *, int);
    if (fails("unlinkat"))
        return -1;
    int64_t old = size_at(dir, name);
    int result = next(dir, name, flags);
    give_room(result == 0 ? old : 0);
    return result;
}

int mkdir(const char *name, mode_t mode)
{
    NEXT("mkdir", int, const char *, mode_t);
    return fails("mkdir") ? -1 : next(name, mode);
}

int mkdirat(int dir, const char *name, mode_t mode)
{
    NEXT("mkdirat", int, int, const char *, mode_t);
    return fails("mkdirat") ? -1 : next(dir, name, mode);
}

int fstat(int fd, struct stat *info)
{
    NEXT("fstat", int, int, struct stat *);
    return fails("fstat") ? -1 : next(fd, info);
}

int fcntl(int fd, int command, ...)
{
    NEXT("fcntl", int, int, int, ...);
    va_list args;

    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    return fails("fcntl") ? -1 : next(fd, command, argument);
}

/* --- Sockets, events, threads ----------------------------------------------------------------- */

int socket(int family, int type, int protocol)
{
    NEXT("socket", int, int, int, int);
    return fails("socket") ? -1 : next(family, type, protocol);
}

int listen(int fd, int backlog)
{
    NEXT("listen", int, int, int);
    return fails("listen") ? -1 : next(fd, backlog);
}

/* The system declares the address as a union of all kinds there are. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict length, int flags)
{
    NEXT("accept4", int, int, struct sockaddr *, socklen_t *, int);
    return fails("accept4") ? -1 : next(fd, address, length, flags);
}
#pragma GCC diagnostic pop

int epoll_create1(int flags)
{
    NEXT("epoll_create1", int, int);
    return fails("epoll_create1") ? -1 : next(flags);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    NEXT("epoll_ctl", int, int, int, int, struct epoll_event *);
    return fails("epoll_ctl") ? -1 : next(epoll, operation, fd, event);
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int wait_ms)
{
    NEXT("epoll_wait", int, int, struct epoll_event *, int, int);
    return fails("epoll_wait") ? -1 : next(epoll, events, most, wait_ms);
}

int eventfd(unsigned value, int flags)
{
    NEXT("eventfd", int, unsigned, int);
    return fails("eventfd") ? -1 : next(value, flags);
}

ssize_t getrandom(void *data, size_t length, unsigned flags)
{
    NEXT("getrandom", ssize_t, void *, size_t, unsigned);
    return fails("getrandom") ? -1 : next(data, length, flags);
}

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                   void *(*run)(void *), void *restrict argument)
{
    NEXT("pthread_create", int, pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    return fails("pthread_create") ? errno : next(thread, attributes, run, argument);
}

/* --- Memory ----------------------------------------------------------------------------------- */

#ifndef FAIL_NO_MEMORY /* a sanitizer has its own */

/* libevent 2.1 does not survive that some of what it asks for is refused: it frees a connection
 * that is half made. So its calls are let through, and those of the C library, through which it
 * makes some. */
static const char *const spared_names[] = {"libevent", "libc.so"};
enum { SPARED = sizeof spared_names / sizeof *spared_names };

static struct range {
    uintptr_t from, to;
} spared[SPARED];

/* Where its code is. */
static void note_range(const struct dl_phdr_info *library, struct range *range)
{
    for (size_t i = 0; i < library->dlpi_phnum; i++) {
        if (library->dlpi_phdr[i].p_type != PT_LOAD || !(library->dlpi_phdr[i].p_flags & PF_X))
            continue;
        range->from = library->dlpi_addr + library->dlpi_phdr[i].p_vaddr;
        range->to = range->from + library->dlpi_phdr[i].p_memsz;
    }
}

static int note_spared(struct dl_phdr_info *library, size_t size, void *context)
{
    (void)size;
    (void)context;
    for (size_t i = 0; i < SPARED; i++) {
        if (strstr(library->dlpi_name, spared_names[i]))
            note_range(library, &spared[i]);
    }
    return 0;
}

__attribute__((constructor)) static void find_spared(void)
{
    (void)dl_iterate_phdr(note_spared, NULL);
}

static bool refuses(const char *name, const void *caller)
{
    uintptr_t from = (uintptr_t)caller;

    for (size_t i = 0; i < SPARED; i++) {
        if (from >= spared[i].from && from < spared[i].to)
            return false;
    }
    return fails(name);
}

/* The C library's own, under names of its own: finding the next malloc would need malloc. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    return refuses("malloc", __builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return refuses("calloc", __builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return refuses("realloc", __builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

#endif
