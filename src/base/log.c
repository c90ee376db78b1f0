#include "base/log.h"

#include "base/json_write.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    GATHER_MOST = 32768, /* bytes that wait for the end of a turn */
    LINE_MOST = 2048,    /* bytes of a formatted text; a longer one is cut */
};

/* The one global of the program: a failure anywhere may have to be said when nothing else works. */
static struct {
    int fd;
    char *path; /* NULL: stderr */
    enum log_level level;
    enum log_format format;
    struct buf pending;
    uint64_t pending_lines, lost;
    bool begun; /* the first pending line is the end of one whose beginning is written */
    time_t stamp_second;
    char stamp[24]; /* "2026-11-23T05:09:04" of stamp_second */
} state = {.fd = STDERR_FILENO, .level = LOG_NOTICE};

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
    [LOG_INFO] = "info",   [LOG_DEBUG] = "debug",
};

/* O_NONBLOCK is for named pipes, which would wait for a reader. */
static int open_path(const char *path, struct error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);

    if (fd == -1)
        error_set_errno(error, errno, "cannot open the log %s", path);
    return fd;
}

static void lose_pending(void)
{
    state.lost += state.pending_lines;
    state.pending_lines = 0;
    state.begun = false;
    buf_reset(&state.pending);
}

/* Half a line does not go on in another file. */
static void leave_file(void)
{
    log_flush();
    lose_pending();
    if (state.fd != STDERR_FILENO)
        (void)close(state.fd);
    state.fd = STDERR_FILENO;
}

bool log_open(const char *path, enum log_level level, enum log_format format, struct error *error)
{
    char *copy = path ? buf_copy_text(str_of(path)) : NULL;
    int fd = STDERR_FILENO;

    if (path && !copy)
        return error_set(error, ERROR_NO_MEMORY, "out of memory for the log");
    if (path)
        fd = open_path(path, error);
    if (fd == -1) {
        free(copy);
        return false;
    }
    leave_file();
    free(state.path);
    state.fd = fd;
    state.path = copy;
    state.level = level;
    state.format = format;
    return true;
}

bool log_reopen(struct error *error)
{
    if (!state.path)
        return true;
    int fd = open_path(state.path, error);
    if (fd == -1)
        return false;
    leave_file();
    state.fd = fd;
    return true;
}

void log_close(void)
{
    leave_file();
    free(state.path);
    state.path = NULL;
    buf_clear(&state.pending);
}

bool log_wants(enum log_level level)
{
    return level <= state.level;
}

enum log_format log_current_format(void)
{
    return state.format;
}

/* The second's text is made once a second. */
static void put_time(struct buf *out)
{
    struct timespec now;
    struct tm parts;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != state.stamp_second && gmtime_r(&now.tv_sec, &parts)) {
        (void)strftime(state.stamp, sizeof state.stamp, "%Y-%m-%dT%H:%M:%S", &parts);
        state.stamp_second = now.tv_sec;
    }
    buf_append_text(out, state.stamp);
    char milliseconds[] = {'.', (char)('0' + now.tv_nsec / 100000000),
                           (char)('0' + now.tv_nsec / 10000000 % 10),
                           (char)('0' + now.tv_nsec / 1000000 % 10), 'Z'};
    buf_append(out, (struct str){milliseconds, sizeof milliseconds});
}

static void put_line(enum log_level level, struct str text)
{
    struct buf *out = &state.pending;

    if (state.format == LOG_JSON) {
        buf_append(out, STR("{\"time\":\""));
        put_time(out);
        buf_append(out, STR("\",\"level\":\""));
        buf_append_text(out, level_names[level]);
        buf_append(out, STR("\","));
        buf_append(out, text);
        buf_append(out, STR("}\n"));
    } else {
        put_time(out);
        buf_append_byte(out, ' ');
        buf_append_text(out, level_names[level]);
        buf_append_byte(out, ' ');
        buf_append(out, text);
        buf_append_byte(out, '\n');
    }
    state.pending_lines++;
    if (out->failed)
        lose_pending();
    if (level <= LOG_WARNING || out->length >= GATHER_MOST)
        log_flush();
}

/* Nobody can begin a line of his own, or paint the terminal. */
static void put_escaped(struct str text, struct buf *out)
{
    size_t done = 0; /* what stands before it is in out */

    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (byte >= 0x20 && byte != 0x7f)
            continue;
        buf_append(out, str_slice(text, done, i - done));
        buf_append_format(out, "\\x%02x", byte);
        done = i + 1;
    }
    buf_append(out, str_slice(text, done, text.length - done));
}

void log_write(enum log_level level, const char *format, ...)
{
    char text[LINE_MOST];
    struct buf line = {0};
    va_list args;

    if (!log_wants(level))
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct str whole = utf8_trim(str_of(text));
    if (state.format == LOG_JSON) {
        buf_append(&line, STR("\"message\":"));
        json_write_string(&line, whole);
    } else {
        put_escaped(whole, &line);
    }
    if (line.failed)
        state.lost++;
    else
        put_line(level, buf_str(&line));
    buf_clear(&line);
}

/* Members of a JSON object are escaped already; what is for people holds what strangers sent. */
void log_write_members(enum log_level level, struct str members)
{
    struct buf line = {0};

    if (!log_wants(level))
        return;
    if (state.format == LOG_JSON) {
        put_line(level, members);
        return;
    }
    put_escaped(members, &line);
    if (line.failed)
        state.lost++;
    else
        put_line(level, buf_str(&line));
    buf_clear(&line);
}

/* How much of text goes in one call: as many whole lines as a pipe takes at once, so that neither
 * other writers get between them nor a pipe that has room makes us wait for more of it. */
static size_t portion_of(struct str text)
{
    if (text.length <= PIPE_BUF)
        return text.length;
    const char *last = memrchr(text.data, '\n', PIPE_BUF);
    return last ? (size_t)(last - text.data) + 1 : PIPE_BUF;
}

/* 0: not now. stderr belongs to others, too, so instead of making it non-blocking we ask. */
static size_t write_some(struct str text)
{
    struct pollfd ready = {.fd = state.fd, .events = POLLOUT};
    ssize_t count;

    do {
        count = poll(&ready, 1, 0);
        if (count > 0)
            count = write(state.fd, text.data, portion_of(text));
    } while (count < 0 && errno == EINTR);
    return count > 0 ? (size_t)count : 0;
}

static uint64_t count_lines(struct str text)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < text.length; i++)
        lines += text.data[i] == '\n';
    return lines;
}

/* Pending becomes the end of the line that was being written when it came to rest: without it the
 * next line would stand on the same one. Whole lines are lost: the log must not hold up the
 * program. */
static void keep_line_end(struct str rest)
{
    struct buf *pending = &state.pending;
    bool begun = rest.data > pending->data ? rest.data[-1] != '\n' : state.begun;
    size_t kept = begun ? str_find_byte(rest, '\n') + 1 : 0;

    state.lost += count_lines(str_slice(rest, kept, rest.length));
    state.pending_lines = begun;
    state.begun = begun;
    memmove(pending->data, rest.data, kept);
    pending->length = 0;
    buf_grow(pending, kept);
}

void log_flush(void)
{
    struct str rest = buf_str(&state.pending);
    size_t count = 0;

    if (rest.length == 0)
        return;
    do {
        count = write_some(rest);
        rest = str_slice(rest, count, rest.length);
    } while (count > 0 && rest.length > 0);
    keep_line_end(rest);
}

uint64_t log_lost(void)
{
    return state.lost;
}
