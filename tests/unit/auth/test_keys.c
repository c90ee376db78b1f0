#include "auth/suites.h"

#include "auth/keys.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#define ONES   "1111111111111111111111111111111111111111111111111111111111111111"
#define TWOS   "2222222222222222222222222222222222222222222222222222222222222222"
#define LETTER "aAbBcCdDeEfF00112233445566778899aAbBcCdDeEfF00112233445566778899"

static char directory[64], path[96];
static struct keys keys;
static struct error error;

static void setup(void)
{
    (void)snprintf(directory, sizeof directory, "/tmp/cutout-keys-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/keys", directory);
}

static void teardown(void)
{
    keys_clear(&keys);
    (void)unlink(path);
    (void)rmdir(directory);
}

static void write_file(const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

START_TEST(test_keys_makes_a_private_file_once)
{
    struct keys again;
    struct stat info;

    ck_assert_msg(keys_read_file(&keys, path, &error), "%s", error.message);
    ck_assert_uint_eq(keys.count, 1);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 07777, 0600);
    ck_assert(keys_read_file(&again, path, &error));
    ck_assert_mem_eq(again.items[0].token_key, keys.items[0].token_key, CRYPTO_HASH_SIZE);
    ck_assert_str_eq(again.items[0].id, keys.items[0].id);
    keys_clear(&again);
}
END_TEST

/* The status is the first byte of the key, or a failure of the test. */
static int read_as_another(void)
{
    struct keys other;

    return keys_read_file(&other, path, &error) && other.count == 1 ? other.items[0].token_key[0]
                                                                    : -1;
}

START_TEST(test_keys_are_the_same_for_all_who_start_at_once)
{
    int ready[2], results[2];
    unsigned char first, next;

    ck_assert(pipe(ready) == 0 && pipe(results) == 0);
    for (unsigned i = 0; i < 8; i++) {
        if (fork() != 0)
            continue;
        (void)close(ready[1]);
        (void)!read(ready[0], &next, 1); /* until all are there */
        int key = read_as_another();
        next = (unsigned char)key;
        _exit(key >= 0 && write(results[1], &next, 1) == 1 ? 0 : 1);
    }
    (void)close(ready[1]);
    (void)close(results[1]);
    ck_assert_int_eq(read(results[0], &first, 1), 1);
    for (unsigned i = 1; i < 8; i++) {
        ck_assert_int_eq(read(results[0], &next, 1), 1);
        ck_assert_uint_eq(next, first);
    }
    while (wait(NULL) > 0)
        continue;
    (void)close(ready[0]);
    (void)close(results[0]);
    ck_assert_msg(keys_read_file(&keys, path, &error), "%s", error.message);
    ck_assert_uint_eq(keys.items[0].token_key[0], first);
}
END_TEST

START_TEST(test_keys_are_random)
{
    struct keys other;

    ck_assert(keys_make(&keys, &error) && keys_make(&other, &error));
    ck_assert_mem_ne(keys.items[0].token_key, other.items[0].token_key, CRYPTO_HASH_SIZE);
    keys_clear(&other);
}
END_TEST

START_TEST(test_keys_reads_all_lines_in_their_order)
{
    write_file("# today's\n  new " ONES "  # signs\n\nold1 " TWOS "\n\t\nx " LETTER, 0600);
    ck_assert_msg(keys_read_file(&keys, path, &error), "%s", error.message);
    ck_assert_uint_eq(keys.count, 3);
    ck_assert_str_eq(keys.items[0].id, "new");
    ck_assert_str_eq(keys.items[1].id, "old1");
    ck_assert_str_eq(keys.items[2].id, "x");
    ck_assert_mem_ne(keys.items[0].token_key, keys.items[1].token_key, CRYPTO_HASH_SIZE);
}
END_TEST

/* RFC 5869, so that another program can make our tokens from the same file. */
START_TEST(test_keys_derives_what_signs_from_what_is_in_the_file)
{
    unsigned char master[CRYPTO_HASH_SIZE], expected[CRYPTO_HASH_SIZE];

    memset(master, 0x11, sizeof master);
    ck_assert(crypto_derive((struct str){(const char *)master, sizeof master},
                            STR("cutout token v1"), expected, &error));
    write_file("k " ONES "\n", 0600);
    ck_assert(keys_read_file(&keys, path, &error));
    ck_assert_mem_eq(keys.items[0].token_key, expected, sizeof expected);
    ck_assert_mem_ne(keys.items[0].token_key, master, sizeof master);
    ck_assert(crypto_derive((struct str){(const char *)master, sizeof master},
                            STR("cutout mail v1"), expected, &error));
    ck_assert_mem_eq(keys.items[0].mail_key, expected, sizeof expected);
    ck_assert_mem_ne(keys.items[0].mail_key, keys.items[0].token_key, sizeof expected);
}
END_TEST

static const struct {
    const char *text, *said;
} bad[] = {
    {"", "holds no key"},
    {"# nothing\n", "holds no key"},
    {"k\n", "keys:1: is not"},
    {ONES "\n", "keys:1: is not"},
    {"k " ONES "1\n", "keys:1: is not"},
    {"k 111\n", "keys:1: is not"},
    {"k " ONES " x\n", "keys:1: is not"},
    {"K " ONES "\n", "keys:1: is not"},
    {"k- " ONES "\n", "keys:1: is not"},
    {"k\t" ONES "\n", "keys:1: is not"},
    {"12345678901234567 " ONES "\n", "keys:1: is not"},
    {"k g111111111111111111111111111111111111111111111111111111111111111\n", "keys:1: is not"},
    {"a " ONES "\nb\n", "keys:2: is not"},
    {"a " ONES "\na " TWOS "\n", "keys:2: key a is there twice"},
    {"a " ONES "\nb " ONES "\nc " ONES "\nd " ONES "\ne " ONES "\nf " ONES "\ng " ONES "\nh " ONES
     "\ni " ONES "\n",
     "keys:9: there are more than 8"},
};

START_TEST(test_keys_names_a_bad_line)
{
    write_file(bad[_i].text, 0600);
    ck_assert(!keys_read_file(&keys, path, &error));
    ck_assert_int_eq(error.code, ERROR_CONF);
    ck_assert_msg(strstr(error.message, bad[_i].said), "%s", error.message);
    ck_assert_uint_eq(keys.count, 0);
}
END_TEST

START_TEST(test_keys_refuses_a_file_that_others_may_read_or_write)
{
    static const mode_t modes[] = {0640, 0620, 0604, 0602, 0610, 0601, 0644, 0666};

    write_file("k " ONES "\n", modes[_i]);
    ck_assert(!keys_read_file(&keys, path, &error));
    ck_assert_int_eq(error.code, ERROR_CONF);
    ck_assert_ptr_nonnull(strstr(error.message, "chmod 600"));
}
END_TEST

START_TEST(test_keys_follows_no_link)
{
    char target[128];

    (void)snprintf(target, sizeof target, "%s.target", path);
    write_file("k " ONES "\n", 0600);
    ck_assert_int_eq(rename(path, target), 0);
    ck_assert_int_eq(symlink(target, path), 0);
    ck_assert(!keys_read_file(&keys, path, &error));
    ck_assert_int_eq(unlink(target), 0);
    ck_assert(!keys_read_file(&keys, path, &error)); /* and makes nothing behind a dangling one */
    ck_assert_int_ne(access(target, F_OK), 0);
}
END_TEST

START_TEST(test_keys_refuses_what_is_no_file)
{
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert(!keys_read_file(&keys, path, &error));
    ck_assert_ptr_nonnull(strstr(error.message, "no regular file"));
    ck_assert(!keys_read_file(&keys, directory, &error));
    (void)snprintf(path, sizeof path, "%s/keys", directory);
    ck_assert(!keys_read_file(&keys, "/tmp/no/such/directory/keys", &error));
}
END_TEST

START_TEST(test_keys_refuses_a_file_that_is_too_long)
{
    static char text[9000];

    memset(text, '#', sizeof text - 1);
    write_file(text, 0600);
    ck_assert(!keys_read_file(&keys, path, &error));
    ck_assert_ptr_nonnull(strstr(error.message, "8192"));
}
END_TEST

START_TEST(test_keys_clear_leaves_nothing)
{
    static const struct keys nothing;

    ck_assert(keys_make(&keys, &error));
    keys_clear(&keys);
    ck_assert_mem_eq(&keys, &nothing, sizeof keys);
    keys_clear(&keys);
}
END_TEST

Suite *suite_keys(void)
{
    Suite *suite = suite_create("keys");
    TCase *tests = tcase_create("keys");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_keys_makes_a_private_file_once);
    tcase_add_test(tests, test_keys_are_the_same_for_all_who_start_at_once);
    tcase_add_test(tests, test_keys_are_random);
    tcase_add_test(tests, test_keys_reads_all_lines_in_their_order);
    tcase_add_test(tests, test_keys_derives_what_signs_from_what_is_in_the_file);
    tcase_add_loop_test(tests, test_keys_names_a_bad_line, 0, (int)(sizeof bad / sizeof *bad));
    tcase_add_loop_test(tests, test_keys_refuses_a_file_that_others_may_read_or_write, 0, 8);
    tcase_add_test(tests, test_keys_follows_no_link);
    tcase_add_test(tests, test_keys_refuses_what_is_no_file);
    tcase_add_test(tests, test_keys_refuses_a_file_that_is_too_long);
    tcase_add_test(tests, test_keys_clear_leaves_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
