#include "base/conf.h"

#include "base/suites.h"

#include <string.h>

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

static void set_up(void)
{
    settings = (struct settings){0};
    ck_assert_msg(conf_set_defaults(table, &settings, &error), "%s", error.message);
}

static void tear_down(void)
{
    conf_clear(table, &settings);
}

static bool read_text(const char *text)
{
    return conf_read_text(table, str_of(text), "x.conf", 7, &settings, &error);
}

START_TEST(test_conf_print_shows_what_is_in_effect)
{
    struct buf out = {0};

    ck_assert(read_text("listen \"a b\" c\nmax_wait 90s\nworkers 0\nmax_post_bytes 3072\n"
                        "data_dir \"/\\\"\\\\ \"\nallow_origin \"#a\" a\\b\ndurability interval"));
    conf_print_values(table, &settings, &out);
    ck_assert_str_eq(out.data, "listen \"a b\"\nlisten c\nmax_post_bytes 3k\nmax_wait 90s\n"
                               "workers 0\nat_least 2\ndev_login off\ndurability interval\n"
                               "data_dir \"/\\\"\\\\ \"\nverifier \"\"\n"
                               "allow_origin \"#a\"\nallow_origin a\\b\n");
    buf_clear(&out);
}
END_TEST

static const char *const round_trips[] = {
    "",
    "listen \"\"\ndata_dir \"\"\nmax_wait 0\nallow_origin \"\" a \"\"",
    "max_wait 1d\nworkers 18446744073709551615\nmax_post_bytes 1g\ndev_login on",
    "data_dir /a\\b\nverifier \"a\tb\"\nallow_origin a#b \"#\" \"\\\"\" \"\\\\\" \"a\\\\ b\" '",
    "max_wait 18446744073709551615ms\nmax_post_bytes 1025\ndurability off\nverifier \xc3\xa4",
    "listen {instance} \"{instance} \"\n",
};

START_TEST(test_conf_print_reads_back_as_the_same)
{
    struct buf first = {0}, second = {0};

    ck_assert_msg(read_text(round_trips[_i]), "%s", error.message);
    conf_print_values(table, &settings, &first);
    conf_clear(table, &settings);
    settings = (struct settings){0};
    ck_assert(conf_set_defaults(table, &settings, &error));
    ck_assert_msg(read_text(first.data), "%s", error.message);
    conf_print_values(table, &settings, &second);
    ck_assert_str_eq(first.data, second.data);
    buf_clear(&first);
    buf_clear(&second);
}
END_TEST

START_TEST(test_conf_print_gives_a_reference_from_the_table)
{
    static const char beginning[] =
        "# listen ADDRESS:PORT | unix:PATH ...; takes a restart\n"
        "# Where clients connect. Several addresses may be given, in one line or in many; each of\n"
        "# them is served by the same process.\n"
        "#listen 127.0.0.1:8088 unix:/run/x\n"
        "\n"
        "# max_post_bytes SIZE, from 1k to 1g; a reload applies it\n"
        "# Largest body of a POST.\n"
        "#max_post_bytes 1m\n"
        "\n"
        "# max_wait TIME; takes a restart\n"
        "#max_wait 55s\n"
        "\n"
        "# workers NUMBER; takes a restart\n"
        "#workers 4\n"
        "\n"
        "# at_least NUMBER, at least 2; takes a restart\n"
        "#at_least 2\n"
        "\n"
        "# dev_login on | off; takes a restart\n"
        "#dev_login off\n"
        "\n"
        "# durability always | interval | off; takes a restart\n"
        "#durability always\n"
        "\n"
        "# data_dir TEXT; takes a restart\n"
        "#data_dir \"/var/lib/cut outs\"\n"
        "\n"
        "# verifier TEXT; takes a restart\n"
        "#verifier \"\"\n";
    struct buf out = {0};

    conf_print_reference(table, &out);
    ck_assert_str_eq(str_starts_with(buf_str(&out), str_of(beginning)) ? "" : out.data, "");
    buf_clear(&out);
}
END_TEST

START_TEST(test_conf_print_wraps_exactly_at_the_last_column)
{
    char help[200];
    struct conf_directive one[] = {{.name = "n", .fallback = "", .type = CONF_TEXT, .help = help},
                                   {0}};
    struct buf out = {0};

    /* "# " and 88 bytes fill a line; 89 do not fit. */
    for (size_t length = 86; length <= 87; length++) {
        memset(help, 'x', length);
        strcpy(help + length, " y z");
        buf_reset(&out);
        conf_print_reference(one, &out);
        ck_assert_int_eq(strstr(out.data, length == 86 ? " y\n# z\n" : "x\n# y z\n") != NULL, 1);
    }
    buf_clear(&out);
}
END_TEST

START_TEST(test_conf_print_reference_uncommented_gives_the_defaults)
{
    struct buf reference = {0}, text = {0}, before = {0}, after = {0};
    struct str rest, line;

    conf_print_values(table, &settings, &before);
    conf_print_reference(table, &reference);
    ck_assert(read_text(reference.data));
    rest = buf_str(&reference);
    while (str_split(&rest, '\n', &line)) {
        bool is_directive = line.length > 1 && line.data[0] == '#' && line.data[1] != ' ';

        ck_assert_uint_le(line.length, 90);
        buf_append(&text, str_slice(line, is_directive ? 1 : 0, line.length));
        buf_append_byte(&text, '\n');
    }
    ck_assert_msg(read_text(text.data), "%s", error.message);
    conf_print_values(table, &settings, &after);
    ck_assert_str_eq(before.data, after.data);
    buf_clear(&reference);
    buf_clear(&text);
    buf_clear(&before);
    buf_clear(&after);
}
END_TEST

START_TEST(test_conf_takes_each_line_of_lines_as_one_value_and_prints_it_so)
{
    static const struct conf_directive lines[] = {
        {.name = "issuer", .type = CONF_LINES, .offset = FIELD(origins), .fallback = ""}, {0}};
    struct settings read = {0}, again = {0};
    struct buf text = {0};

    ck_assert(conf_set_defaults(lines, &read, &error));
    ck_assert_uint_eq(read.origins.count, 0);
    ck_assert(conf_read_text(lines, STR("issuer a  b=c # x\nissuer d\n"), "x", 0, &read, &error));
    ck_assert_uint_eq(read.origins.count, 2);
    ck_assert_str_eq(read.origins.items[0], "a b=c");
    ck_assert_str_eq(read.origins.items[1], "d");
    conf_print_values(lines, &read, &text);
    ck_assert_str_eq(text.data, "issuer a b=c\nissuer d\n");
    ck_assert(conf_read_text(lines, buf_str(&text), "x", 0, &again, &error));
    ck_assert_uint_eq(again.origins.count, 2);
    conf_clear(lines, &read);
    conf_clear(lines, &again);
    buf_reset(&text);
    conf_print_values(lines, &read, &text);
    ck_assert_str_eq(text.data, "issuer \"\"\n");
    ck_assert(!conf_read_text(lines, STR("issuer\n"), "x", 0, &again, &error));
    buf_clear(&text);
}
END_TEST

Suite *suite_conf_print(void)
{
    Suite *suite = suite_create("conf_print");
    TCase *tests = tcase_create("conf_print");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, test_conf_takes_each_line_of_lines_as_one_value_and_prints_it_so);
    tcase_add_test(tests, test_conf_print_shows_what_is_in_effect);
    tcase_add_loop_test(tests, test_conf_print_reads_back_as_the_same, 0,
                        (int)(sizeof round_trips / sizeof *round_trips));
    tcase_add_test(tests, test_conf_print_gives_a_reference_from_the_table);
    tcase_add_test(tests, test_conf_print_wraps_exactly_at_the_last_column);
    tcase_add_test(tests, test_conf_print_reference_uncommented_gives_the_defaults);
    suite_add_tcase(suite, tests);
    return suite;
}
