#include "suites.h"

#include <stdlib.h>

int main(void)
{
    SRunner *runner = srunner_create(suite_query());
    int failed;

    srunner_add_suite(runner, suite_filter());
    srunner_add_suite(runner, suite_objects());
    srunner_add_suite(runner, suite_append());
    srunner_add_suite(runner, suite_pull());
    srunner_add_suite(runner, suite_stream());
    srunner_add_suite(runner, suite_watch());
    srunner_add_suite(runner, suite_committer());
    srunner_add_suite(runner, suite_trouble());
    srunner_add_suite(runner, suite_rot());
    srunner_add_suite(runner, suite_blobs());
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
