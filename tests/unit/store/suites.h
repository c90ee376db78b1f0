/* suites.h - the suites of this room's test binary, one a file. Check's own header comes last
 * wherever it is included, so it is not here. */
#ifndef STORE_SUITES_H
#define STORE_SUITES_H

struct Suite;

struct Suite *suite_batch(void);
struct Suite *suite_check(void);
struct Suite *suite_collection(void);
struct Suite *suite_collection_info(void);
struct Suite *suite_database(void);
struct Suite *suite_disk(void);
struct Suite *suite_index(void);
struct Suite *suite_journal(void);
struct Suite *suite_paths(void);
struct Suite *suite_repair(void);
struct Suite *suite_repair_faults(void);
struct Suite *suite_replay(void);
struct Suite *suite_replay_faults(void);
struct Suite *suite_rot(void);
struct Suite *suite_segment(void);
struct Suite *suite_simdisk(void);
struct Suite *suite_reserve(void);
struct Suite *suite_several(void);
struct Suite *suite_hold(void);
struct Suite *suite_ahead(void);
struct Suite *suite_losses(void);
struct Suite *suite_revoked(void);
struct Suite *suite_jump(void);
struct Suite *suite_blob(void);
struct Suite *suite_look_blobs(void);

#endif
