#include "store/findings.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void findings_add(struct findings *findings, const char *file, uint64_t offset, uint64_t position,
                  const char *todo, const char *format, ...)
{
    va_list args;

    if (findings->count == FINDINGS_MOST) {
        findings->more++;
        return;
    }
    struct finding *finding = &findings->items[findings->count++];
    (void)snprintf(finding->file, sizeof finding->file, "%s", file);
    finding->offset = offset;
    finding->position = position;
    finding->todo = todo;
    va_start(args, format);
    (void)vsnprintf(finding->what, sizeof finding->what, format, args);
    va_end(args);
    finding->what[utf8_trim(str_of(finding->what)).length] = '\0';
}

bool findings_equal(const struct findings *a, const struct findings *b)
{
    if (a->count != b->count || a->more != b->more)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct finding *one = &a->items[i], *other = &b->items[i];

        if (one->offset != other->offset || strcmp(one->file, other->file) != 0 ||
            strcmp(one->what, other->what) != 0)
            return false;
    }
    return true;
}
