/* suites.h - the suites of the room; one file each. */
#ifndef TESTS_SYNC_SUITES_H
#define TESTS_SYNC_SUITES_H

#include <check.h>

Suite *suite_query(void);
Suite *suite_filter(void);
Suite *suite_objects(void);
Suite *suite_append(void);
Suite *suite_pull(void);
Suite *suite_stream(void);
Suite *suite_watch(void);
Suite *suite_committer(void);
Suite *suite_trouble(void);
Suite *suite_rot(void);
struct Suite *suite_blobs(void);

#endif
