/* suites.h - the suites of the room; one file each. */
#ifndef TESTS_LOOP_SUITES_H
#define TESTS_LOOP_SUITES_H

#include <check.h>

Suite *suite_task(void);
Suite *suite_schedules(void);
Suite *suite_loop(void);
Suite *suite_pause(void);
Suite *suite_offload(void);
Suite *suite_smtp(void);

#endif
