/* suites.h - the suites of the unit tests of base/, one a file; main.c runs them all. */
#ifndef BASE_SUITES_H
#define BASE_SUITES_H

#include <check.h>

Suite *suite_error(void);
Suite *suite_str(void);
Suite *suite_public_key(void);
Suite *suite_buf(void);
Suite *suite_list(void);
Suite *suite_bytes(void);
Suite *suite_siphash(void);
Suite *suite_crc32c(void);
Suite *suite_table(void);
Suite *suite_percent(void);
Suite *suite_network(void);
Suite *suite_utf8(void);
Suite *suite_clock(void);
Suite *suite_log(void);
Suite *suite_log_flush(void);
Suite *suite_crypto(void);
Suite *suite_json_read(void);
Suite *suite_json_write(void);
Suite *suite_address(void);
Suite *suite_conf(void);
Suite *suite_conf_print(void);
struct Suite *suite_base64(void);

#endif
