#include "auth/suites.h"

#include "base/clock.h"
#include "ground.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <check.h>

enum { NOW = 1000000, DAY = 24 * 3600 };

static struct token token;
static struct revocation revocation;
static struct str proof;
static int64_t proof_ends;

static void name_session(const char *name)
{
    memcpy(token.session, name, sizeof token.session);
}

static void setup(void)
{
    struct error error;

    clock_hold(NOW);
    ground_open();
    token = (struct token){.user = "ann@example.org", .began = NOW - 10};
    ck_assert(origin_parse(&token.audience, STR("https://app.example"), &error));
    name_session("AAAAAAAAAAAAAAAA");
    proof = STR("certificate~assertion");
    proof_ends = NOW + 300;
}

static void teardown(void)
{
    ground_close();
    clock_hold(0);
}

static enum step add_session(struct task *task)
{
    return revocations_add_session(&ground.revocations, &revocation, &token, task);
}

static enum step add_user(struct task *task)
{
    return revocations_add_user(&ground.revocations, &revocation, &token, NOW, task);
}

static enum step add_proof(struct task *task)
{
    return revocations_add_proof(&ground.revocations, &revocation, proof, proof_ends, task);
}

static void add(step_fn *step)
{
    ck_assert_int_eq(ground_run(step).code, ERROR_NONE);
    ck_assert_msg(revocation.error.code == ERROR_NONE, "%s", revocation.error.message);
}

static bool is_out(void)
{
    struct error error;

    ck_assert(revocations_look(&ground.revocations, &error));
    return revocations_has_token(&ground.revocations, &token);
}

START_TEST(test_revocations_end_one_session)
{
    ck_assert(!is_out());
    add(add_session);
    ck_assert(is_out());
    name_session("BAAAAAAAAAAAAAAA");
    ck_assert(!is_out());
    token.user[0] = 'b'; /* the name alone counts: sessions have names of their own */
    name_session("AAAAAAAAAAAAAAAA");
    ck_assert(is_out());
}
END_TEST

START_TEST(test_revocations_end_all_sessions_of_a_user_that_began_before)
{
    add(add_user);
    ck_assert(is_out());
    name_session("BAAAAAAAAAAAAAAA");
    ck_assert(is_out());
    token.began = NOW;
    ck_assert(is_out());
    token.began = NOW + 1;
    ck_assert(!is_out());
    ck_assert_int_eq(revocations_user_before(&ground.revocations, &token), NOW);
}
END_TEST

START_TEST(test_revocations_of_a_user_are_for_one_site)
{
    struct error error;

    add(add_user);
    ck_assert(origin_parse(&token.audience, STR("http://app.example:8080"), &error));
    ck_assert(is_out()); /* the host is what an address has */
    ck_assert(origin_parse(&token.audience, STR("https://other.example"), &error));
    ck_assert(!is_out());
    ck_assert_int_eq(revocations_user_before(&ground.revocations, &token), 0);
    ck_assert(origin_parse(&token.audience, STR("https://app.example"), &error));
    memcpy(token.user, "ann@example.orh", sizeof "ann@example.orh");
    ck_assert(!is_out());
}
END_TEST

START_TEST(test_revocations_are_known_to_who_comes_later)
{
    add(add_user);
    name_session("BAAAAAAAAAAAAAAA");
    add(add_session);
    add(add_proof);
    ground_restart();
    ck_assert(is_out());
    token.began = NOW + 1;
    ck_assert(is_out());
    name_session("CAAAAAAAAAAAAAAA");
    ck_assert(!is_out());
    add(add_proof);
    ck_assert(revocation.is_there);
}
END_TEST

START_TEST(test_revocations_let_a_proof_be_used_once)
{
    add(add_proof);
    ck_assert(!revocation.is_there);
    add(add_proof);
    ck_assert(revocation.is_there);
    proof = STR("certificate~assertioo");
    add(add_proof);
    ck_assert(!revocation.is_there);
}
END_TEST

static enum step add_proof_twice(struct task *task)
{
    static struct revocation other;

    ck_assert_int_eq(revocations_add_proof(&ground.revocations, &other, proof, proof_ends, task),
                     STEP_WAIT);
    return add_proof(task);
}

START_TEST(test_revocations_let_a_proof_be_used_once_though_it_comes_twice_at_a_time)
{
    for (unsigned i = 0; i < 20; i++) {
        char text[] = "certificate~assertion-?";

        text[sizeof text - 2] = (char)('a' + i);
        proof = str_of(text);
        ck_assert_int_eq(ground_run(add_proof_twice).code, ERROR_NONE);
        add(add_proof);
        ck_assert(revocation.is_there);
    }
    ck_assert_uint_eq(ground.revocations.offset, 16 + 20 * 40);
}
END_TEST

static struct revocation several[20];

static enum step add_several(struct task *task)
{
    for (unsigned i = 0; i < 20; i++) {
        token.session[0] = (char)('B' + i);
        ck_assert_int_eq(revocations_add_session(&ground.revocations, &several[i], &token, task),
                         STEP_WAIT);
        ck_assert_uint_eq(ground.helpers.unfinished, 1);
    }
    return STEP_WAIT;
}

START_TEST(test_revocations_are_added_one_at_a_time_and_all)
{
    ck_assert_int_eq(ground_run(add_several).code, ERROR_NONE);
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_int_eq(several[i].error.code, ERROR_NONE);
        token.session[0] = (char)('B' + i);
        ck_assert(is_out());
    }
    ck_assert_uint_eq(ground.revocations.offset, 16 + 20 * 40);
}
END_TEST

static atomic_uint lock_tries;

static int never_lock(struct disk *disk, int fd)
{
    (void)disk;
    (void)fd;
    lock_tries++;
    return -EAGAIN;
}

START_TEST(test_revocations_wait_together_for_a_list_that_somebody_keeps_locked)
{
    int (*lock)(struct disk *, int) = ground.calls.lock;

    ground.calls.lock = never_lock;
    ck_assert_int_eq(ground_run(add_several).code, ERROR_NONE);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(several[i].error.code, ERROR_BUSY);
    ck_assert_uint_eq(lock_tries, 500);
    ground.calls.lock = lock;
    add(add_session);
    ck_assert(is_out());
}
END_TEST

START_TEST(test_revocations_change_their_version_when_somebody_is_out)
{
    uint64_t version = ground.revocations.version;

    add(add_proof);
    ck_assert_uint_eq(ground.revocations.version, version);
    add(add_session);
    ck_assert_uint_ne(ground.revocations.version, version);
}
END_TEST

START_TEST(test_revocations_forget_what_has_expired)
{
    char text[] = "certificate~assertion-????";

    for (unsigned i = 0; i < 3000; i++) {
        for (unsigned at = 0; at < 4; at++)
            text[sizeof text - 2 - at] = (char)('a' + (i >> 4 * at & 15));
        proof = str_of(text);
        proof_ends = NOW + i + 1;
        clock_hold(NOW + i);
        add(add_proof);
    }
    ck_assert_uint_le(ground.revocations.table.count, 1100);
    add(add_session);
    ck_assert(is_out());
}
END_TEST

static int fail_sync(struct disk *disk, int fd)
{
    (void)disk;
    (void)fd;
    return -EIO;
}

START_TEST(test_revocations_say_when_they_could_not_be_written)
{
    ground.calls.sync = fail_sync;
    ck_assert_int_eq(ground_run(add_session).code, ERROR_NONE);
    ck_assert_int_eq(revocation.error.code, ERROR_IO);
}
END_TEST

static enum step add_and_leave(struct task *task)
{
    ck_assert_int_eq(add_session(task), STEP_WAIT);
    task_cancel(task);
    return STEP_WAIT;
}

START_TEST(test_revocations_are_made_though_nobody_waits_for_the_end)
{
    ck_assert_int_eq(ground_run(add_and_leave).code, ERROR_CANCELLED);
    memset(&revocation, 0, sizeof revocation);
    ground_restart(); /* the helpers finish what they have begun */
    ck_assert(is_out());
}
END_TEST

Suite *suite_revocations(void)
{
    Suite *suite = suite_create("revocations");
    TCase *cases = tcase_create("revocations");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, test_revocations_end_one_session);
    tcase_add_test(cases, test_revocations_end_all_sessions_of_a_user_that_began_before);
    tcase_add_test(cases, test_revocations_of_a_user_are_for_one_site);
    tcase_add_test(cases, test_revocations_are_known_to_who_comes_later);
    tcase_add_test(cases, test_revocations_let_a_proof_be_used_once);
    tcase_add_test(cases,
                   test_revocations_let_a_proof_be_used_once_though_it_comes_twice_at_a_time);
    tcase_add_test(cases, test_revocations_are_added_one_at_a_time_and_all);
    tcase_add_test(cases, test_revocations_wait_together_for_a_list_that_somebody_keeps_locked);
    tcase_add_test(cases, test_revocations_change_their_version_when_somebody_is_out);
    tcase_add_test(cases, test_revocations_forget_what_has_expired);
    tcase_add_test(cases, test_revocations_say_when_they_could_not_be_written);
    tcase_add_test(cases, test_revocations_are_made_though_nobody_waits_for_the_end);
    suite_add_tcase(suite, cases);
    return suite;
}
