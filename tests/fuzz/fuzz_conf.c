/* Any text: what is read prints as something that reads as the same. */
#include "base/conf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct settings {
    bool flag;
    unsigned choice;
    uint64_t size, duration, count;
    char *text;
    struct conf_list list;
};

static const char *const choices[] = {"always", "off", NULL};

static const struct conf_directive table[] = {
    {.name = "flag",
     .type = CONF_FLAG,
     .offset = offsetof(struct settings, flag),
     .fallback = "on"},
    {.name = "choice",
     .type = CONF_CHOICE,
     .offset = offsetof(struct settings, choice),
     .fallback = "off",
     .choices = choices},
    {.name = "size",
     .type = CONF_SIZE,
     .offset = offsetof(struct settings, size),
     .fallback = "1m"},
    {.name = "duration",
     .type = CONF_DURATION,
     .offset = offsetof(struct settings, duration),
     .fallback = "1s",
     .most = 86400000},
    {.name = "count",
     .type = CONF_COUNT,
     .offset = offsetof(struct settings, count),
     .fallback = "7"},
    {.name = "text", .type = CONF_TEXT, .offset = offsetof(struct settings, text), .fallback = "a"},
    {.name = "list",
     .type = CONF_LIST,
     .offset = offsetof(struct settings, list),
     .fallback = "a \"b c\""},
    {0},
};

/* True if text is a conf; then out is the printout. */
static bool print_conf(struct str text, struct buf *out)
{
    struct settings settings = {0};
    struct error error;
    bool ok;

    if (!conf_set_defaults(table, &settings, &error))
        abort();
    ok = conf_read_text(table, text, "fuzz", 3, &settings, &error);
    if (ok)
        conf_print_values(table, &settings, out);
    conf_clear(table, &settings);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf first = {0}, second = {0};

    if (print_conf((struct str){(const char *)data, size}, &first) &&
        (!print_conf(buf_str(&first), &second) || strcmp(first.data, second.data) != 0))
        abort();
    buf_clear(&first);
    buf_clear(&second);
    return 0;
}
