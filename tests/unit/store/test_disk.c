/* The real calls, in a directory of their own; and what the room's functions make of calls that do
 * less than was asked for. */
#include "store/disk.h"

#include "store/suites.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

static char top[64], root[80];
static struct disk disk;
static struct error error;

static void setup(void)
{
    strcpy(top, "/tmp/cutout-disk-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    (void)snprintf(root, sizeof root, "%s/data", top);
    ck_assert_msg(disk_open(&disk, root, &error), "%s", error.message);
}

static void remove_tree(const char *path)
{
    char command[128];

    (void)snprintf(command, sizeof command, "rm -r '%s'", path);
    ck_assert_int_eq(system(command), 0);
}

static void teardown(void)
{
    disk_close(&disk);
    remove_tree(top);
}

static mode_t mode_of(const char *name)
{
    struct stat info;

    ck_assert_int_eq(fstatat(disk.root_fd, name, &info, AT_SYMLINK_NOFOLLOW), 0);
    return info.st_mode & 07777;
}

static void make_file(const char *name, const char *text)
{
    struct file file = {0};

    ck_assert(file_open(&file, &disk, name, O_RDWR | O_CREAT | O_TRUNC, &error));
    ck_assert(file_write_at(&file, str_of(text), 0, &error));
    file_close(&file);
}

static void assert_content(const char *name, const char *text)
{
    struct buf content = {0};

    ck_assert_msg(disk_read_file(&disk, name, 100, &content, &error), "%s", error.message);
    ck_assert(str_equals(buf_str(&content), str_of(text)));
    buf_clear(&content);
}

static bool is_there(const char *name)
{
    return faccessat(disk.root_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

START_TEST(test_disk_open_makes_a_private_directory)
{
    ck_assert_uint_eq(mode_of("."), 0700);
    ck_assert_uint_eq(mode_of(".lock"), 0600);
}
END_TEST

START_TEST(test_disk_open_takes_a_directory_that_is_there)
{
    make_file("x", "kept");
    disk_close(&disk);
    ck_assert(disk_open(&disk, root, &error));
    assert_content("x", "kept");
}
END_TEST

/* Beside the server that has the lock. */
START_TEST(test_disk_that_is_open_to_read_changes_nothing)
{
    struct disk reader;
    struct file file = {0};
    char missing[128];

    make_file("x", "kept");
    ck_assert(disk_open_to_read(&reader, root, &error));
    ck_assert(!file_open(&file, &reader, "x", O_RDWR, &error));
    ck_assert(!file_open(&file, &reader, "x", O_RDONLY | O_TRUNC, &error));
    ck_assert(!file_open(&file, &reader, "y", O_RDONLY | O_CREAT, &error));
    ck_assert(!disk_replace_file(&reader, "x", STR("new"), false, &error));
    ck_assert(!disk_rename(&reader, "x", "y", &error));
    ck_assert(!disk_unlink(&reader, "x", &error));
    ck_assert(!disk_make_directory(&reader, "d", &error));
    ck_assert(!disk_sync_directory(&reader, ".", &error));
    ck_assert_int_eq(error.errnum, EROFS);
    ck_assert(file_open(&file, &reader, "x", O_RDONLY, &error));
    ck_assert(!file_write_at(&file, STR("new"), 0, &error));
    ck_assert(!file_truncate(&file, 0, &error));
    ck_assert(!file_sync(&file, &error));
    file_close(&file);
    disk_close(&reader);
    assert_content("x", "kept");
    ck_assert(!is_there("y") && !is_there("d") && !is_there("x.new"));
    (void)snprintf(missing, sizeof missing, "%s/missing", top);
    ck_assert(!disk_open_to_read(&reader, missing, &error));
    ck_assert_int_eq(access(missing, F_OK), -1);
}
END_TEST

START_TEST(test_disk_open_makes_no_parents)
{
    struct disk other;
    char path[128];

    (void)snprintf(path, sizeof path, "%s/not/there", top);
    ck_assert(!disk_open(&other, path, &error));
    ck_assert_ptr_nonnull(strstr(error.message, path));
    disk_close(&other);
    (void)snprintf(path, sizeof path, "%s/data/.lock", top);
    ck_assert(!disk_open(&other, path, &error));
    disk_close(&other);
}
END_TEST

START_TEST(test_disk_serves_one_server_at_a_time)
{
    struct disk other;

    ck_assert(!disk_open(&other, root, &error));
    ck_assert_int_eq(error.code, ERROR_BUSY);
    ck_assert_ptr_nonnull(strstr(error.message, root));
    disk_close(&other);
    disk_close(&disk);
    ck_assert(disk_open(&other, root, &error));
    disk_close(&other);
    disk_close(&other);
}
END_TEST

/* Those of fcntl(F_SETLK) would be gone. */
START_TEST(test_disk_keeps_its_lock_when_others_close_the_file)
{
    struct file file = {0};
    struct disk other;

    ck_assert(file_open(&file, &disk, ".lock", O_RDWR, &error));
    file_close(&file);
    ck_assert(!disk_open(&other, root, &error));
    ck_assert_int_eq(error.code, ERROR_BUSY);
}
END_TEST

START_TEST(test_disk_stays_in_its_directory)
{
    make_file("x", "here");
    ck_assert_int_eq(chdir("/"), 0);
    assert_content("x", "here");
}
END_TEST

START_TEST(test_disk_files_are_private_and_not_inherited)
{
    struct file file = {0};

    ck_assert(disk_make_directory(&disk, "a", &error));
    ck_assert(file_open(&file, &disk, "a/x", O_RDWR | O_CREAT, &error));
    ck_assert_uint_eq(mode_of("a"), 0700);
    ck_assert_uint_eq(mode_of("a/x"), 0600);
    ck_assert_int_ne(fcntl(file.fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_ne(fcntl(disk.root_fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_ne(fcntl(disk.lock_fd, F_GETFD) & FD_CLOEXEC, 0);
    file_close(&file);
}
END_TEST

START_TEST(test_disk_follows_no_link)
{
    struct file file = {0};
    struct buf names = {0};

    make_file("secret", "x");
    ck_assert_int_eq(symlinkat("secret", disk.root_fd, "link"), 0);
    ck_assert(!file_open(&file, &disk, "link", O_RDONLY, &error));
    ck_assert_int_eq(error.errnum, ELOOP);
    ck_assert(disk_make_directory(&disk, "a", &error));
    ck_assert_int_eq(symlinkat("a", disk.root_fd, "b"), 0);
    ck_assert(!disk_sync_directory(&disk, "b", &error));
    ck_assert(!disk_list(&disk, "b", &names, &error));
}
END_TEST

START_TEST(test_file_that_is_not_there_is_not_found)
{
    struct file file = {0};
    struct buf content = {0};

    ck_assert(!file_open(&file, &disk, "a/b/nothing", O_RDONLY, &error));
    ck_assert_int_eq(error.code, ERROR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(error.message, "a/b/nothing"));
    ck_assert_int_eq(file.fd, -1);
    file_close(&file);
    ck_assert(!disk_read_file(&disk, "nothing", 10, &content, &error));
    ck_assert_int_eq(error.code, ERROR_NOT_FOUND);
    ck_assert(!disk_rename(&disk, "nothing", "else", &error));
    ck_assert_int_eq(error.code, ERROR_NOT_FOUND);
    ck_assert(!disk_sync_directory(&disk, "nothing", &error));
    ck_assert_int_eq(error.code, ERROR_NOT_FOUND);
}
END_TEST

START_TEST(test_file_close_is_harmless_twice)
{
    struct file zero = {0}, file = {0};

    file_close(&zero);
    ck_assert(file_open(&file, &disk, "x", O_RDWR | O_CREAT, &error));
    int fd = file.fd;
    file_close(&file);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    file_close(&file);
    ck_assert_int_eq(file.fd, -1);
    ck_assert_int_ne(fcntl(disk.root_fd, F_GETFD), -1);
}
END_TEST

START_TEST(test_file_reads_what_was_written_where_it_was)
{
    struct file file = {0};
    char text[4];

    ck_assert(file_open(&file, &disk, "x", O_RDWR | O_CREAT, &error));
    ck_assert(file_write_at(&file, STR("abcdef"), 0, &error));
    ck_assert(file_write_at(&file, STR("XY"), 2, &error));
    ck_assert(file_read_at(&file, text, 4, 1, &error));
    ck_assert_mem_eq(text, "bXYe", 4);
    ck_assert(file_read_at(&file, text, 0, 99, &error));
    file_close(&file);
}
END_TEST

START_TEST(test_file_that_ends_too_early_is_damaged)
{
    struct file file = {0};
    char text[8];

    make_file("a-file", "12345");
    ck_assert(file_open(&file, &disk, "a-file", O_RDONLY, &error));
    ck_assert(file_read_at(&file, text, 5, 0, &error));
    ck_assert(!file_read_at(&file, text, 6, 0, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
    ck_assert_str_eq(error.message, "a-file: ends at byte 5, 1 more are expected");
    file_close(&file);
}
END_TEST

START_TEST(test_file_size_follows_truncate)
{
    struct file file = {0};
    uint64_t size;

    ck_assert(file_open(&file, &disk, "x", O_RDWR | O_CREAT, &error));
    ck_assert(file_write_at(&file, STR("abcdef"), 0, &error));
    ck_assert(file_size(&file, &size, &error));
    ck_assert_uint_eq(size, 6);
    ck_assert(file_truncate(&file, 2, &error));
    ck_assert(file_size(&file, &size, &error));
    ck_assert_uint_eq(size, 2);
    ck_assert(file_sync(&file, &error));
    file_close(&file);
    assert_content("x", "ab");
}
END_TEST

START_TEST(test_file_tells_when_it_was_written)
{
    struct timespec times[2] = {{1600000000, 0}, {1600000001, 0}};
    struct file file = {0};
    int64_t seconds;

    ck_assert(file_open(&file, &disk, "x", O_RDWR | O_CREAT, &error));
    ck_assert_int_eq(futimens(file.fd, times), 0);
    ck_assert(file_modified(&file, &seconds, &error));
    ck_assert_int_eq(seconds, 1600000001);
    file_close(&file);
}
END_TEST

START_TEST(test_file_closed_fails_in_everything)
{
    struct file file = {.disk = &disk, .fd = -1, .name = "gone"};
    int64_t seconds;
    uint64_t size;
    char byte;

    ck_assert(!file_read_at(&file, &byte, 1, 0, &error));
    ck_assert_int_eq(error.errnum, EBADF);
    ck_assert_int_eq(error.code, ERROR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "gone"));
    ck_assert(!file_write_at(&file, STR("x"), 0, &error));
    ck_assert(!file_sync(&file, &error));
    ck_assert(!file_truncate(&file, 0, &error));
    ck_assert(!file_size(&file, &size, &error));
    ck_assert(!file_modified(&file, &seconds, &error));
}
END_TEST

START_TEST(test_file_names_lose_their_front)
{
    struct file file = {0};
    char name[400], end[sizeof file.name];

    memset(name, 'x', sizeof name);
    strcpy(name + sizeof name - 5, "/end");
    ck_assert(!file_open(&file, &disk, name, O_RDONLY, &error));
    ck_assert_uint_eq(strlen(file.name), sizeof file.name - 1);
    (void)snprintf(end, sizeof end, "...%s", name + sizeof name - sizeof file.name + 3);
    ck_assert_str_eq(file.name, end);
}
END_TEST

START_TEST(test_disk_reads_no_file_that_is_too_long)
{
    struct buf content = {0};

    make_file("a-file", "12345");
    buf_append(&content, STR("old"));
    ck_assert(disk_read_file(&disk, "a-file", 5, &content, &error));
    ck_assert_str_eq(content.data, "12345");
    ck_assert(!disk_read_file(&disk, "a-file", 4, &content, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
    ck_assert_str_eq(error.message, "a-file: has 5 bytes, at most 4 are expected");
    make_file("empty", "");
    ck_assert(disk_read_file(&disk, "empty", 0, &content, &error));
    ck_assert_uint_eq(content.length, 0);
    buf_clear(&content);
}
END_TEST

START_TEST(test_disk_replaces_a_file_as_a_whole)
{
    make_file("x", "a long old content");
    make_file("x.new", "what an earlier attempt left, which is longer");
    ck_assert(disk_replace_file(&disk, "x", STR("new"), true, &error));
    assert_content("x", "new");
    ck_assert(!is_there("x.new"));
    ck_assert(disk_replace_file(&disk, "y", STR("other"), false, &error));
    assert_content("y", "other");
}
END_TEST

START_TEST(test_disk_keeps_the_old_file_if_the_new_one_fails)
{
    ck_assert(disk_make_directory(&disk, "x", &error));
    make_file("x/inside", "");
    ck_assert(!disk_replace_file(&disk, "x", STR("new"), false, &error));
    ck_assert(is_there("x/inside"));
    ck_assert(!is_there("x.new"));
}
END_TEST

START_TEST(test_disk_makes_and_removes_as_often_as_asked)
{
    ck_assert(disk_make_directory(&disk, "a", &error));
    ck_assert(disk_make_directory(&disk, "a", &error));
    ck_assert(disk_sync_directory(&disk, "a", &error));
    ck_assert(disk_sync_directory(&disk, ".", &error));
    make_file("a/x", "");
    ck_assert(disk_unlink(&disk, "a/x", &error));
    ck_assert(!is_there("a/x"));
    ck_assert(disk_unlink(&disk, "a/x", &error));
    ck_assert(!disk_unlink(&disk, "a", &error));
    ck_assert(!disk_make_directory(&disk, "b/c", &error));
    ck_assert_int_eq(error.code, ERROR_NOT_FOUND);
}
END_TEST

static bool has_name(const struct buf *names, const char *name)
{
    for (size_t at = 0; at < names->length; at += strlen(names->data + at) + 1) {
        if (strcmp(names->data + at, name) == 0)
            return true;
    }
    return false;
}

START_TEST(test_disk_lists_names)
{
    struct buf names = {0};

    ck_assert(disk_make_directory(&disk, "a", &error));
    make_file("a/x", "");
    make_file("a/.y", "");
    ck_assert(disk_make_directory(&disk, "a/z", &error));
    ck_assert(disk_list(&disk, "a", &names, &error));
    ck_assert_uint_eq(names.length, strlen("x") + strlen(".y") + strlen("z") + 3);
    ck_assert(has_name(&names, "x") && has_name(&names, ".y") && has_name(&names, "z"));
    buf_reset(&names);
    ck_assert(disk_list(&disk, "nothing", &names, &error));
    ck_assert_uint_eq(names.length, 0);
    ck_assert(!disk_list(&disk, "a/x", &names, &error));
    ck_assert_int_eq(error.errnum, ENOTDIR);
    names.failed = true;
    ck_assert(!disk_list(&disk, "a", &names, &error));
    ck_assert_int_eq(error.code, ERROR_NO_MEMORY);
    buf_clear(&names);
}
END_TEST

/* --- Calls that are interrupted and do less than they were asked for ------------------------- */

static struct {
    const struct disk_calls *real;
    int interruptions; /* of each call, before it goes on */
    int left;
    bool writes_nothing;
} slow;

static bool interrupt(void)
{
    if (slow.left-- > 0)
        return true;
    slow.left = slow.interruptions;
    return false;
}

static int slow_open(struct disk *on, const char *name, int flags)
{
    return interrupt() ? -EINTR : slow.real->open(on, name, flags);
}

static ssize_t slow_read_at(struct disk *on, int fd, void *data, size_t length, uint64_t offset)
{
    return interrupt() ? -EINTR : slow.real->read_at(on, fd, data, length > 0, offset);
}

static ssize_t slow_write_at(struct disk *on, int fd, const void *data, size_t length,
                             uint64_t offset)
{
    if (slow.writes_nothing)
        return 0;
    return interrupt() ? -EINTR : slow.real->write_at(on, fd, data, length > 0, offset);
}

static int slow_truncate(struct disk *on, int fd, uint64_t length)
{
    return interrupt() ? -EINTR : slow.real->truncate(on, fd, length);
}

static struct disk_calls slow_calls;

static void slow_down(void)
{
    slow.real = disk.calls;
    slow.interruptions = slow.left = 2;
    slow.writes_nothing = false;
    slow_calls = *disk.calls;
    slow_calls.open = slow_open;
    slow_calls.read_at = slow_read_at;
    slow_calls.write_at = slow_write_at;
    slow_calls.truncate = slow_truncate;
    disk.calls = &slow_calls;
}

START_TEST(test_file_goes_on_after_interruptions_byte_by_byte)
{
    struct file file = {0};
    char text[7] = "";

    slow_down();
    ck_assert(file_open(&file, &disk, "x", O_RDWR | O_CREAT, &error));
    ck_assert(file_write_at(&file, STR("..abcdef"), 0, &error));
    ck_assert(file_read_at(&file, text, 6, 2, &error));
    ck_assert_str_eq(text, "abcdef");
    ck_assert(file_truncate(&file, 3, &error));
    file_close(&file);
    assert_content("x", "..a");
}
END_TEST

START_TEST(test_file_that_takes_nothing_is_on_a_full_disk)
{
    struct file file = {0};

    slow_down();
    slow.writes_nothing = true;
    ck_assert(file_open(&file, &disk, "x", O_RDWR | O_CREAT, &error));
    ck_assert(!file_write_at(&file, STR("x"), 0, &error));
    ck_assert_int_eq(error.code, ERROR_NO_SPACE);
    file_close(&file);
}
END_TEST

static void add_file_tests(Suite *suite)
{
    TCase *tests = tcase_create("files");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_file_that_is_not_there_is_not_found);
    tcase_add_test(tests, test_file_close_is_harmless_twice);
    tcase_add_test(tests, test_file_reads_what_was_written_where_it_was);
    tcase_add_test(tests, test_file_that_ends_too_early_is_damaged);
    tcase_add_test(tests, test_file_size_follows_truncate);
    tcase_add_test(tests, test_file_tells_when_it_was_written);
    tcase_add_test(tests, test_file_closed_fails_in_everything);
    tcase_add_test(tests, test_file_names_lose_their_front);
    tcase_add_test(tests, test_file_goes_on_after_interruptions_byte_by_byte);
    tcase_add_test(tests, test_file_that_takes_nothing_is_on_a_full_disk);
    suite_add_tcase(suite, tests);
}

Suite *suite_disk(void)
{
    Suite *suite = suite_create("disk");
    TCase *tests = tcase_create("disk");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_disk_open_makes_a_private_directory);
    tcase_add_test(tests, test_disk_open_takes_a_directory_that_is_there);
    tcase_add_test(tests, test_disk_that_is_open_to_read_changes_nothing);
    tcase_add_test(tests, test_disk_open_makes_no_parents);
    tcase_add_test(tests, test_disk_serves_one_server_at_a_time);
    tcase_add_test(tests, test_disk_keeps_its_lock_when_others_close_the_file);
    tcase_add_test(tests, test_disk_stays_in_its_directory);
    tcase_add_test(tests, test_disk_files_are_private_and_not_inherited);
    tcase_add_test(tests, test_disk_follows_no_link);
    tcase_add_test(tests, test_disk_reads_no_file_that_is_too_long);
    tcase_add_test(tests, test_disk_replaces_a_file_as_a_whole);
    tcase_add_test(tests, test_disk_keeps_the_old_file_if_the_new_one_fails);
    tcase_add_test(tests, test_disk_makes_and_removes_as_often_as_asked);
    tcase_add_test(tests, test_disk_lists_names);
    suite_add_tcase(suite, tests);
    add_file_tests(suite);
    return suite;
}
