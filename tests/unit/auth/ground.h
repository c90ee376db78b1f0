/* ground.h - what logins stand on, in a directory of its own, for one test. Failures of the set-up
 * end the test. */
#ifndef TESTS_AUTH_GROUND_H
#define TESTS_AUTH_GROUND_H

#include "auth/revocations.h"

struct ground {
    char directory[64];
    struct loop loop;
    struct disk disk;
    struct disk_calls calls; /* of disk; a test may replace some */
    struct offload helpers;
    struct revocations revocations;
};

extern struct ground ground;

void ground_open(void);
void ground_restart(void); /* another process begins on the directory */
void ground_close(void);

/* Runs a task that has one step, until it ends; its error. */
struct error ground_run(step_fn *step);

#endif
