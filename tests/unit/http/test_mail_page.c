#include "http/suites.h"

#include "http/mail_page.h"

#include <string.h>

#include <check.h>

enum { NOW = 1000000 };

static struct mail_code code;
static struct buf page;

static void setup(void)
{
    struct error error;

    code =
        (struct mail_code){.user = "a&b'c@example.org", .expires = NOW + 600, .digits = "01234567"};
    ck_assert(origin_parse(&code.audience, STR("https://app.example:8443"), &error));
    page = (struct buf){0};
}

static void teardown(void)
{
    buf_clear(&page);
}

/* Base64 of the other alphabet, with padding: what policies are written in. */
static void put_hash(struct str text, struct buf *out)
{
    unsigned char hash[CRYPTO_HASH_SIZE];
    struct error error;

    ck_assert(crypto_sha256(text, hash, &error));
    crypto_base64url_encode((struct str){(const char *)hash, sizeof hash}, out);
    for (size_t i = 0; i < out->length; i++)
        out->data[i] = (char)(out->data[i] == '-' ? '+' : out->data[i] == '_' ? '/' : out->data[i]);
    buf_append_byte(out, '=');
}

START_TEST(test_the_policy_names_the_style_of_the_page)
{
    struct buf hash = {0};

    mail_page_put_end(&page);
    const char *begin = strstr(page.data, "<style>") + strlen("<style>");
    const char *end = strstr(begin, "</style>");
    put_hash((struct str){begin, (size_t)(end - begin)}, &hash);
    ck_assert_msg(strstr(mail_page_csp, hash.data), "the policy has to say sha256-%s", hash.data);
    ck_assert_ptr_null(strstr(mail_page_csp, "unsafe"));
    buf_clear(&hash);
}
END_TEST

START_TEST(test_the_button_s_page_has_no_code_and_says_which_site_and_who)
{
    mail_page_put_button(&code, &page);
    ck_assert_ptr_null(strstr(page.data, "0123"));
    ck_assert_ptr_null(strstr(page.data, "4567"));
    ck_assert_ptr_nonnull(strstr(page.data, "https://app.example:8443"));
    ck_assert_ptr_nonnull(strstr(page.data, "a&amp;b'c@example.org"));
    ck_assert_ptr_nonnull(strstr(page.data, "<form method=\"post\">"));
}
END_TEST

START_TEST(test_the_code_s_page_has_the_code_the_site_and_the_time)
{
    mail_page_put_code(&code, NOW + 1, &page);
    ck_assert_ptr_nonnull(strstr(page.data, "<span>0123</span><span>4567</span>"));
    ck_assert_ptr_nonnull(strstr(page.data, "https://app.example:8443"));
    ck_assert_ptr_nonnull(strstr(page.data, "for 10 more minutes"));
    ck_assert_ptr_null(strstr(page.data, "<form"));
    buf_reset(&page);
    mail_page_put_code(&code, NOW + 599, &page);
    ck_assert_ptr_nonnull(strstr(page.data, "for 1 more minute."));
}
END_TEST

START_TEST(test_what_is_special_in_html_is_not)
{
    memcpy(code.user, "<b>\"&", 6); /* no address can be this */
    mail_page_put_button(&code, &page);
    ck_assert_ptr_nonnull(strstr(page.data, "&lt;b>&quot;&amp;"));
}
END_TEST

Suite *suite_mail_page(void)
{
    Suite *suite = suite_create("mail_page");
    TCase *tests = tcase_create("mail_page");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_the_policy_names_the_style_of_the_page);
    tcase_add_test(tests, test_the_button_s_page_has_no_code_and_says_which_site_and_who);
    tcase_add_test(tests, test_the_code_s_page_has_the_code_the_site_and_the_time);
    tcase_add_test(tests, test_what_is_special_in_html_is_not);
    suite_add_tcase(suite, tests);
    return suite;
}
