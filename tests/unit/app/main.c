#include "app/suites.h"

#include <stdlib.h>

#include <check.h>

int main(void)
{
    SRunner *runner = srunner_create(suite_directives());

    srunner_add_suite(runner, suite_options());
    srunner_add_suite(runner, suite_reload());
    srunner_add_suite(runner, suite_probe());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
