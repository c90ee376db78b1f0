/* self_test.h - cutoutd --self-test DIRECTORY: is this a place for a data directory, and how many
 * appends a second may be expected of it? Runs all of probe.h and prints what came of it; nothing
 * is left behind, also after SIGINT, SIGTERM and SIGHUP, and when nobody reads the output. */
#ifndef APP_SELF_TEST_H
#define APP_SELF_TEST_H

#include <stdbool.h>

/* Prints to standard output; a line for each check as soon as it is done, or one JSON object.
 * Returns the exit status: 0 fit, perhaps with warnings; 1 something failed, or what was found
 * could not be printed. */
int self_test_run(const char *directory, bool as_json);

#endif
