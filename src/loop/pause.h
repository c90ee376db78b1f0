/* pause.h - waiting for time to pass. */
#ifndef LOOP_PAUSE_H
#define LOOP_PAUSE_H

#include "loop/task.h"

#include <stdint.h>

/* All-zero is ready for use. */
struct pause {
    struct operation operation;
    struct event *timer;
};

/* Returns STEP_WAIT, or STEP_FAIL when memory is out. The loop's clock is the kernel's coarse one:
 * the pause may be shorter by a tick (some ms). It never ends within this call. */
enum step pause_start(struct pause *pause, uint64_t wait_ms, struct task *task);

/* Ends the pause now, as if the time were over. Harmless if none is under way. */
void pause_end(struct pause *pause);

#endif
