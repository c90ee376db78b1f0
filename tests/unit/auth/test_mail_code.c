#include "auth/suites.h"

#include "auth/mail_code.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

enum { NOW = 1000000, LIFETIME = 600 };

static struct keys keys;
static struct rate tries;
static struct mail_code made, read;
static struct buf id, link_part, text;
static struct origin site;
static struct error error;

static void make(void)
{
    buf_reset(&id);
    buf_reset(&link_part);
    ck_assert_msg(mail_code_make(&keys, &made, &id, &link_part, &error), "%s", error.message);
}

static void setup(void)
{
    ck_assert(keys_make(&keys, &error) && mail_code_open_tries(&tries, &error));
    ck_assert(origin_parse(&site, STR("https://app.example"), &error));
    made =
        (struct mail_code){.user = "ann@example.org", .audience = site, .expires = NOW + LIFETIME};
    id = link_part = text = (struct buf){0};
    make();
}

static void teardown(void)
{
    keys_clear(&keys);
    rate_close(&tries);
    buf_clear(&id);
    buf_clear(&link_part);
    buf_clear(&text);
}

static bool check_at(const char *digits, int64_t now)
{
    buf_reset(&text);
    buf_append(&text, buf_str(&id));
    buf_append_byte(&text, ':');
    buf_append_text(&text, digits);
    return mail_code_check(&keys, &tries, buf_str(&text), &site, now, &read, &error);
}

static bool check_text(struct str given)
{
    return mail_code_check(&keys, &tries, given, &site, NOW, &read, &error);
}

static void assert_refused(const char *why)
{
    ck_assert_int_eq(error.code, ERROR_UNAUTHORIZED);
    ck_assert_msg(strstr(error.message, why), "%s", error.message);
}

/* Another one than the right one. */
static const char *wrong_digits(void)
{
    static char digits[MAIL_CODE_DIGITS + 1];

    memcpy(digits, made.digits, sizeof digits);
    digits[7] = digits[7] == '9' ? '0' : (char)(digits[7] + 1);
    return digits;
}

START_TEST(test_a_code_says_who_and_for_which_site)
{
    ck_assert_msg(check_at(made.digits, NOW), "%s", error.message);
    ck_assert_str_eq(read.user, "ann@example.org");
    ck_assert_str_eq(read.audience.text, "https://app.example");
    ck_assert_int_eq(read.expires, NOW + LIFETIME);
}
END_TEST

START_TEST(test_a_code_is_eight_digits)
{
    for (unsigned i = 0; i < 100; i++) {
        make();
        ck_assert_uint_eq(strlen(made.digits), MAIL_CODE_DIGITS);
        ck_assert_uint_eq(strspn(made.digits, "0123456789"), MAIL_CODE_DIGITS);
    }
}
END_TEST

START_TEST(test_ids_links_and_codes_differ_each_time)
{
    struct buf first = {0};
    char digits[MAIL_CODE_DIGITS + 1];

    buf_append(&first, buf_str(&id));
    memcpy(digits, made.digits, sizeof digits);
    make();
    ck_assert_str_ne(first.data, id.data);
    ck_assert_str_ne(digits, made.digits);
    ck_assert_str_ne(id.data, link_part.data);
    buf_clear(&first);
}
END_TEST

/* Each digit in each place about as often as any other: chi-squared with 9 degrees of freedom is
 * above 40 less than once in a hundred thousand times. The keys are fixed, so it is always or
 * never. */
START_TEST(test_all_codes_are_equally_likely)
{
    enum { ROUNDS = 4000 };
    unsigned counts[MAIL_CODE_DIGITS][10] = {0};

    for (unsigned i = 0; i < ROUNDS; i++) {
        make();
        for (unsigned place = 0; place < MAIL_CODE_DIGITS; place++)
            counts[place][made.digits[place] - '0']++;
    }
    for (unsigned place = 0; place < MAIL_CODE_DIGITS; place++) {
        double sum = 0;

        for (unsigned digit = 0; digit < 10; digit++) {
            double off = counts[place][digit] - ROUNDS / 10.0;

            sum += off * off / (ROUNDS / 10.0);
        }
        ck_assert_msg(sum < 60, "place %u: %f", place, sum);
    }
}
END_TEST

START_TEST(test_a_code_is_good_once)
{
    ck_assert(check_at(made.digits, NOW));
    ck_assert(!check_at(made.digits, NOW));
    assert_refused("used");
    ck_assert(!check_at(made.digits, NOW + LIFETIME - 1));
    assert_refused("used");
}
END_TEST

START_TEST(test_a_code_that_was_used_is_used_after_wrong_guesses_too)
{
    ck_assert(!check_at(wrong_digits(), NOW));
    ck_assert(check_at(made.digits, NOW));
    ck_assert(!check_at(made.digits, NOW));
    assert_refused("used");
}
END_TEST

START_TEST(test_the_fifth_guess_may_be_right)
{
    for (unsigned i = 0; i < MAIL_CODE_TRIES - 1; i++) {
        ck_assert(!check_at(wrong_digits(), NOW));
        assert_refused("wrong");
    }
    ck_assert(check_at(made.digits, NOW));
}
END_TEST

START_TEST(test_after_five_guesses_none_is_looked_at)
{
    for (unsigned i = 0; i < MAIL_CODE_TRIES; i++) {
        ck_assert(!check_at(wrong_digits(), NOW));
        assert_refused("wrong");
    }
    ck_assert(!check_at(made.digits, NOW));
    assert_refused("guessed too often");
    ck_assert(!check_at(made.digits, NOW + LIFETIME - 1));
    assert_refused("guessed too often");
}
END_TEST

START_TEST(test_no_guess_comes_back_within_the_longest_life)
{
    made.expires = NOW + MAIL_CODE_LIFETIME_MOST;
    make();
    for (unsigned i = 0; i < MAIL_CODE_TRIES; i++)
        ck_assert(!check_at(wrong_digits(), NOW));
    ck_assert(!check_at(made.digits, NOW + MAIL_CODE_LIFETIME_MOST - 1));
    assert_refused("guessed too often");
}
END_TEST

START_TEST(test_guesses_of_one_code_leave_another_alone)
{
    for (unsigned i = 0; i <= MAIL_CODE_TRIES; i++)
        ck_assert(!check_at(wrong_digits(), NOW));
    make();
    ck_assert(check_at(made.digits, NOW));
}
END_TEST

START_TEST(test_what_is_no_code_costs_no_guess)
{
    static const char *const texts[] = {"",          "1234567",  "123456789", "1234 5678",
                                        "1234567a",  "-1234567", "+1234567",  " 1234567",
                                        "12345678 ", "0x123456", "00000000:"};

    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        ck_assert_msg(!check_at(texts[i], NOW), "%s", texts[i]);
        assert_refused("eight digits");
    }
    ck_assert(check_at(made.digits, NOW));
}
END_TEST

START_TEST(test_a_code_ends_with_its_time)
{
    ck_assert(!check_at(made.digits, NOW + LIFETIME));
    assert_refused("expired");
    ck_assert(check_at(made.digits, NOW + LIFETIME - 1));
}
END_TEST

START_TEST(test_a_code_is_good_for_its_site_only)
{
    static const char *const others[] = {"http://app.example", "https://app.example:8443",
                                         "https://app.example.org", "https://www.app.example"};

    ck_assert(origin_parse(&site, str_of(others[_i]), &error));
    ck_assert(!check_at(made.digits, NOW));
    assert_refused("another site");
    ck_assert(origin_parse(&site, STR("https://app.example"), &error));
    ck_assert_msg(check_at(made.digits, NOW), "and it has cost no guess");
}
END_TEST

START_TEST(test_an_id_refuses_every_flipped_bit)
{
    struct buf whole = {0};

    buf_append(&whole, buf_str(&id));
    buf_append_byte(&whole, ':');
    buf_append_text(&whole, made.digits);
    for (size_t bit = 0; bit < 8 * id.length; bit++) {
        whole.data[bit / 8] ^= (char)(1 << bit % 8);
        ck_assert_msg(!check_text(buf_str(&whole)), "bit %zu", bit);
        ck_assert_int_eq(error.code, ERROR_UNAUTHORIZED);
        whole.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    ck_assert(check_text(buf_str(&whole)));
    buf_clear(&whole);
}
END_TEST

START_TEST(test_an_id_refuses_every_beginning)
{
    for (size_t length = 0; length < id.length; length++) {
        buf_reset(&text);
        buf_append(&text, str_slice(buf_str(&id), 0, length));
        buf_append_byte(&text, ':');
        buf_append_text(&text, made.digits);
        ck_assert_msg(!check_text(buf_str(&text)), "%zu", length);
    }
    ck_assert(!check_text((struct str){0}));
    ck_assert(!check_text(STR(":12345678")));
    ck_assert(!check_text(buf_str(&id)));
}
END_TEST

START_TEST(test_an_id_is_no_link_and_a_link_no_id)
{
    struct buf whole = {0};

    ck_assert(!mail_code_open(&keys, buf_str(&id), NOW, &read, &error));
    assert_refused("no login by mail");
    buf_append(&whole, buf_str(&link_part));
    buf_append_byte(&whole, ':');
    buf_append_text(&whole, made.digits);
    ck_assert(!check_text(buf_str(&whole)));
    assert_refused("no login by mail");
    buf_clear(&whole);
}
END_TEST

START_TEST(test_a_link_shows_the_code_as_often_as_one_looks)
{
    for (unsigned i = 0; i < 100; i++) {
        ck_assert(mail_code_open(&keys, buf_str(&link_part), NOW, &read, &error));
        ck_assert_str_eq(read.digits, made.digits);
        ck_assert_str_eq(read.audience.text, "https://app.example");
    }
    ck_assert(!mail_code_open(&keys, buf_str(&link_part), NOW + LIFETIME, &read, &error));
    assert_refused("expired");
    ck_assert(check_at(made.digits, NOW));
}
END_TEST

/* What servers agree upon that share keys: made by another program. The second is one whose MAC
 * begins with a word that is left out, as taking it would make some codes likelier. */
START_TEST(test_the_digits_of_links_made_elsewhere)
{
    static const struct {
        struct str link;
        const char *digits;
    } known[] = {
        {STR_INIT(
             "once.MTAwMDYwMCBhbm5AZXhhbXBsZS5vcmcgaHR0cHM6Ly9hcHAuZXhhbXBsZSBBQUFBQUFBQUFBQUFB"
             "QUFBQUFBQUFB.DMbeWpq_ceRgly1kdkQpb7ZN4LUHGmvcP0VAk5NABig"),
         "74577887"},
        {STR_INIT(
             "once.MTAwMDYwMCBhbm5AZXhhbXBsZS5vcmcgaHR0cHM6Ly9hcHAuZXhhbXBsZSBBQUFBQUFBQUFBQUFB"
             "QUFBQUFBQUFn.iQMQJcoZGtadpaxWeJu4YNioXZXGS5s0iu9KGkKYFNQ"),
         "09812305"},
    };

    for (unsigned char i = 0; i < sizeof keys.items[0].mail_key; i++)
        keys.items[0].mail_key[i] = i;
    ck_assert_msg(mail_code_open(&keys, known[_i].link, NOW, &read, &error), "%s", error.message);
    ck_assert_str_eq(read.digits, known[_i].digits);
    ck_assert_str_eq(read.user, "ann@example.org");
    ck_assert_int_eq(read.expires, NOW + LIFETIME);
}
END_TEST

START_TEST(test_a_link_refuses_every_flipped_bit)
{
    for (size_t bit = 0; bit < 8 * link_part.length; bit++) {
        link_part.data[bit / 8] ^= (char)(1 << bit % 8);
        ck_assert_msg(!mail_code_open(&keys, buf_str(&link_part), NOW, &read, &error), "bit %zu",
                      bit);
        link_part.data[bit / 8] ^= (char)(1 << bit % 8);
    }
}
END_TEST

START_TEST(test_codes_of_an_older_key_are_good_while_the_key_is_there)
{
    struct keys newer;

    ck_assert(keys_make(&newer, &error));
    memcpy(newer.items[0].id, "newer", 6);
    newer.items[1] = keys.items[0];
    newer.count = 2;
    struct keys older = keys;
    keys = newer;
    ck_assert_msg(check_at(made.digits, NOW), "%s", error.message);
    make();
    ck_assert(strstr(id.data, "newer.") == id.data);
    keys = older;
    ck_assert(!check_at(made.digits, NOW));
    assert_refused("keys of the server have changed");
}
END_TEST

START_TEST(test_another_server_s_keys_check_nothing)
{
    struct keys mine = keys;

    ck_assert(keys_make(&keys, &error)); /* of the same name */
    ck_assert(!check_at(made.digits, NOW));
    assert_refused("no login by mail");
    keys = mine;
    ck_assert(check_at(made.digits, NOW));
}
END_TEST

START_TEST(test_the_longest_address_and_site_fit)
{
    char origin[300] = "https://";

    memset(made.user, 'a', 242);
    memcpy(made.user + 242, "@example.org", 13);
    for (size_t at = 8; at < 8 + 250; at += 2)
        memcpy(origin + at, "a.", 3);
    memcpy(origin + 258, "aaa:65535", 10);
    ck_assert_msg(origin_parse(&made.audience, str_of(origin), &error), "%s", error.message);
    site = made.audience;
    make();
    ck_assert_uint_lt(id.length, MAIL_CODE_ID_MOST - 16);
    ck_assert_msg(check_at(made.digits, NOW), "%s", error.message);
    ck_assert_str_eq(read.user, made.user);
}
END_TEST

Suite *suite_mail_code(void)
{
    Suite *suite = suite_create("mail_code");
    TCase *tests = tcase_create("mail_code");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_a_code_says_who_and_for_which_site);
    tcase_add_test(tests, test_a_code_is_eight_digits);
    tcase_add_test(tests, test_ids_links_and_codes_differ_each_time);
    tcase_add_test(tests, test_all_codes_are_equally_likely);
    tcase_add_test(tests, test_a_code_is_good_once);
    tcase_add_test(tests, test_a_code_that_was_used_is_used_after_wrong_guesses_too);
    tcase_add_test(tests, test_the_fifth_guess_may_be_right);
    tcase_add_test(tests, test_after_five_guesses_none_is_looked_at);
    tcase_add_test(tests, test_no_guess_comes_back_within_the_longest_life);
    tcase_add_test(tests, test_guesses_of_one_code_leave_another_alone);
    tcase_add_test(tests, test_what_is_no_code_costs_no_guess);
    tcase_add_test(tests, test_a_code_ends_with_its_time);
    tcase_add_loop_test(tests, test_a_code_is_good_for_its_site_only, 0, 4);
    tcase_add_test(tests, test_an_id_refuses_every_flipped_bit);
    tcase_add_test(tests, test_an_id_refuses_every_beginning);
    tcase_add_test(tests, test_an_id_is_no_link_and_a_link_no_id);
    tcase_add_test(tests, test_a_link_shows_the_code_as_often_as_one_looks);
    tcase_add_loop_test(tests, test_the_digits_of_links_made_elsewhere, 0, 2);
    tcase_add_test(tests, test_a_link_refuses_every_flipped_bit);
    tcase_add_test(tests, test_codes_of_an_older_key_are_good_while_the_key_is_there);
    tcase_add_test(tests, test_another_server_s_keys_check_nothing);
    tcase_add_test(tests, test_the_longest_address_and_site_fit);
    suite_add_tcase(suite, tests);
    return suite;
}
