#include "app/directives.h"

#include "app/suites.h"

#include <ctype.h>
#include <string.h>

#include <check.h>

static struct settings settings;
static struct error error;
static struct buf text;

static void set_up(void)
{
    settings = (struct settings){0};
    error = (struct error){0};
    ck_assert_msg(conf_set_defaults(directives, &settings, &error), "%s", error.message);
}

static void tear_down(void)
{
    directives_clear(&settings);
    buf_clear(&text);
}

static bool read_text(const char *lines)
{
    return conf_read_text(directives, str_of(lines), "test.conf", 3, &settings, &error);
}

static void must_read(const char *lines)
{
    ck_assert_msg(read_text(lines), "%s", error.message);
}

START_TEST(test_directives_defaults_are_good)
{
    ck_assert_msg(directives_check(&settings, &error), "%s", error.message);
    ck_assert_str_eq(settings.listen.items[0], "127.0.0.1:8088");
    ck_assert_str_eq(settings.admin_listen.items[0], "127.0.0.1:8089");
    ck_assert_str_eq(settings.data_dir, "./data");
    ck_assert_str_eq(settings.durability, "always");
    ck_assert_int_eq(directives_durability(&settings).mode, DURABILITY_ALWAYS);
    ck_assert_uint_eq(settings.max_post_bytes, 16 << 20);
    ck_assert_uint_eq(settings.max_wait, 55000);
    ck_assert_uint_eq(settings.token_lifetime, 12 * 3600 * 1000);
    ck_assert(!settings.dev_login);
}
END_TEST

/* The fields stand one after the other; a row that points at another's is a slip of the table. */
START_TEST(test_directives_have_names_helps_and_places_of_their_own)
{
    for (const struct conf_directive *a = conf_first(directives); a; a = conf_next(a)) {
        ck_assert_msg(a->help && a->help[strlen(a->help) - 1] == '.', "%s", a->name);
        ck_assert_msg(a->offset < sizeof settings, "%s", a->name);
        ck_assert_msg(a->most == 0 || a->least < a->most, "%s", a->name);
        for (const char *at = a->name; *at; at++)
            ck_assert_msg(islower((unsigned char)*at) || *at == '_', "%s", a->name);
        for (const struct conf_directive *b = conf_first(directives); b != a; b = conf_next(b)) {
            ck_assert_str_ne(a->name, b->name);
            ck_assert_msg(a->offset != b->offset, "%s and %s", a->name, b->name);
        }
    }
}
END_TEST

/* All that is not a default, so that nothing is printed that only looks right. */
static const char changed[] =
    "listen 127.0.0.1:1 unix:/tmp/x\nadmin_listen \"\"\ndata_dir \"a b\"\n"
    "base_path /x\npublic_url https://h.example/x\ndev_login on\n"
    "token_lifetime 90s\nallow_origin https://a.example\n"
    "max_post_bytes 12345\nlog_level debug\naccess_log off\n";

START_TEST(test_directives_in_effect_can_be_read_back)
{
    struct settings again = {0};
    struct buf printed = {0};

    must_read(changed);
    conf_print_values(directives, &settings, &text);
    ck_assert(conf_set_defaults(directives, &again, &error));
    ck_assert_msg(conf_read_text(directives, buf_str(&text), "printed", 0, &again, &error), "%s",
                  error.message);
    conf_print_values(directives, &again, &printed);
    ck_assert_str_eq(printed.data, text.data);
    ck_assert_uint_eq(again.listen.count, 2);
    ck_assert_uint_eq(again.admin_listen.count, 0);
    ck_assert_str_eq(again.data_dir, "a b");
    ck_assert(again.dev_login && !again.access_log);
    directives_clear(&again);
    buf_clear(&printed);
}
END_TEST

/* "#name value" becomes "name value"; "# help" stays. */
static void uncomment(struct buf *reference)
{
    for (char *at = reference->data; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (at[0] == '#' && at[1] != ' ')
            at[0] = ' ';
    }
}

START_TEST(test_directives_reference_holds_the_defaults)
{
    struct buf defaults = {0}, read_back = {0};

    conf_print_values(directives, &settings, &defaults);
    conf_print_reference(directives, &text);
    uncomment(&text);
    must_read(buf_str(&text).data);
    conf_print_values(directives, &settings, &read_back);
    ck_assert_str_eq(read_back.data, defaults.data);
    buf_clear(&defaults);
    buf_clear(&read_back);
}
END_TEST

START_TEST(test_directives_put_the_instance_into_values)
{
    must_read("listen 127.0.0.1:81{instance}");
    ck_assert_str_eq(settings.listen.items[0], "127.0.0.1:813");
}
END_TEST

static const char *const bad_values[] = {
    "listen localhost:80",
    "listen 127.0.0.1",
    "admin_listen 127.0.0.1:99999",
    "durability sometimes",
    "durability interval",
    "durability interval 1",
    "durability interval 9ms",
    "durability interval 2h",
    "durability interval 1s 2s",
    "durability always 1s",
    "durability off 1s",
    "base_path sync",
    "base_path /sync/",
    "base_path /",
    "base_path /a//b",
    "base_path /a/../b",
    "base_path /a\\b",
    "base_path /a%20b",
    "public_url http://",
    "public_url ftp://a.example",
    "public_url https://a.example/",
    "public_url https://a.example/x?y",
    "public_url https://u@a.example",
    "public_url a.example",
    "trusted_user_header \"X Y\"",
    "trusted_user_header X:",
    "trusted_user_header authorization",
    "trusted_proxies proxy.example",
    "allow_origin *",
    "allow_origin https://a.example/",
    "allow_origin https://a.example:443",
    "allow_origin a.example",
    "token_lifetime 0",
    "max_connections 1",
    "json_max_depth 100000",
    "helper_threads 33",
    "helper_threads 0",
    "max_wait 2h",
    "log_level loud",
    "access_log yes",
};

START_TEST(test_directives_refuse_bad_values_by_name)
{
    char name[64] = "";

    ck_assert_msg(!read_text(bad_values[_i]), "%s", bad_values[_i]);
    ck_assert_int_eq(error.code, ERROR_CONF);
    memcpy(name, bad_values[_i], strcspn(bad_values[_i], " "));
    ck_assert_msg(strncmp(error.message, "test.conf:1: ", 13) == 0, "%s", error.message);
    ck_assert_msg(strncmp(error.message + 13, name, strlen(name)) == 0, "%s", error.message);
}
END_TEST

static const char *const good_values[] = {
    "listen *:80 [::1]:0 unix:/run/x.sock",
    "base_path /a/b-c.d_e~1",
    "public_url https://a.example:8443/x",
    "public_url http://a.example",
    "trusted_user_header X-User",
    "trusted_proxies 10.0.0.0/8 ::1 unix:",
    "allow_origin https://a.example http://localhost:3000",
};

START_TEST(test_directives_take_good_values)
{
    must_read(good_values[_i]);
}
END_TEST

static const struct {
    const char *lines, *names; /* NULL: good */
} together[] = {
    {"listen \"\"", "listen"},
    {"data_dir \"\"", "data_dir"},
    {"trusted_user_header X-User", "trusted_proxies"},
    {"trusted_user_header X-User\ntrusted_proxies 127.0.0.1", NULL},
    {"dev_login on", NULL},
    {"dev_login on\nlisten 127.0.0.2:1 [::1]:1 unix:/x", NULL},
    {"dev_login on\nlisten 127.0.0.1:1 0.0.0.0:1", "dev_login"},
    {"dev_login on\nlisten *:1", "dev_login"},
    {"dev_login on\nlisten 10.0.0.1:1", "dev_login"},
    {"dev_login on\ntoken_secret_file x", "dev_login"},
    {"dev_login on\ntrusted_user_header X-User\ntrusted_proxies 127.0.0.1", "dev_login"},
    {"dev_login off\nlisten *:1\ntoken_secret_file x", NULL},
};

START_TEST(test_directives_check_what_goes_together)
{
    must_read(together[_i].lines);
    bool ok = directives_check(&settings, &error);
    ck_assert_msg(ok == !together[_i].names, "%s: %s", together[_i].lines, error.message);
    if (!ok) {
        ck_assert_int_eq(error.code, ERROR_CONF);
        ck_assert_msg(strstr(error.message, together[_i].names) != NULL, "%s", error.message);
    }
}
END_TEST

START_TEST(test_directives_know_when_nobody_can_log_in)
{
    ck_assert(directives_lock_out(&settings));
    must_read("token_secret_file x");
    ck_assert(!directives_lock_out(&settings));
    directives_clear(&settings);
    settings.dev_login = true;
    ck_assert(!directives_lock_out(&settings));
    settings.dev_login = false;
    must_read("trusted_user_header X-User");
    ck_assert(!directives_lock_out(&settings));
}
END_TEST

START_TEST(test_directives_read_without_a_file_gives_defaults)
{
    directives_clear(&settings);
    ck_assert(directives_read(&settings, NULL, 0, &error));
    ck_assert_str_eq(settings.data_dir, "./data");
}
END_TEST

START_TEST(test_directives_read_names_a_file_that_is_not_there)
{
    directives_clear(&settings);
    ck_assert(!directives_read(&settings, "/nonexistent/x.conf", 0, &error));
    ck_assert_ptr_nonnull(strstr(error.message, "/nonexistent/x.conf"));
    ck_assert_ptr_null(settings.data_dir);
}
END_TEST

Suite *suite_directives(void)
{
    Suite *suite = suite_create("directives");
    TCase *tcase = tcase_create("directives");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, test_directives_defaults_are_good);
    tcase_add_test(tcase, test_directives_have_names_helps_and_places_of_their_own);
    tcase_add_test(tcase, test_directives_in_effect_can_be_read_back);
    tcase_add_test(tcase, test_directives_reference_holds_the_defaults);
    tcase_add_test(tcase, test_directives_put_the_instance_into_values);
    tcase_add_loop_test(tcase, test_directives_refuse_bad_values_by_name, 0,
                        sizeof bad_values / sizeof *bad_values);
    tcase_add_loop_test(tcase, test_directives_take_good_values, 0,
                        sizeof good_values / sizeof *good_values);
    tcase_add_loop_test(tcase, test_directives_check_what_goes_together, 0,
                        sizeof together / sizeof *together);
    tcase_add_test(tcase, test_directives_know_when_nobody_can_log_in);
    tcase_add_test(tcase, test_directives_read_without_a_file_gives_defaults);
    tcase_add_test(tcase, test_directives_read_names_a_file_that_is_not_there);
    suite_add_tcase(suite, tcase);
    return suite;
}
