#include "http/suites.h"

#include <stdlib.h>

#include <check.h>

int main(void)
{
    SRunner *runner = srunner_create(suite_routes());

    srunner_add_suite(runner, suite_head());
    srunner_add_suite(runner, suite_site());
    srunner_add_suite(runner, suite_metrics());
    srunner_add_suite(runner, suite_serving());
    srunner_add_suite(runner, suite_mail_page());
    srunner_add_suite(runner, suite_ranges());
    srunner_add_suite(runner, suite_proxy_header());
    srunner_add_suite(runner, suite_neighbors());
    srunner_add_suite(runner, suite_load());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
