/* disk.h - every system call that touches a file of the data directory goes through here.
 *
 * store/ is the floor-1 room of files: databases, journal, collections. It knows nothing of the
 * loop, of requests or of HTTP, and links alone into tools, tests and fuzzers. Its functions block;
 * what may stall is called on helper threads only (each function says so).
 *
 * The room calls the functions below; they loop over short reads and writes and EINTR, and name the
 * file in errors. What carries them out is a table: the real calls, or a simulated disk that
 * fails, tears and loses power on demand (tests/unit/store/simdisk.h). There is no second build of
 * the program for tests.
 *
 * Names are relative to the data directory. Files are made 0600, directories 0700, descriptors are
 * close-on-exec, and no symbolic link is followed in the last component. */
#ifndef STORE_DISK_H
#define STORE_DISK_H

#include "base/buf.h"
#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

enum { DISK_JOURNAL_SIZE = 24 };

struct disk;

/* Like the system calls of the same name, but they return -errno instead of setting errno. */
struct disk_calls {
    int (*open)(struct disk *disk, const char *name, int flags);
    int (*close)(struct disk *disk, int fd);
    ssize_t (*read_at)(struct disk *disk, int fd, void *data, size_t length, uint64_t offset);
    ssize_t (*write_at)(struct disk *disk, int fd, const void *data, size_t length,
                        uint64_t offset);
    int (*truncate)(struct disk *disk, int fd, uint64_t length);
    int (*sync)(struct disk *disk, int fd); /* data, and what is needed to find it again */
    int64_t (*size)(struct disk *disk, int fd);
    int64_t (*modified)(struct disk *disk, int fd); /* time of last write, unix seconds */
    int (*rename)(struct disk *disk, const char *from, const char *to);
    int (*unlink)(struct disk *disk, const char *name);
    int (*make_directory)(struct disk *disk, const char *name);
    int (*sync_directory)(struct disk *disk, const char *name);
    /* Appends the names in a directory, each ended by NUL, in no order, without "." and "..". */
    int (*list)(struct disk *disk, const char *name, struct buf *names);
    int (*lock)(struct disk *disk, int fd); /* exclusive, without waiting; -EAGAIN: taken */
};

struct disk {
    const struct disk_calls *calls;
    int root_fd;                     /* the data directory; -1: not open. The real calls only. */
    int lock_fd;                     /* holds the lock on the data directory; -1: none */
    char journal[DISK_JOURNAL_SIZE]; /* this process's directory of segments; see place.h */
    bool is_shared;  /* with other servers, each of which locks what it writes; see lock.h */
    bool is_first;   /* shared, but nobody else is let in yet: what a crash left can be mended */
    uint64_t boot;   /* this time up of the machine; 0: not known */
    uint64_t losses; /* losses_read */
};

struct file {
    struct disk *disk; /* NULL: never opened */
    int fd;            /* -1: not open */
    char name[160];    /* for messages; long names lose their front */
};

/* Opens the data directory, making it if it is not there (not its parents), and takes the lock
 * that says one server uses it (".lock"): ERROR_BUSY if another does. Blocks; at start only. */
MUST_CHECK bool disk_open(struct disk *disk, const char *path, struct error *error);

/* The same for one of several servers. The first of them has the directory for itself (is_first)
 * until it calls disk_admit; others wait for that, for a minute at most. ERROR_BUSY then, and
 * if a server uses the directory alone. */
MUST_CHECK bool disk_open_shared(struct disk *disk, const char *path, struct error *error);
MUST_CHECK bool disk_admit(struct disk *disk, struct error *error);

/* Opens a data directory that is there, without the lock, also beside a server: whatever would
 * change something fails. */
MUST_CHECK bool disk_open_to_read(struct disk *disk, const char *path, struct error *error);
void disk_close(
    struct disk *disk); /* harmless twice, not on all-zero: lock_fd and root_fd are -1 */

/* flags as of open(2): O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC. ERROR_NOT_FOUND if it is not
 * there. */
MUST_CHECK bool file_open(struct file *file, struct disk *disk, const char *name, int flags,
                          struct error *error);
void file_close(struct file *file); /* harmless on what is not open and on all-zero */

/* Exactly length bytes; a file that ends earlier is ERROR_DAMAGED. */
MUST_CHECK bool file_read_at(struct file *file, void *data, size_t length, uint64_t offset,
                             struct error *error);

/* All of text. After a failure any part of it may be in the file. */
MUST_CHECK bool file_write_at(struct file *file, struct str text, uint64_t offset,
                              struct error *error);

/* Helper threads only. After a failure what is on disk is unknown: give the file up, never try
 * again as if it could still work. */
MUST_CHECK bool file_sync(struct file *file, struct error *error);
MUST_CHECK bool file_truncate(struct file *file, uint64_t length, struct error *error);
MUST_CHECK bool file_size(struct file *file, uint64_t *size, struct error *error);

/* Locks it for this open file, exclusively and without waiting, until it is closed. ERROR_BUSY if
 * another holds it. A lock of the open file description: unlike those of POSIX it does not vanish
 * when some other descriptor of the file is closed. */
MUST_CHECK bool file_lock(struct file *file, struct error *error);

/* When it was last written, unix seconds; for people to look at, never for decisions. */
MUST_CHECK bool file_modified(struct file *file, int64_t *unix_seconds, struct error *error);

/* Reads a whole small file into content (replaced); longer than most is ERROR_DAMAGED. */
MUST_CHECK bool disk_read_file(struct disk *disk, const char *name, size_t most,
                               struct buf *content, struct error *error);

/* Helper threads only: writes name.new, syncs it if asked, renames it over name. Does not sync the
 * directory. */
MUST_CHECK bool disk_replace_file(struct disk *disk, const char *name, struct str content,
                                  bool synced, struct error *error);

/* Helper threads only. Replaces what has the new name. Does not sync the directory. */
MUST_CHECK bool disk_rename(struct disk *disk, const char *from, const char *to,
                            struct error *error);

/* Helper threads only. Missing things are no error for unlink, existing ones none for
 * make_directory. */
MUST_CHECK bool disk_unlink(struct disk *disk, const char *name, struct error *error);
MUST_CHECK bool disk_make_directory(struct disk *disk, const char *name, struct error *error);
MUST_CHECK bool disk_sync_directory(struct disk *disk, const char *name, struct error *error);

/* Names as in disk_calls.list; a directory that is not there gives none. */
MUST_CHECK bool disk_list(struct disk *disk, const char *name, struct buf *names,
                          struct error *error);

#endif
