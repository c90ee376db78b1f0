/* suites.h - the suites of this room's test binary, one a file. Check's own header comes last
 * wherever it is included, so it is not here. */
#ifndef HTTP_SUITES_H
#define HTTP_SUITES_H

struct Suite;

struct Suite *suite_metrics(void);
struct Suite *suite_routes(void);
struct Suite *suite_serving(void);
struct Suite *suite_head(void);
struct Suite *suite_site(void);
struct Suite *suite_mail_page(void);
struct Suite *suite_ranges(void);
struct Suite *suite_proxy_header(void);
struct Suite *suite_neighbors(void);
struct Suite *suite_load(void);

#endif
