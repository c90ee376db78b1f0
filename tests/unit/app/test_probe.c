/* probe.h: what figures and types mean. What it does with a disk is tested with the program. */
#include "app/probe.h"

#include "app/suites.h"

#include <string.h>

#include <check.h>

START_TEST(test_probe_knows_file_systems_by_what_statfs_says)
{
    const struct probe_file_system *found = probe_find_file_system(0x6969);

    ck_assert_str_eq(found->name, "NFS");
    ck_assert(found->is_remote && !found->is_memory);
    found = probe_find_file_system(0xfe534d42);
    ck_assert(found->is_remote);
    found = probe_find_file_system(0x01021994);
    ck_assert(found->is_memory && !found->is_remote);
    found = probe_find_file_system(0x794c7630);
    ck_assert(found->is_layered && !found->is_remote);
    found = probe_find_file_system(0xef53);
    ck_assert(!found->is_remote && !found->is_memory && !found->is_layered);
    ck_assert_ptr_null(probe_find_file_system(0x12345678));
}
END_TEST

static enum probe_verdict judge_type(uint64_t magic, const char *says)
{
    struct probe_finding finding = {.verdict = PROBE_OK};

    probe_judge_file_system(magic, &finding);
    if (!strstr(finding.text, says))
        ck_abort_msg("%s", finding.text);
    return finding.verdict;
}

START_TEST(test_probe_refuses_what_is_reached_over_a_network)
{
    ck_assert_int_eq(judge_type(0x6969, "NFS: over a network"), PROBE_FAILED);
    ck_assert_int_eq(judge_type(0x517b, "SMB"), PROBE_FAILED);
    ck_assert_int_eq(judge_type(0xfe534d42, "SMB2"), PROBE_FAILED);
    ck_assert_int_eq(judge_type(0xff534d42, "CIFS"), PROBE_FAILED);
    ck_assert_int_eq(judge_type(0x01021997, "9P"), PROBE_FAILED);
}
END_TEST

START_TEST(test_probe_warns_of_what_does_not_last_or_is_not_known)
{
    ck_assert_int_eq(judge_type(0x01021994, "tmpfs: all is gone"), PROBE_WARNING);
    ck_assert_int_eq(judge_type(0x794c7630, "overlayfs"), PROBE_WARNING);
    ck_assert_int_eq(judge_type(0x65735546, "FUSE"), PROBE_WARNING);
    ck_assert_int_eq(judge_type(0x12345678, "0x12345678"), PROBE_WARNING);
    ck_assert_int_eq(judge_type(0xef53, "ext4"), PROBE_OK);
}
END_TEST

START_TEST(test_probe_sums_samples_up)
{
    uint64_t samples[200];
    struct probe_latency latency = {.appends = 64, .samples = 200};

    for (unsigned i = 0; i < 200; i++)
        samples[i] = 1000 * (200 - i);
    probe_sum_up(&latency, samples);
    ck_assert_uint_eq(latency.median_us, 101000);
    ck_assert_uint_eq(latency.p99_us, 199000);
    ck_assert_uint_eq(latency.most_us, 200000);
    ck_assert_uint_eq(latency.appends_per_second, 636); /* 12,800 in 20.1 s */
}
END_TEST

START_TEST(test_probe_sums_up_a_single_sample)
{
    uint64_t sample = 0;
    struct probe_latency latency = {.appends = 1, .samples = 1};

    probe_sum_up(&latency, &sample);
    ck_assert_uint_eq(latency.most_us, 0);
    ck_assert_uint_eq(latency.appends_per_second, 0);
}
END_TEST

static enum probe_verdict judge(uint64_t median_us, bool is_memory, const char *says)
{
    const struct probe_latency latency = {
        .samples = 7, .median_us = median_us, .p99_us = 30000, .most_us = 31000};
    struct probe_finding finding = {.verdict = PROBE_FAILED};

    probe_judge_latency(&latency, is_memory, &finding);
    if (!strstr(finding.text, says))
        ck_abort_msg("%s", finding.text);
    return finding.verdict;
}

START_TEST(test_probe_does_not_believe_a_disk_that_is_too_fast)
{
    ck_assert_int_eq(judge(19, false, "median 0.019 ms"), PROBE_WARNING);
    ck_assert_int_eq(judge(19, false, "may say that it has"), PROBE_WARNING);
    ck_assert_int_eq(judge(20, false, "(7 times)"), PROBE_OK);
    ck_assert_int_eq(judge(19, true, "most 31.000 ms"), PROBE_OK);
}
END_TEST

START_TEST(test_probe_warns_of_a_slow_disk)
{
    ck_assert_int_eq(judge(20000, false, "99 % 30.000 ms"), PROBE_OK);
    ck_assert_int_eq(judge(20001, false, "slow"), PROBE_WARNING);
}
END_TEST

Suite *suite_probe(void)
{
    Suite *suite = suite_create("probe");
    TCase *tests = tcase_create("probe");

    tcase_add_test(tests, test_probe_knows_file_systems_by_what_statfs_says);
    tcase_add_test(tests, test_probe_refuses_what_is_reached_over_a_network);
    tcase_add_test(tests, test_probe_warns_of_what_does_not_last_or_is_not_known);
    tcase_add_test(tests, test_probe_sums_samples_up);
    tcase_add_test(tests, test_probe_sums_up_a_single_sample);
    tcase_add_test(tests, test_probe_does_not_believe_a_disk_that_is_too_fast);
    tcase_add_test(tests, test_probe_warns_of_a_slow_disk);
    suite_add_tcase(suite, tests);
    return suite;
}
