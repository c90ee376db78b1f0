/* The printing half of conf.h. */
#include "base/conf.h"

#include "base/conf_value.h"

#include <string.h>

enum { REFERENCE_COLUMNS = 90 };

/* As a word of a conf file, in quotes where it needs them. */
static void print_word(const char *word, struct buf *out)
{
    if (*word && *word != '#' && !strpbrk(word, " \t\"")) {
        buf_append_text(out, word);
        return;
    }
    buf_append_byte(out, '"');
    for (; *word; word++) {
        if (*word == '"' || *word == '\\')
            buf_append_byte(out, '\\');
        buf_append_byte(out, *word);
    }
    buf_append_byte(out, '"');
}

static void print_line(const struct conf_directive *directive, const char *word, struct buf *out)
{
    buf_append_text(out, directive->name);
    buf_append_byte(out, ' ');
    print_word(word, out);
    buf_append_byte(out, '\n');
}

static void print_list(const struct conf_directive *directive, const struct conf_list *list,
                       struct buf *out)
{
    if (list->count == 0)
        print_line(directive, "", out);
    for (size_t i = 0; i < list->count; i++)
        print_line(directive, list->items[i], out);
}

/* Several words are one value. */
static void print_lines(const struct conf_directive *directive, const struct conf_list *list,
                        struct buf *out)
{
    if (list->count == 0)
        print_line(directive, "", out);
    for (size_t i = 0; i < list->count; i++)
        buf_append_format(out, "%s %s\n", directive->name, list->items[i]);
}

static void print_number(const struct conf_directive *directive, uint64_t number, struct buf *out)
{
    char text[CONF_VALUE_NUMBER_SIZE];

    conf_value_write_number(directive->type, number, text);
    print_line(directive, text, out);
}

static void print_value(const struct conf_directive *directive, const void *values, struct buf *out)
{
    const void *field = (const char *)values + directive->offset;

    switch (directive->type) {
    case CONF_FLAG:
        print_line(directive, *(const bool *)field ? "on" : "off", out);
        break;
    case CONF_SIZE:
    case CONF_DURATION:
    case CONF_COUNT:
        print_number(directive, *(const uint64_t *)field, out);
        break;
    case CONF_CHOICE:
        print_line(directive, directive->choices[*(const unsigned *)field], out);
        break;
    case CONF_TEXT: {
        const char *text = *(char *const *)field;

        print_line(directive, text ? text : "", out);
        break;
    }
    case CONF_WORDS: {
        const char *text = *(char *const *)field;

        buf_append_format(out, "%s %s\n", directive->name, text ? text : "\"\"");
        break;
    }
    case CONF_LIST:
        print_list(directive, field, out);
        break;
    case CONF_LINES:
        print_lines(directive, field, out);
        break;
    }
}

void conf_print_values(const struct conf_directive *table, const void *values, struct buf *out)
{
    for (table = conf_first(table); table; table = conf_next(table))
        print_value(table, values, out);
}

/* As comment lines of at most REFERENCE_COLUMNS; one blank parts the words. */
static void print_comment(const char *text, struct buf *out)
{
    size_t column = 0;

    while (*(text += strspn(text, " \n"))) {
        size_t length = strcspn(text, " \n");

        if (column > 0 && column + 1 + length > REFERENCE_COLUMNS) {
            buf_append_byte(out, '\n');
            column = 0;
        }
        if (column == 0) {
            buf_append_byte(out, '#');
            column = 1;
        }
        buf_append_byte(out, ' ');
        buf_append(out, (struct str){text, length});
        column += 1 + length;
        text += length;
    }
    if (column > 0)
        buf_append_byte(out, '\n');
}

static void describe_range(const struct conf_directive *directive, struct buf *out)
{
    char number[CONF_VALUE_NUMBER_SIZE];

    if (directive->least == 0 && directive->most == 0)
        return;
    conf_value_write_number(directive->type, directive->least, number);
    buf_append_format(out, directive->most ? ", from %s" : ", at least %s", number);
    conf_value_write_number(directive->type, directive->most, number);
    if (directive->most)
        buf_append_format(out, " to %s", number);
}

static void describe_values(const struct conf_directive *directive, struct buf *out)
{
    static const char *const usual[] = {
        [CONF_FLAG] = "on | off",  [CONF_SIZE] = "SIZE",     [CONF_DURATION] = "TIME",
        [CONF_COUNT] = "NUMBER",   [CONF_CHOICE] = NULL,     [CONF_TEXT] = "TEXT",
        [CONF_WORDS] = "WORD ...", [CONF_LIST] = "TEXT ...", [CONF_LINES] = "WORD ...",
    };

    buf_append_format(out, "%s ", directive->name);
    if (directive->values) {
        buf_append_text(out, directive->values);
    } else if (directive->type == CONF_CHOICE) {
        for (size_t i = 0; directive->choices[i]; i++)
            buf_append_format(out, "%s%s", i > 0 ? " | " : "", directive->choices[i]);
    } else {
        buf_append_text(out, usual[directive->type]);
    }
    describe_range(directive, out);
    buf_append_text(out, directive->reloads ? "; a reload applies it" : "; takes a restart");
}

void conf_print_reference(const struct conf_directive *table, struct buf *out)
{
    struct buf values = {0};

    const struct conf_directive *directive = conf_first(table);

    for (; directive; directive = conf_next(directive)) {
        buf_reset(&values);
        describe_values(directive, &values);
        if (directive != table)
            buf_append_byte(out, '\n');
        print_comment(buf_str(&values).data, out);
        if (directive->help)
            print_comment(directive->help, out);
        buf_append_format(out, "#%s %s\n", directive->name,
                          *directive->fallback ? directive->fallback : "\"\"");
    }
    if (values.failed)
        out->failed = true;
    buf_clear(&values);
}
