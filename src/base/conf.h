/* conf.h - configuration files described by one table.
 *
 * A program says what directives it has once, in a table. From the table come parsing, defaults,
 * ranges, the messages, the printed reference (conf/cutout.conf and the manual) and the printout
 * of what is in effect, so that none of them can disagree.
 *
 * A file is `directive value ...` a line. A word that begins with # starts a comment; "double
 * quotes" around a word hold blanks, and \" and \\ in it. `include GLOB` reads other files in its
 * place, in the order of their names (relative to the file that says so, eight levels at most; a
 * name without wildcards must exist). In values {instance} becomes the instance number. A directive
 * is given once, but for lists; "" empties a text or a list. */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include "base/buf.h"

enum conf_type {
    CONF_FLAG,     /* on | off -> bool */
    CONF_SIZE,     /* 64k 16m 1g -> uint64_t bytes */
    CONF_DURATION, /* 250ms 30s 5m 1h 1d -> uint64_t milliseconds */
    CONF_COUNT,    /* 100 -> uint64_t */
    CONF_CHOICE,   /* one of `choices` -> unsigned, its position */
    CONF_TEXT,     /* -> char *, on the heap, NULL when empty */
    CONF_WORDS,    /* all the words of the line, parted by blanks -> char * as CONF_TEXT */
    CONF_LIST,     /* -> struct conf_list; may be given several times, several values a line */
    CONF_LINES,    /* the same, but all the words of a line are one value, as in CONF_WORDS */
};

enum { CONF_LIST_MOST = 32 };

struct conf_list {
    char *items[CONF_LIST_MOST];
    size_t count;
};

struct conf_directive {
    const char *name; /* the table ends with NULL, or goes on in more */
    const struct conf_directive *more;
    enum conf_type type;
    size_t offset;              /* of the field in the program's struct */
    const char *fallback;       /* the default as a user would write it; "" for none */
    uint64_t least, most;       /* inclusive; most 0: no upper limit */
    const char *const *choices; /* CONF_CHOICE only; ends with NULL */
    /* Further check of a CONF_TEXT or CONF_WORDS, or of each item of a list; NULL: anything
     * goes. Puts what is wrong into error (without the directive's name). */
    bool (*check)(const char *value, struct error *error);
    bool reloads;       /* SIGHUP applies it; else it takes a restart */
    const char *values; /* for the reference: "ADDRESS:PORT | unix:PATH ..." or "SIZE" */
    const char *help;   /* one to three sentences for the reference */
};

/* The first directive of a table, and those that follow it; NULL: that was the last. */
const struct conf_directive *conf_first(const struct conf_directive *table);
const struct conf_directive *conf_next(const struct conf_directive *directive);

/* Sets every field to its default; the struct is all-zero before. Fails only for want of memory
 * or when the table itself is wrong. */
MUST_CHECK bool conf_set_defaults(const struct conf_directive *table, void *values,
                                  struct error *error);

/* Reads a file over the defaults. The first value of a list replaces the default. On failure
 * error begins "FILE:LINE: directive: " and names the value and, for an unknown directive, the
 * nearest known one; values may hold a part and wants conf_clear. */
MUST_CHECK bool conf_read_file(const struct conf_directive *table, const char *path,
                               unsigned instance, void *values, struct error *error);

/* The same from text; name stands for the file. include is refused. */
MUST_CHECK bool conf_read_text(const struct conf_directive *table, struct str text,
                               const char *name, unsigned instance, void *values,
                               struct error *error);

/* Frees texts and lists and zeroes them; harmless twice. */
void conf_clear(const struct conf_directive *table, void *values);

/* What is in effect, readable by conf_read_text. */
void conf_print_values(const struct conf_directive *table, const void *values, struct buf *out);

/* The reference as a conf file: each directive with its help as comments, commented out, with its
 * default. This is conf/cutout.conf. */
void conf_print_reference(const struct conf_directive *table, struct buf *out);

#endif
