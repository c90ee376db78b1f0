#include "base/log.h"

#include "base/log_file.h"
#include "base/suites.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

static struct error error;

START_TEST(test_log_line_has_time_level_and_text)
{
    log_file_open(LOG_DEBUG, LOG_TEXT);
    log_write(LOG_ERROR, "number %d", 1);
    log_write(LOG_WARNING, "two");
    log_write(LOG_NOTICE, "three");
    log_write(LOG_INFO, "four");
    log_write(LOG_DEBUG, "five");
    log_flush();
    log_file_assert_line(log_file_read(log_file_path), 0, "error number 1");
    log_file_assert_line(log_file_read(log_file_path), 1, "warning two");
    log_file_assert_line(log_file_read(log_file_path), 2, "notice three");
    log_file_assert_line(log_file_read(log_file_path), 3, "info four");
    log_file_assert_line(log_file_read(log_file_path), 4, "debug five");
    ck_assert_int_eq(log_file_count_lines(log_file_read(log_file_path)), 5);
    ck_assert_uint_eq(log_lost(), 0);
}
END_TEST

static const struct {
    struct timespec time;
    const char *stamp;
} stamps[] = {
    {{1795410544, 123456789}, "2026-11-23T05:09:04.123Z"},
    {{1795410544, 999999999}, "2026-11-23T05:09:04.999Z"},
    {{1795410545, 0}, "2026-11-23T05:09:05.000Z"},
    {{1795410545, 9000000}, "2026-11-23T05:09:05.009Z"},
    {{1795410544, 90000000}, "2026-11-23T05:09:04.090Z"},
    {{951782400, 1}, "2000-02-29T00:00:00.000Z"},
};

/* In UTC whatever TZ says; the last but one is a clock that was set back. */
START_TEST(test_log_time_has_one_format)
{
    ck_assert_int_eq(setenv("TZ", "XYZ-13", 1), 0);
    tzset();
    log_file_open(LOG_INFO, LOG_TEXT);
    for (int i = 0; i < (int)(sizeof stamps / sizeof *stamps); i++) {
        log_file_time = stamps[i].time;
        log_write(LOG_WARNING, "x");
        ck_assert_str_eq(log_file_find_line(log_file_read(log_file_path), i).data, "warning x\n");
        ck_assert_mem_eq(log_file_find_line(log_file_read(log_file_path), i).data -
                             LOG_FILE_STAMP_LENGTH - 1,
                         stamps[i].stamp, LOG_FILE_STAMP_LENGTH);
    }
}
END_TEST

START_TEST(test_log_time_is_the_systems_time)
{
    struct timespec before, after;
    struct tm parts = {0};

    log_file_open(LOG_INFO, LOG_TEXT);
    (void)clock_gettime(CLOCK_REALTIME, &before);
    log_write(LOG_WARNING, "x");
    (void)clock_gettime(CLOCK_REALTIME, &after);
    ck_assert_ptr_nonnull(strptime(log_file_read(log_file_path), "%Y-%m-%dT%H:%M:%S", &parts));
    ck_assert_int_ge(timegm(&parts), before.tv_sec);
    ck_assert_int_le(timegm(&parts), after.tv_sec);
}
END_TEST

START_TEST(test_log_leaves_out_what_is_below_its_level)
{
    log_file_open(LOG_WARNING, LOG_TEXT);
    ck_assert(log_wants(LOG_ERROR) && log_wants(LOG_WARNING) && !log_wants(LOG_NOTICE));
    log_write(LOG_NOTICE, "no");
    log_write_members(LOG_INFO, STR("no"));
    log_write_members(LOG_WARNING, STR("yes"));
    log_flush();
    ck_assert_int_eq(log_file_count_lines(log_file_read(log_file_path)), 1);
    log_file_assert_line(log_file_read(log_file_path), 0, "warning yes");
}
END_TEST

START_TEST(test_log_gathers_lines_until_flush)
{
    log_file_open(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "one");
    log_write(LOG_NOTICE, "two");
    ck_assert_str_eq(log_file_read(log_file_path), "");
    log_flush();
    ck_assert_int_eq(log_file_count_lines(log_file_read(log_file_path)), 2);
    log_flush();
    ck_assert_int_eq(log_file_count_lines(log_file_read(log_file_path)), 2);
}
END_TEST

START_TEST(test_log_writes_warnings_and_what_came_before_at_once)
{
    log_file_open(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "before");
    log_write(LOG_WARNING, "now");
    log_file_assert_line(log_file_read(log_file_path), 0, "info before");
    log_file_assert_line(log_file_read(log_file_path), 1, "warning now");
}
END_TEST

START_TEST(test_log_writes_by_itself_when_32_kb_have_gathered)
{
    char text[1000];
    int lines = 0;

    memset(text, 'x', sizeof text);
    log_file_open(LOG_INFO, LOG_TEXT);
    while (log_file_read(log_file_path)[0] == '\0' && lines < 100) {
        log_write_members(LOG_INFO, (struct str){text, sizeof text});
        lines++;
    }
    /* 1000 + 25 for the time + 5 for the level + 1 a line. */
    ck_assert_int_eq(lines, 32768 / 1031 + 1);
    ck_assert_int_eq(log_file_count_lines(log_file_read(log_file_path)), lines);
    ck_assert_uint_eq(log_lost(), 0);
}
END_TEST

START_TEST(test_log_writes_control_bytes_so_that_nobody_forges_lines)
{
    log_file_open(LOG_INFO, LOG_TEXT);
    log_write(LOG_WARNING, "a%sb",
              "\n2026-11-23T05:09:04.123Z error forged\r\t\x1b[2J\x7f\x01\x1f \xc3\xa4");
    ck_assert_int_eq(log_file_count_lines(log_file_read(log_file_path)), 1);
    log_file_assert_line(
        log_file_read(log_file_path), 0,
        "warning a\\x0a2026-11-23T05:09:04.123Z error forged\\x0d\\x09\\x1b[2J\\x7f\\x01"
        "\\x1f \xc3\xa4"
        "b");
}
END_TEST

static void assert_json_line(const char *line, const char *behind_the_time)
{
    struct str rest = str_of(line);

    ck_assert(str_starts_with(rest, STR("{\"time\":\"20")));
    rest = str_slice(rest, sizeof "{\"time\":\"" - 1 + LOG_FILE_STAMP_LENGTH, rest.length);
    ck_assert(str_ends_with(rest, STR("\n")));
    ck_assert_str_eq(rest.data, behind_the_time);
}

START_TEST(test_log_json_lines_are_objects_with_escaped_texts)
{
    log_file_open(LOG_INFO, LOG_JSON);
    ck_assert_int_eq(log_current_format(), LOG_JSON);
    log_write(LOG_WARNING, "say \"%s\"\n", "x\\y");
    assert_json_line(log_file_read(log_file_path),
                     "\",\"level\":\"warning\",\"message\":\"say \\\"x\\\\y\\\"\\n\"}\n");
}
END_TEST

START_TEST(test_log_json_members_are_taken_as_they_are)
{
    log_file_open(LOG_INFO, LOG_JSON);
    log_write_members(LOG_INFO, STR("\"status\":200,\"path\":\"/x\""));
    log_flush();
    assert_json_line(log_file_read(log_file_path),
                     "\",\"level\":\"info\",\"status\":200,\"path\":\"/x\"}\n");
}
END_TEST

START_TEST(test_log_cuts_long_texts_between_characters)
{
    static char text[4001];

    for (size_t i = 0; i + 1 < sizeof text; i += 2) {
        text[i] = '\xc3';
        text[i + 1] = '\xa4';
    }
    log_file_open(LOG_INFO, LOG_TEXT);
    log_write(LOG_WARNING, "%s", text);
    ck_assert_uint_eq(log_file_find_line(log_file_read(log_file_path), 0).length,
                      sizeof "warning " - 1 + 2046);
}
END_TEST

START_TEST(test_log_appends_to_what_is_there_and_is_not_for_everyone)
{
    struct stat status;

    umask(0);
    log_file_open(LOG_INFO, LOG_TEXT);
    log_write(LOG_WARNING, "one");
    log_close();
    log_file_open(LOG_INFO, LOG_TEXT);
    log_write(LOG_WARNING, "two");
    ck_assert_int_eq(log_file_count_lines(log_file_read(log_file_path)), 2);
    ck_assert_int_eq(stat(log_file_path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0640);
}
END_TEST

START_TEST(test_log_open_that_fails_changes_nothing)
{
    char bad[128];

    (void)snprintf(bad, sizeof bad, "%s/log", log_file_old_path);
    log_file_open(LOG_INFO, LOG_TEXT);
    ck_assert(!log_open(bad, LOG_DEBUG, LOG_JSON, &error));
    ck_assert_ptr_nonnull(strstr(error.message, bad));
    ck_assert_int_eq(error.errnum, ENOENT);
    ck_assert(!log_wants(LOG_DEBUG));
    ck_assert_int_eq(log_current_format(), LOG_TEXT);
    log_write(LOG_WARNING, "still here");
    log_file_assert_line(log_file_read(log_file_path), 0, "warning still here");
}
END_TEST

START_TEST(test_log_reopen_follows_a_rotation_and_loses_nothing)
{
    log_file_open(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "old");
    ck_assert_int_eq(rename(log_file_path, log_file_old_path), 0);
    ck_assert(log_reopen(&error));
    log_write(LOG_INFO, "new");
    log_flush();
    log_file_assert_line(log_file_read(log_file_old_path), 0, "info old");
    log_file_assert_line(log_file_read(log_file_path), 0, "info new");
    ck_assert_int_eq(log_file_count_lines(log_file_read(log_file_path)), 1);
    ck_assert_uint_eq(log_lost(), 0);
}
END_TEST

START_TEST(test_log_reopen_that_fails_keeps_the_old_file)
{
    log_file_open(LOG_INFO, LOG_TEXT);
    ck_assert_int_eq(rename(log_file_path, log_file_old_path), 0);
    ck_assert_int_eq(mkdir(log_file_path, 0700), 0);
    ck_assert(!log_reopen(&error));
    log_write(LOG_WARNING, "still here");
    log_file_assert_line(log_file_read(log_file_old_path), 0, "warning still here");
    ck_assert_int_eq(rmdir(log_file_path), 0);
}
END_TEST

START_TEST(test_log_opens_and_reopens_without_leaking_descriptors)
{
    int before = dup(STDERR_FILENO), after;

    (void)close(before);
    for (int i = 0; i < 3; i++) {
        log_file_open(LOG_INFO, LOG_TEXT);
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
    int pipe_end = log_file_make_stderr_a_pipe(O_NONBLOCK);

    ck_assert(log_wants(LOG_NOTICE) && !log_wants(LOG_INFO));
    ck_assert(log_reopen(&error));
    log_write(LOG_NOTICE, "early");
    log_flush();
    log_file_assert_line(log_file_read_pipe(pipe_end), 0, "notice early");
    log_close();
    log_write(LOG_ERROR, "late");
    log_file_assert_line(log_file_read_pipe(pipe_end), 0, "error late");
    (void)close(pipe_end);
}
END_TEST

START_TEST(test_log_open_without_a_path_goes_back_to_stderr)
{
    int pipe_end = log_file_make_stderr_a_pipe(O_NONBLOCK);

    log_file_open(LOG_INFO, LOG_JSON);
    log_write(LOG_INFO, "to the file");
    ck_assert(log_open(NULL, LOG_INFO, LOG_TEXT, &error));
    log_write(LOG_WARNING, "to stderr");
    log_file_assert_line(log_file_read_pipe(pipe_end), 0, "warning to stderr");
    ck_assert_int_eq(log_file_count_lines(log_file_read(log_file_path)), 1);
    (void)close(pipe_end);
}
END_TEST

Suite *suite_log(void)
{
    Suite *suite = suite_create("log");
    TCase *tests = tcase_create("log");

    tcase_add_checked_fixture(tests, log_file_set_up, log_file_tear_down);
    tcase_add_test(tests, test_log_line_has_time_level_and_text);
    tcase_add_test(tests, test_log_time_has_one_format);
    tcase_add_test(tests, test_log_time_is_the_systems_time);
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
    suite_add_tcase(suite, tests);
    return suite;
}
