#include "base/address.h"

#include "base/suites.h"

#include <string.h>

#include <check.h>

static const struct {
    const char *path, *domain, *user, *bucket, *name;
} good[] = {
    {"/a.org/u@b.org/notes", "a.org", "u@b.org", "notes", "a.org/u@b.org/notes"},
    {"/a.org/u@b.org", "a.org", "u@b.org", "", "a.org/u@b.org"},
    {"/a.org/u@b.org/", "a.org", "u@b.org", "", "a.org/u@b.org"},
    {"/a.org/u@b.org/x/y/z", "a.org", "u@b.org", "x/y/z", "a.org/u@b.org/x%2Fy%2Fz"},
    {"/A.Org/User@B.ORG/Notes", "a.org", "User@b.org", "Notes", "a.org/User@b.org/Notes"},
    {"/%61.org/u%40b.org/n%6ftes", "a.org", "u@b.org", "notes", "a.org/u@b.org/notes"},
    {"/a.org/u@b.org/a%20b", "a.org", "u@b.org", "a b", "a.org/u@b.org/a%20b"},
    {"/a.org/u@b.org/a+b", "a.org", "u@b.org", "a+b", "a.org/u@b.org/a%2Bb"},
    {"/a.org/u+tag@b.org/n", "a.org", "u+tag@b.org", "n", "a.org/u%2Btag@b.org/n"},
    {"/a.org/u@b.org/%c3%a4", "a.org", "u@b.org", "\xc3\xa4", "a.org/u@b.org/%C3%A4"},
    {"/a.org/u@b.org/\xc3\xa4", "a.org", "u@b.org", "\xc3\xa4", "a.org/u@b.org/%C3%A4"},
    {"/a.org/u@b.org/.hidden", "a.org", "u@b.org", ".hidden", "a.org/u@b.org/.hidden"},
    {"/a.org/u@b.org/...", "a.org", "u@b.org", "...", "a.org/u@b.org/..."},
    {"/a.org/u@b.org/%252e%252e", "a.org", "u@b.org", "%2e%2e", "a.org/u@b.org/%252e%252e"},
    {"/a.org/u@b.org/%5c..%5c", "a.org", "u@b.org", "\\..\\", "a.org/u@b.org/%5C..%5C"},
    {"/localhost/u@localhost/n", "localhost", "u@localhost", "n", "localhost/u@localhost/n"},
    {"/127.0.0.1/u@b.org/n", "127.0.0.1", "u@b.org", "n", "127.0.0.1/u@b.org/n"},
    {"/[::1]/u@b.org/n", "[::1]", "u@b.org", "n", "%5B%3A%3A1%5D/u@b.org/n"},
    {"/%5B::1%5D/u@b.org/n", "[::1]", "u@b.org", "n", "%5B%3A%3A1%5D/u@b.org/n"},
    {"/[2001:DB8::1]/u@b.org/n", "[2001:db8::1]", "u@b.org", "n",
     "%5B2001%3Adb8%3A%3A1%5D/u@b.org/n"},
    {"/a_b.org/!#$&'*@b.org/n", "a_b.org", "!#$&'*@b.org", "n",
     "a_b.org/%21%23%24%26%27%2A@b.org/n"},
};

START_TEST(test_address_is_canonical)
{
    struct address address;
    struct error error;

    ck_assert_msg(address_parse(&address, str_of(good[_i].path), &error), "%s: %s", good[_i].path,
                  error.message);
    ck_assert_str_eq(address.domain, good[_i].domain);
    ck_assert_str_eq(address.user, good[_i].user);
    ck_assert_str_eq(address.bucket, good[_i].bucket);
    ck_assert_str_eq(address.path, good[_i].name);
    ck_assert(address_is_meant(str_of(good[_i].path)));
}
END_TEST

#define NO_ADDRESS "the path is not /DOMAIN/USER/BUCKET"
#define NO_HOST    "the domain is not a host name"
#define NO_USER    "the user is not an e-mail address"
#define EMPTY      " is empty or has an empty segment"
#define ESCAPE     " holds a bad percent escape or %00"
#define SLASH      " holds %2F"
#define CONTROL    " holds a control byte"
#define NOT_UTF8   " is not UTF-8"
#define U          "/u@b.org/n"
#define D          "/a.org/"

static const struct {
    struct str path;
    const char *message;
} bad[] = {
    {{"", 0}, "the path does not begin with \"/\""},
    {{"a.org/u@b.org/n", sizeof("a.org/u@b.org/n") - 1}, "the path does not begin with \"/\""},
    {{"/", sizeof("/") - 1}, NO_ADDRESS},
    {{"/a.org", sizeof("/a.org") - 1}, NO_ADDRESS},
    {{"/a.org/", sizeof("/a.org/") - 1}, "the user" EMPTY},
    {{"//u@b.org/n", sizeof("//u@b.org/n") - 1}, "the domain" EMPTY},
    {{"///", sizeof("///") - 1}, "the domain" EMPTY},
    {{"/a.org//n", sizeof("/a.org//n") - 1}, "the user" EMPTY},
    {{D "u@b.org//", sizeof(D "u@b.org//") - 1}, "the bucket" EMPTY},
    {{D "u@b.org//n", sizeof(D "u@b.org//n") - 1}, "the bucket" EMPTY},
    {{D "u@b.org/n/", sizeof(D "u@b.org/n/") - 1}, "the bucket" EMPTY},
    {{D "u@b.org/n//m", sizeof(D "u@b.org/n//m") - 1}, "the bucket" EMPTY},
    {{D "u@b.org/.", sizeof(D "u@b.org/.") - 1}, "the bucket has the segment \".\""},
    {{D "u@b.org/..", sizeof(D "u@b.org/..") - 1}, "the bucket has the segment \"..\""},
    {{D "u@b.org/n/../m", sizeof(D "u@b.org/n/../m") - 1}, "the bucket has the segment \"..\""},
    {{D "u@b.org/%2e%2E", sizeof(D "u@b.org/%2e%2E") - 1}, "the bucket has the segment \"..\""},
    {{D "u@b.org/%2e", sizeof(D "u@b.org/%2e") - 1}, "the bucket has the segment \".\""},
    {{"/.." U, sizeof("/.." U) - 1}, "the domain has the segment \"..\""},
    {{"/." U, sizeof("/." U) - 1}, "the domain has the segment \".\""},
    {{D "..", sizeof(D "..") - 1}, "the user has the segment \"..\""},
    {{D "u@b.org/a%2fb", sizeof(D "u@b.org/a%2fb") - 1}, "the bucket" SLASH},
    {{D "u@b.org/%2F", sizeof(D "u@b.org/%2F") - 1}, "the bucket" SLASH},
    {{D "u@b.org/..%2f..%2fetc", sizeof(D "u@b.org/..%2f..%2fetc") - 1}, "the bucket" SLASH},
    {{D "u%2fv@b.org/n", sizeof(D "u%2fv@b.org/n") - 1}, "the user" SLASH},
    {{"/a.org%2Fb" U, sizeof("/a.org%2Fb" U) - 1}, "the domain" SLASH},
    {{D "u@b.org/a%00b", sizeof(D "u@b.org/a%00b") - 1}, "the bucket" ESCAPE},
    {{"/a.org%00" U, sizeof("/a.org%00" U) - 1}, "the domain" ESCAPE},
    {{D "u@b.org%00/n", sizeof(D "u@b.org%00/n") - 1}, "the user" ESCAPE},
    {{D "u@b.org/%", sizeof(D "u@b.org/%") - 1}, "the bucket" ESCAPE},
    {{D "u@b.org/%4", sizeof(D "u@b.org/%4") - 1}, "the bucket" ESCAPE},
    {{D "u@b.org/%zz", sizeof(D "u@b.org/%zz") - 1}, "the bucket" ESCAPE},
    {{D "u@b.org/%-1", sizeof(D "u@b.org/%-1") - 1}, "the bucket" ESCAPE},
    {{D "u@b.org/a\0b", sizeof(D "u@b.org/a\0b") - 1}, "the bucket" CONTROL},
    {{D "u@b.org/%01", sizeof(D "u@b.org/%01") - 1}, "the bucket" CONTROL},
    {{D "u@b.org/a%0ab", sizeof(D "u@b.org/a%0ab") - 1}, "the bucket" CONTROL},
    {{D "u@b.org/%1F", sizeof(D "u@b.org/%1F") - 1}, "the bucket" CONTROL},
    {{D "u@b.org/%7f", sizeof(D "u@b.org/%7f") - 1}, "the bucket" CONTROL},
    {{D "u%0d@b.org/n", sizeof(D "u%0d@b.org/n") - 1}, "the user" CONTROL},
    {{D "u@b.org/%ff", sizeof(D "u@b.org/%ff") - 1}, "the bucket" NOT_UTF8},
    {{D "u@b.org/%c0%af", sizeof(D "u@b.org/%c0%af") - 1}, "the bucket" NOT_UTF8},
    {{D "u@b.org/%ed%a0%80", sizeof(D "u@b.org/%ed%a0%80") - 1}, "the bucket" NOT_UTF8},
    {{D "u@b.org/%c3/%a4", sizeof(D "u@b.org/%c3/%a4") - 1}, "the bucket" NOT_UTF8},
    {{"/%C3.org" U, sizeof("/%C3.org" U) - 1}, "the domain" NOT_UTF8},
    {{"/%c3%a4.org" U, sizeof("/%c3%a4.org" U) - 1}, NO_HOST},
    {{"/a.org:8080" U, sizeof("/a.org:8080" U) - 1}, NO_HOST},
    {{"/http:" U, sizeof("/http:" U) - 1}, NO_HOST},
    {{"/a..org" U, sizeof("/a..org" U) - 1}, NO_HOST},
    {{"/a.org." U, sizeof("/a.org." U) - 1}, NO_HOST},
    {{"/.a.org" U, sizeof("/.a.org" U) - 1}, NO_HOST},
    {{"/-a.org" U, sizeof("/-a.org" U) - 1}, NO_HOST},
    {{"/a-.org" U, sizeof("/a-.org" U) - 1}, NO_HOST},
    {{"/a%20b.org" U, sizeof("/a%20b.org" U) - 1}, NO_HOST},
    {{"/u@a.org" U, sizeof("/u@a.org" U) - 1}, NO_HOST},
    {{"/1.2.3" U, sizeof("/1.2.3" U) - 1}, NO_HOST},
    {{"/1.2.3.4.5" U, sizeof("/1.2.3.4.5" U) - 1}, NO_HOST},
    {{"/256.1.1.1" U, sizeof("/256.1.1.1" U) - 1}, NO_HOST},
    {{"/01.2.3.4" U, sizeof("/01.2.3.4" U) - 1}, NO_HOST},
    {{"/0x7f.0x1" U, sizeof("/0x7f.0x1" U) - 1}, NO_HOST},
    {{"/0X7F" U, sizeof("/0X7F" U) - 1}, NO_HOST},
    {{"/a.0x" U, sizeof("/a.0x" U) - 1}, NO_HOST},
    {{"/2130706433" U, sizeof("/2130706433" U) - 1}, NO_HOST},
    {{"/[::1" U, sizeof("/[::1" U) - 1}, NO_HOST},
    {{"/::1" U, sizeof("/::1" U) - 1}, NO_HOST},
    {{"/[]" U, sizeof("/[]" U) - 1}, NO_HOST},
    {{"/[" U, sizeof("/[" U) - 1}, NO_HOST},
    {{"/[::1]x" U, sizeof("/[::1]x" U) - 1}, NO_HOST},
    {{"/[0:0::1]" U, sizeof("/[0:0::1]" U) - 1}, NO_HOST},
    {{"/[fe80::1%25eth0]" U, sizeof("/[fe80::1%25eth0]" U) - 1}, NO_HOST},
    {{"/[127.0.0.1]" U, sizeof("/[127.0.0.1]" U) - 1}, NO_HOST},
    {{D "u", sizeof(D "u") - 1}, NO_USER},
    {{D "@b.org/n", sizeof(D "@b.org/n") - 1}, NO_USER},
    {{D "u@/n", sizeof(D "u@/n") - 1}, NO_USER},
    {{D "@/n", sizeof(D "@/n") - 1}, NO_USER},
    {{D "u@b@c.org/n", sizeof(D "u@b@c.org/n") - 1}, NO_USER},
    {{D "u@b..org/n", sizeof(D "u@b..org/n") - 1}, NO_USER},
    {{D "u@b.org./n", sizeof(D "u@b.org./n") - 1}, NO_USER},
    {{D "u@-b.org/n", sizeof(D "u@-b.org/n") - 1}, NO_USER},
    {{D "u@b_c.org/n", sizeof(D "u@b_c.org/n") - 1}, NO_USER},
    {{D "u@[::1]/n", sizeof(D "u@[::1]/n") - 1}, NO_USER},
    {{D "u%20v@b.org/n", sizeof(D "u%20v@b.org/n") - 1}, NO_USER},
    {{D "%22u%22@b.org/n", sizeof(D "%22u%22@b.org/n") - 1}, NO_USER},
    {{D "u,v@b.org/n", sizeof(D "u,v@b.org/n") - 1}, NO_USER},
    {{D "u(c)@b.org/n", sizeof(D "u(c)@b.org/n") - 1}, NO_USER},
    {{D "%c3%a4@b.org/n", sizeof(D "%c3%a4@b.org/n") - 1}, NO_USER},
};

START_TEST(test_address_refuses_and_names_what_is_wrong)
{
    struct address address;
    struct error error;

    ck_assert_msg(!address_parse(&address, bad[_i].path, &error), "%s", bad[_i].path.data);
    ck_assert_int_eq(error.code, ERROR_BAD_PATH);
    ck_assert_str_eq(error.message, bad[_i].message);
}
END_TEST

/* text with its one "*" replaced by `count` times byte. */
static struct str stretch(const char *text, char byte, size_t count)
{
    static char out[2048];
    const char *star = strchr(text, '*');
    size_t before = (size_t)(star - text);

    memcpy(out, text, before);
    memset(out + before, byte, count);
    strcpy(out + before + count, star + 1);
    return str_of(out);
}

/* The longest that is good; one byte more is not. */
static const struct {
    const char *text;
    size_t most;
    char byte;
    const char *message;
} longest[] = {
    {"/*.org" U, 63, 'a', NO_HOST},
    {"/a.*" U, 63, 'a', NO_HOST},
    {D "u@*.org/n", 63, 'b', NO_USER},
    {D "*@b.org/n", 248, 'u', NO_USER},
    {D "u@b.org/*", 255, 'n', "the bucket has 256 bytes, at most 255 are possible"},
    {D "u@b.org/*", 85, '+',
     "the bucket has 258 bytes once percent-encoded, at most 255 are possible"},
    {D "*@b.org/n", 83, '+',
     "the user has 258 bytes once percent-encoded, at most 255 are possible"},
    {D "u@b.org/n/*", 251, 'm',
     "the bucket has 256 bytes once percent-encoded, at most 255 are possible"},
};

START_TEST(test_address_takes_names_up_to_their_limit_and_no_longer)
{
    struct address address;
    struct error error;

    ck_assert(address_parse(&address, stretch(longest[_i].text, longest[_i].byte, longest[_i].most),
                            &error));
    ck_assert(!address_parse(
        &address, stretch(longest[_i].text, longest[_i].byte, longest[_i].most + 1), &error));
    ck_assert_int_eq(error.code, ERROR_BAD_PATH);
    ck_assert_str_eq(error.message, longest[_i].message);
}
END_TEST

START_TEST(test_address_holds_the_longest_of_everything)
{
    char path[1024];
    struct address address;
    struct error error;
    size_t used = 0;

    /* 253 bytes of domain: 63 + 1 + 63 + 1 + 63 + 1 + 61 */
    for (int i = 0; i < 4; i++) {
        path[used++] = i == 0 ? '/' : '.';
        memset(path + used, 'd', i < 3 ? 63 : 61);
        used += i < 3 ? 63 : 61;
    }
    strcpy(path + used, stretch("/*@b.org/", 'u', 248).data);
    used = strlen(path);
    memset(path + used, 'n', 255);
    path[used + 255] = '\0';
    ck_assert(address_parse(&address, str_of(path), &error));
    ck_assert_uint_eq(strlen(address.domain), 253);
    ck_assert_uint_eq(strlen(address.user), 254);
    ck_assert_uint_eq(strlen(address.bucket), 255);
    ck_assert_str_eq(address.path, path + 1);
    path[254] = 'd'; /* where the domain ends */
    memmove(path + 255, path + 254, strlen(path + 254) + 1);
    path[255] = '/';
    ck_assert(!address_parse(&address, str_of(path), &error));
    ck_assert_str_eq(error.message, NO_HOST);
}
END_TEST

static const struct {
    const char *path;
    bool meant;
} meant[] = {
    {"/a/u@b/n", true},  {"/a/u%40b/n", true},  {"/a/@", true},   {"/a/%40", true},
    {"//u@b", true},     {"/a/u%2540b", false}, {"/u@b", false},  {"/u@b/n", false},
    {"/a/n/u@b", false}, {"/", false},          {"", false},      {"/a/%4", false},
    {"a/u@b/n", false},  {"/info", false},      {"/a/u/", false},
};

START_TEST(test_address_is_meant_looks_for_an_at_sign_in_the_second_segment)
{
    ck_assert_int_eq(address_is_meant(str_of(meant[_i].path)), meant[_i].meant);
}
END_TEST

START_TEST(test_address_checks_want_lower_case_hosts)
{
    ck_assert(address_check_domain(STR("a.org")));
    ck_assert(!address_check_domain(STR("A.org")));
    ck_assert(!address_check_domain(STR("[2001:DB8::1]")));
    ck_assert(!address_check_domain(STR("")));
    ck_assert(!address_check_domain((struct str){"[::1\0]", 6}));
    ck_assert(address_check_user(STR("U@a.org")));
    ck_assert(!address_check_user(STR("u@A.org")));
    ck_assert(!address_check_user(STR("")));
    ck_assert(!address_check_user(STR("u\0@a.org")));
    ck_assert(address_check_user(STR("a/b.!#$%&'*+-=?^_`{|}~@1.2.3.4")));
}
END_TEST

Suite *suite_address(void)
{
    Suite *suite = suite_create("address");
    TCase *tests = tcase_create("address");

    tcase_add_loop_test(tests, test_address_is_canonical, 0, (int)(sizeof good / sizeof *good));
    tcase_add_loop_test(tests, test_address_refuses_and_names_what_is_wrong, 0,
                        (int)(sizeof bad / sizeof *bad));
    tcase_add_loop_test(tests, test_address_takes_names_up_to_their_limit_and_no_longer, 0,
                        (int)(sizeof longest / sizeof *longest));
    tcase_add_test(tests, test_address_holds_the_longest_of_everything);
    tcase_add_loop_test(tests, test_address_is_meant_looks_for_an_at_sign_in_the_second_segment, 0,
                        (int)(sizeof meant / sizeof *meant));
    tcase_add_test(tests, test_address_checks_want_lower_case_hosts);
    suite_add_tcase(suite, tests);
    return suite;
}
