/* A whole server in a directory of its own: reloading it, and stopping it. */
#include "app/reload.h"

#include "app/suites.h"
#include "base/log.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

static char directory[64], conf[96], log_file[96], data[96], keys[96];
static struct options options;
static struct server server;
static struct error error;

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

/* The lines that every conf here has, then these. */
static void write_conf(const char *lines)
{
    char text[1024];

    (void)snprintf(text, sizeof text,
                   "listen 127.0.0.1:0\nadmin_listen 127.0.0.1:0\ndata_dir %s\nlog_file %s\n%s\n",
                   data, log_file, lines);
    write_file(conf, text);
}

static void start(const char *lines)
{
    struct settings settings;

    write_conf(lines);
    options = (struct options){.conf_file = conf};
    ck_assert_msg(directives_read(&settings, conf, 0, &error), "%s", error.message);
    ck_assert_msg(server_open(&server, &options, &settings, &error), "%s", error.message);
}

static void reload(const char *lines)
{
    write_conf(lines);
    reload_run(&server);
    log_flush();
}

static void check_log(const char *expected)
{
    char text[8192] = "";
    FILE *file = fopen(log_file, "r");

    ck_assert_ptr_nonnull(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[length] = '\0';
    ck_assert_msg(strstr(text, expected) != NULL, "no \"%s\" in:\n%s", expected, text);
}

static void set_up(void)
{
    (void)snprintf(directory, sizeof directory, "/tmp/cutout-unit-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(conf, sizeof conf, "%s/conf", directory);
    (void)snprintf(log_file, sizeof log_file, "%s/log", directory);
    (void)snprintf(data, sizeof data, "%s/data", directory);
    (void)snprintf(keys, sizeof keys, "%s/keys", directory);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void tear_down(void)
{
    server_close(&server);
    (void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

START_TEST(test_reload_applies_what_it_can)
{
    start("");
    reload("max_post_bytes 2k\npoll_time 5s\nallow_origin https://a.example\n"
           "trusted_user_header X-User\ntrusted_proxies 127.0.0.1\ntoken_lifetime 90s");
    ck_assert_uint_eq(server.limits.max_post_bytes, 2048);
    ck_assert_uint_eq(server.http_settings.poll_time_s, 5);
    ck_assert_uint_eq(server.http_settings.allow_origin_count, 1);
    ck_assert_str_eq(server.http_settings.allow_origins[0], "https://a.example");
    ck_assert_str_eq(server.access.trusted_header, "X-User");
    ck_assert_str_eq(server.access.proxies[0], "127.0.0.1");
    ck_assert_int_eq(server.login.token_lifetime, 90);
    check_log("reload: max_post_bytes changed\n");
    check_log("reload: done");
}
END_TEST

START_TEST(test_reload_goes_back_to_defaults)
{
    start("max_post_bytes 2k\npoll_time 5s");
    reload("");
    ck_assert_uint_eq(server.limits.max_post_bytes, 16 << 20);
    ck_assert_uint_eq(server.http_settings.poll_time_s, 0);
}
END_TEST

START_TEST(test_reload_keeps_everything_when_the_file_is_bad)
{
    start("max_post_bytes 2k");
    reload("max_post_bytes 4k\nnonsense 1");
    ck_assert_uint_eq(server.limits.max_post_bytes, 2048);
    ck_assert_uint_eq(server.settings.max_post_bytes, 2048);
    check_log("error reload: nothing was changed: ");
    check_log("unknown directive \"nonsense\"");
}
END_TEST

START_TEST(test_reload_keeps_everything_when_a_file_it_names_is_missing)
{
    start("max_post_bytes 2k");
    reload("max_post_bytes 4k\ndocument_root /nonexistent");
    ck_assert_uint_eq(server.limits.max_post_bytes, 2048);
    write_file(conf, "max_post_bytes 4k\nlog_file /nonexistent/log");
    reload_run(&server);
    ck_assert_uint_eq(server.limits.max_post_bytes, 2048);
    check_log("error reload: nothing was changed: ");
}
END_TEST

START_TEST(test_reload_says_what_takes_a_restart_and_keeps_it)
{
    start("helper_threads 2");
    reload("helper_threads 3\nmax_post_bytes 2k");
    ck_assert_uint_eq(server.settings.helper_threads, 2);
    ck_assert_uint_eq(server.limits.max_post_bytes, 2048);
    check_log("warning reload: helper_threads changed, that takes a restart");
}
END_TEST

/* What the file says would be fine after a restart. But dev login is still on. */
START_TEST(test_reload_checks_what_will_be_in_effect)
{
    start("dev_login on");
    reload("dev_login off\ntrusted_user_header X-User\ntrusted_proxies 127.0.0.1");
    ck_assert_ptr_null(server.access.trusted_header);
    check_log("nothing was changed: dev_login: ");
}
END_TEST

static bool has_key(const unsigned char kept[CRYPTO_HASH_SIZE])
{
    return memcmp(server.access.keys.items[0].token_key, kept, CRYPTO_HASH_SIZE) == 0;
}

START_TEST(test_reload_keeps_keys_that_end_with_the_process)
{
    unsigned char kept[CRYPTO_HASH_SIZE];

    start("");
    memcpy(kept, server.access.keys.items[0].token_key, sizeof kept);
    reload("max_post_bytes 2k");
    ck_assert(has_key(kept));
}
END_TEST

START_TEST(test_reload_reads_the_keys_anew)
{
    unsigned char kept[CRYPTO_HASH_SIZE];
    char lines[128], other[128];
    struct keys made;

    (void)snprintf(lines, sizeof lines, "token_secret_file %s", keys);
    start(lines);
    memcpy(kept, server.access.keys.items[0].token_key, sizeof kept);
    (void)snprintf(other, sizeof other, "%s.other", keys);
    ck_assert(keys_read_file(&made, other, &error));
    keys_clear(&made);
    ck_assert_int_eq(rename(other, keys), 0);
    reload(lines);
    ck_assert(!has_key(kept));
    ck_assert_uint_eq(server.access.keys.count, 1);
}
END_TEST

START_TEST(test_server_stops_when_there_is_nothing_to_wait_for)
{
    start("");
    ck_assert_int_eq(raise(SIGTERM), 0);
    ck_assert(server_run(&server, &error));
    ck_assert(server.stopping);
    check_log("listening on 127.0.0.1:");
    check_log("admin on 127.0.0.1:");
    check_log("nobody can log in");
    check_log("stopping: 0 requests under way");
}
END_TEST

START_TEST(test_server_reloads_on_sighup_before_it_stops)
{
    start("");
    write_conf("max_post_bytes 2k");
    ck_assert_int_eq(raise(SIGHUP), 0);
    ck_assert_int_eq(raise(SIGINT), 0);
    ck_assert(server_run(&server, &error));
    ck_assert_uint_eq(server.limits.max_post_bytes, 2048);
}
END_TEST

START_TEST(test_server_prints_the_dev_login)
{
    char expected[256];

    start("dev_login on\nbase_path /s");
    (void)snprintf(expected, sizeof expected, "open http://%s/s/#dev=%s\n",
                   server.http.listeners[0].name, server.login.dev_token);
    ck_assert_int_eq(raise(SIGTERM), 0);
    ck_assert(server_run(&server, &error));
    check_log(expected);
    check_log("dev login token: ");
}
END_TEST

START_TEST(test_server_closes_what_was_opened_half)
{
    struct settings settings;
    struct server second;

    start("");
    write_conf("");
    ck_assert(directives_read(&settings, conf, 0, &error));
    ck_assert(!server_open(&second, &options, &settings, &error)); /* the data directory is taken */
    ck_assert_int_eq(error.code, ERROR_BUSY);
    server_close(&second);
}
END_TEST

Suite *suite_reload(void)
{
    Suite *suite = suite_create("reload");
    TCase *tcase = tcase_create("reload");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, test_reload_applies_what_it_can);
    tcase_add_test(tcase, test_reload_goes_back_to_defaults);
    tcase_add_test(tcase, test_reload_keeps_everything_when_the_file_is_bad);
    tcase_add_test(tcase, test_reload_keeps_everything_when_a_file_it_names_is_missing);
    tcase_add_test(tcase, test_reload_says_what_takes_a_restart_and_keeps_it);
    tcase_add_test(tcase, test_reload_checks_what_will_be_in_effect);
    tcase_add_test(tcase, test_reload_keeps_keys_that_end_with_the_process);
    tcase_add_test(tcase, test_reload_reads_the_keys_anew);
    tcase_add_test(tcase, test_server_stops_when_there_is_nothing_to_wait_for);
    tcase_add_test(tcase, test_server_reloads_on_sighup_before_it_stops);
    tcase_add_test(tcase, test_server_prints_the_dev_login);
    tcase_add_test(tcase, test_server_closes_what_was_opened_half);
    suite_add_tcase(suite, tcase);
    return suite;
}
