/* suites.h - the suites of this room's test binary, one a file. */
#ifndef TOOLS_SUITES_H
#define TOOLS_SUITES_H

struct Suite;

struct Suite *suite_command(void);

#endif
