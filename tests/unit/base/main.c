#include "base/suites.h"

#include <stdlib.h>

#include <check.h>

static Suite *(*const suites[])(void) = {
    suite_error,     suite_public_key, suite_str,     suite_buf,       suite_list,
    suite_bytes,     suite_siphash,    suite_crc32c,  suite_table,     suite_percent,
    suite_utf8,      suite_clock,      suite_log,     suite_log_flush, suite_crypto,
    suite_json_read, suite_json_write, suite_address, suite_conf,      suite_conf_print,
    suite_network,
};

int main(void)
{
    SRunner *runner = srunner_create(NULL);
    int failed;

    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        srunner_add_suite(runner, suites[i]());
    srunner_add_suite(runner, suite_base64());
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
