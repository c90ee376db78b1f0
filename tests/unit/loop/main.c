#include "suites.h"

#include <stdlib.h>

int main(void)
{
    SRunner *runner = srunner_create(suite_task());
    int failed;

    srunner_add_suite(runner, suite_schedules());
    srunner_add_suite(runner, suite_loop());
    srunner_add_suite(runner, suite_pause());
    srunner_add_suite(runner, suite_offload());
    srunner_add_suite(runner, suite_smtp());
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
