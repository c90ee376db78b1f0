/* network.h: nobody's neighbour is taken for the world. */
#include "base/network.h"

#include "base/suites.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include <check.h>

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return network_is_public((const struct sockaddr *)&v4);
    ck_assert_msg(inet_pton(AF_INET6, text, &v6.sin6_addr) == 1, "%s", text);
    return network_is_public((const struct sockaddr *)&v6);
}

static const char *const closed[] = {
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::a00:1",
    "fc00::1",
    "fdff::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "2001:1ff::1",
    "2002:a00:1::",
    "2002:7f00:1::1",
    "::10.0.0.1",
};

START_TEST(test_network_knows_what_is_closed)
{
    ck_assert_msg(!is_public(closed[_i]), "%s", closed[_i]);
}
END_TEST

static const char *const open[] = {
    "1.1.1.1",         "9.255.255.255",    "11.0.0.0",     "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0",        "169.253.0.1",  "172.15.255.255", "172.32.0.0",
    "192.0.1.1",       "192.167.0.1",      "192.169.0.0",  "198.17.255.255", "198.20.0.0",
    "223.255.255.255", "2606:4700::1",     "2a00:1450::1", "2001:200::1",    "2002:101:101::1",
    "::ffff:1.1.1.1",  "64:ff9b::101:101", "2003::1",
};

START_TEST(test_network_lets_the_world_pass)
{
    ck_assert_msg(is_public(open[_i]), "%s", open[_i]);
}
END_TEST

START_TEST(test_network_knows_no_other_families)
{
    const struct sockaddr_un local = {.sun_family = AF_UNIX};

    ck_assert(!network_is_public((const struct sockaddr *)&local));
}
END_TEST

Suite *suite_network(void)
{
    Suite *suite = suite_create("network");
    TCase *tests = tcase_create("network");

    tcase_add_loop_test(tests, test_network_knows_what_is_closed, 0,
                        sizeof closed / sizeof *closed);
    tcase_add_loop_test(tests, test_network_lets_the_world_pass, 0, sizeof open / sizeof *open);
    tcase_add_test(tests, test_network_knows_no_other_families);
    suite_add_tcase(suite, tests);
    return suite;
}
