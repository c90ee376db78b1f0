#include "tools/command.h"

#include "tools/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

enum { WORDS_MOST = 8 };

static struct command command;
static struct error error;

static bool parse(const char *line)
{
    char copy[512], *words[WORDS_MOST + 1] = {NULL};
    int count = 0;

    ck_assert_uint_lt(strlen(line), sizeof copy);
    memcpy(copy, line, strlen(line) + 1);
    for (char *word = strtok(copy, " "); word && count < WORDS_MOST; word = strtok(NULL, " "))
        words[count++] = word;
    return command_parse(&command, count, words, &error);
}

static const struct {
    const char *line;
    enum command_action action;
    const char *data_dir, *path;
    bool json, index;
} good[] = {
    {"ctl check", COMMAND_CHECK, "./data", "", false, false},
    {"ctl check -d /x -j", COMMAND_CHECK, "/x", "", true, false},
    {"ctl -j check a.org/u@b.org/n", COMMAND_CHECK, "./data", "a.org/u@b.org/n", true, false},
    {"ctl repair -d x a.org/u@b.org/n%2Fm/", COMMAND_REPAIR, "x", "a.org/u@b.org/n%2Fm", false,
     false},
    {"ctl dump a/b/c --index", COMMAND_DUMP, "./data", "a/b/c", false, true},
    {"ctl stat --data-dir=x --json", COMMAND_STAT, "x", "", true, false},
    {"ctl --help", COMMAND_HELP, "", "", false, false},
    {"ctl -V nonsense", COMMAND_VERSION, "", "", false, false},
};

START_TEST(test_command_understands)
{
    ck_assert_msg(parse(good[_i].line), "%s: %s", good[_i].line, error.message);
    ck_assert_int_eq(command.action, good[_i].action);
    ck_assert_str_eq(command.data_dir, good[_i].data_dir);
    ck_assert_str_eq(command.path, good[_i].path);
    ck_assert(command.json == good[_i].json);
    ck_assert(command.index == good[_i].index);
}
END_TEST

static const struct {
    const char *line, *names;
} bad[] = {
    {"ctl", "which command"},
    {"ctl fix", "\"fix\""},
    {"ctl check -x", "-x"},
    {"ctl check -d", "-d"},
    {"ctl check a/b/c d", "\"d\""},
    {"ctl repair", "PATH"},
    {"ctl dump", "PATH"},
    {"ctl repair -j a/b/c", "--json"},
    {"ctl stat --index", "--index"},
    {"ctl check a/b", "\"a/b\""},
    {"ctl check a/b/c/d", "\"a/b/c/d\""},
    {"ctl check a/../c", "\"a/../c\""},
    {"ctl check a/b/..", "\"a/b/..\""},
    {"ctl check .journal/b/c", ".journal"},
    {"ctl check /", "\"/\""},
    {"ctl check /nowhere/a/b/c", "/nowhere"},
};

START_TEST(test_command_refuses_and_names_the_word)
{
    ck_assert(!parse(bad[_i].line));
    ck_assert_msg(strstr(error.message, bad[_i].names) != NULL, "%s: %s", bad[_i].line,
                  error.message);
}
END_TEST

START_TEST(test_command_finds_the_data_directory_in_an_absolute_path)
{
    char dir[] = "/tmp/cutoutctl-test-XXXXXX", name[256], line[512];
    static const char *const below[] = {"/a.org", "/a.org/u@b.org", "/a.org/u@b.org/n"};

    ck_assert_ptr_nonnull(mkdtemp(dir));
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "%s%s", dir, below[i]);
        ck_assert_int_eq(mkdir(name, 0700), 0);
    }
    (void)snprintf(line, sizeof line, "ctl check %s/../n/", name);
    ck_assert_msg(parse(line), "%s", error.message);
    ck_assert_str_eq(command.data_dir, dir);
    ck_assert_str_eq(command.path, "a.org/u@b.org/n");
    (void)snprintf(line, sizeof line, "ctl check -d %s %s", dir, name);
    ck_assert(parse(line));
    (void)snprintf(line, sizeof line, "ctl check -d /tmp %s", name);
    ck_assert(!parse(line));
    ck_assert_ptr_nonnull(strstr(error.message, "is not in"));
    for (size_t i = 3; i-- > 0;) {
        (void)snprintf(name, sizeof name, "%s%s", dir, below[i]);
        ck_assert_int_eq(rmdir(name), 0);
    }
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

Suite *suite_command(void)
{
    Suite *suite = suite_create("command");
    TCase *tests = tcase_create("command");

    tcase_add_loop_test(tests, test_command_understands, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(tests, test_command_refuses_and_names_the_word, 0,
                        sizeof bad / sizeof *bad);
    tcase_add_test(tests, test_command_finds_the_data_directory_in_an_absolute_path);
    suite_add_tcase(suite, tests);
    return suite;
}
