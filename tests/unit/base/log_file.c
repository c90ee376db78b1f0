#include "base/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <check.h>

static char directory[64];

char log_file_path[96], log_file_old_path[96];
struct timespec log_file_time;
size_t log_file_longest_write;

/* What the next calls of write do, instead of asking the kernel for all of it: at most so many
 * bytes (0: all), or fail with an errno. */
static struct {
    struct {
        size_t most;
        int errnum;
    } steps[4];
    size_t step, count;
} script;

/* Stands before the one of the C library, for all of this program. A parameter of the log would do,
 * but the log is global so that it works when nothing else does, and has nobody to give it one. */
ssize_t write(int fd, const void *data, size_t length)
{
    if (length > log_file_longest_write)
        log_file_longest_write = length;
    if (script.step < script.count) {
        size_t i = script.step++;

        if (script.steps[i].errnum) {
            errno = script.steps[i].errnum;
            return -1;
        }
        if (script.steps[i].most > 0 && script.steps[i].most < length)
            length = script.steps[i].most;
    }
    return syscall(SYS_write, fd, data, length);
}

/* Likewise. Check measures tests by the other clocks. */
int clock_gettime(clockid_t id, struct timespec *time)
{
    if (log_file_time.tv_sec == 0 || id != CLOCK_REALTIME)
        return (int)syscall(SYS_clock_gettime, id, time);
    *time = log_file_time;
    return 0;
}

void log_file_expect_short(size_t most)
{
    script.steps[script.count++].most = most;
}

void log_file_expect_failure(int errnum)
{
    script.steps[script.count++].errnum = errnum;
}

void log_file_set_up(void)
{
    (void)snprintf(directory, sizeof directory, "/tmp/test_log_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(log_file_path, sizeof log_file_path, "%s/log", directory);
    (void)snprintf(log_file_old_path, sizeof log_file_old_path, "%s/old", directory);
}

void log_file_tear_down(void)
{
    log_close();
    log_file_time = (struct timespec){0};
    (void)unlink(log_file_path);
    (void)unlink(log_file_old_path);
    (void)rmdir(directory);
}

void log_file_open(enum log_level level, enum log_format format)
{
    struct error error;

    if (!log_open(log_file_path, level, format, &error))
        ck_abort_msg("%s", error.message);
}

const char *log_file_read(const char *name)
{
    static char content[100000];
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t count;

    ck_assert_int_ne(fd, -1);
    count = read(fd, content, sizeof content - 1);
    ck_assert_int_ge(count, 0);
    content[count] = '\0';
    (void)close(fd);
    return content;
}

struct str log_file_find_line(const char *content, int index)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
    struct str rest = str_of(content), line = {0};

    for (int i = 0; i <= index; i++)
        ck_assert(str_split(&rest, '\n', &line));
    ck_assert_uint_gt(line.length, LOG_FILE_STAMP_LENGTH);
    for (size_t i = 0; i < sizeof shape - 1; i++) {
        if (shape[i] == 'd')
            ck_assert(line.data[i] >= '0' && line.data[i] <= '9');
        else
            ck_assert_int_eq(line.data[i], shape[i]);
    }
    return str_slice(line, LOG_FILE_STAMP_LENGTH + 1, line.length);
}

void log_file_assert_line(const char *content, int index, const char *expected)
{
    struct str line = log_file_find_line(content, index);

    if (!str_equals(line, str_of(expected)))
        ck_abort_msg("\"%.*s\" is not \"%s\"", STR_ARG(line), expected);
}

int log_file_count_lines(const char *content)
{
    int lines = 0;

    for (; *content; content++)
        lines += *content == '\n';
    return lines;
}

int log_file_make_stderr_a_pipe(int flags)
{
    int ends[2];

    ck_assert_int_eq(pipe2(ends, flags), 0);
    ck_assert_int_gt(fcntl(ends[1], F_SETPIPE_SZ, 4096), 0);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    (void)close(ends[1]);
    return ends[0];
}

const char *log_file_read_pipe(int fd)
{
    static char content[100000];
    ssize_t count = read(fd, content, sizeof content - 1);

    ck_assert_int_gt(count, 0);
    content[count] = '\0';
    return content;
}

size_t log_file_count_expected(void)
{
    return script.count - script.step;
}
