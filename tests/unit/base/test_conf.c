#include "base/conf.h"

#include "base/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

struct settings {
    bool dev_login;
    unsigned durability;
    uint64_t max_post, max_wait, workers, at_least;
    char *data_dir, *verifier;
    struct conf_list listen, origins;
};

static bool check_path(const char *value, struct error *error)
{
    return value[0] == '/' || error_set(error, ERROR_CONF, "\"%s\" is not an absolute path", value);
}

static const char *const durabilities[] = {"always", "interval", "off", NULL};

#define FIELD(name) offsetof(struct settings, name)

static const struct conf_directive table[] = {
    {.name = "listen",
     .type = CONF_LIST,
     .offset = FIELD(listen),
     .fallback = "127.0.0.1:8088 unix:/run/x",
     .values = "ADDRESS:PORT | unix:PATH ...",
     .help =
         "Where clients connect. Several addresses may be given, in one line or in many; each of "
         "them is served by the same process."},
    {.name = "max_post_bytes",
     .type = CONF_SIZE,
     .offset = FIELD(max_post),
     .fallback = "1m",
     .least = 1024,
     .most = 1 << 30,
     .reloads = true,
     .help = "Largest body of a POST."},
    {.name = "max_wait", .type = CONF_DURATION, .offset = FIELD(max_wait), .fallback = "55s"},
    {.name = "workers", .type = CONF_COUNT, .offset = FIELD(workers), .fallback = "4"},
    {.name = "at_least",
     .type = CONF_COUNT,
     .offset = FIELD(at_least),
     .fallback = "2",
     .least = 2},
    {.name = "dev_login", .type = CONF_FLAG, .offset = FIELD(dev_login), .fallback = "off"},
    {.name = "durability",
     .type = CONF_CHOICE,
     .offset = FIELD(durability),
     .fallback = "always",
     .choices = durabilities},
    {.name = "data_dir",
     .type = CONF_TEXT,
     .offset = FIELD(data_dir),
     .fallback = "\"/var/lib/cut outs\"",
     .check = check_path},
    {.name = "verifier", .type = CONF_TEXT, .offset = FIELD(verifier), .fallback = ""},
    {.name = "allow_origin", .type = CONF_LIST, .offset = FIELD(origins), .fallback = ""},
    {0},
};

static struct settings settings;
static struct error error;
static char directory[64];

static void set_up(void)
{
    settings = (struct settings){0};
    ck_assert_msg(conf_set_defaults(table, &settings, &error), "%s", error.message);
    strcpy(directory, "/tmp/test_conf_");
    memset(directory + strlen(directory), 'X', 6); /* as mkdtemp wants it */
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void tear_down(void)
{
    char command[80];

    conf_clear(table, &settings);
    (void)snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

/* The path of a file in the test's own directory; one at a time. */
static const char *path_of(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static bool read_text(const char *text)
{
    return conf_read_text(table, str_of(text), "x.conf", 7, &settings, &error);
}

static bool read_named(const char *name)
{
    return conf_read_file(table, path_of(name), 7, &settings, &error);
}

/* What error says, without the test's directory. */
static const char *told(void)
{
    static char text[sizeof error.message];
    char *to = text;

    for (const char *at = error.message; *at;) {
        if (strncmp(at, directory, strlen(directory)) == 0)
            at += strlen(directory) + 1;
        else
            *to++ = *at++;
    }
    *to = '\0';
    return text;
}

START_TEST(test_conf_sets_defaults)
{
    ck_assert_uint_eq(settings.listen.count, 2);
    ck_assert_str_eq(settings.listen.items[0], "127.0.0.1:8088");
    ck_assert_str_eq(settings.listen.items[1], "unix:/run/x");
    ck_assert_uint_eq(settings.max_post, 1 << 20);
    ck_assert_uint_eq(settings.max_wait, 55000);
    ck_assert_uint_eq(settings.workers, 4);
    ck_assert(!settings.dev_login);
    ck_assert_uint_eq(settings.durability, 0);
    ck_assert_str_eq(settings.data_dir, "/var/lib/cut outs");
    ck_assert_ptr_null(settings.verifier);
    ck_assert_uint_eq(settings.origins.count, 0);
}
END_TEST

static const struct {
    struct conf_directive table[2];
    const char *message;
} wrong_tables[] = {
    {{{.name = "n", .type = CONF_COUNT, .offset = FIELD(workers), .fallback = "4", .most = 3}, {0}},
     "wrong default: n: 4 is not from 0 to 3"},
    {{{.name = "n", .type = CONF_COUNT, .offset = FIELD(workers), .fallback = ""}, {0}},
     "wrong default: n: takes exactly one value"},
    {{{.name = "t", .type = CONF_TEXT, .offset = FIELD(verifier), .fallback = "a b"}, {0}},
     "wrong default: t: takes exactly one value"},
};

START_TEST(test_conf_refuses_a_wrong_table)
{
    struct settings other = {0};

    ck_assert(!conf_set_defaults(wrong_tables[_i].table, &other, &error));
    ck_assert_int_eq(error.code, ERROR_CONF);
    ck_assert_str_eq(error.message, wrong_tables[_i].message);
    conf_clear(wrong_tables[_i].table, &other);
}
END_TEST

START_TEST(test_conf_reads_every_type)
{
    ck_assert_msg(read_text("# comment\n\n \t \nlisten a b # comment\r\n\tlisten\tc\n"
                            "max_post_bytes 64k\nmax_wait 250ms\nworkers 0\ndev_login on\n"
                            "durability off\ndata_dir \"/a b/\\\"c\\\\\"\n"
                            "verifier http://x/#y\nallow_origin \"#1\" a\\b"),
                  "%s", error.message);
    ck_assert_uint_eq(settings.listen.count, 3);
    ck_assert_str_eq(settings.listen.items[0], "a");
    ck_assert_str_eq(settings.listen.items[2], "c");
    ck_assert_uint_eq(settings.max_post, 65536);
    ck_assert_uint_eq(settings.max_wait, 250);
    ck_assert_uint_eq(settings.workers, 0);
    ck_assert(settings.dev_login);
    ck_assert_uint_eq(settings.durability, 2);
    ck_assert_str_eq(settings.data_dir, "/a b/\"c\\");
    ck_assert_str_eq(settings.verifier, "http://x/#y");
    ck_assert_str_eq(settings.origins.items[0], "#1");
    ck_assert_str_eq(settings.origins.items[1], "a\\b");
}
END_TEST

static const struct {
    const char *text;
    uint64_t max_post, max_wait;
} units[] = {
    {"max_post_bytes 4096\nmax_wait 0", 4096, 0},
    {"max_post_bytes 1g\nmax_wait 1d", 1 << 30, 86400000},
    {"max_post_bytes 2m\nmax_wait 2h", 2 << 20, 7200000},
    {"max_post_bytes 3k\nmax_wait 3m", 3072, 180000},
    {"max_post_bytes 1024\nmax_wait 0ms", 1024, 0},
};

START_TEST(test_conf_knows_units)
{
    ck_assert_msg(read_text(units[_i].text), "%s", error.message);
    ck_assert_uint_eq(settings.max_post, units[_i].max_post);
    ck_assert_uint_eq(settings.max_wait, units[_i].max_wait);
}
END_TEST

START_TEST(test_conf_puts_the_instance_number_into_values)
{
    ck_assert(conf_read_text(table,
                             STR("listen 127.0.0.1:81{instance} \"{instance} {instance}\"\n"
                                 "data_dir /{instance}\nverifier {instance\nworkers {instance}"),
                             "x.conf", 4294967295, &settings, &error));
    ck_assert_str_eq(settings.listen.items[0], "127.0.0.1:814294967295");
    ck_assert_str_eq(settings.listen.items[1], "4294967295 4294967295");
    ck_assert_str_eq(settings.data_dir, "/4294967295");
    ck_assert_str_eq(settings.verifier, "{instance");
    ck_assert_uint_eq(settings.workers, 4294967295);
    ck_assert(
        conf_read_text(table, STR("verifier {instance}{instance}x"), "x", 3, &settings, &error));
    ck_assert_str_eq(settings.verifier, "33x");
}
END_TEST

START_TEST(test_conf_empties_texts_and_lists)
{
    ck_assert(read_text("data_dir \"\"\nlisten \"\"\n"));
    ck_assert_ptr_null(settings.data_dir);
    ck_assert_uint_eq(settings.listen.count, 0);
}
END_TEST

#define TIME_WANTED " is not a time like 250ms, 30s, 5m, 1h or 1d"
#define SIZE_WANTED " is not a size like 4096, 64k, 16m or 1g"
#define NO_QUOTE    "missing closing quote"

static const struct {
    const char *text, *message;
} bad[] = {
    {"max_wait 1s\nlisen a\n", "2: unknown directive \"lisen\", did you mean \"listen\"?"},
    {"max_post_byte 1k",
     "1: unknown directive \"max_post_byte\", did you mean \"max_post_bytes\"?"},
    {"amx_wait 1s", "1: unknown directive \"amx_wait\", did you mean \"max_wait\"?"},
    {"Workers 1", "1: unknown directive \"Workers\", did you mean \"workers\"?"},
    {"inclxde x", "1: unknown directive \"inclxde\", did you mean \"include\"?"},
    {"\"\" x", "1: unknown directive \"\", did you mean \"listen\"?"},
    {"wrkers 1", "1: unknown directive \"wrkers\", did you mean \"workers\"?"},
    {"worekrs 1", "1: unknown directive \"worekrs\", did you mean \"workers\"?"},
    {"max_wait", "1: max_wait: takes exactly one value"},
    {"max_wait 1s 2s", "1: max_wait: takes exactly one value"},
    {"max_wait # 1s", "1: max_wait: takes exactly one value"},
    {"listen", "1: listen: takes at least one value"},
    {"\n\nmax_wait 1s\nmax_wait 1s", "4: max_wait: given twice, first at x.conf:3"},
    {"max_wait 30", "1: max_wait: \"30\"" TIME_WANTED},
    {"max_wait 30S", "1: max_wait: \"30S\"" TIME_WANTED},
    {"max_wait -1s", "1: max_wait: \"-1s\"" TIME_WANTED},
    {"max_wait 1.5s", "1: max_wait: \"1.5s\"" TIME_WANTED},
    {"max_wait 1ss", "1: max_wait: \"1ss\"" TIME_WANTED},
    {"max_wait s", "1: max_wait: \"s\"" TIME_WANTED},
    {"max_wait \"\"", "1: max_wait: \"\"" TIME_WANTED},
    {"max_wait 01s", "1: max_wait: \"01s\"" TIME_WANTED},
    {"max_wait 213503982335d", "1: max_wait: \"213503982335d\"" TIME_WANTED},
    {"max_wait 99999999999999999999s", "1: max_wait: \"99999999999999999999s\"" TIME_WANTED},
    {"max_post_bytes 2q", "1: max_post_bytes: \"2q\"" SIZE_WANTED},
    {"max_post_bytes 17179869184g", "1: max_post_bytes: \"17179869184g\"" SIZE_WANTED},
    {"workers 1k", "1: workers: \"1k\" is not a number"},
    {"max_post_bytes 1023", "1: max_post_bytes: 1023 is not from 1k to 1g"},
    {"max_post_bytes 1048577k", "1: max_post_bytes: 1048577k is not from 1k to 1g"},
    {"at_least 1", "1: at_least: 1 is less than 2"},
    {"dev_login yes", "1: dev_login: \"yes\" is neither on nor off"},
    {"durability never", "1: durability: \"never\" is not one of: always, interval, off"},
    {"data_dir var", "1: data_dir: \"var\" is not an absolute path"},
    {"verifier \"a", "1: " NO_QUOTE},
    {"verifier \"", "1: " NO_QUOTE},
    {"verifier \"a\\", "1: in quotes a backslash stands before \" or \\ only"},
    {"verifier \"a\\\"", "1: " NO_QUOTE},
    {"verifier \"a\\n\"", "1: in quotes a backslash stands before \" or \\ only"},
    {"verifier \"a\"b", "1: missing blank behind a closing quote"},
    {"verifier \"a\"\"b\"", "1: missing blank behind a closing quote"},
    {"verifier a\"b\"", "1: a quote inside a word: put all of it into quotes"},
    {"verifier a\rb", "1: the line holds the control byte 0x0d"},
    {"verifier a\x7f", "1: the line holds the control byte 0x7f"},
    {"# \x01", "1: the line holds the control byte 0x01"},
    {"include other.conf", "1: include: works in files only"},
    {"\xef\xbb\xbflisten a",
     "1: unknown directive \"\xef\xbb\xbflisten\", did you mean \"listen\"?"},
};

START_TEST(test_conf_names_file_line_directive_and_value)
{
    char expected[300];

    (void)snprintf(expected, sizeof expected, "x.conf:%s", bad[_i].message);
    ck_assert(!read_text(bad[_i].text));
    ck_assert_int_eq(error.code, ERROR_CONF);
    ck_assert_str_eq(error.message, expected);
}
END_TEST

START_TEST(test_conf_refuses_a_nul_byte)
{
    ck_assert(!conf_read_text(table, STR("\nverifier a\0b"), "x.conf", 0, &settings, &error));
    ck_assert_str_eq(error.message, "x.conf:2: the line holds the control byte 0x00");
}
END_TEST

START_TEST(test_conf_refuses_a_line_that_is_too_long)
{
    struct buf text = {0};

    buf_append_text(&text, "verifier ");
    while (text.length < 4095)
        buf_append_byte(&text, 'x');
    buf_append_text(&text, "\r\n");
    ck_assert(read_text(text.data));
    ck_assert_uint_eq(strlen(settings.verifier), 4095 - strlen("verifier "));
    text.length -= 2;
    buf_append_text(&text, "x\n");
    ck_assert(!read_text(text.data));
    ck_assert_str_eq(error.message, "x.conf:1: the line has more than 4095 bytes");
    buf_clear(&text);
}
END_TEST

START_TEST(test_conf_compares_long_unknown_names_without_harm)
{
    char text[400];

    memset(text, 'q', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ck_assert(!read_text(text));
    ck_assert_ptr_nonnull(strstr(error.message, "did you mean"));
}
END_TEST

START_TEST(test_conf_counts_swapped_letters_as_one_mistake)
{
    static const struct conf_directive two[] = {
        {.name = "prqst", .type = CONF_TEXT, .fallback = ""},
        {.name = "pqr", .type = CONF_TEXT, .fallback = ""},
        {0}};

    ck_assert(!conf_read_text(two, STR("prq x"), "x.conf", 0, &settings, &error));
    ck_assert_str_eq(error.message, "x.conf:1: unknown directive \"prq\", did you mean \"pqr\"?");
}
END_TEST

START_TEST(test_conf_takes_as_many_values_as_a_list_holds)
{
    struct buf text = {0};

    buf_append_text(&text, "allow_origin");
    for (int i = 0; i < CONF_LIST_MOST; i++)
        buf_append_text(&text, " a");
    ck_assert(read_text(text.data));
    ck_assert_uint_eq(settings.origins.count, CONF_LIST_MOST);
    buf_append_text(&text, " a");
    ck_assert(!read_text(text.data));
    ck_assert_str_eq(error.message, "x.conf:1: more than 32 values in a line");
    text.length -= 2;
    buf_append_text(&text, "\nallow_origin a");
    ck_assert(!read_text(text.data));
    ck_assert_str_eq(error.message, "x.conf:2: allow_origin: more than 32 values");
    buf_clear(&text);
}
END_TEST

/* --- Files --------------------------------------------------------------------------- */

START_TEST(test_conf_includes_files_in_their_place_and_order)
{
    ck_assert_int_eq(mkdir(path_of("d[1]"), 0700), 0);
    write_file("d[1]/a.conf", "listen a\ninclude sub.inc\nlisten d");
    write_file("d[1]/sub.inc", "listen b\n");
    write_file("d[1]/b.conf", "listen e");
    write_file("d[1]/C.conf", "listen 0");
    write_file("d[1]/x.other", "nonsense");
    write_file("d[1]/7.one", "workers 9");
    write_file("d[1]/main.cf", "listen start\ninclude *.conf\ninclude none*.conf\n"
                               "include none/*.conf\nlisten end\ninclude {instance}.one");
    ck_assert_msg(read_named("d[1]/main.cf"), "%s", error.message);
    ck_assert_uint_eq(settings.listen.count, 7);
    for (size_t i = 0; i < 7; i++)
        ck_assert_str_eq(settings.listen.items[i],
                         ((const char *[]){"start", "0", "a", "b", "d", "e", "end"})[i]);
    ck_assert_uint_eq(settings.workers, 9);
}
END_TEST

START_TEST(test_conf_includes_absolute_paths)
{
    struct buf text = {0};

    ck_assert_int_eq(mkdir(path_of("d"), 0700), 0);
    write_file("one.conf", "workers 9");
    buf_append_format(&text, "include %s\n", path_of("one.conf"));
    write_file("d/main.cf", text.data);
    ck_assert_msg(read_named("d/main.cf"), "%s", error.message);
    ck_assert_uint_eq(settings.workers, 9);
    buf_clear(&text);
}
END_TEST

static const struct {
    const char *a, *b, *message;
} bad_files[] = {
    {"\ninclude none.conf", "", "a:2: include: cannot open none.conf: No such file or directory"},
    {"include b\n", "\n\nmax_wait x", "b:3: max_wait: \"x\"" TIME_WANTED},
    {"max_wait 1s\ninclude b", "max_wait 1s", "b:1: max_wait: given twice, first at a:1"},
    {"include b\nmax_wait 1s", "max_wait 1s", "a:2: max_wait: given twice, first at b:1"},
    {"include a", "", "a:1: include: more than 8 levels; does a file include itself?"},
    {"include b", "include a", "a:1: include: more than 8 levels; does a file include itself?"},
    {"include [ab]", "", "a:1: include: more than 8 levels; does a file include itself?"},
    {"include", "", "a:1: include: takes exactly one value"},
    {"include a b", "", "a:1: include: takes exactly one value"},
    {"include .", "", "a:1: include: . is not a regular file"},
    {"include pipe", "", "a:1: include: pipe is not a regular file"},
    {"include \"\"", "", "a:1: include:  is not a regular file"},
};

START_TEST(test_conf_names_the_file_that_is_wrong)
{
    write_file("a", bad_files[_i].a);
    write_file("b", bad_files[_i].b);
    ck_assert_int_eq(mkfifo(path_of("pipe"), 0600), 0);
    ck_assert(!read_named("a"));
    ck_assert_str_eq(told(), bad_files[_i].message);
}
END_TEST

START_TEST(test_conf_allows_eight_levels_of_include)
{
    char name[2] = "a", text[] = "include b";

    for (; name[0] < 'i'; name[0]++) {
        text[8] = (char)(name[0] + 1);
        write_file(name, text);
    }
    write_file("i", "workers 9");
    ck_assert_msg(read_named("a"), "%s", error.message);
    ck_assert_uint_eq(settings.workers, 9);
    write_file("i", "include j");
    write_file("j", "");
    ck_assert(!read_named("a"));
    ck_assert_str_eq(told(), "i:1: include: more than 8 levels; does a file include itself?");
}
END_TEST

START_TEST(test_conf_refuses_what_is_no_file)
{
    ck_assert(!read_named("none"));
    ck_assert_str_eq(told(), "cannot open none: No such file or directory");
    ck_assert(!conf_read_file(table, directory, 0, &settings, &error));
    ck_assert_ptr_nonnull(strstr(error.message, "is not a regular file"));
    ck_assert(!conf_read_file(table, "/dev/null", 0, &settings, &error));
    ck_assert_int_eq(mkfifo(path_of("pipe"), 0600), 0);
    ck_assert(!read_named("pipe"));
    ck_assert_str_eq(told(), "pipe is not a regular file");
}
END_TEST

START_TEST(test_conf_refuses_a_file_that_is_too_large)
{
    write_file("large", "");
    ck_assert_int_eq(truncate(path_of("large"), (1 << 20) + 1), 0);
    ck_assert(!read_named("large"));
    ck_assert_str_eq(told(), "large is larger than 1048576 bytes");
}
END_TEST

START_TEST(test_conf_clear_is_harmless_twice)
{
    conf_clear(table, &settings);
    ck_assert_ptr_null(settings.data_dir);
    ck_assert_uint_eq(settings.listen.count, 0);
    conf_clear(table, &settings);
}
END_TEST

static void add_file_tests(TCase *tests)
{
    tcase_add_test(tests, test_conf_includes_files_in_their_place_and_order);
    tcase_add_test(tests, test_conf_includes_absolute_paths);
    tcase_add_loop_test(tests, test_conf_names_the_file_that_is_wrong, 0,
                        (int)(sizeof bad_files / sizeof *bad_files));
    tcase_add_test(tests, test_conf_allows_eight_levels_of_include);
    tcase_add_test(tests, test_conf_refuses_what_is_no_file);
    tcase_add_test(tests, test_conf_refuses_a_file_that_is_too_large);
}

Suite *suite_conf(void)
{
    Suite *suite = suite_create("conf");
    TCase *tests = tcase_create("conf");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, test_conf_sets_defaults);
    tcase_add_loop_test(tests, test_conf_refuses_a_wrong_table, 0,
                        (int)(sizeof wrong_tables / sizeof *wrong_tables));
    tcase_add_test(tests, test_conf_reads_every_type);
    tcase_add_loop_test(tests, test_conf_knows_units, 0, (int)(sizeof units / sizeof *units));
    tcase_add_test(tests, test_conf_puts_the_instance_number_into_values);
    tcase_add_test(tests, test_conf_empties_texts_and_lists);
    tcase_add_loop_test(tests, test_conf_names_file_line_directive_and_value, 0,
                        (int)(sizeof bad / sizeof *bad));
    tcase_add_test(tests, test_conf_refuses_a_nul_byte);
    tcase_add_test(tests, test_conf_refuses_a_line_that_is_too_long);
    tcase_add_test(tests, test_conf_compares_long_unknown_names_without_harm);
    tcase_add_test(tests, test_conf_counts_swapped_letters_as_one_mistake);
    tcase_add_test(tests, test_conf_takes_as_many_values_as_a_list_holds);
    add_file_tests(tests);
    tcase_add_test(tests, test_conf_clear_is_harmless_twice);
    suite_add_tcase(suite, tests);
    return suite;
}
