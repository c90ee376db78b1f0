#include "base/log.h"

#include "base/json_write.h"

#include <errno.h>
#include <fcntl.h>
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
    time_t stamp_second;
    char stamp[24]; /* "2026-11-23T05:09:04" of stamp_second */
} state = {.fd = STDERR_FILENO, .level = LOG_NOTICE};

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
    [LOG_INFO] = "info",   [LOG_DEBUG] = "debug",
};

static int open_path(const char *path, struct error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);

    if (fd == -1)
        error_set_errno(error, errno, "cannot open the log %s", path);
    return fd;
}

static void close_file(void)
{
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
    log_flush();
    close_file();
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
    log_flush();
    close_file();
    state.fd = fd;
    return true;
}

void log_close(void)
{
    log_flush();
    close_file();
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
    if (out->failed) {
        state.lost += state.pending_lines;
        state.pending_lines = 0;
        buf_reset(out);
    }
    if (level <= LOG_WARNING || out->length > GATHER_MOST)
        log_flush();
}

/* Nobody can begin a line of his own, or paint the terminal. */
static void put_escaped(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (byte < 0x20 || byte == 0x7f)
            buf_append_format(out, "\\x%02x", byte);
        else
            buf_append_byte(out, text.data[i]);
    }
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
    if (state.format == LOG_JSON) {
        buf_append(&line, STR("\"message\":"));
        json_write_string(&line, str_of(text));
    } else {
        put_escaped(str_of(text), &line);
    }
    put_line(level, buf_str(&line));
    buf_clear(&line);
}

void log_write_members(enum log_level level, struct str members)
{
    if (log_wants(level))
        put_line(level, members);
}

/* What cannot be written now is lost: the log must not hold up the program. */
void log_flush(void)
{
    struct str rest = buf_str(&state.pending);

    while (rest.length > 0) {
        ssize_t count = write(state.fd, rest.data, rest.length);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            state.lost += state.pending_lines;
            break;
        }
        rest = str_slice(rest, (size_t)count, rest.length);
    }
    state.pending_lines = 0;
    buf_reset(&state.pending);
}

uint64_t log_lost(void)
{
    return state.lost;
}
