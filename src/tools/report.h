/* report.h - what cutoutctl check prints: findings as they come, progress, and the sum. */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include "store/check.h"

struct report {
    struct check check; /* disk is set by the caller */
    bool json;
    bool shows_progress; /* on standard error, for who watches a terminal */
    bool failed;         /* could not print */
    uint64_t shown_ms;
};

void report_begin(struct report *report, struct disk *disk, bool json);
void report_end(struct report *report);

/* Text for a terminal or a line of JSON: names of files can be anything. */
void report_put_name(struct buf *out, const char *name);

/* Prints and empties; false if that fails. */
MUST_CHECK bool report_print(struct buf *text);

#endif
