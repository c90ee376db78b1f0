#include "store/disk.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    FILE_MODE = 0600,
    DIRECTORY_MODE = 0700,
    NAME_SIZE = 4096,
    WAIT_MOST_S = 60, /* for another server that mends the data directory */
    WAIT_STEP_MS = 50,
};

static int or_errno(int result)
{
    return result < 0 ? -errno : result;
}

static int real_open(struct disk *disk, const char *name, int flags)
{
    return or_errno(openat(disk->root_fd, name, flags | O_CLOEXEC | O_NOFOLLOW, FILE_MODE));
}

static int real_close(struct disk *disk, int fd)
{
    (void)disk;
    return or_errno(close(fd));
}

static ssize_t real_read_at(struct disk *disk, int fd, void *data, size_t length, uint64_t offset)
{
    ssize_t count = pread(fd, data, length, (off_t)offset);

    (void)disk;
    return count < 0 ? -errno : count;
}

static ssize_t real_write_at(struct disk *disk, int fd, const void *data, size_t length,
                             uint64_t offset)
{
    ssize_t count = pwrite(fd, data, length, (off_t)offset);

    (void)disk;
    return count < 0 ? -errno : count;
}

static int real_truncate(struct disk *disk, int fd, uint64_t length)
{
    (void)disk;
    return or_errno(ftruncate(fd, (off_t)length));
}

static int real_sync(struct disk *disk, int fd)
{
    (void)disk;
    return or_errno(fdatasync(fd));
}

static int64_t real_size(struct disk *disk, int fd)
{
    struct stat info;

    (void)disk;
    return fstat(fd, &info) < 0 ? -errno : info.st_size;
}

static int64_t real_modified(struct disk *disk, int fd)
{
    struct stat info;

    (void)disk;
    return fstat(fd, &info) < 0 ? -errno : info.st_mtim.tv_sec;
}

static int real_rename(struct disk *disk, const char *from, const char *to)
{
    return or_errno(renameat(disk->root_fd, from, disk->root_fd, to));
}

static int real_unlink(struct disk *disk, const char *name)
{
    return or_errno(unlinkat(disk->root_fd, name, 0));
}

static int real_make_directory(struct disk *disk, const char *name)
{
    return or_errno(mkdirat(disk->root_fd, name, DIRECTORY_MODE));
}

static int open_directory(struct disk *disk, const char *name)
{
    return or_errno(openat(disk->root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
}

static int real_sync_directory(struct disk *disk, const char *name)
{
    int fd = open_directory(disk, name);

    if (fd < 0)
        return fd;
    int result = or_errno(fsync(fd));
    (void)close(fd);
    return result;
}

static int real_list(struct disk *disk, const char *name, struct buf *names)
{
    int fd = open_directory(disk, name);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);

    if (!directory) {
        int result = fd < 0 ? fd : -errno;

        if (fd >= 0)
            (void)close(fd);
        return result;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);

        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            buf_append(names, (struct str){entry->d_name, strlen(entry->d_name) + 1});
    }
    int result = -errno;
    (void)closedir(directory);
    return result;
}

static int lock_as(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};

    return or_errno(fcntl(fd, F_OFD_SETLK, &lock));
}

static int real_lock(struct disk *disk, int fd)
{
    (void)disk;
    return lock_as(fd, F_WRLCK);
}

static const struct disk_calls real_calls = {
    .open = real_open,
    .close = real_close,
    .read_at = real_read_at,
    .write_at = real_write_at,
    .truncate = real_truncate,
    .sync = real_sync,
    .size = real_size,
    .modified = real_modified,
    .rename = real_rename,
    .unlink = real_unlink,
    .make_directory = real_make_directory,
    .sync_directory = real_sync_directory,
    .list = real_list,
    .lock = real_lock,
};

/* --- Reading only ---------------------------------------------------------------------------- */

static int read_only_open(struct disk *disk, const char *name, int flags)
{
    bool is_harmless = (flags & (O_ACCMODE | O_CREAT | O_TRUNC)) == O_RDONLY;

    return is_harmless ? real_open(disk, name, flags) : -EROFS;
}

static ssize_t refuse_write(struct disk *disk, int fd, const void *data, size_t length,
                            uint64_t offset)
{
    (void)disk, (void)fd, (void)data, (void)length, (void)offset;
    return -EROFS;
}

static int refuse_truncate(struct disk *disk, int fd, uint64_t length)
{
    (void)disk, (void)fd, (void)length;
    return -EROFS;
}

static int refuse_file(struct disk *disk, int fd)
{
    (void)disk, (void)fd;
    return -EROFS;
}

static int refuse_rename(struct disk *disk, const char *from, const char *to)
{
    (void)disk, (void)from, (void)to;
    return -EROFS;
}

static int refuse_name(struct disk *disk, const char *name)
{
    (void)disk, (void)name;
    return -EROFS;
}

static const struct disk_calls read_only_calls = {
    .open = read_only_open,
    .close = real_close,
    .read_at = real_read_at,
    .write_at = refuse_write,
    .truncate = refuse_truncate,
    .sync = refuse_file,
    .size = real_size,
    .modified = real_modified,
    .rename = refuse_rename,
    .unlink = refuse_name,
    .make_directory = refuse_name,
    .sync_directory = refuse_name,
    .list = real_list,
    .lock = refuse_file,
};

bool disk_open_to_read(struct disk *disk, const char *path, struct error *error)
{
    *disk = (struct disk){.calls = &read_only_calls, .root_fd = -1, .lock_fd = -1};
    disk->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return disk->root_fd != -1 ||
           error_set_errno(error, errno, "%s: cannot open the data directory", path);
}

/* --- What the room calls --------------------------------------------------------------------- */

static bool name_failure(const char *name, const char *doing, int64_t result, struct error *error)
{
    int errnum = (int)-result;

    if (errnum == ENOENT)
        return error_set(error, ERROR_NOT_FOUND, "%s: cannot %s: it is not there", name, doing);
    return error_set_errno(error, errnum, "%s: cannot %s", name, doing);
}

static bool is_taken(int result)
{
    return result == -EAGAIN || result == -EACCES;
}

/* For a server that would wait for this one: it would wait in vain. */
static const char alone[] = "alone\n";

static int note_use(const struct disk *disk)
{
    int result = or_errno(ftruncate(disk->lock_fd, 0));

    if (result >= 0 && !disk->is_shared)
        result = (int)real_write_at(NULL, disk->lock_fd, alone, sizeof alone - 1, 0);
    return result;
}

static bool is_used_alone(const struct disk *disk)
{
    char byte;

    return pread(disk->lock_fd, &byte, 1, 0) == 1 && byte == alone[0];
}

static bool take_alone(struct disk *disk, const char *path, struct error *error)
{
    int result = lock_as(disk->lock_fd, F_WRLCK);

    if (is_taken(result))
        return error_set(error, ERROR_BUSY, "%s: another cutoutd uses this data directory", path);
    if (result >= 0)
        result = note_use(disk);
    return result >= 0 || error_set_errno(error, -result, "%s: cannot lock .lock", path);
}

/* Who is first locks exclusively, mends what there is to mend, and then shares the lock. */
static bool take_shared(struct disk *disk, const char *path, struct error *error)
{
    static const struct timespec pause = {.tv_nsec = WAIT_STEP_MS * 1000000L};

    for (unsigned waited_ms = 0; waited_ms < WAIT_MOST_S * 1000; waited_ms += WAIT_STEP_MS) {
        int result = lock_as(disk->lock_fd, F_WRLCK);

        disk->is_first = result >= 0;
        if (is_taken(result))
            result = lock_as(disk->lock_fd, F_RDLCK);
        if (result >= 0 && disk->is_first)
            result = note_use(disk);
        if (result >= 0)
            return true;
        if (!is_taken(result))
            return error_set_errno(error, -result, "%s: cannot lock .lock", path);
        if (is_used_alone(disk))
            return error_set(error, ERROR_BUSY,
                             "%s: a cutoutd that was started without -n uses this data directory",
                             path);
        (void)nanosleep(&pause, NULL);
    }
    return error_set(error, ERROR_BUSY, "%s: another cutoutd has been mending it for %d seconds",
                     path, WAIT_MOST_S);
}

/* The first half of the kernel's random id, which is a UUID. */
static uint64_t read_boot(void)
{
    enum { DIGITS = 16, DECIMAL = 10, BITS = 4 };
    char text[64] = "";
    uint64_t boot = 0;
    unsigned digits = 0;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd == -1)
        return 0;
    if (read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    (void)close(fd);
    for (const char *at = text; *at && digits < DIGITS; at++) {
        if (!isxdigit((unsigned char)*at))
            continue;
        unsigned digit = (unsigned)(isdigit((unsigned char)*at) ? *at - '0' : *at - 'a' + DECIMAL);
        boot = boot << BITS | digit;
        digits++;
    }
    return digits == DIGITS ? boot : 0;
}

static bool open_as(struct disk *disk, const char *path, bool is_shared, struct error *error)
{
    *disk = (struct disk){.calls = &real_calls,
                          .root_fd = -1,
                          .lock_fd = -1,
                          .journal = ".journal",
                          .is_shared = is_shared,
                          .boot = read_boot()};
    bool is_new = mkdir(path, DIRECTORY_MODE) == 0;
    if (!is_new && errno != EEXIST)
        return error_set_errno(error, errno, "%s: cannot make the data directory", path);
    disk->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk->root_fd == -1)
        return error_set_errno(error, errno, "%s: cannot open the data directory", path);
    /* All else is synced up to here: the name of the directory itself stands in its parent. */
    int result = is_new ? real_sync_directory(disk, "..") : 0;
    if (result < 0)
        return error_set_errno(error, -result, "%s: cannot sync the directory it is in", path);
    result = real_open(disk, ".lock", O_RDWR | O_CREAT);
    disk->lock_fd = result < 0 ? -1 : result;
    if (result < 0)
        return error_set_errno(error, -result, "%s: cannot open .lock", path);
    return is_shared ? take_shared(disk, path, error) : take_alone(disk, path, error);
}

bool disk_open(struct disk *disk, const char *path, struct error *error)
{
    if (open_as(disk, path, false, error))
        return true;
    disk_close(disk);
    return false;
}

bool disk_open_shared(struct disk *disk, const char *path, struct error *error)
{
    if (open_as(disk, path, true, error))
        return true;
    disk_close(disk);
    return false;
}

bool disk_admit(struct disk *disk, struct error *error)
{
    int result = disk->is_first ? lock_as(disk->lock_fd, F_RDLCK) : 0;

    disk->is_first = false;
    return result >= 0 || error_set_errno(error, -result, ".lock: cannot share the lock");
}

void disk_close(struct disk *disk)
{
    if (disk->lock_fd != -1)
        (void)close(disk->lock_fd);
    if (disk->root_fd != -1)
        (void)close(disk->root_fd);
    disk->lock_fd = disk->root_fd = -1;
}

static void put_name(struct file *file, const char *name)
{
    size_t length = strlen(name);
    size_t most = sizeof file->name - 1;

    if (length <= most)
        memcpy(file->name, name, length + 1);
    else
        (void)snprintf(file->name, sizeof file->name, "...%s", name + length - most + 3);
}

static bool fail(const struct file *file, const char *doing, int64_t result, struct error *error)
{
    return name_failure(file->name, doing, result, error);
}

bool file_open(struct file *file, struct disk *disk, const char *name, int flags,
               struct error *error)
{
    int fd;

    file->disk = disk;
    put_name(file, name);
    do
        fd = disk->calls->open(disk, name, flags);
    while (fd == -EINTR);
    file->fd = fd < 0 ? -1 : fd;
    return fd >= 0 || fail(file, "open it", fd, error);
}

void file_close(struct file *file)
{
    if (file->disk && file->fd != -1)
        (void)file->disk->calls->close(file->disk, file->fd);
    file->fd = -1;
}

bool file_read_at(struct file *file, void *data, size_t length, uint64_t offset,
                  struct error *error)
{
    for (size_t done = 0; done < length;) {
        ssize_t count = file->disk->calls->read_at(file->disk, file->fd, (char *)data + done,
                                                   length - done, offset + done);

        if (count == -EINTR)
            continue;
        if (count < 0)
            return fail(file, "read it", count, error);
        if (count == 0)
            return error_set(error, ERROR_DAMAGED, "%s: ends at byte %llu, %zu more are expected",
                             file->name, (unsigned long long)(offset + done), length - done);
        done += (size_t)count;
    }
    return true;
}

bool file_write_at(struct file *file, struct str text, uint64_t offset, struct error *error)
{
    for (size_t done = 0; done < text.length;) {
        ssize_t count = file->disk->calls->write_at(file->disk, file->fd, text.data + done,
                                                    text.length - done, offset + done);

        if (count == -EINTR)
            continue;
        if (count <= 0)
            return fail(file, "write it", count < 0 ? count : -ENOSPC, error);
        done += (size_t)count;
    }
    return true;
}

bool file_sync(struct file *file, struct error *error)
{
    int result = file->disk->calls->sync(file->disk, file->fd);

    return result >= 0 || fail(file, "sync it", result, error);
}

bool file_truncate(struct file *file, uint64_t length, struct error *error)
{
    int result;

    do
        result = file->disk->calls->truncate(file->disk, file->fd, length);
    while (result == -EINTR);
    return result >= 0 || fail(file, "cut it", result, error);
}

bool file_size(struct file *file, uint64_t *size, struct error *error)
{
    int64_t result = file->disk->calls->size(file->disk, file->fd);

    *size = result < 0 ? 0 : (uint64_t)result;
    return result >= 0 || fail(file, "ask for its size", result, error);
}

bool file_lock(struct file *file, struct error *error)
{
    int result = file->disk->calls->lock(file->disk, file->fd);

    if (result == -EAGAIN || result == -EACCES)
        return error_set(error, ERROR_BUSY, "%s: another process has locked it", file->name);
    return result >= 0 || fail(file, "lock it", result, error);
}

bool file_modified(struct file *file, int64_t *unix_seconds, struct error *error)
{
    int64_t result = file->disk->calls->modified(file->disk, file->fd);

    *unix_seconds = result < 0 ? 0 : result;
    return result >= 0 || fail(file, "ask for its time", result, error);
}

bool disk_read_file(struct disk *disk, const char *name, size_t most, struct buf *content,
                    struct error *error)
{
    struct file file = {0};
    uint64_t size = 0;

    buf_reset(content);
    bool ok = file_open(&file, disk, name, O_RDONLY, error) && file_size(&file, &size, error);
    if (ok && size > most)
        ok = error_set(error, ERROR_DAMAGED, "%s: has %llu bytes, at most %zu are expected", name,
                       (unsigned long long)size, most);
    if (ok) {
        char *to = buf_reserve(content, (size_t)size);

        ok = buf_ok(content, error) && file_read_at(&file, to, (size_t)size, 0, error);
        if (ok)
            buf_grow(content, (size_t)size);
    }
    file_close(&file);
    return ok;
}

bool disk_rename(struct disk *disk, const char *from, const char *to, struct error *error)
{
    int result = disk->calls->rename(disk, from, to);

    return result >= 0 || name_failure(to, "put it in place", result, error);
}

bool disk_replace_file(struct disk *disk, const char *name, struct str content, bool synced,
                       struct error *error)
{
    struct file file = {0};
    char fresh[NAME_SIZE];

    if (snprintf(fresh, sizeof fresh, "%s.new", name) >= (int)sizeof fresh)
        return error_set(error, ERROR_IO, "%s: the name is too long", name);
    bool ok = file_open(&file, disk, fresh, O_WRONLY | O_CREAT | O_TRUNC, error) &&
              file_write_at(&file, content, 0, error) && (!synced || file_sync(&file, error));
    file_close(&file);
    ok = ok && disk_rename(disk, fresh, name, error);
    if (!ok)
        (void)disk->calls->unlink(disk, fresh); /* a full disk needs the room */
    return ok;
}

bool disk_unlink(struct disk *disk, const char *name, struct error *error)
{
    int result = disk->calls->unlink(disk, name);

    return result >= 0 || result == -ENOENT || name_failure(name, "remove it", result, error);
}

bool disk_make_directory(struct disk *disk, const char *name, struct error *error)
{
    int result = disk->calls->make_directory(disk, name);

    return result >= 0 || result == -EEXIST || name_failure(name, "make it", result, error);
}

bool disk_sync_directory(struct disk *disk, const char *name, struct error *error)
{
    int result = disk->calls->sync_directory(disk, name);

    return result >= 0 || name_failure(name, "sync it", result, error);
}

bool disk_list(struct disk *disk, const char *name, struct buf *names, struct error *error)
{
    int result = disk->calls->list(disk, name, names);

    if (result < 0 && result != -ENOENT)
        return name_failure(name, "list it", result, error);
    return buf_ok(names, error);
}
