/* directives_tables.h - for the files that THE table of directives is written in; see directives.h.
 */
#ifndef APP_DIRECTIVES_TABLES_H
#define APP_DIRECTIVES_TABLES_H

#include "app/check.h"
#include "app/directives.h"

#include <stddef.h>

#define FIELD(member) offsetof(struct settings, member)

/* Bytes; milliseconds. */
enum {
    KILO = 1 << 10,
    MEGA = 1 << 20,
    GIGA = 1 << 30,
    SECOND = 1000,
    MINUTE = 60 * SECOND,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR,
};

/* The table goes on there, in this order. */
extern const struct conf_directive directives_login[];
extern const struct conf_directive directives_limits[];

#endif
