#include "loop/task.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static void cancel_operations(struct task *task)
{
    while (!list_is_empty(&task->operations)) {
        struct operation *operation = OWNER_OF(task->operations.next, struct operation, on_task);

        list_remove(&operation->on_task);
        operation->task = NULL;
        operation->cancel(operation);
    }
}

static void end_task(struct task *task)
{
    task->state = TASK_ENDED;
    cancel_operations(task);
    deferred_cancel(&task->resume);
    list_remove(&task->on_loop);
    task->loop->task_count--;
    task->kind->ended(task);
}

/* A struct error is long; not every task should pay for clearing all of it. */
static void forget_error(struct error *error)
{
    error->code = ERROR_NONE;
    error->errnum = 0;
    error->message[0] = '\0';
}

/* The heart of the program: one step after the other until one of them has to wait. */
static void run_steps(struct task *task)
{
    enum step outcome = STEP_NEXT;

    task->state = TASK_RUNNING;
    while (task->kind->steps[task->step].run) {
        outcome = task->kind->steps[task->step].run(task);

        if (task->cancelled)
            outcome = task_fail(task, ERROR_CANCELLED, "cancelled");
        if (outcome == STEP_DONE || outcome == STEP_FAIL)
            break;
        if (outcome == STEP_YIELD) {
            task->state = TASK_YIELDED;
            loop_run_next_turn(task->loop, &task->resume);
            return;
        }
        if (outcome != STEP_AGAIN)
            task->step++;
        if (outcome != STEP_NEXT && !list_is_empty(&task->operations)) {
            task->state = TASK_WAITING;
            return;
        }
    }
    if (outcome != STEP_FAIL)
        forget_error(&task->error);
    else if (task->error.code == ERROR_NONE)
        (void)task_fail(task, ERROR_IO, "%s failed and did not say why", task_step_name(task));
    end_task(task);
}

static void resume(struct deferred *deferred)
{
    run_steps(OWNER_OF(deferred, struct task, resume));
}

void task_start(struct task *task, struct loop *loop, const struct task_kind *kind)
{
    assert(!task_is_under_way(task));
    task->kind = kind;
    task->loop = loop;
    task->step = 0;
    task->cancelled = false;
    forget_error(&task->error);
    list_init(&task->operations);
    list_append(&loop->tasks, &task->on_loop);
    deferred_init(&task->resume, resume);
    loop->task_count++;
    run_steps(task);
}

bool task_is_under_way(const struct task *task)
{
    return task->state != TASK_IDLE && task->state != TASK_ENDED;
}

void task_cancel(struct task *task)
{
    if (!task_is_under_way(task))
        return;
    if (task->state == TASK_RUNNING) {
        task->cancelled = true;
        return;
    }
    (void)task_fail(task, ERROR_CANCELLED, "cancelled");
    end_task(task);
}

const char *task_step_name(const struct task *task)
{
    const char *name = task->kind ? task->kind->steps[task->step].name : NULL;

    return name ? name : "end";
}

enum step task_fail(struct task *task, enum error_code code, const char *format, ...)
{
    va_list args;

    task->error.code = code;
    task->error.errnum = 0;
    va_start(args, format);
    (void)vsnprintf(task->error.message, sizeof task->error.message, format, args);
    va_end(args);
    return STEP_FAIL;
}

enum step operation_begin(struct operation *operation, struct task *task,
                          void (*cancel)(struct operation *))
{
    assert(task->state == TASK_RUNNING && !operation->task);
    operation->task = task;
    operation->cancel = cancel;
    list_append(&task->operations, &operation->on_task);
    return STEP_WAIT;
}

void operation_end(struct operation *operation)
{
    struct task *task = operation->task;

    if (!task)
        return;
    operation->task = NULL;
    list_remove(&operation->on_task);
    if (task->state == TASK_WAITING && list_is_empty(&task->operations)) {
        task->state = TASK_WOKEN;
        loop_run_soon(task->loop, &task->resume);
    }
}
