#include "auth/suites.h"

#include <stdlib.h>

#include <check.h>

int main(void)
{
    SRunner *runner = srunner_create(suite_origin());

    srunner_add_suite(runner, suite_keys());
    srunner_add_suite(runner, suite_token());
    srunner_add_suite(runner, suite_access());
    srunner_add_suite(runner, suite_login());
    srunner_add_suite(runner, suite_documents());
    srunner_add_suite(runner, suite_rate());
    srunner_add_suite(runner, suite_revocations());
    srunner_add_suite(runner, suite_mail_code());
    srunner_add_suite(runner, suite_mail_text());
    srunner_add_suite(runner, suite_mail_server());
    srunner_add_suite(runner, suite_mail_login());
    srunner_add_suite(runner, suite_login_mail());
    srunner_add_suite(runner, suite_key_set());
    srunner_add_suite(runner, suite_id_token());
    srunner_add_suite(runner, suite_oidc_issuer());
    srunner_add_suite(runner, suite_login_oidc());
    srunner_add_suite(runner, suite_blob_link());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
