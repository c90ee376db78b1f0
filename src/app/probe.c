#include "app/probe.h"

#include "base/clock.h"
#include "store/journal.h"
#include "store/news.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ANSWER_MOST_MS = 10000, /* that another process may take */
    MEASURE_MS = 1000,      /* per size of group */
    SAMPLES_MOST = 20000,
    APPEND_SIZE = 600, /* of an object of 500 bytes, with its index entry and more */
    SYNC_LEAST_US = 20,
    SLOW_SYNC_US = 20000,
    ROOM_LEAST_MB = 1024,
    FILES_LEAST = 100000,
    DESCRIPTORS_LEAST = 4096,
    US_PER_S = 1000000,
    US_PER_MS = 1000,
};

static void find(struct probe_finding *finding, enum probe_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void find(struct probe_finding *finding, enum probe_verdict verdict, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(finding->text, sizeof finding->text, format, args);
    va_end(args);
    finding->verdict = verdict;
}

/* --- File system ------------------------------------------------------------------------------ */

/* linux/magic.h, and what each brings along. */
static const struct probe_file_system file_systems[] = {
    {.magic = 0xef53, .name = "ext4"},
    {.magic = 0x58465342, .name = "XFS"},
    {.magic = 0x9123683e, .name = "Btrfs"},
    {.magic = 0x2fc12fc1, .name = "ZFS"},
    {.magic = 0xf2f52010, .name = "F2FS"},
    {.magic = 0xca451a4e, .name = "bcachefs"},
    {.magic = 0x01021994, .name = "tmpfs", .is_memory = true},
    {.magic = 0x858458f6, .name = "ramfs", .is_memory = true},
    {.magic = 0x794c7630, .name = "overlayfs", .is_layered = true},
    {.magic = 0x65735546, .name = "FUSE", .is_layered = true},
    {.magic = 0x6969, .name = "NFS", .is_remote = true},
    {.magic = 0x517b, .name = "SMB", .is_remote = true},
    {.magic = 0xfe534d42, .name = "SMB2", .is_remote = true},
    {.magic = 0xff534d42, .name = "CIFS", .is_remote = true},
    {.magic = 0x01021997, .name = "9P", .is_remote = true},
    {.magic = 0x00c36400, .name = "Ceph", .is_remote = true},
    {.magic = 0x5346414f, .name = "AFS", .is_remote = true},
    {.magic = 0x0bd00bd0, .name = "Lustre", .is_remote = true},
    {.magic = 0x01161970, .name = "GFS2", .is_remote = true},
    {.magic = 0x7461636f, .name = "OCFS2", .is_remote = true},
};

const struct probe_file_system *probe_find_file_system(uint64_t magic)
{
    for (size_t i = 0; i < sizeof file_systems / sizeof *file_systems; i++) {
        if (file_systems[i].magic == magic)
            return &file_systems[i];
    }
    return NULL;
}

void probe_judge_file_system(uint64_t magic, struct probe_finding *finding)
{
    const struct probe_file_system *found = probe_find_file_system(magic);

    if (!found)
        find(finding, PROBE_WARNING, "type 0x%" PRIx64 ", of which nothing is known here", magic);
    else if (found->is_remote)
        find(finding, PROBE_FAILED,
             "%s: over a network locks and what other machines have cached are not to be relied "
             "on; use a disk of this machine",
             found->name);
    else if (found->is_memory)
        find(finding, PROBE_WARNING, "%s: all is gone when the machine restarts", found->name);
    else if (found->is_layered)
        find(finding, PROBE_WARNING,
             "%s: what lies below it decides; in a container, give the data a volume", found->name);
    else
        find(finding, PROBE_OK, "%s", found->name);
}

static void check_file_system(struct probe *probe, struct probe_finding *finding)
{
    struct statfs info;

    if (statfs(probe->scratch, &info) != 0) {
        find(finding, PROBE_FAILED, "cannot be asked for: %s", strerror(errno));
        return;
    }
    uint64_t magic = (uint64_t)info.f_type & UINT32_MAX;
    const struct probe_file_system *found = probe_find_file_system(magic);
    probe->is_memory = found && found->is_memory;
    probe_judge_file_system(magic, finding);
}

static void check_room(struct probe *probe, struct probe_finding *finding)
{
    struct statvfs info;

    if (statvfs(probe->scratch, &info) != 0) {
        find(finding, PROBE_FAILED, "cannot be asked for: %s", strerror(errno));
        return;
    }
    uint64_t megabytes = (uint64_t)info.f_bavail * info.f_frsize >> 20;
    bool counts_files = info.f_files > 0;
    bool is_short = megabytes < ROOM_LEAST_MB || (counts_files && info.f_favail < FILES_LEAST);
    char files[64] = "";
    if (counts_files) /* some file systems have no limit */
        (void)snprintf(files, sizeof files, " and %" PRIu64 " files", (uint64_t)info.f_favail);
    find(finding, is_short ? PROBE_WARNING : PROBE_OK, "%" PRIu64 " MB%s are free%s", megabytes,
         files, is_short ? "; a collection takes four files and 16 KB at least" : "");
}

/* --- Files ------------------------------------------------------------------------------------ */

static bool use_files(struct disk *disk, struct error *error)
{
    struct buf content = {0};
    struct file file = {0};
    uint64_t size = 0;

    bool ok = disk_make_directory(disk, "directory", error) &&
              disk_replace_file(disk, "directory/file", STR("first"), true, error) &&
              disk_replace_file(disk, "directory/file", STR("second"), true, error) &&
              disk_sync_directory(disk, "directory", error) &&
              disk_read_file(disk, "directory/file", 64, &content, error) &&
              file_open(&file, disk, "directory/file", O_RDWR, error) &&
              file_write_at(&file, STR("third"), 4096, error) &&
              file_truncate(&file, 4098, error) && file_sync(&file, error) &&
              file_size(&file, &size, error) && disk_unlink(disk, "directory/file", error);
    if (ok && (!str_equals(buf_str(&content), STR("second")) || size != 4098))
        ok = error_set(error, ERROR_IO, "what was written is not what is read");
    file_close(&file);
    buf_clear(&content);
    return ok;
}

static bool open_disk(const struct probe *probe, struct disk *disk, bool is_shared,
                      struct error *error)
{
    char path[sizeof probe->scratch + 8];

    (void)snprintf(path, sizeof path, "%s/data", probe->scratch);
    return is_shared ? disk_open_shared(disk, path, error) : disk_open(disk, path, error);
}

static void check_files(struct probe *probe, struct probe_finding *finding)
{
    struct disk disk = {.lock_fd = -1, .root_fd = -1};
    struct error error;

    if (open_disk(probe, &disk, false, &error) && use_files(&disk, &error))
        find(finding, PROBE_OK, "are written, cut, renamed and synced, directories too");
    else
        find(finding, PROBE_FAILED, "%s", error.message);
    disk_close(&disk);
}

/* --- Another process -------------------------------------------------------------------------- */

/* One that does something, says 'y' or 'n', and then waits to be killed, or for our end. */
struct other {
    pid_t pid;
    int answer_fd, life_fd;
};

static void be_other(const struct probe *probe, bool (*act)(const struct probe *probe),
                     const int answer[2], const int life[2])
{
    char answer_text = act(probe) ? 'y' : 'n', end;

    (void)close(life[1]);
    if (write(answer[1], &answer_text, 1) == 1)
        (void)!read(life[0], &end, 1);
    _exit(0);
}

static bool start_other(struct other *other, const struct probe *probe,
                        bool (*act)(const struct probe *probe), struct error *error)
{
    int answer[2], life[2];

    *other = (struct other){.pid = -1, .answer_fd = -1, .life_fd = -1};
    if (pipe(answer) != 0)
        return error_set_errno(error, errno, "cannot make a pipe");
    if (pipe(life) != 0) {
        error_set_errno(error, errno, "cannot make a pipe");
        (void)close(answer[0]);
        (void)close(answer[1]);
        return false;
    }
    other->pid = fork();
    if (other->pid == 0)
        be_other(probe, act, answer, life);
    if (other->pid == -1)
        error_set_errno(error, errno, "cannot start another process");
    (void)close(answer[1]);
    (void)close(life[0]);
    other->answer_fd = answer[0];
    other->life_fd = life[1];
    return other->pid != -1;
}

static char ask_other(const struct other *other)
{
    struct pollfd wait = {.fd = other->answer_fd, .events = POLLIN};
    char answer = 'n';

    if (other->pid == -1 || poll(&wait, 1, ANSWER_MOST_MS) != 1 ||
        read(other->answer_fd, &answer, 1) != 1)
        return '?';
    return answer;
}

static void kill_other(struct other *other)
{
    if (other->pid > 0) {
        (void)kill(other->pid, SIGKILL);
        (void)waitpid(other->pid, NULL, 0);
    }
    if (other->answer_fd != -1)
        (void)close(other->answer_fd);
    if (other->life_fd != -1)
        (void)close(other->life_fd);
}

/* --- Locks ------------------------------------------------------------------------------------ */

/* The descriptors that a child inherits hold the parent's locks, and these it must not use. */
static bool take_data(const struct probe *probe)
{
    static struct disk disk; /* open until the process ends */
    struct error error;

    return open_disk(probe, &disk, false, &error);
}

static bool find_data_locked(const struct probe *probe)
{
    struct disk disk = {.lock_fd = -1, .root_fd = -1};
    struct error error;
    bool is_locked = !open_disk(probe, &disk, false, &error) && error.code == ERROR_BUSY;

    disk_close(&disk);
    return is_locked;
}

static bool ask_whether_locked(const struct probe *probe, struct error *error)
{
    struct disk disk = {.lock_fd = -1, .root_fd = -1};
    struct other other;

    if (!open_disk(probe, &disk, false, error)) {
        disk_close(&disk);
        return false;
    }
    bool ok = start_other(&other, probe, find_data_locked, error);
    if (ok && !find_data_locked(probe))
        ok = error_set(error, ERROR_IO, "one process gets the same lock twice");
    if (ok && ask_other(&other) != 'y')
        ok = error_set(error, ERROR_IO, "two processes get the same lock at once");
    kill_other(&other);
    disk_close(&disk);
    return ok;
}

/* With the process its lock goes, however it ends. */
static bool see_lock_go(const struct probe *probe, struct error *error)
{
    struct disk disk = {.lock_fd = -1, .root_fd = -1};
    struct other other;
    bool ok = start_other(&other, probe, take_data, error);

    if (ok && ask_other(&other) != 'y')
        ok = error_set(error, ERROR_IO, "another process does not get a lock that is free");
    if (ok && !find_data_locked(probe))
        ok = error_set(error, ERROR_IO, "the lock of another process does not hold");
    kill_other(&other);
    ok = ok && open_disk(probe, &disk, false, error);
    disk_close(&disk);
    return ok;
}

static void check_locks(struct probe *probe, struct probe_finding *finding)
{
    struct error error;

    if (ask_whether_locked(probe, &error) && see_lock_go(probe, &error))
        find(finding, PROBE_OK, "hold between processes, and go with a process that is killed");
    else
        find(finding, PROBE_FAILED, "%s", error.message);
}

/* --- Several servers -------------------------------------------------------------------------- */

static bool tell_news(const struct probe *probe)
{
    static struct disk disk;
    static struct place place;
    static struct news news;
    struct error error;

    if (!open_disk(probe, &disk, true, &error) || !place_take(&place, &disk, &error) ||
        !news_open(&news, &disk, &place, &error))
        return false;
    (void)news_tell(&news, "collection");
    news_wake_others(&news);
    return true;
}

static bool hear_news(const struct probe *probe, struct news *news, struct error *error)
{
    struct pollfd woken = {.fd = news->socket_fd, .events = POLLIN};
    uint64_t before = news_read(news, "collection");
    struct other other;

    news_wait(news);
    bool ok = start_other(&other, probe, tell_news, error);
    if (ok && ask_other(&other) != 'y')
        ok = error_set(error, ERROR_IO, "a second server cannot open the directory");
    if (ok && news_read(news, "collection") == before)
        ok = error_set(error, ERROR_IO, "memory mapped by two processes is not the same");
    if (ok && poll(&woken, 1, 0) != 1)
        ok = error_set(error, ERROR_IO, "a datagram to another process does not arrive");
    kill_other(&other);
    return ok;
}

static void check_several(struct probe *probe, struct probe_finding *finding)
{
    struct disk disk = {.lock_fd = -1, .root_fd = -1};
    struct place place = {0};
    struct news news = {.socket_fd = -1};
    struct error error;

    if (open_disk(probe, &disk, true, &error) && disk_admit(&disk, &error) &&
        place_take(&place, &disk, &error) && news_open(&news, &disk, &place, &error) &&
        hear_news(probe, &news, &error))
        find(finding, PROBE_OK, "can share it (-n): memory and sockets go between processes");
    else
        find(finding, PROBE_FAILED, "%s", error.message);
    news_close(&news);
    place_release(&place);
    disk_close(&disk);
}

static void check_descriptors(struct probe *probe, struct probe_finding *finding)
{
    struct rlimit limit;

    (void)probe;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        find(finding, PROBE_FAILED, "cannot be asked for: %s", strerror(errno));
    else if (limit.rlim_max == RLIM_INFINITY)
        find(finding, PROBE_OK, "no limit");
    else if (limit.rlim_max < DESCRIPTORS_LEAST)
        find(finding, PROBE_WARNING,
             "%" PRIu64 " at most, and each connection is one: raise LimitNOFILE or ulimit -n",
             (uint64_t)limit.rlim_max);
    else
        find(finding, PROBE_OK, "%" PRIu64, (uint64_t)limit.rlim_max);
}

/* --- Syncs ------------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
    const uint64_t *first = a, *second = b;

    return (*first > *second) - (*first < *second);
}

void probe_sum_up(struct probe_latency *latency, uint64_t *samples_us)
{
    size_t count = latency->samples;
    uint64_t total_us = 0;

    qsort(samples_us, count, sizeof *samples_us, compare);
    for (size_t i = 0; i < count; i++)
        total_us += samples_us[i];
    latency->median_us = samples_us[count / 2];
    latency->p99_us = samples_us[count * 99 / 100];
    latency->most_us = samples_us[count - 1];
    latency->appends_per_second =
        total_us > 0 ? (uint64_t)count * latency->appends * US_PER_S / total_us : 0;
}

void probe_judge_latency(const struct probe_latency *latency, bool is_memory,
                         struct probe_finding *finding)
{
    char figures[120];

    (void)snprintf(figures, sizeof figures,
                   "median %.3f ms, 99 %% %.3f ms, most %.3f ms (%u times)",
                   (double)latency->median_us / US_PER_MS, (double)latency->p99_us / US_PER_MS,
                   (double)latency->most_us / US_PER_MS, latency->samples);
    if (latency->median_us < SYNC_LEAST_US && !is_memory)
        find(finding, PROBE_WARNING,
             "%s: no disk is that fast; it may say that it has what it has not", figures);
    else if (latency->median_us > SLOW_SYNC_US)
        find(finding, PROBE_WARNING, "%s: a slow disk; each append waits for that", figures);
    else
        find(finding, PROBE_OK, "%s", figures);
}

static bool measure_group(struct probe *probe, struct journal *journal,
                          struct probe_latency *latency, uint64_t *samples_us, struct error *error)
{
    uint64_t end_us = clock_monotonic_us() + (uint64_t)MEASURE_MS * US_PER_MS, now_us;
    char append[APPEND_SIZE];
    bool ok = true;

    memset(append, 'x', sizeof append);
    do {
        struct journal_group group = {0};

        for (unsigned i = 0; i < latency->appends; i++)
            journal_group_add(&group, JOURNAL_BATCH, (struct str){append, sizeof append});
        uint64_t start_us = clock_monotonic_us();
        ok = journal_write(journal, &group, error);
        journal_group_clear(&group);
        now_us = clock_monotonic_us();
        samples_us[latency->samples++] = now_us - start_us;
    } while (ok && now_us < end_us && latency->samples < SAMPLES_MOST && !*probe->stopped);
    if (ok)
        probe_sum_up(latency, samples_us);
    return ok;
}

static bool measure(struct probe *probe, struct disk *disk, struct error *error)
{
    static const unsigned appends[PROBE_GROUPS] = {1, 64, 256};
    uint64_t *samples_us = calloc(SAMPLES_MOST, sizeof *samples_us);
    struct journal journal = {0};

    if (!samples_us)
        return error_set(error, ERROR_NO_MEMORY, "out of memory");
    bool ok = journal_open(&journal, disk, error);
    for (size_t i = 0; ok && i < PROBE_GROUPS; i++) {
        probe->latencies[i] = (struct probe_latency){.appends = appends[i]};
        ok = measure_group(probe, &journal, &probe->latencies[i], samples_us, error);
    }
    journal_close(&journal);
    free(samples_us);
    return ok;
}

static void check_syncs(struct probe *probe, struct probe_finding *finding)
{
    struct disk disk = {.lock_fd = -1, .root_fd = -1};
    struct error error;

    if (open_disk(probe, &disk, false, &error) && measure(probe, &disk, &error))
        probe_judge_latency(&probe->latencies[0], probe->is_memory, finding);
    else
        find(finding, PROBE_FAILED, "%s", error.message);
    disk_close(&disk);
}

/* --- All of them ------------------------------------------------------------------------------ */

const struct probe_check probe_checks[] = {
    {.name = "file system", .run = check_file_system},
    {.name = "room", .run = check_room},
    {.name = "files", .run = check_files},
    {.name = "locks", .run = check_locks},
    {.name = "several servers", .run = check_several},
    {.name = "open files", .run = check_descriptors},
    {.name = "syncs", .run = check_syncs, .only_if_fit = true},
    {.name = NULL},
};

bool probe_open(struct probe *probe, const char *path, volatile const int *stopped,
                struct error *error)
{
    *probe = (struct probe){.path = path, .stopped = stopped};
    int length = snprintf(probe->scratch, sizeof probe->scratch, "%s/.self-test-XXXXXX", path);
    bool fits = length > 0 && (size_t)length < sizeof probe->scratch;

    if (fits && mkdtemp(probe->scratch))
        return true;
    error_set_errno(error, fits ? errno : ENAMETOOLONG, "%s: cannot make a directory in it", path);
    probe->scratch[0] = '\0';
    return false;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

bool probe_close(struct probe *probe, struct error *error)
{
    enum { DESCRIPTORS = 16 };

    if (!probe->scratch[0])
        return true;
    bool ok = nftw(probe->scratch, remove_one, DESCRIPTORS, FTW_DEPTH | FTW_PHYS) == 0 ||
              error_set_errno(error, errno, "%s: cannot remove it", probe->scratch);
    probe->scratch[0] = '\0';
    return ok;
}
