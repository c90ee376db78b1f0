/* task.h - work that waits, written as a list of steps in the order in which they happen.
 *
 *     static enum step read_body(struct task *task);      goes on, waits, yields, ends or fails
 *
 *     static const struct step_entry append_steps[] = {
 *         STEP(check_access), STEP(read_body), STEP(store), STEP(answer), {0}};
 *
 * A task is a member of the struct it works for (OWNER_OF leads back). To wait, a step starts one
 * operation or several and returns STEP_WAIT; the next step runs from the loop when all of them
 * have ended, and finds what they brought in their own structs. An operation that failed does not
 * fail the task: the next step looks.
 *
 * States, and what changes them:
 *
 *     idle     -> running   task_start
 *     running  -> waiting   STEP_WAIT or STEP_AGAIN with operations under way
 *     waiting  -> woken     operation_end of the last one
 *     woken    -> running   the loop, in the same turn
 *     running  -> yielded   STEP_YIELD
 *     yielded  -> running   the loop, after the next poll
 *     any of these but idle -> ended   STEP_DONE, STEP_FAIL, the end of the list, task_cancel
 *
 * Invariants (tests name them):
 *  1. `ended` of the kind is called exactly once, last; it may free the task.
 *  2. No step runs inside operation_end, and none inside the call that started an operation.
 *  3. When `ended` runs, no operation refers to the task any more.
 *  4. Steps run in the order of the list, each once, but for a step that yields or asks to be run
 *     again.
 *  5. A cancelled task runs no further step.
 *  6. A task that did not fail ends with ERROR_NONE, whatever its steps have left in error. */
#ifndef LOOP_TASK_H
#define LOOP_TASK_H

#include "loop/loop.h"

#include <stdint.h>

enum step {
    STEP_NEXT,  /* go on with the following step now */
    STEP_WAIT,  /* go on with the following step when all operations have ended */
    STEP_AGAIN, /* run this same step again when all operations have ended */
    STEP_YIELD, /* run this same step again after others had their turn */
    STEP_DONE,  /* finished; skip what is left */
    STEP_FAIL,  /* finished; task->error says why, and if the step did not, which step it was */
};

struct task;
typedef enum step step_fn(struct task *task);

/* A step with its name for logs and the status page. */
struct step_entry {
    const char *name;
    step_fn *run;
};

#define STEP(function)                                                                             \
    {                                                                                              \
        .name = #function, .run = (function)                                                       \
    }

struct task_kind {
    const char *name;
    const struct step_entry *steps;   /* ends with an empty entry */
    void (*ended)(struct task *task); /* task->error.code tells how */
};

enum task_state { TASK_IDLE, TASK_RUNNING, TASK_WAITING, TASK_WOKEN, TASK_YIELDED, TASK_ENDED };

struct task {
    const struct task_kind *kind;
    struct loop *loop;
    enum task_state state;
    unsigned step; /* index of the step that runs, or runs next */
    bool cancelled;
    struct list operations; /* under way */
    struct list on_loop;
    struct deferred resume;
    struct error error;
};

/* Runs the first steps at once. The caller gives the task away: it may have ended, and have been
 * freed, when this returns. The task is all-zero or has ended; `ended` may start it again. */
void task_start(struct task *task, struct loop *loop, const struct task_kind *kind);

/* Ends the task early with ERROR_CANCELLED, operations first. Harmless on a task that is idle or
 * ended. From inside one of the task's own steps it takes effect when that step returns. */
void task_cancel(struct task *task);

/* True from task_start until the task ends; no longer while what it waited for is cancelled. */
bool task_is_under_way(const struct task *task);

/* The step that runs, or that a waiting task runs next; "end" after the last. */
const char *task_step_name(const struct task *task);

/* For the last line of a step: fills task->error, returns STEP_FAIL. */
enum step task_fail(struct task *task, enum error_code code, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Something a task can wait for: a member of the struct that does it. All-zero is not under way. */
struct operation {
    struct task *task; /* who waits; NULL: nobody */
    struct list on_task;
    void (*cancel)(struct operation *operation);
};

/* Called by the function that starts the work, from a step; the operation is not under way.
 * Returns STEP_WAIT for it to return in turn. cancel
 * must stop the work, or cut it loose, before it returns; it does not call operation_end. Work
 * that cannot be stopped owns its bytes. */
enum step operation_begin(struct operation *operation, struct task *task,
                          void (*cancel)(struct operation *));

/* Called once by whoever does the work, when it is done; never from inside the call that began it
 * unless the step returns STEP_WAIT afterwards all the same. Harmless when nobody waits. */
void operation_end(struct operation *operation);

#endif
