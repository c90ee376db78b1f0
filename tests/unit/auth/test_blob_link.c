#include "auth/blob_link.h"

#include "auth/suites.h"

#include <string.h>

#include <check.h>

enum { NOW = 1800000000 };

static struct keys keys;
static struct error error;

static void set_up(void)
{
    ck_assert(keys_make(&keys, &error));
}

static void tear_down(void)
{
    keys_clear(&keys);
}

static void make(struct buf *link)
{
    ck_assert(blob_link_make(&keys, "a/b/c", STR("name"), NOW + 10, link, &error));
}

static bool is_good(const struct buf *link, const char *path, const char *name, int64_t now)
{
    bool ok = blob_link_check(&keys, buf_str(link), path, str_of(name), now, &error);

    ck_assert(ok || error.code == ERROR_UNAUTHORIZED);
    return ok;
}

START_TEST(test_blob_link_is_good_for_this_blob_until_it_expires)
{
    struct buf link = {0};

    make(&link);
    ck_assert(is_good(&link, "a/b/c", "name", NOW));
    ck_assert(is_good(&link, "a/b/c", "name", NOW + 9));
    ck_assert(!is_good(&link, "a/b/c", "name", NOW + 10));
    ck_assert(!is_good(&link, "a/b/c", "other", NOW));
    ck_assert(!is_good(&link, "a/b", "name", NOW));
    buf_clear(&link);
}
END_TEST

START_TEST(test_blob_link_with_any_other_byte_is_refused)
{
    struct buf link = {0};

    make(&link);
    for (size_t i = 0; i < link.length; i++) {
        for (int bit = 0; bit < 8; bit++) {
            link.data[i] = (char)(link.data[i] ^ 1 << bit);
            ck_assert_msg(!is_good(&link, "a/b/c", "name", NOW), "byte %zu, bit %d", i, bit);
            link.data[i] = (char)(link.data[i] ^ 1 << bit);
        }
    }
    while (link.length > 0) {
        link.length--;
        ck_assert(!is_good(&link, "a/b/c", "name", NOW));
    }
    buf_clear(&link);
}
END_TEST

START_TEST(test_blob_link_of_another_key_is_refused)
{
    struct buf link = {0};

    make(&link);
    keys_clear(&keys);
    ck_assert(keys_make(&keys, &error));
    ck_assert(!is_good(&link, "a/b/c", "name", NOW));
    buf_clear(&link);
}
END_TEST

START_TEST(test_blob_link_is_signed_with_a_key_for_nothing_else)
{
    ck_assert_mem_ne(keys.items[0].link_key, keys.items[0].token_key, CRYPTO_HASH_SIZE);
    ck_assert_mem_ne(keys.items[0].link_key, keys.items[0].mail_key, CRYPTO_HASH_SIZE);
}
END_TEST

Suite *suite_blob_link(void)
{
    Suite *suite = suite_create("blob_link");
    TCase *tests = tcase_create("blob_link");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, test_blob_link_is_good_for_this_blob_until_it_expires);
    tcase_add_test(tests, test_blob_link_with_any_other_byte_is_refused);
    tcase_add_test(tests, test_blob_link_of_another_key_is_refused);
    tcase_add_test(tests, test_blob_link_is_signed_with_a_key_for_nothing_else);
    suite_add_tcase(suite, tests);
    return suite;
}
