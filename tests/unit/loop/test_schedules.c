/* Tasks, by chance: many of them, started, ended, cancelled in random order, against a model of a
 * few lines. What holds in every schedule: the invariants of task.h. */
#include "loop/task.h"
#include "suites.h"

#include <string.h>

#include <check.h>

enum { TASKS = 6, GATES = 2, STEPS = 4, ACTIONS = 200000 };

struct chance {
    uint64_t state;
};

static unsigned pick(struct chance *chance, unsigned below)
{
    chance->state = chance->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(chance->state >> 33) % below;
}

struct player {
    struct task task;
    struct operation gates[GATES];
    bool under_way, inside;
    unsigned next_step, ends, starts;
};

static struct loop loop;
static struct chance chance;
static struct player players[TASKS];
static bool ending_operation; /* inside operation_end: no step may run */

static struct player *player_of(struct task *task)
{
    return OWNER_OF(task, struct player, task);
}

static void forget(struct operation *operation)
{
    ck_assert_ptr_null(operation->task);
}

static void end_some_gate(void)
{
    struct player *player = &players[pick(&chance, TASKS)];
    bool before = ending_operation;

    ending_operation = true;
    operation_end(&player->gates[pick(&chance, GATES)]);
    ending_operation = before;
}

/* A step does one of all the things a step can do. */
static enum step play(struct task *task, unsigned number)
{
    struct player *player = player_of(task);
    enum step outcome = STEP_NEXT;

    ck_assert(!ending_operation);
    ck_assert(player->under_way && !player->inside);
    ck_assert_uint_eq(player->next_step, number);
    player->inside = true;
    switch (pick(&chance, 9)) {
    case 0:
    case 1:
        (void)operation_begin(&player->gates[1], task, forget);
        /* fall through */
    case 2:
    case 3:
        outcome = operation_begin(&player->gates[0], task, forget);
        break;
    case 4:
        outcome = STEP_YIELD;
        break;
    case 8:
        (void)operation_begin(&player->gates[1], task, forget);
        outcome = STEP_AGAIN;
        break;
    case 5:
        outcome = pick(&chance, 4) ? STEP_NEXT : task_fail(task, ERROR_IO, "by chance");
        break;
    case 6:
        end_some_gate();
        break;
    default:
        if (pick(&chance, 4) == 0)
            task_cancel(task);
        break;
    }
    player->inside = false;
    if (outcome != STEP_YIELD && outcome != STEP_AGAIN)
        player->next_step++;
    return outcome;
}

static enum step play_0(struct task *task)
{
    return play(task, 0);
}

static enum step play_1(struct task *task)
{
    return play(task, 1);
}

static enum step play_2(struct task *task)
{
    return play(task, 2);
}

static enum step play_3(struct task *task)
{
    return play(task, 3);
}

static void player_ended(struct task *task)
{
    struct player *player = player_of(task);

    ck_assert(player->under_way && !player->inside);
    player->under_way = false;
    player->ends++;
    for (unsigned i = 0; i < GATES; i++)
        ck_assert_ptr_null(player->gates[i].task);
    if (task->error.code == ERROR_NONE)
        ck_assert_uint_eq(player->next_step, STEPS);
}

static const struct step_entry play_steps[] = {
    STEP(play_0), STEP(play_1), STEP(play_2), STEP(play_3), {0}};
static const struct task_kind play_kind = {"play", play_steps, player_ended};

static void start_some(void)
{
    struct player *player = &players[pick(&chance, TASKS)];

    if (player->under_way)
        return;
    memset(player->gates, 0, sizeof player->gates);
    player->under_way = true;
    player->next_step = 0;
    player->starts++;
    task_start(&player->task, &loop, &play_kind);
}

static void stop_loop(void *context)
{
    loop_stop(context);
}

static void run_one_turn(void)
{
    struct error error;

    loop.turn_ended = stop_loop;
    loop.turn_context = &loop;
    /* Where nothing is put off the loop would wait for ever. */
    if (list_is_empty(&loop.soon) && list_is_empty(&loop.next_turn))
        return;
    ck_assert(loop_run(&loop, &error));
}

START_TEST(test_task_invariants_hold_in_any_schedule)
{
    struct error error;
    unsigned starts = 0, ends = 0;

    chance.state = (uint64_t)_i + 1;
    memset(players, 0, sizeof players);
    ck_assert(loop_open(&loop, &error));
    for (unsigned i = 0; i < ACTIONS; i++) {
        switch (pick(&chance, 8)) {
        case 0:
        case 1:
        case 2:
            start_some();
            break;
        case 3:
            task_cancel(&players[pick(&chance, TASKS)].task);
            break;
        case 4:
            run_one_turn();
            break;
        default:
            end_some_gate();
            break;
        }
    }
    for (unsigned i = 0; i < TASKS; i++) {
        task_cancel(&players[i].task);
        starts += players[i].starts;
        ends += players[i].ends;
    }
    ck_assert_uint_gt(starts, ACTIONS / 100);
    ck_assert_uint_eq(starts, ends);
    ck_assert_uint_eq(loop.task_count, 0);
    loop_close(&loop);
}
END_TEST

Suite *suite_schedules(void)
{
    Suite *suite = suite_create("schedules");
    TCase *cases = tcase_create("schedules");

    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, test_task_invariants_hold_in_any_schedule, 0, 5);
    suite_add_tcase(suite, cases);
    return suite;
}
