#include "base/log.h"

#include "base/suites.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

enum { STAMP_LENGTH = sizeof "2026-11-23T05:09:04.123Z" - 1 };

static char directory[64], path[96], other_path[96];
static struct error error;

/* What the next calls of write do, instead of asking the kernel for all of it: at most so many
 * bytes (0: all), or fail with an errno. */
static struct {
    struct {
        size_t most;
        int errnum;
    } steps[4];
    size_t step, count;
    size_t longest; /* bytes of one call */
} script;

/* Stands before the one of the C library. */
ssize_t write(int fd, const void *data, size_t length)
{
    if (length > script.longest)
        script.longest = length;
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

static void expect_short(size_t most)
{
    script.steps[script.count++].most = most;
}

static void expect_failure(int errnum)
{
    script.steps[script.count++].errnum = errnum;
}

static void set_up(void)
{
    (void)snprintf(directory, sizeof directory, "/tmp/test_log_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/log", directory);
    (void)snprintf(other_path, sizeof other_path, "%s/old", directory);
}

static void tear_down(void)
{
    log_close();
    (void)unlink(path);
    (void)unlink(other_path);
    (void)rmdir(directory);
}

static void open_log(enum log_level level, enum log_format format)
{
    if (!log_open(path, level, format, &error))
        ck_abort_msg("%s", error.message);
}

static const char *read_file(const char *name)
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

/* Of line number index; its time is checked and left out. */
static struct str line_of(const char *content, int index)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
    struct str rest = str_of(content), line = {0};

    for (int i = 0; i <= index; i++)
        ck_assert(str_split(&rest, '\n', &line));
    ck_assert_uint_gt(line.length, STAMP_LENGTH);
    for (size_t i = 0; i < sizeof shape - 1; i++) {
        if (shape[i] == 'd')
            ck_assert(line.data[i] >= '0' && line.data[i] <= '9');
        else
            ck_assert_int_eq(line.data[i], shape[i]);
    }
    return str_slice(line, STAMP_LENGTH + 1, line.length);
}

static void assert_line(const char *content, int index, const char *expected)
{
    struct str line = line_of(content, index);

    if (!str_equals(line, str_of(expected)))
        ck_abort_msg("\"%.*s\" is not \"%s\"", STR_ARG(line), expected);
}

static int count_lines(const char *content)
{
    int lines = 0;

    for (; *content; content++)
        lines += *content == '\n';
    return lines;
}

/* A pipe that nobody reads, with room for one page; in the place of stderr. */
static int make_stderr_a_pipe(int flags)
{
    int ends[2];

    ck_assert_int_eq(pipe2(ends, flags), 0);
    ck_assert_int_gt(fcntl(ends[1], F_SETPIPE_SZ, 4096), 0);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    (void)close(ends[1]);
    return ends[0];
}

static const char *read_pipe(int fd)
{
    static char content[100000];
    ssize_t count = read(fd, content, sizeof content - 1);

    ck_assert_int_gt(count, 0);
    content[count] = '\0';
    return content;
}

START_TEST(test_log_line_has_time_level_and_text)
{
    open_log(LOG_DEBUG, LOG_TEXT);
    log_write(LOG_ERROR, "number %d", 1);
    log_write(LOG_WARNING, "two");
    log_write(LOG_NOTICE, "three");
    log_write(LOG_INFO, "four");
    log_write(LOG_DEBUG, "five");
    log_flush();
    assert_line(read_file(path), 0, "error number 1");
    assert_line(read_file(path), 1, "warning two");
    assert_line(read_file(path), 2, "notice three");
    assert_line(read_file(path), 3, "info four");
    assert_line(read_file(path), 4, "debug five");
    ck_assert_int_eq(count_lines(read_file(path)), 5);
    ck_assert_uint_eq(log_lost(), 0);
}
END_TEST

/* The time of a line lies between two looks at the system's clock, in UTC whatever TZ says. */
START_TEST(test_log_time_is_now_in_utc)
{
    struct timespec before, after;
    struct tm parts = {0};
    const char *end;
    long long ms;

    ck_assert_int_eq(setenv("TZ", "Pacific/Auckland", 1), 0);
    tzset();
    open_log(LOG_INFO, LOG_TEXT);
    for (int i = 0; i < 3; i++) {
        (void)clock_gettime(CLOCK_REALTIME, &before);
        log_write(LOG_WARNING, "x");
        (void)clock_gettime(CLOCK_REALTIME, &after);
        end = strptime(line_of(read_file(path), i).data - STAMP_LENGTH - 1, "%Y-%m-%dT%H:%M:%S.",
                       &parts);
        ck_assert_ptr_nonnull(end);
        ms = (long long)timegm(&parts) * 1000 + strtol(end, NULL, 10);
        ck_assert_int_ge(ms, (long long)before.tv_sec * 1000 + before.tv_nsec / 1000000);
        ck_assert_int_le(ms, (long long)after.tv_sec * 1000 + after.tv_nsec / 1000000);
    }
}
END_TEST

START_TEST(test_log_leaves_out_what_is_below_its_level)
{
    open_log(LOG_WARNING, LOG_TEXT);
    ck_assert(log_wants(LOG_ERROR) && log_wants(LOG_WARNING) && !log_wants(LOG_NOTICE));
    log_write(LOG_NOTICE, "no");
    log_write_members(LOG_INFO, STR("no"));
    log_write_members(LOG_WARNING, STR("yes"));
    log_flush();
    ck_assert_int_eq(count_lines(read_file(path)), 1);
    assert_line(read_file(path), 0, "warning yes");
}
END_TEST

START_TEST(test_log_gathers_lines_until_flush)
{
    open_log(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "one");
    log_write(LOG_NOTICE, "two");
    ck_assert_str_eq(read_file(path), "");
    log_flush();
    ck_assert_int_eq(count_lines(read_file(path)), 2);
    log_flush();
    ck_assert_int_eq(count_lines(read_file(path)), 2);
}
END_TEST

START_TEST(test_log_writes_warnings_and_what_came_before_at_once)
{
    open_log(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "before");
    log_write(LOG_WARNING, "now");
    assert_line(read_file(path), 0, "info before");
    assert_line(read_file(path), 1, "warning now");
}
END_TEST

START_TEST(test_log_writes_by_itself_when_32_kb_have_gathered)
{
    char text[1000];
    int lines = 0;

    memset(text, 'x', sizeof text);
    open_log(LOG_INFO, LOG_TEXT);
    while (read_file(path)[0] == '\0' && lines < 100) {
        log_write_members(LOG_INFO, (struct str){text, sizeof text});
        lines++;
    }
    /* 1000 + 25 for the time + 5 for the level + 1 a line. */
    ck_assert_int_eq(lines, 32768 / 1031 + 1);
    ck_assert_int_eq(count_lines(read_file(path)), lines);
    ck_assert_uint_eq(log_lost(), 0);
}
END_TEST

START_TEST(test_log_writes_control_bytes_so_that_nobody_forges_lines)
{
    open_log(LOG_INFO, LOG_TEXT);
    log_write(LOG_WARNING, "a%sb",
              "\n2026-11-23T05:09:04.123Z error forged\r\t\x1b[2J\x7f\x01\x1f \xc3\xa4");
    ck_assert_int_eq(count_lines(read_file(path)), 1);
    assert_line(read_file(path), 0,
                "warning a\\x0a2026-11-23T05:09:04.123Z error forged\\x0d\\x09\\x1b[2J\\x7f\\x01"
                "\\x1f \xc3\xa4"
                "b");
}
END_TEST

static void assert_json_line(const char *line, const char *behind_the_time)
{
    struct str rest = str_of(line);

    ck_assert(str_starts_with(rest, STR("{\"time\":\"20")));
    rest = str_slice(rest, sizeof "{\"time\":\"" - 1 + STAMP_LENGTH, rest.length);
    ck_assert(str_ends_with(rest, STR("\n")));
    ck_assert_str_eq(rest.data, behind_the_time);
}

START_TEST(test_log_json_lines_are_objects_with_escaped_texts)
{
    open_log(LOG_INFO, LOG_JSON);
    ck_assert_int_eq(log_current_format(), LOG_JSON);
    log_write(LOG_WARNING, "say \"%s\"\n", "x\\y");
    assert_json_line(read_file(path),
                     "\",\"level\":\"warning\",\"message\":\"say \\\"x\\\\y\\\"\\n\"}\n");
}
END_TEST

START_TEST(test_log_json_members_are_taken_as_they_are)
{
    open_log(LOG_INFO, LOG_JSON);
    log_write_members(LOG_INFO, STR("\"status\":200,\"path\":\"/x\""));
    log_flush();
    assert_json_line(read_file(path), "\",\"level\":\"info\",\"status\":200,\"path\":\"/x\"}\n");
}
END_TEST

START_TEST(test_log_cuts_long_texts_between_characters)
{
    static char text[4001];

    for (size_t i = 0; i + 1 < sizeof text; i += 2) {
        text[i] = '\xc3';
        text[i + 1] = '\xa4';
    }
    open_log(LOG_INFO, LOG_TEXT);
    log_write(LOG_WARNING, "%s", text);
    ck_assert_uint_eq(line_of(read_file(path), 0).length, sizeof "warning " - 1 + 2046);
}
END_TEST

START_TEST(test_log_appends_to_what_is_there_and_is_not_for_everyone)
{
    struct stat status;

    umask(0);
    open_log(LOG_INFO, LOG_TEXT);
    log_write(LOG_WARNING, "one");
    log_close();
    open_log(LOG_INFO, LOG_TEXT);
    log_write(LOG_WARNING, "two");
    ck_assert_int_eq(count_lines(read_file(path)), 2);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0640);
}
END_TEST

START_TEST(test_log_open_that_fails_changes_nothing)
{
    char bad[128];

    (void)snprintf(bad, sizeof bad, "%s/none/log", directory);
    open_log(LOG_INFO, LOG_TEXT);
    ck_assert(!log_open(bad, LOG_DEBUG, LOG_JSON, &error));
    ck_assert_ptr_nonnull(strstr(error.message, bad));
    ck_assert_int_eq(error.errnum, ENOENT);
    ck_assert(!log_wants(LOG_DEBUG));
    ck_assert_int_eq(log_current_format(), LOG_TEXT);
    log_write(LOG_WARNING, "still here");
    assert_line(read_file(path), 0, "warning still here");
}
END_TEST

START_TEST(test_log_reopen_follows_a_rotation_and_loses_nothing)
{
    open_log(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "old");
    ck_assert_int_eq(rename(path, other_path), 0);
    ck_assert(log_reopen(&error));
    log_write(LOG_INFO, "new");
    log_flush();
    assert_line(read_file(other_path), 0, "info old");
    assert_line(read_file(path), 0, "info new");
    ck_assert_int_eq(count_lines(read_file(path)), 1);
    ck_assert_uint_eq(log_lost(), 0);
}
END_TEST

START_TEST(test_log_reopen_that_fails_keeps_the_old_file)
{
    open_log(LOG_INFO, LOG_TEXT);
    ck_assert_int_eq(rename(path, other_path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert(!log_reopen(&error));
    log_write(LOG_WARNING, "still here");
    assert_line(read_file(other_path), 0, "warning still here");
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(test_log_opens_and_reopens_without_leaking_descriptors)
{
    int before = dup(STDERR_FILENO), after;

    (void)close(before);
    for (int i = 0; i < 3; i++) {
        open_log(LOG_INFO, LOG_TEXT);
        ck_assert(log_reopen(&error));
    }
    log_close();
    log_close();
    after = dup(STDERR_FILENO);
    (void)close(after);
    ck_assert_int_eq(after, before);
}
END_TEST

START_TEST(test_log_before_open_goes_to_stderr_as_text_at_notice)
{
    int pipe_end = make_stderr_a_pipe(O_NONBLOCK);

    ck_assert(log_wants(LOG_NOTICE) && !log_wants(LOG_INFO));
    ck_assert(log_reopen(&error));
    log_write(LOG_NOTICE, "early");
    log_flush();
    assert_line(read_pipe(pipe_end), 0, "notice early");
    log_close();
    log_write(LOG_ERROR, "late");
    assert_line(read_pipe(pipe_end), 0, "error late");
    (void)close(pipe_end);
}
END_TEST

START_TEST(test_log_open_without_a_path_goes_back_to_stderr)
{
    int pipe_end = make_stderr_a_pipe(O_NONBLOCK);

    open_log(LOG_INFO, LOG_JSON);
    log_write(LOG_INFO, "to the file");
    ck_assert(log_open(NULL, LOG_INFO, LOG_TEXT, &error));
    log_write(LOG_WARNING, "to stderr");
    assert_line(read_pipe(pipe_end), 0, "warning to stderr");
    ck_assert_int_eq(count_lines(read_file(path)), 1);
    (void)close(pipe_end);
}
END_TEST

START_TEST(test_log_goes_on_after_interrupted_and_short_writes)
{
    open_log(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "one");
    log_write(LOG_INFO, "two");
    expect_failure(EINTR);
    expect_short(7);
    expect_failure(EINTR);
    expect_short(1);
    log_flush();
    ck_assert_uint_eq(script.step, 4);
    assert_line(read_file(path), 0, "info one");
    assert_line(read_file(path), 1, "info two");
    ck_assert_uint_eq(log_lost(), 0);
}
END_TEST

static const int failures[] = {EAGAIN, ENOSPC, EIO, EPIPE};

START_TEST(test_log_counts_lines_that_cannot_be_written_and_lives)
{
    open_log(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "one");
    log_write(LOG_INFO, "two");
    expect_failure(failures[_i]);
    log_flush();
    ck_assert_uint_eq(log_lost(), 2);
    log_write(LOG_WARNING, "three");
    ck_assert_uint_eq(log_lost(), 2);
    assert_line(read_file(path), 0, "warning three");
    ck_assert_int_eq(count_lines(read_file(path)), 1);
}
END_TEST

START_TEST(test_log_counts_only_the_lines_that_are_not_there)
{
    open_log(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "one");
    log_write(LOG_INFO, "two");
    log_write(LOG_INFO, "six");
    expect_short(STAMP_LENGTH + sizeof " info one");
    expect_failure(EAGAIN);
    log_flush();
    ck_assert_uint_eq(log_lost(), 2);
    ck_assert_int_eq(count_lines(read_file(path)), 1);
    log_write(LOG_WARNING, "end");
    assert_line(read_file(path), 1, "warning end");
}
END_TEST

START_TEST(test_log_finishes_a_torn_line_before_the_next)
{
    open_log(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "one");
    log_write(LOG_INFO, "two");
    log_write(LOG_INFO, "six");
    expect_short(STAMP_LENGTH + sizeof " info one" + 10);
    expect_failure(EAGAIN);
    log_flush();
    ck_assert_uint_eq(log_lost(), 1);
    log_write(LOG_INFO, "ten");
    expect_failure(EAGAIN);
    log_flush();
    ck_assert_uint_eq(log_lost(), 2);
    log_write(LOG_WARNING, "end");
    assert_line(read_file(path), 0, "info one");
    assert_line(read_file(path), 1, "info two");
    assert_line(read_file(path), 2, "warning end");
    ck_assert_int_eq(count_lines(read_file(path)), 3);
    ck_assert_uint_eq(log_lost(), 2);
}
END_TEST

START_TEST(test_log_does_not_finish_a_torn_line_in_another_file)
{
    open_log(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "one");
    expect_short(10);
    expect_failure(ENOSPC);
    log_flush();
    ck_assert_uint_eq(log_lost(), 0);
    ck_assert_int_eq(rename(path, other_path), 0);
    expect_failure(ENOSPC);
    ck_assert(log_reopen(&error));
    ck_assert_uint_eq(log_lost(), 1);
    log_write(LOG_WARNING, "new");
    assert_line(read_file(path), 0, "warning new");
}
END_TEST

/* Nobody reads this pipe, and it blocks: a plain write would never come back. */
START_TEST(test_log_does_not_wait_for_the_reader_of_a_pipe)
{
    static char text[10000];
    int pipe_end = make_stderr_a_pipe(0);
    uint64_t there;

    memset(text, 'x', sizeof text);
    for (int i = 0; i < 200; i++)
        log_write(LOG_ERROR, "line %03d of those that nobody reads, until the pipe is full", i);
    log_write_members(LOG_ERROR, (struct str){text, sizeof text});
    ck_assert_uint_gt(log_lost(), 0);
    there = (uint64_t)count_lines(read_pipe(pipe_end));
    ck_assert_uint_eq(there + log_lost(), 201);
    log_write(LOG_ERROR, "there is room again");
    assert_line(read_pipe(pipe_end), 0, "error there is room again");
    (void)close(pipe_end);
}
END_TEST

/* So that lines of several processes that share a pipe do not mix. */
START_TEST(test_log_writes_whole_lines_of_at_most_a_page)
{
    open_log(LOG_INFO, LOG_TEXT);
    for (int i = 0; i < 300; i++)
        log_write(LOG_INFO, "line %03d", i);
    expect_short(0);
    expect_failure(EAGAIN);
    log_flush();
    ck_assert_uint_le(script.longest, 4096);
    ck_assert(str_ends_with(str_of(read_file(path)), STR("\n")));
    ck_assert_int_eq(count_lines(read_file(path)), 4096 / (STAMP_LENGTH + 15));
}
END_TEST

START_TEST(test_log_writes_a_line_longer_than_a_page)
{
    static char text[10000];

    memset(text, 'x', sizeof text);
    open_log(LOG_INFO, LOG_TEXT);
    log_write_members(LOG_WARNING, (struct str){text, sizeof text});
    ck_assert_uint_eq(line_of(read_file(path), 0).length, sizeof "warning " - 1 + sizeof text);
    ck_assert_uint_eq(log_lost(), 0);
}
END_TEST

START_TEST(test_log_open_does_not_wait_for_the_reader_of_a_named_pipe)
{
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert(!log_open(path, LOG_INFO, LOG_TEXT, &error));
    ck_assert_int_eq(error.errnum, ENXIO);
}
END_TEST

static void add_tests_of_failures(TCase *tests)
{
    tcase_add_test(tests, test_log_goes_on_after_interrupted_and_short_writes);
    tcase_add_loop_test(tests, test_log_counts_lines_that_cannot_be_written_and_lives, 0,
                        (int)(sizeof failures / sizeof *failures));
    tcase_add_test(tests, test_log_counts_only_the_lines_that_are_not_there);
    tcase_add_test(tests, test_log_finishes_a_torn_line_before_the_next);
    tcase_add_test(tests, test_log_does_not_finish_a_torn_line_in_another_file);
    tcase_add_test(tests, test_log_does_not_wait_for_the_reader_of_a_pipe);
    tcase_add_test(tests, test_log_writes_whole_lines_of_at_most_a_page);
    tcase_add_test(tests, test_log_writes_a_line_longer_than_a_page);
    tcase_add_test(tests, test_log_open_does_not_wait_for_the_reader_of_a_named_pipe);
}

Suite *suite_log(void)
{
    Suite *suite = suite_create("log");
    TCase *tests = tcase_create("log");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, test_log_line_has_time_level_and_text);
    tcase_add_test(tests, test_log_time_is_now_in_utc);
    tcase_add_test(tests, test_log_leaves_out_what_is_below_its_level);
    tcase_add_test(tests, test_log_gathers_lines_until_flush);
    tcase_add_test(tests, test_log_writes_warnings_and_what_came_before_at_once);
    tcase_add_test(tests, test_log_writes_by_itself_when_32_kb_have_gathered);
    tcase_add_test(tests, test_log_writes_control_bytes_so_that_nobody_forges_lines);
    tcase_add_test(tests, test_log_json_lines_are_objects_with_escaped_texts);
    tcase_add_test(tests, test_log_json_members_are_taken_as_they_are);
    tcase_add_test(tests, test_log_cuts_long_texts_between_characters);
    tcase_add_test(tests, test_log_appends_to_what_is_there_and_is_not_for_everyone);
    tcase_add_test(tests, test_log_open_that_fails_changes_nothing);
    tcase_add_test(tests, test_log_reopen_follows_a_rotation_and_loses_nothing);
    tcase_add_test(tests, test_log_reopen_that_fails_keeps_the_old_file);
    tcase_add_test(tests, test_log_opens_and_reopens_without_leaking_descriptors);
    tcase_add_test(tests, test_log_before_open_goes_to_stderr_as_text_at_notice);
    tcase_add_test(tests, test_log_open_without_a_path_goes_back_to_stderr);
    add_tests_of_failures(tests);
    suite_add_tcase(suite, tests);
    return suite;
}
