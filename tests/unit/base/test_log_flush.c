#include "base/log.h"

#include "base/log_file.h"
#include "base/suites.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

static struct error error;

START_TEST(test_log_goes_on_after_interrupted_and_short_writes)
{
    log_file_open(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "one");
    log_write(LOG_INFO, "two");
    log_file_expect_failure(EINTR);
    log_file_expect_short(7);
    log_file_expect_failure(EINTR);
    log_file_expect_short(1);
    log_flush();
    ck_assert_uint_eq(log_file_count_expected(), 0);
    log_file_assert_line(log_file_read(log_file_path), 0, "info one");
    log_file_assert_line(log_file_read(log_file_path), 1, "info two");
    ck_assert_uint_eq(log_lost(), 0);
}
END_TEST

static const int failures[] = {EAGAIN, ENOSPC, EIO, EPIPE};

START_TEST(test_log_counts_lines_that_cannot_be_written_and_lives)
{
    log_file_open(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "one");
    log_write(LOG_INFO, "two");
    log_file_expect_failure(failures[_i]);
    log_flush();
    ck_assert_uint_eq(log_lost(), 2);
    log_write(LOG_WARNING, "three");
    ck_assert_uint_eq(log_lost(), 2);
    log_file_assert_line(log_file_read(log_file_path), 0, "warning three");
    ck_assert_int_eq(log_file_count_lines(log_file_read(log_file_path)), 1);
}
END_TEST

START_TEST(test_log_counts_only_the_lines_that_are_not_there)
{
    log_file_open(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "one");
    log_write(LOG_INFO, "two");
    log_write(LOG_INFO, "six");
    log_file_expect_short(LOG_FILE_STAMP_LENGTH + sizeof " info one");
    log_file_expect_failure(EAGAIN);
    log_flush();
    ck_assert_uint_eq(log_lost(), 2);
    ck_assert_int_eq(log_file_count_lines(log_file_read(log_file_path)), 1);
    log_write(LOG_WARNING, "end");
    log_file_assert_line(log_file_read(log_file_path), 1, "warning end");
}
END_TEST

START_TEST(test_log_finishes_a_torn_line_before_the_next)
{
    log_file_open(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "one");
    log_write(LOG_INFO, "two");
    log_write(LOG_INFO, "six");
    log_file_expect_short(LOG_FILE_STAMP_LENGTH + sizeof " info one" + 10);
    log_file_expect_failure(EAGAIN);
    log_flush();
    ck_assert_uint_eq(log_lost(), 1);
    log_write(LOG_INFO, "ten");
    log_file_expect_failure(EAGAIN);
    log_flush();
    ck_assert_uint_eq(log_lost(), 2);
    log_write(LOG_WARNING, "end");
    log_file_assert_line(log_file_read(log_file_path), 0, "info one");
    log_file_assert_line(log_file_read(log_file_path), 1, "info two");
    log_file_assert_line(log_file_read(log_file_path), 2, "warning end");
    ck_assert_int_eq(log_file_count_lines(log_file_read(log_file_path)), 3);
    ck_assert_uint_eq(log_lost(), 2);
}
END_TEST

START_TEST(test_log_does_not_finish_a_torn_line_in_another_file)
{
    log_file_open(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "one");
    log_file_expect_short(10);
    log_file_expect_failure(ENOSPC);
    log_flush();
    ck_assert_uint_eq(log_lost(), 0);
    ck_assert_int_eq(rename(log_file_path, log_file_old_path), 0);
    log_file_expect_failure(ENOSPC);
    ck_assert(log_reopen(&error));
    ck_assert_uint_eq(log_lost(), 1);
    log_write(LOG_INFO, "whole, and lost as a whole");
    log_file_expect_failure(EAGAIN);
    log_flush();
    ck_assert_uint_eq(log_lost(), 2);
    log_write(LOG_WARNING, "new");
    log_file_assert_line(log_file_read(log_file_path), 0, "warning new");
}
END_TEST

/* Nobody reads this pipe, and it blocks: a plain write would never come back. */
START_TEST(test_log_does_not_wait_for_the_reader_of_a_pipe)
{
    static char text[10000];
    int pipe_end = log_file_make_stderr_a_pipe(0);
    uint64_t there;

    memset(text, 'x', sizeof text);
    for (int i = 0; i < 200; i++)
        log_write(LOG_ERROR, "line %03d of those that nobody reads, until the pipe is full", i);
    log_write_members(LOG_ERROR, (struct str){text, sizeof text});
    ck_assert_uint_gt(log_lost(), 0);
    there = (uint64_t)log_file_count_lines(log_file_read_pipe(pipe_end));
    ck_assert_uint_eq(there + log_lost(), 201);
    log_write(LOG_ERROR, "there is room again");
    log_file_assert_line(log_file_read_pipe(pipe_end), 0, "error there is room again");
    (void)close(pipe_end);
}
END_TEST

/* So that lines of several processes that share a pipe do not mix. */
START_TEST(test_log_writes_whole_lines_of_at_most_a_page)
{
    log_file_open(LOG_INFO, LOG_TEXT);
    for (int i = 0; i < 300; i++)
        log_write(LOG_INFO, "line %03d", i);
    log_file_expect_short(0);
    log_file_expect_failure(EAGAIN);
    log_flush();
    ck_assert_uint_le(log_file_longest_write, 4096);
    ck_assert(str_ends_with(str_of(log_file_read(log_file_path)), STR("\n")));
    ck_assert_int_eq(log_file_count_lines(log_file_read(log_file_path)),
                     4096 / (LOG_FILE_STAMP_LENGTH + 15));
}
END_TEST

START_TEST(test_log_writes_a_line_longer_than_a_page)
{
    static char text[10000];

    memset(text, 'x', sizeof text);
    log_file_open(LOG_INFO, LOG_TEXT);
    log_write_members(LOG_WARNING, (struct str){text, sizeof text});
    ck_assert_uint_eq(log_file_find_line(log_file_read(log_file_path), 0).length,
                      sizeof "warning " - 1 + sizeof text);
    ck_assert_uint_eq(log_lost(), 0);
}
END_TEST

START_TEST(test_log_open_does_not_wait_for_the_reader_of_a_named_pipe)
{
    ck_assert_int_eq(mkfifo(log_file_path, 0600), 0);
    ck_assert(!log_open(log_file_path, LOG_INFO, LOG_TEXT, &error));
    ck_assert_int_eq(error.errnum, ENXIO);
}
END_TEST

Suite *suite_log_flush(void)
{
    Suite *suite = suite_create("log_flush");
    TCase *tests = tcase_create("log_flush");

    tcase_add_checked_fixture(tests, log_file_set_up, log_file_tear_down);
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
    suite_add_tcase(suite, tests);
    return suite;
}
