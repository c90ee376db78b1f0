#include "store/suites.h"

#include <stdlib.h>

#include <check.h>

int main(void)
{
    SRunner *runner = srunner_create(suite_disk());

    srunner_add_suite(runner, suite_paths());
    srunner_add_suite(runner, suite_index());
    srunner_add_suite(runner, suite_batch());
    srunner_add_suite(runner, suite_collection());
    srunner_add_suite(runner, suite_collection_info());
    srunner_add_suite(runner, suite_database());
    srunner_add_suite(runner, suite_rot());
    srunner_add_suite(runner, suite_simdisk());
    srunner_add_suite(runner, suite_journal());
    srunner_add_suite(runner, suite_segment());
    srunner_add_suite(runner, suite_replay());
    srunner_add_suite(runner, suite_replay_faults());
    srunner_add_suite(runner, suite_reserve());
    srunner_add_suite(runner, suite_several());
    srunner_add_suite(runner, suite_hold());
    srunner_add_suite(runner, suite_ahead());
    srunner_add_suite(runner, suite_losses());
    srunner_add_suite(runner, suite_revoked());
    srunner_add_suite(runner, suite_jump());
    srunner_add_suite(runner, suite_check());
    srunner_add_suite(runner, suite_repair());
    srunner_add_suite(runner, suite_repair_faults());
    srunner_add_suite(runner, suite_blob());
    srunner_add_suite(runner, suite_look_blobs());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
