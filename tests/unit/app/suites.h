/* suites.h - the suites of this room's test binary, one a file. Check's own header comes last
 * wherever it is included, so it is not here. */
#ifndef APP_SUITES_H
#define APP_SUITES_H

struct Suite;

struct Suite *suite_directives(void);
struct Suite *suite_options(void);
struct Suite *suite_probe(void);
struct Suite *suite_reload(void);

#endif
