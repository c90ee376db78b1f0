#include "tools/suites.h"

#include <stdlib.h>

#include <check.h>

int main(void)
{
    SRunner *runner = srunner_create(suite_command());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
