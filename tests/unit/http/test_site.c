#include "http/site.h"

#include "http/folder.h"
#include "http/suites.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

static struct folder folder;
static struct site site;
static struct error error;

static void set_up(void)
{
    folder_make(&folder);
    site = (struct site){0};
    error = (struct error){0};
}

static void tear_down(void)
{
    site_close(&site);
    folder_remove(&folder);
}

static bool open_site(const char *client, const char *root, const char *public_url)
{
    struct site_settings settings = {
        .client_path = client, .document_root = root, .public_url = public_url};

    return site_open(&site, &settings, &error);
}

static void open_root(void)
{
    ck_assert_msg(open_site(NULL, folder.path, NULL), "%s", error.message);
}

static void open_client(const char *script)
{
    folder_write(&folder, "client", str_of(script));
    ck_assert_msg(open_site(folder_path(&folder, "client"), NULL, NULL), "%s", error.message);
}

static void check_text(const struct site_content *content, const char *text)
{
    ck_assert_ptr_nonnull(content);
    ck_assert_str_eq(buf_str(&content->bytes).data, text);
}

START_TEST(test_site_finds_files_by_path)
{
    folder_write(&folder, "a.js", STR("one"));
    folder_write(&folder, "deep/er/b.css", STR("two"));
    open_root();
    check_text(site_find(&site, STR("/a.js"))->content, "one");
    check_text(site_find(&site, STR("/deep/er/b.css"))->content, "two");
    ck_assert_ptr_null(site_find(&site, STR("/b.css")));
    ck_assert_ptr_null(site_find(&site, STR("a.js")));
    ck_assert_ptr_null(site_find(&site, STR("/deep/../a.js")));
    ck_assert_ptr_null(site_find(&site, STR("/deep")));
}
END_TEST

START_TEST(test_site_finds_the_index_of_a_directory)
{
    folder_write(&folder, "index.html", STR("top"));
    folder_write(&folder, "deep/index.html", STR("below"));
    folder_write(&folder, "bare/x", STR("x"));
    open_root();
    check_text(site_find(&site, STR("/"))->content, "top");
    check_text(site_find(&site, STR("/deep/"))->content, "below");
    ck_assert_ptr_null(site_find(&site, STR("/bare/")));
}
END_TEST

START_TEST(test_site_leaves_out_hidden_files_links_and_other_kinds)
{
    folder_write(&folder, ".hidden", STR("x"));
    folder_write(&folder, ".git/config", STR("x"));
    folder_write(&folder, "seen", STR("x"));
    ck_assert_int_eq(symlink("/etc/passwd", folder_path(&folder, "link")), 0);
    ck_assert_int_eq(symlink("/etc", folder_path(&folder, "linked")), 0);
    ck_assert_int_eq(mkfifo(folder_path(&folder, "pipe"), 0600), 0);
    open_root();
    ck_assert_uint_eq(site.files.count, 1);
    ck_assert_ptr_nonnull(site_find(&site, STR("/seen")));
}
END_TEST

START_TEST(test_site_knows_the_type_by_the_extension)
{
    static const char *const names[] = {"a.html", "a.JS", "a.webmanifest", "a.svg", "a.b", "b"};
    static const char *const expected[] = {
        "text/html; charset=utf-8",  "text/javascript; charset=utf-8",
        "application/manifest+json", "image/svg+xml",
        "application/octet-stream",  "application/octet-stream"};

    for (size_t i = 0; i < 6; i++)
        folder_write(&folder, names[i], STR("x"));
    open_root();
    for (size_t i = 0; i < 6; i++) {
        char path[32];

        (void)snprintf(path, sizeof path, "/%s", names[i]);
        ck_assert_str_eq(site_find(&site, str_of(path))->content_type, expected[i]);
    }
}
END_TEST

START_TEST(test_site_makes_the_etag_from_the_bytes)
{
    folder_write(&folder, "a", STR("one"));
    folder_write(&folder, "b", STR("one"));
    folder_write(&folder, "c", STR("two"));
    open_root();
    const char *a = site_find(&site, STR("/a"))->content->etag;
    ck_assert_str_eq(a, site_find(&site, STR("/b"))->content->etag);
    ck_assert_str_ne(a, site_find(&site, STR("/c"))->content->etag);
    ck_assert_uint_eq(str_of(a).length, 34);
    ck_assert(a[0] == '"' && a[33] == '"');
}
END_TEST

START_TEST(test_site_refuses_more_bytes_than_it_may_hold)
{
    folder_write(&folder, "big", STR(""));
    ck_assert_int_eq(truncate(folder_path(&folder, "big"), SITE_BYTES_MOST + 1), 0);
    ck_assert(!open_site(NULL, folder.path, NULL));
    ck_assert_int_eq(error.code, ERROR_CONF);
    ck_assert_ptr_nonnull(strstr(error.message, "/big"));
    ck_assert_ptr_nonnull(strstr(error.message, "67108864"));
    ck_assert_ptr_null(site.first);
}
END_TEST

START_TEST(test_site_counts_the_bytes_of_all_files)
{
    folder_write(&folder, "a", STR("12345"));
    folder_write(&folder, "b", STR("123"));
    open_root();
    ck_assert_uint_eq(site.bytes, 8);
}
END_TEST

START_TEST(test_site_names_what_cannot_be_read)
{
    ck_assert(!open_site(NULL, folder_path(&folder, "none"), NULL));
    ck_assert_ptr_nonnull(strstr(error.message, "document_root"));
    ck_assert(!open_site(folder_path(&folder, "none"), NULL, NULL));
    ck_assert_ptr_nonnull(strstr(error.message, "client_script"));
}
END_TEST

START_TEST(test_site_puts_the_base_url_into_the_client)
{
    open_client("a;\nSync.baseUrl = null; /* x */\nb;");
    check_text(site_find_client(&site, STR("http://h:1/p"), &error),
               "a;\nSync.baseUrl = \"http://h:1/p\"; /* x */\nb;");
}
END_TEST

START_TEST(test_site_makes_the_client_once_for_a_base_url)
{
    open_client("Sync.baseUrl = null;");
    const struct site_content *first = site_find_client(&site, STR("http://a"), &error);
    ck_assert_ptr_eq(site_find_client(&site, STR("http://a"), &error), first);
    check_text(site_find_client(&site, STR("http://b"), &error), "Sync.baseUrl = \"http://b\";");
    check_text(site_find_client(&site, STR("http://a"), &error), "Sync.baseUrl = \"http://a\";");
}
END_TEST

START_TEST(test_site_gives_each_client_its_own_etag)
{
    open_client("Sync.baseUrl = null;");
    struct site_content *first = site_hold(site_find_client(&site, STR("http://a"), &error));
    ck_assert_str_ne(site_find_client(&site, STR("http://b"), &error)->etag, first->etag);
    site_release(first);
}
END_TEST

START_TEST(test_site_refuses_a_client_without_the_mark)
{
    folder_write(&folder, "client", STR("nothing of the kind"));
    ck_assert(!open_site(folder_path(&folder, "client"), NULL, NULL));
    ck_assert_int_eq(error.code, ERROR_CONF);
}
END_TEST

START_TEST(test_site_refuses_a_client_that_is_too_large)
{
    folder_write(&folder, "client", STR("Sync.baseUrl = null;"));
    ck_assert_int_eq(truncate(folder_path(&folder, "client"), (4 << 20) + 1), 0);
    ck_assert(!open_site(folder_path(&folder, "client"), NULL, NULL));
    ck_assert_ptr_nonnull(strstr(error.message, "more than 4194304 bytes"));
}
END_TEST

START_TEST(test_site_without_a_client_says_so)
{
    ck_assert(open_site(NULL, NULL, NULL));
    ck_assert_ptr_null(site_find_client(&site, STR("http://a"), &error));
    ck_assert_int_eq(error.code, ERROR_NOT_FOUND);
}
END_TEST

START_TEST(test_site_invariant_2_held_content_outlives_the_site)
{
    folder_write(&folder, "a", STR("one"));
    open_root();
    struct site_content *content = site_hold(site_find(&site, STR("/a"))->content);
    site_close(&site);
    check_text(content, "one");
    site_release(content);
}
END_TEST

START_TEST(test_site_lets_pages_reach_the_public_url)
{
    ck_assert(open_site(NULL, NULL, "https://sync.example/base"));
    ck_assert(str_ends_with(buf_str(&site.csp), STR("connect-src 'self' https://sync.example")));
    site_close(&site);
    ck_assert(open_site(NULL, NULL, NULL));
    ck_assert(str_ends_with(buf_str(&site.csp), STR("connect-src 'self'")));
}
END_TEST

START_TEST(test_site_lets_pages_talk_to_the_servers_that_are_named_and_to_no_other)
{
    const char *connects[] = {"https://other.example", "http://127.0.0.1:8089"};
    struct site_settings settings = {
        .public_url = "https://sync.example", .connects = connects, .connect_count = 2};

    ck_assert(site_open(&site, &settings, &error));
    ck_assert(str_ends_with(buf_str(&site.csp),
                            STR("connect-src 'self' https://sync.example https://other.example "
                                "http://127.0.0.1:8089")));
}
END_TEST

START_TEST(test_site_closes_twice)
{
    open_root();
    site_close(&site);
    site_close(&site);
}
END_TEST

Suite *suite_site(void)
{
    Suite *suite = suite_create("site");
    TCase *tcase = tcase_create("site");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, test_site_finds_files_by_path);
    tcase_add_test(tcase, test_site_finds_the_index_of_a_directory);
    tcase_add_test(tcase, test_site_leaves_out_hidden_files_links_and_other_kinds);
    tcase_add_test(tcase, test_site_knows_the_type_by_the_extension);
    tcase_add_test(tcase, test_site_makes_the_etag_from_the_bytes);
    tcase_add_test(tcase, test_site_refuses_more_bytes_than_it_may_hold);
    tcase_add_test(tcase, test_site_counts_the_bytes_of_all_files);
    tcase_add_test(tcase, test_site_names_what_cannot_be_read);
    tcase_add_test(tcase, test_site_puts_the_base_url_into_the_client);
    tcase_add_test(tcase, test_site_makes_the_client_once_for_a_base_url);
    tcase_add_test(tcase, test_site_gives_each_client_its_own_etag);
    tcase_add_test(tcase, test_site_refuses_a_client_without_the_mark);
    tcase_add_test(tcase, test_site_refuses_a_client_that_is_too_large);
    tcase_add_test(tcase, test_site_without_a_client_says_so);
    tcase_add_test(tcase, test_site_invariant_2_held_content_outlives_the_site);
    tcase_add_test(tcase, test_site_lets_pages_reach_the_public_url);
    tcase_add_test(tcase, test_site_lets_pages_talk_to_the_servers_that_are_named_and_to_no_other);
    tcase_add_test(tcase, test_site_closes_twice);
    suite_add_tcase(suite, tcase);
    return suite;
}
