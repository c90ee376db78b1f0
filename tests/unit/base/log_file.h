/* log_file.h - what the tests of the log share: a log in a directory of its own, its lines without
 * their times, and a write and a clock that do what a test says. */
#ifndef TESTS_LOG_FILE_H
#define TESTS_LOG_FILE_H

#include "base/log.h"

#include <time.h>

enum { LOG_FILE_STAMP_LENGTH = sizeof "2026-11-23T05:09:04.123Z" - 1 };

/* Of the log, and a free name beside it. */
extern char log_file_path[96], log_file_old_path[96];

/* What the clock says from which the log takes its time; all-zero: what the system says. */
extern struct timespec log_file_time;

/* Bytes of the longest write so far. */
extern size_t log_file_longest_write;

/* The fixture of each test. */
void log_file_set_up(void);
void log_file_tear_down(void);

void log_file_open(enum log_level level, enum log_format format);

/* The content of a file, until the next call. */
const char *log_file_read(const char *name);

/* Line number index behind its time, of which the form is checked. */
struct str log_file_find_line(const char *content, int index);
void log_file_assert_line(const char *content, int index, const char *expected);
int log_file_count_lines(const char *content);

/* Puts a pipe that nobody reads, with room for one page, in the place of stderr. Returns the end to
 * read; what stands there is valid until the next call. */
int log_file_make_stderr_a_pipe(int flags);
const char *log_file_read_pipe(int fd);

/* The next write takes at most so many bytes (0: all), or fails; at most four such steps. */
void log_file_expect_short(size_t most);
void log_file_expect_failure(int errnum);

/* Steps that no write has come to yet. */
size_t log_file_count_expected(void);

#endif
