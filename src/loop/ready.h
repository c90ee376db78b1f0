/* ready.h - being told when a descriptor can be read. */
#ifndef LOOP_READY_H
#define LOOP_READY_H

#include "loop/loop.h"

struct ready {
    struct event *event;
    void (*on_ready)(struct ready *ready); /* takes what there is to read */
};

/* The descriptor stays the caller's, and open until ready_close. */
MUST_CHECK bool ready_open(struct ready *ready, struct loop *loop, int fd,
                           void (*on_ready)(struct ready *ready), struct error *error);
void ready_close(struct ready *ready); /* harmless twice, and on all-zero */

#endif
