#include "app/options.h"

#include "app/suites.h"

#include <string.h>

#include <check.h>

enum { WORDS_MOST = 8 };

static struct options options;
static struct error error;

/* line is cut at its blanks, in place. */
static bool parse(char *line)
{
    char *words[WORDS_MOST + 1] = {NULL};
    int count = 0;

    for (char *word = strtok(line, " "); word && count < WORDS_MOST; word = strtok(NULL, " "))
        words[count++] = word;
    return options_parse(&options, count, words, &error);
}

static const struct {
    const char *line;
    enum action action;
    const char *conf_file;
    unsigned instance;
} good[] = {
    {"cutoutd", ACTION_RUN, NULL, 0},
    {"cutoutd -c x.conf", ACTION_RUN, "x.conf", 0},
    {"cutoutd --conf=x.conf -n 12", ACTION_RUN, "x.conf", 12},
    {"cutoutd -tc x.conf", ACTION_TEST, "x.conf", 0},
    {"cutoutd -T", ACTION_SHOW, NULL, 0},
    {"cutoutd --print-reference", ACTION_REFERENCE, NULL, 0},
    {"cutoutd -h", ACTION_HELP, NULL, 0},
    {"cutoutd --version", ACTION_VERSION, NULL, 0},
    {"cutoutd -n 0", ACTION_RUN, NULL, 0},
};

START_TEST(test_options_are_understood)
{
    char line[64] = "";

    memcpy(line, good[_i].line, strlen(good[_i].line));
    ck_assert_msg(parse(line), "%s: %s", good[_i].line, error.message);
    ck_assert_int_eq(options.action, good[_i].action);
    ck_assert_pstr_eq(options.conf_file, good[_i].conf_file);
    ck_assert_uint_eq(options.instance, good[_i].instance);
}
END_TEST

static const struct {
    const char *line, *names;
} bad[] = {
    {"cutoutd -x", "-x"},          {"cutoutd --nonsense", "--nonsense"},
    {"cutoutd -c", "-c"},          {"cutoutd -n x", "\"x\""},
    {"cutoutd -n -1", "\"-1\""},   {"cutoutd -n 1000", "1000"},
    {"cutoutd x.conf", "x.conf"},  {"cutoutd --conf", "--conf"},
    {"cutoutd -t start", "start"},
};

START_TEST(test_options_name_what_is_wrong)
{
    char line[64] = "";

    memcpy(line, bad[_i].line, strlen(bad[_i].line));
    ck_assert_msg(!parse(line), "%s", bad[_i].line);
    ck_assert_int_eq(error.code, ERROR_CONF);
    ck_assert_msg(strstr(error.message, bad[_i].names) != NULL, "%s", error.message);
}
END_TEST

START_TEST(test_options_print_what_was_asked_for)
{
    static const struct {
        enum action action;
        const char *text;
    } expected[] = {
        {ACTION_HELP, "usage: cutoutd"},
        {ACTION_VERSION, "cutoutd "},
        {ACTION_REFERENCE, "#listen 127.0.0.1:8088\n"},
        {ACTION_TEST, "x.conf: ok\n"},
        {ACTION_SHOW, "data_dir ./data\n"},
    };
    struct settings settings;
    struct buf out = {0};

    ck_assert(directives_read(&settings, NULL, 0, &error));
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        options = (struct options){.action = expected[i].action, .conf_file = "x.conf"};
        buf_reset(&out);
        options_print(&options, &settings, &out);
        ck_assert_msg(strstr(buf_str(&out).data, expected[i].text) != NULL, "%s",
                      buf_str(&out).data);
    }
    directives_clear(&settings);
    buf_clear(&out);
}
END_TEST

START_TEST(test_options_tell_who_needs_a_conf)
{
    static const bool wanted[] = {
        [ACTION_RUN] = true,        [ACTION_TEST] = true,  [ACTION_SHOW] = true,
        [ACTION_REFERENCE] = false, [ACTION_HELP] = false, [ACTION_VERSION] = false};

    for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        options = (struct options){.action = (enum action)i};
        ck_assert(options_want_conf(&options) == wanted[i]);
    }
}
END_TEST

Suite *suite_options(void)
{
    Suite *suite = suite_create("options");
    TCase *tcase = tcase_create("options");

    tcase_add_loop_test(tcase, test_options_are_understood, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(tcase, test_options_name_what_is_wrong, 0, sizeof bad / sizeof *bad);
    tcase_add_test(tcase, test_options_print_what_was_asked_for);
    tcase_add_test(tcase, test_options_tell_who_needs_a_conf);
    suite_add_tcase(suite, tcase);
    return suite;
}
