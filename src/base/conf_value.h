/* conf_value.h - single values of a configuration: from the word a user wrote into the field of the
 * program's struct, and back. For conf.c and conf_print.c only. */
#ifndef BASE_CONF_VALUE_H
#define BASE_CONF_VALUE_H

#include "base/conf.h"

enum { CONF_VALUE_NUMBER_SIZE = 24 }; /* 20 digits, a unit, the final NUL */

/* Puts word into the directive's field; a list grows by it. An empty word empties a text and adds
 * nothing to a list. error says what is wrong, without the directive's name. */
MUST_CHECK bool conf_value_set(const struct conf_directive *directive, const char *word,
                               void *values, struct error *error);

/* Frees a text or a list and zeroes it; leaves other fields alone. */
void conf_value_clear(const struct conf_directive *directive, void *values);

/* With the largest unit that divides it. */
void conf_value_write_number(enum conf_type type, uint64_t number,
                             char text[CONF_VALUE_NUMBER_SIZE]);

#endif
