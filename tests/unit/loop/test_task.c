/* Tasks, by hand: each invariant of task.h, and each state with each thing that can happen in it.
 */
#include "loop/task.h"
#include "suites.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

static struct loop loop;
static char trace[256];

/* A thing to wait for that a test ends by hand. */
struct gate {
    struct operation operation;
    unsigned cancels;
};

struct job {
    struct task task;
    struct gate first, second;
    struct task *other;
    unsigned turns, ends;
    int fds[2];
};

static struct job *job_of(struct task *task)
{
    return OWNER_OF(task, struct job, task);
}

static void note(char what)
{
    size_t length = strlen(trace);

    ck_assert_uint_lt(length + 1, sizeof trace);
    trace[length] = what;
    trace[length + 1] = '\0';
}

static void note_cancel(struct operation *operation)
{
    OWNER_OF(operation, struct gate, operation)->cancels++;
    note('c');
}

static enum step go_on(struct task *task)
{
    (void)task;
    note('a');
    return STEP_NEXT;
}

static enum step end_here(struct task *task)
{
    (void)task;
    note('d');
    return STEP_DONE;
}

static enum step fail_here(struct task *task)
{
    note('f');
    return task_fail(task, ERROR_BUSY, "number %d", 7);
}

static enum step wait_first(struct task *task)
{
    note('w');
    return operation_begin(&job_of(task)->first.operation, task, note_cancel);
}

static enum step wait_both(struct task *task)
{
    struct job *job = job_of(task);

    note('W');
    (void)operation_begin(&job->first.operation, task, note_cancel);
    return operation_begin(&job->second.operation, task, note_cancel);
}

/* Ends what it began at once: the step must still not be left out or run twice. */
static enum step wait_for_nothing(struct task *task)
{
    struct job *job = job_of(task);
    enum step outcome = operation_begin(&job->first.operation, task, note_cancel);

    note('n');
    operation_end(&job->first.operation);
    return outcome;
}

static enum step fail_while_waiting(struct task *task)
{
    (void)wait_both(task);
    return task_fail(task, ERROR_IO, "while waiting");
}

static enum step finish_while_waiting(struct task *task)
{
    (void)wait_first(task);
    return STEP_DONE;
}

static enum step yield_thrice(struct task *task)
{
    note('y');
    return ++job_of(task)->turns < 3 ? STEP_YIELD : STEP_NEXT;
}

static enum step cancel_self(struct task *task)
{
    note('x');
    task_cancel(task);
    task_cancel(task);
    note('X');
    return STEP_NEXT;
}

static enum step cancel_other(struct task *task)
{
    note('[');
    task_cancel(job_of(task)->other);
    note(']');
    return STEP_NEXT;
}

static enum step leave_an_error(struct task *task)
{
    error_set(&task->error, ERROR_IO, "handled");
    return STEP_NEXT;
}

static void ended(struct task *task)
{
    job_of(task)->ends++;
    note('.');
    if (task->loop->task_count == 0)
        loop_stop(task->loop);
}

static void setup(void)
{
    struct error error;

    trace[0] = '\0';
    ck_assert(loop_open(&loop, &error));
}

static void teardown(void)
{
    ck_assert_uint_eq(loop.task_count, 0);
    ck_assert(list_is_empty(&loop.tasks));
    loop_close(&loop);
}

static void run_loop(void)
{
    struct error error;

    ck_assert(loop_run(&loop, &error));
}

static void run_to_end(struct job *job, const struct step_entry *steps)
{
    static struct task_kind kind; /* the task still points to it when the caller looks */

    kind = (struct task_kind){"test", steps, ended};
    task_start(&job->task, &loop, &kind);
    if (task_is_under_way(&job->task))
        run_loop();
    ck_assert_uint_eq(job->ends, 1);
    ck_assert_int_eq(job->task.state, TASK_ENDED);
}

START_TEST(test_task_invariant_4_steps_run_in_order_each_once)
{
    struct job job = {0};
    const struct step_entry steps[] = {STEP(go_on), STEP(end_here), STEP(go_on), {0}};

    run_to_end(&job, steps);
    ck_assert_str_eq(trace, "ad.");
    ck_assert_int_eq(job.task.error.code, ERROR_NONE);
}
END_TEST

START_TEST(test_task_without_waiting_ends_inside_its_start)
{
    struct job job = {0};
    const struct step_entry steps[] = {STEP(go_on), STEP(go_on), {0}};
    struct task_kind kind = {"test", steps, ended};

    ck_assert(!task_is_under_way(&job.task));
    task_start(&job.task, &loop, &kind);
    ck_assert_str_eq(trace, "aa.");
    ck_assert(!task_is_under_way(&job.task));
}
END_TEST

START_TEST(test_task_failing_skips_the_rest_and_says_why)
{
    struct job job = {0};
    const struct step_entry steps[] = {STEP(go_on), STEP(fail_here), STEP(go_on), {0}};

    run_to_end(&job, steps);
    ck_assert_str_eq(trace, "af.");
    ck_assert_int_eq(job.task.error.code, ERROR_BUSY);
    ck_assert_str_eq(job.task.error.message, "number 7");
    ck_assert_str_eq(task_step_name(&job.task), "fail_here");
}
END_TEST

START_TEST(test_task_invariant_6_what_steps_left_in_error_does_not_fail_it)
{
    struct job job = {0};
    const struct step_entry steps[] = {STEP(leave_an_error), STEP(go_on), {0}};

    run_to_end(&job, steps);
    ck_assert_int_eq(job.task.error.code, ERROR_NONE);
}
END_TEST

static void end_gate(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    note('(');
    operation_end(arg);
    note(')');
}

static void soon(void (*call)(evutil_socket_t, short, void *), void *arg)
{
    static const struct timeval at_once = {0, 0};

    ck_assert_int_eq(event_base_once(loop.base, -1, EV_TIMEOUT, call, arg, &at_once), 0);
}

START_TEST(test_task_invariant_2_no_step_runs_inside_operation_end)
{
    struct job job = {0};
    const struct step_entry steps[] = {STEP(wait_first), STEP(go_on), {0}};

    soon(end_gate, &job.first.operation);
    run_to_end(&job, steps);
    ck_assert_str_eq(trace, "w()a.");
    ck_assert_uint_eq(job.first.cancels, 0);
}
END_TEST

START_TEST(test_task_waits_for_all_its_operations)
{
    struct job job = {0};
    const struct step_entry steps[] = {STEP(wait_both), STEP(go_on), {0}};

    soon(end_gate, &job.second.operation);
    soon(end_gate, &job.first.operation);
    run_to_end(&job, steps);
    ck_assert_str_eq(trace, "W()()a.");
}
END_TEST

START_TEST(test_task_goes_on_when_what_it_waits_for_has_ended_already)
{
    struct job job = {0};
    const struct step_entry steps[] = {STEP(wait_for_nothing), STEP(go_on), {0}};

    run_to_end(&job, steps);
    ck_assert_str_eq(trace, "na.");
}
END_TEST

START_TEST(test_task_ending_an_operation_twice_is_harmless)
{
    struct job job = {0};
    const struct step_entry steps[] = {STEP(wait_both), STEP(go_on), {0}};
    struct task_kind kind = {"test", steps, ended};

    task_start(&job.task, &loop, &kind);
    operation_end(&job.first.operation);
    operation_end(&job.first.operation);
    ck_assert_int_eq(job.task.state, TASK_WAITING);
    ck_assert_ptr_null(job.first.operation.task);
    ck_assert_ptr_nonnull(job.second.operation.task);
    operation_end(&job.second.operation);
    ck_assert_int_eq(job.task.state, TASK_WOKEN);
    run_loop();
    ck_assert_str_eq(trace, "Wa.");
}
END_TEST

static const struct step_entry leaving_steps[][3] = {
    {STEP(fail_while_waiting), STEP(go_on), {0}},
    {STEP(finish_while_waiting), STEP(go_on), {0}},
};
static const char *const leaving_traces[] = {"Wcc.", "wc."};

START_TEST(test_task_invariant_3_operations_are_cancelled_before_ended)
{
    struct job job = {0};

    run_to_end(&job, leaving_steps[_i]);
    ck_assert_str_eq(trace, leaving_traces[_i]);
    ck_assert_ptr_null(job.first.operation.task);
    ck_assert_ptr_null(job.second.operation.task);
    operation_end(&job.first.operation);
    ck_assert_uint_eq(job.ends, 1);
}
END_TEST

/* Cancelling, state by state. */

START_TEST(test_task_cancelling_an_idle_or_ended_one_is_harmless)
{
    struct job job = {0};
    const struct step_entry steps[] = {STEP(go_on), {0}};

    task_cancel(&job.task);
    ck_assert_uint_eq(job.ends, 0);
    run_to_end(&job, steps);
    task_cancel(&job.task);
    ck_assert_str_eq(trace, "a.");
}
END_TEST

START_TEST(test_task_cancelled_by_itself_ends_when_the_step_returns)
{
    struct job job = {0};
    const struct step_entry steps[] = {STEP(cancel_self), STEP(go_on), {0}};

    run_to_end(&job, steps);
    ck_assert_str_eq(trace, "xX.");
    ck_assert_int_eq(job.task.error.code, ERROR_CANCELLED);
}
END_TEST

START_TEST(test_task_invariant_5_a_cancelled_one_runs_no_further_step)
{
    struct job job = {0};
    const struct step_entry waiting[] = {STEP(wait_both), STEP(go_on), {0}};
    struct task_kind kind = {"test", waiting, ended};

    /* waiting */
    task_start(&job.task, &loop, &kind);
    task_cancel(&job.task);
    ck_assert_str_eq(trace, "Wcc.");
    ck_assert_int_eq(job.task.error.code, ERROR_CANCELLED);
    operation_end(&job.first.operation);
    /* woken */
    trace[0] = '\0';
    job = (struct job){0};
    task_start(&job.task, &loop, &kind);
    operation_end(&job.first.operation);
    operation_end(&job.second.operation);
    task_cancel(&job.task);
    ck_assert_str_eq(trace, "W.");
    ck_assert(!deferred_is_pending(&job.task.resume));
}
END_TEST

START_TEST(test_task_cancelled_between_two_slices_runs_no_more_of_them)
{
    struct job job = {0};
    const struct step_entry steps[] = {STEP(yield_thrice), STEP(go_on), {0}};
    struct task_kind kind = {"test", steps, ended};

    task_start(&job.task, &loop, &kind);
    ck_assert_int_eq(job.task.state, TASK_YIELDED);
    task_cancel(&job.task);
    ck_assert_str_eq(trace, "y.");
    ck_assert_uint_eq(job.ends, 1);
}
END_TEST

START_TEST(test_task_may_be_cancelled_by_another)
{
    struct job waiting = {0}, job = {.other = &waiting.task};
    const struct step_entry waits[] = {STEP(wait_first), STEP(go_on), {0}};
    const struct step_entry steps[] = {STEP(cancel_other), {0}};
    struct task_kind wait_kind = {"waits", waits, ended}, kind = {"cancels", steps, ended};

    task_start(&waiting.task, &loop, &wait_kind);
    task_start(&job.task, &loop, &kind);
    ck_assert_str_eq(trace, "w[c.].");
}
END_TEST

/* While one list of put-off work is run, a task on it is cancelled by one before it. */
START_TEST(test_task_cancelled_by_one_woken_in_the_same_turn_does_not_run)
{
    struct job victim = {0}, job = {.other = &victim.task};
    const struct step_entry waits[] = {STEP(wait_first), STEP(go_on), {0}};
    const struct step_entry steps[] = {STEP(wait_first), STEP(cancel_other), {0}};
    struct task_kind wait_kind = {"waits", waits, ended}, kind = {"cancels", steps, ended};

    task_start(&job.task, &loop, &kind);
    task_start(&victim.task, &loop, &wait_kind);
    operation_end(&job.first.operation);
    operation_end(&victim.first.operation);
    run_loop();
    ck_assert_str_eq(trace, "ww[.].");
    ck_assert_int_eq(victim.task.error.code, ERROR_CANCELLED);
}
END_TEST

/* What ends a task's last operation may be the cancelling of another's. */
struct chained {
    struct gate gate;
    struct operation *to_end;
};

static void end_the_other(struct operation *operation)
{
    struct chained *chained =
        OWNER_OF(OWNER_OF(operation, struct gate, operation), struct chained, gate);

    note('c');
    operation_end(chained->to_end);
}

static struct chained chained;

static enum step wait_chained(struct task *task)
{
    note('w');
    return operation_begin(&chained.gate.operation, task, end_the_other);
}

START_TEST(test_task_cancel_may_end_what_another_waits_for)
{
    struct job one = {0}, two = {0};
    const struct step_entry waits[] = {STEP(wait_chained), {0}};
    const struct step_entry steps[] = {STEP(wait_first), STEP(go_on), {0}};
    struct task_kind chained_kind = {"chained", waits, ended}, kind = {"waits", steps, ended};

    chained.to_end = &two.first.operation;
    task_start(&one.task, &loop, &chained_kind);
    task_start(&two.task, &loop, &kind);
    task_cancel(&one.task);
    ck_assert_int_eq(two.task.state, TASK_WOKEN);
    run_loop();
    ck_assert_str_eq(trace, "wwc.a.");
}
END_TEST

/* Ending: the owner may go, another may begin, the same may begin again. */

static void free_owner(struct task *task)
{
    free(job_of(task));
    note('.');
}

START_TEST(test_task_invariant_1_ended_may_free_the_task)
{
    const struct step_entry steps[] = {STEP(go_on), {0}};
    const struct step_entry waits[] = {STEP(wait_first), STEP(go_on), {0}};
    struct task_kind kind = {"frees", steps, free_owner}, wait_kind = {"waits", waits, free_owner};
    struct job *job = calloc(1, sizeof *job);

    task_start(&job->task, &loop, &kind);
    job = calloc(1, sizeof *job);
    task_start(&job->task, &loop, &wait_kind);
    task_cancel(&job->task);
    ck_assert_str_eq(trace, "a.wc.");
}
END_TEST

static const struct step_entry again_steps[] = {STEP(go_on), {0}};
static void start_again(struct task *task);
static const struct task_kind again_kind = {"again", again_steps, start_again};

static void start_again(struct task *task)
{
    note('.');
    if (++job_of(task)->ends < 3)
        task_start(task, task->loop, &again_kind);
}

START_TEST(test_task_may_start_again_when_it_has_ended)
{
    struct job job = {0};

    task_start(&job.task, &loop, &again_kind);
    ck_assert_str_eq(trace, "a.a.a.");
}
END_TEST

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    char byte;

    (void)what;
    (void)arg;
    ck_assert_int_eq(read(fd, &byte, 1), 1);
    note('r');
}

static enum step yield_and_write(struct task *task)
{
    struct job *job = job_of(task);

    note('y');
    if (++job->turns == 2)
        ck_assert_int_eq(write(job->fds[1], "x", 1), 1);
    return job->turns < 5 ? STEP_YIELD : STEP_NEXT;
}

START_TEST(test_task_yielding_lets_sockets_have_their_turn)
{
    struct job job = {0};
    const struct step_entry steps[] = {STEP(yield_and_write), {0}};

    ck_assert_int_eq(pipe(job.fds), 0);
    struct event *reader =
        event_new(loop.base, job.fds[0], EV_READ | EV_PERSIST, on_readable, NULL);
    ck_assert_int_eq(event_add(reader, NULL), 0);
    run_to_end(&job, steps);
    ck_assert_msg(strstr(trace, "ry"), "the socket waited for the end: %s", trace);
    event_free(reader);
    close(job.fds[0]);
    close(job.fds[1]);
}
END_TEST

START_TEST(test_task_yielding_ones_take_turns)
{
    struct job one = {0}, two = {0};
    const struct step_entry steps[] = {STEP(yield_thrice), {0}};
    struct task_kind kind = {"yields", steps, ended};

    task_start(&one.task, &loop, &kind);
    task_start(&two.task, &loop, &kind);
    run_loop();
    ck_assert_str_eq(trace, "yyyyy.y.");
    ck_assert_uint_eq(one.turns, 3);
    ck_assert_uint_eq(two.turns, 3);
}
END_TEST

START_TEST(test_task_names_the_step_it_is_in)
{
    struct job job = {0};
    const struct step_entry steps[] = {STEP(go_on), STEP(wait_first), STEP(end_here), {0}};
    struct task_kind kind = {"test", steps, ended};

    ck_assert_str_eq(task_step_name(&job.task), "end");
    task_start(&job.task, &loop, &kind);
    ck_assert_str_eq(task_step_name(&job.task), "end_here");
    ck_assert_uint_eq(loop.task_count, 1);
    task_cancel(&job.task);
}
END_TEST

static TCase *new_cancelling(void)
{
    TCase *cases = tcase_create("cancelling");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_task_cancelling_an_idle_or_ended_one_is_harmless);
    tcase_add_test(cases, test_task_cancelled_by_itself_ends_when_the_step_returns);
    tcase_add_test(cases, test_task_invariant_5_a_cancelled_one_runs_no_further_step);
    tcase_add_test(cases, test_task_cancelled_between_two_slices_runs_no_more_of_them);
    tcase_add_test(cases, test_task_may_be_cancelled_by_another);
    tcase_add_test(cases, test_task_cancelled_by_one_woken_in_the_same_turn_does_not_run);
    tcase_add_test(cases, test_task_cancel_may_end_what_another_waits_for);
    return cases;
}

Suite *suite_task(void)
{
    Suite *suite = suite_create("task");
    TCase *cases = tcase_create("steps");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_task_invariant_4_steps_run_in_order_each_once);
    tcase_add_test(cases, test_task_without_waiting_ends_inside_its_start);
    tcase_add_test(cases, test_task_failing_skips_the_rest_and_says_why);
    tcase_add_test(cases, test_task_invariant_6_what_steps_left_in_error_does_not_fail_it);
    tcase_add_test(cases, test_task_invariant_2_no_step_runs_inside_operation_end);
    tcase_add_test(cases, test_task_waits_for_all_its_operations);
    tcase_add_test(cases, test_task_goes_on_when_what_it_waits_for_has_ended_already);
    tcase_add_test(cases, test_task_ending_an_operation_twice_is_harmless);
    tcase_add_loop_test(cases, test_task_invariant_3_operations_are_cancelled_before_ended, 0, 2);
    tcase_add_test(cases, test_task_invariant_1_ended_may_free_the_task);
    tcase_add_test(cases, test_task_may_start_again_when_it_has_ended);
    tcase_add_test(cases, test_task_yielding_lets_sockets_have_their_turn);
    tcase_add_test(cases, test_task_yielding_ones_take_turns);
    tcase_add_test(cases, test_task_names_the_step_it_is_in);
    suite_add_tcase(suite, cases);
    suite_add_tcase(suite, new_cancelling());
    return suite;
}
