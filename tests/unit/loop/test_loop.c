#include "loop/loop.h"
#include "suites.h"

#include <signal.h>
#include <string.h>

#include <check.h>

static struct loop loop;
static char trace[64];

static void note(char what)
{
    size_t length = strlen(trace);

    trace[length] = what;
    trace[length + 1] = '\0';
}

static void setup(void)
{
    struct error error;

    trace[0] = '\0';
    ck_assert(loop_open(&loop, &error));
}

static void teardown(void)
{
    loop_close(&loop);
    loop_close(&loop);
}

static void run(void)
{
    struct error error;

    ck_assert(loop_run(&loop, &error));
}

struct call {
    struct deferred deferred;
    char name;
    struct call *then, *cancels;
    bool next_turn, stops;
};

static void on_call(struct deferred *deferred)
{
    struct call *call = OWNER_OF(deferred, struct call, deferred);

    note(call->name);
    if (call->cancels)
        deferred_cancel(&call->cancels->deferred);
    if (call->then && call->then->next_turn)
        loop_run_next_turn(&loop, &call->then->deferred);
    else if (call->then)
        loop_run_soon(&loop, &call->then->deferred);
    if (call->stops)
        loop_stop(&loop);
}

static void init(struct call *call)
{
    deferred_init(&call->deferred, on_call);
}

START_TEST(test_loop_runs_what_was_put_off_in_order)
{
    struct call c = {.name = 'c', .stops = true}, b = {.name = 'b'}, a = {.name = 'a'};

    init(&a);
    init(&b);
    init(&c);
    loop_run_soon(&loop, &a.deferred);
    loop_run_soon(&loop, &b.deferred);
    loop_run_soon(&loop, &c.deferred);
    ck_assert_str_eq(trace, "");
    run();
    ck_assert_str_eq(trace, "abc");
}
END_TEST

START_TEST(test_loop_runs_the_next_turn_after_this_one)
{
    struct call d = {.name = 'd', .stops = true, .next_turn = true};
    struct call c = {.name = 'c', .then = &d};
    struct call b = {.name = 'b', .next_turn = true, .then = &c}, a = {.name = 'a', .then = &b};

    init(&a);
    init(&b);
    init(&c);
    init(&d);
    loop_run_soon(&loop, &a.deferred);
    run();
    ck_assert_str_eq(trace, "abcd");
}
END_TEST

START_TEST(test_loop_forgets_what_was_cancelled_even_by_one_before_it)
{
    struct call c = {.name = 'c', .stops = true}, b = {.name = 'b'};
    struct call a = {.name = 'a', .cancels = &b};

    init(&a);
    init(&b);
    init(&c);
    loop_run_soon(&loop, &a.deferred);
    loop_run_soon(&loop, &b.deferred);
    loop_run_soon(&loop, &c.deferred);
    ck_assert(deferred_is_pending(&b.deferred));
    run();
    ck_assert_str_eq(trace, "ac");
    ck_assert(!deferred_is_pending(&b.deferred));
    deferred_cancel(&b.deferred);
}
END_TEST

START_TEST(test_loop_deferred_of_all_zero_is_not_pending)
{
    struct deferred deferred = {0};

    ck_assert(!deferred_is_pending(&deferred));
    deferred_cancel(&deferred);
}
END_TEST

static unsigned turns;

static void count_turn(void *context)
{
    ck_assert_ptr_eq(context, &turns);
    turns++;
    note('|');
}

START_TEST(test_loop_says_when_a_turn_has_ended)
{
    struct call b = {.name = 'b', .next_turn = true, .stops = true};
    struct call a = {.name = 'a', .then = &b};

    turns = 0;
    init(&a);
    init(&b);
    loop.turn_ended = count_turn;
    loop.turn_context = &turns;
    loop_run_soon(&loop, &a.deferred);
    run();
    ck_assert_msg(strcmp(trace, "a|b|") == 0, "%s", trace);
}
END_TEST

START_TEST(test_loop_may_run_again_after_it_was_stopped)
{
    struct call a = {.name = 'a', .stops = true};

    init(&a);
    loop_run_soon(&loop, &a.deferred);
    run();
    loop_run_soon(&loop, &a.deferred);
    run();
    ck_assert_str_eq(trace, "aa");
}
END_TEST

static void on_signal(struct loop_signal *loop_signal)
{
    (void)loop_signal;
    note('s');
    loop_stop(&loop);
}

START_TEST(test_loop_delivers_signals_on_the_loop)
{
    struct loop_signal loop_signal = {0};
    struct error error;

    ck_assert(loop_signal_open(&loop_signal, &loop, SIGUSR1, on_signal, &error));
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_str_eq(trace, "");
    run();
    ck_assert_str_eq(trace, "s");
    loop_signal_close(&loop_signal);
    loop_signal_close(&loop_signal);
}
END_TEST

Suite *suite_loop(void)
{
    Suite *suite = suite_create("loop");
    TCase *cases = tcase_create("loop");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_loop_runs_what_was_put_off_in_order);
    tcase_add_test(cases, test_loop_runs_the_next_turn_after_this_one);
    tcase_add_test(cases, test_loop_forgets_what_was_cancelled_even_by_one_before_it);
    tcase_add_test(cases, test_loop_deferred_of_all_zero_is_not_pending);
    tcase_add_test(cases, test_loop_says_when_a_turn_has_ended);
    tcase_add_test(cases, test_loop_may_run_again_after_it_was_stopped);
    tcase_add_test(cases, test_loop_delivers_signals_on_the_loop);
    suite_add_tcase(suite, cases);
    return suite;
}
