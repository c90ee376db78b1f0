#include "base/conf_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* Largest first; a list ends with NULL. */
static const struct unit size_units[] = {
    {"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"", 1}, {NULL, 0}};
static const struct unit duration_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                             {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(enum conf_type type)
{
    if (type == CONF_SIZE)
        return size_units;
    return type == CONF_DURATION ? duration_units : count_units;
}

static const char *wanted_number(enum conf_type type)
{
    if (type == CONF_SIZE)
        return "a size like 4096, 64k, 16m or 1g";
    return type == CONF_DURATION ? "a time like 250ms, 30s, 5m, 1h or 1d" : "a number";
}

void conf_value_write_number(enum conf_type type, uint64_t number,
                             char text[CONF_VALUE_NUMBER_SIZE])
{
    const struct unit *unit = units_of(type);

    while (unit[1].suffix && (number == 0 || number % unit->factor != 0))
        unit++;
    (void)snprintf(text, CONF_VALUE_NUMBER_SIZE, "%" PRIu64 "%s", number / unit->factor,
                   unit->suffix);
}

static bool parse_number(enum conf_type type, const char *word, uint64_t *number)
{
    size_t digits = strspn(word, "0123456789");

    if (!str_parse_u64((struct str){word, digits}, UINT64_MAX, number))
        return false;
    if (*number == 0 && word[digits] == '\0')
        return true; /* nothing needs no unit */
    for (const struct unit *unit = units_of(type); unit->suffix; unit++) {
        if (strcmp(word + digits, unit->suffix) == 0)
            return !__builtin_mul_overflow(*number, unit->factor, number);
    }
    return false;
}

static bool set_number(const struct conf_directive *directive, const char *word, uint64_t *field,
                       struct error *error)
{
    char least[CONF_VALUE_NUMBER_SIZE], most[CONF_VALUE_NUMBER_SIZE];
    uint64_t number;

    if (!parse_number(directive->type, word, &number))
        return error_set(error, ERROR_CONF, "\"%.60s\" is not %s", word,
                         wanted_number(directive->type));
    conf_value_write_number(directive->type, directive->least, least);
    conf_value_write_number(directive->type, directive->most, most);
    if (directive->most && (number < directive->least || number > directive->most))
        return error_set(error, ERROR_CONF, "%s is not from %s to %s", word, least, most);
    if (number < directive->least)
        return error_set(error, ERROR_CONF, "%s is less than %s", word, least);
    *field = number;
    return true;
}

static bool set_choice(const struct conf_directive *directive, const char *word, unsigned *field,
                       struct error *error)
{
    char known[sizeof error->message] = "";
    size_t used = 0;

    for (unsigned i = 0; directive->choices[i]; i++) {
        if (strcmp(word, directive->choices[i]) == 0) {
            *field = i;
            return true;
        }
        if (used < sizeof known)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                                     directive->choices[i]);
    }
    return error_set(error, ERROR_CONF, "\"%.60s\" is not one of: %s", word, known);
}

static bool set_flag(const char *word, bool *field, struct error *error)
{
    if (strcmp(word, "on") != 0 && strcmp(word, "off") != 0)
        return error_set(error, ERROR_CONF, "\"%.60s\" is neither on nor off", word);
    *field = strcmp(word, "on") == 0;
    return true;
}

/* A copy on the heap of what passes the directive's check; NULL otherwise. */
static char *check_text(const struct conf_directive *directive, const char *word,
                        struct error *error)
{
    char *copy;

    if (directive->check && !directive->check(word, error))
        return NULL;
    copy = buf_copy_text(str_of(word));
    if (!copy)
        (void)error_set(error, ERROR_NO_MEMORY, "out of memory");
    return copy;
}

static bool set_text(const struct conf_directive *directive, const char *word, char **field,
                     struct error *error)
{
    char *copy = NULL;

    if (*word && !(copy = check_text(directive, word, error)))
        return false;
    free(*field);
    *field = copy;
    return true;
}

static bool add_item(const struct conf_directive *directive, const char *word,
                     struct conf_list *field, struct error *error)
{
    char *copy;

    if (!*word)
        return true;
    if (field->count == CONF_LIST_MOST)
        return error_set(error, ERROR_CONF, "more than %d values", CONF_LIST_MOST);
    copy = check_text(directive, word, error);
    if (!copy)
        return false;
    field->items[field->count++] = copy;
    return true;
}

bool conf_value_set(const struct conf_directive *directive, const char *word, void *values,
                    struct error *error)
{
    void *field = (char *)values + directive->offset;

    switch (directive->type) {
    case CONF_FLAG:
        return set_flag(word, field, error);
    case CONF_SIZE:
    case CONF_DURATION:
    case CONF_COUNT:
        return set_number(directive, word, field, error);
    case CONF_CHOICE:
        return set_choice(directive, word, field, error);
    case CONF_TEXT:
    case CONF_WORDS:
        return set_text(directive, word, field, error);
    case CONF_LIST:
    case CONF_LINES:
        return add_item(directive, word, field, error);
    }
    return error_set(error, ERROR_CONF, "has an unknown type");
}

void conf_value_clear(const struct conf_directive *directive, void *values)
{
    void *field = (char *)values + directive->offset;

    if (directive->type == CONF_TEXT || directive->type == CONF_WORDS) {
        char **text = field;

        free(*text);
        *text = NULL;
    } else if (directive->type == CONF_LIST || directive->type == CONF_LINES) {
        struct conf_list *list = field;

        for (size_t i = 0; i < list->count; i++)
            free(list->items[i]);
        *list = (struct conf_list){0};
    }
}
