/* options.h - the command line. */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include "app/directives.h"

enum action {
    ACTION_RUN,
    ACTION_TEST,      /* -t: is the conf good? */
    ACTION_SHOW,      /* -T: what is in effect? */
    ACTION_REFERENCE, /* --print-reference: conf/cutout.conf */
    ACTION_SELF_TEST, /* --self-test: see self_test.h */
    ACTION_HELP,
    ACTION_VERSION,
};

struct options {
    enum action action;
    const char *conf_file; /* NULL: defaults */
    const char *directory; /* ACTION_SELF_TEST only */
    bool as_json;          /* likewise */
    unsigned instance;
    bool is_one_of_several; /* -n was given: the data directory may be shared */
};

/* error says what is wrong with the command line. */
MUST_CHECK bool options_parse(struct options *options, int argc, char **argv, struct error *error);

extern const char options_usage[];

/* False for what can be printed without any configuration. */
bool options_want_conf(const struct options *options);

/* What no conf can tell by itself: whether it goes with the command line. */
MUST_CHECK bool options_check(const struct options *options, const struct settings *settings,
                              struct error *error);

/* What the action asks to be printed. */
void options_print(const struct options *options, const struct settings *settings, struct buf *out);

#endif
