/* The reading half of conf.h: files, lines, words, and which directive they are for. */
#include "base/conf.h"

#include "base/conf_value.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LINE_MOST = 4095,    /* bytes */
    FILE_MOST = 1 << 20, /* bytes: whatever is larger is no conf */
    INCLUDE_MOST = 8,    /* levels */
    WORDS_MOST = 1 + CONF_LIST_MOST,
    NAME_MOST = 64, /* bytes of a name that are compared to find the nearest */
};

static const char instance_word[] = "{instance}";

/* One call to conf_read_*. */
struct reading {
    const struct conf_directive *table;
    void *values;
    unsigned instance;
    char **seen; /* per directive: "FILE:LINE" where it was given first, NULL: not yet */
};

/* Where a line comes from. */
struct place {
    const char *file;
    unsigned line, level; /* level 0: not included */
    bool is_text;
};

/* --- Words --------------------------------------------------------------------------- */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* Reads what follows an opening quote and undoes its escapes where it stands; *rest goes on behind
 * the closing quote. */
static bool read_quoted(char **rest, struct error *error)
{
    char *from = *rest, *to = *rest;

    for (; *from != '"'; from++) {
        if (*from == '\\' && *++from != '"' && *from != '\\')
            return error_set(error, ERROR_CONF,
                             "in quotes a backslash stands before \" or \\ only");
        if (!*from)
            return error_set(error, ERROR_CONF, "missing closing quote");
        *to++ = *from;
    }
    from++;
    if (*from && !is_blank(*from))
        return error_set(error, ERROR_CONF, "missing blank behind a closing quote");
    *to = '\0';
    *rest = from;
    return true;
}

/* Takes the next word off *rest; its text stays in the line. False at the end and on failure. */
static bool take_word(char **rest, char **word, struct error *error)
{
    char *at = *rest;

    while (is_blank(*at))
        at++;
    if (!*at || *at == '#')
        return false;
    if (*at == '"') {
        *rest = *word = at + 1;
        return read_quoted(rest, error);
    }
    *word = at;
    at += strcspn(at, " \t\"");
    if (*at == '"')
        return error_set(error, ERROR_CONF, "a quote inside a word: put all of it into quotes");
    if (*at)
        *at++ = '\0';
    *rest = at;
    return true;
}

/* Splits a line in place. */
static bool split_line(char *line, char *words[WORDS_MOST], size_t *count, struct error *error)
{
    char *word;

    error->code = ERROR_NONE;
    for (*count = 0; take_word(&line, &word, error); (*count)++) {
        if (*count == WORDS_MOST)
            return error_set(error, ERROR_CONF, "more than %d values in a line", CONF_LIST_MOST);
        words[*count] = word;
    }
    return error->code == ERROR_NONE;
}

/* In place: no number is longer than the word that it replaces. */
static void put_instance(char *text, unsigned instance)
{
    const size_t length = sizeof instance_word - 1;
    char digits[sizeof instance_word];
    size_t count = (size_t)snprintf(digits, sizeof digits, "%u", instance);

    for (char *at = text; (at = strstr(at, instance_word)); at += count) {
        memcpy(at, digits, count);
        memmove(at + count, at + length, strlen(at + length) + 1);
    }
}

/* --- Unknown names ------------------------------------------------------------------- */

static unsigned least_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many letters must be put in, left out, replaced or swapped with their neighbour. */
static unsigned count_edits(struct str a, struct str b)
{
    unsigned rows[3][NAME_MOST + 1] = {{0}};
    unsigned *above = rows[0], *row = rows[1], *two_above = rows[2];

    for (size_t j = 0; j <= b.length; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a.length; i++) {
        unsigned *oldest = two_above;

        two_above = above;
        above = row;
        row = oldest;
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.length; j++) {
            unsigned replaced = above[j - 1] + (a.data[i - 1] != b.data[j - 1]);

            row[j] = least_of(replaced, least_of(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1])
                row[j] = least_of(row[j], two_above[j - 2] + 1);
        }
    }
    return row[b.length];
}

const struct conf_directive *conf_first(const struct conf_directive *table)
{
    while (!table->name && table->more)
        table = table->more;
    return table->name ? table : NULL;
}

const struct conf_directive *conf_next(const struct conf_directive *directive)
{
    return conf_first(directive + 1);
}

static const char *find_nearest(const struct conf_directive *table, const char *name)
{
    struct str wanted = str_slice(str_of(name), 0, NAME_MOST);
    const char *nearest = "include";
    unsigned least = count_edits(wanted, str_of(nearest));

    for (table = conf_first(table); table; table = conf_next(table)) {
        unsigned edits = count_edits(wanted, str_slice(str_of(table->name), 0, NAME_MOST));

        if (edits < least) {
            least = edits;
            nearest = table->name;
        }
    }
    return nearest;
}

/* --- Directives ---------------------------------------------------------------------- */

static void join_words(char **words, size_t count, char line[LINE_MOST + 1])
{
    size_t used = 0;

    for (size_t i = 0; i < count; i++)
        used +=
            (size_t)snprintf(line + used, LINE_MOST + 1 - used, "%s%s", i > 0 ? " " : "", words[i]);
}

static bool set_values(const struct conf_directive *directive, char **words, size_t count,
                       void *values, struct error *error)
{
    char line[LINE_MOST + 1];
    char *joined[] = {line};
    struct error cause;

    if ((directive->type == CONF_WORDS || directive->type == CONF_LINES) && count > 1) {
        join_words(words, count, line);
        words = joined;
        count = 1;
    }
    if (directive->type != CONF_LIST && count != 1)
        return error_set(error, ERROR_CONF, "%s: takes exactly one value", directive->name);
    if (count == 0)
        return error_set(error, ERROR_CONF, "%s: takes at least one value", directive->name);
    for (size_t i = 0; i < count; i++) {
        if (!conf_value_set(directive, words[i], values, &cause))
            return error_set(error, cause.code, "%s: %s", directive->name, cause.message);
    }
    return true;
}

/* Minds where a directive was given first. */
static bool note_place(struct reading *reading, const struct conf_directive *directive, size_t i,
                       const struct place *place, struct error *error)
{
    if (reading->seen[i])
        return directive->type == CONF_LIST || directive->type == CONF_LINES ||
               error_set(error, ERROR_CONF, "%s: given twice, first at %s", directive->name,
                         reading->seen[i]);
    if (asprintf(&reading->seen[i], "%s:%u", place->file, place->line) < 0) {
        reading->seen[i] = NULL;
        return error_set(error, ERROR_NO_MEMORY, "out of memory");
    }
    conf_value_clear(directive, reading->values);
    return true;
}

static bool take_directive(struct reading *reading, const struct place *place, char **words,
                           size_t count, struct error *error)
{
    const struct conf_directive *directive = conf_first(reading->table);

    for (size_t i = 0; directive; directive = conf_next(directive), i++) {
        if (strcmp(directive->name, words[0]) != 0)
            continue;
        for (size_t j = 1; j < count; j++)
            put_instance(words[j], reading->instance);
        return note_place(reading, directive, i, place, error) &&
               set_values(directive, words + 1, count - 1, reading->values, error);
    }
    return error_set(error, ERROR_CONF, "unknown directive \"%.60s\", did you mean \"%s\"?",
                     words[0], find_nearest(reading->table, words[0]));
}

/* --- Lines and files ----------------------------------------------------------------- */

static bool read_lines(struct reading *reading, struct str text, struct place place,
                       struct error *error);

/* Fills error with cause and where it happened. */
static bool fail_at(const struct place *place, const char *what, const struct error *cause,
                    struct error *error)
{
    (void)error_set(error, cause->code, "%s:%u: %s%s", place->file, place->line, what,
                    cause->message);
    error->errnum = cause->errnum;
    return false;
}

static bool read_all(int fd, const char *path, struct buf *out, struct error *error)
{
    enum { PIECE = 16384 };

    while (out->length <= FILE_MOST) {
        char *to = buf_reserve(out, PIECE);
        ssize_t got;

        if (!to)
            return buf_ok(out, error);
        got = read(fd, to, PIECE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(error, errno, "cannot read %s", path);
        if (got == 0)
            return true;
        buf_grow(out, (size_t)got);
    }
    return error_set(error, ERROR_CONF, "%s is larger than %d bytes", path, FILE_MOST);
}

static bool load_file(const char *path, struct buf *out, struct error *error)
{
    /* O_NONBLOCK, lest opening a pipe waits for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    bool ok;

    if (fd < 0)
        return error_set_errno(error, errno, "cannot open %s", path);
    if (fstat(fd, &status) != 0)
        ok = error_set_errno(error, errno, "cannot look at %s", path);
    else if (!S_ISREG(status.st_mode))
        ok = error_set(error, ERROR_CONF, "%s is not a regular file", path);
    else
        ok = read_all(fd, path, out, error);
    (void)close(fd);
    return ok;
}

static bool read_included_file(struct reading *reading, const char *path, const struct place *place,
                               struct error *error)
{
    struct place inside = {.file = path, .level = place->level + 1};
    struct buf text = {0};
    struct error cause;
    bool ok;

    if (load_file(path, &text, &cause))
        ok = read_lines(reading, buf_str(&text), inside, error);
    else
        ok = fail_at(place, "include: ", &cause, error);
    buf_clear(&text);
    return ok;
}

/* Files and directories that are not there do not match; others that cannot be read are errors. */
static int stop_glob(const char *path, int errnum)
{
    (void)path;
    return errnum != ENOENT && errnum != ENOTDIR;
}

static bool read_matching_files(struct reading *reading, const char *pattern,
                                const struct place *place, struct error *error)
{
    glob_t found = {0};
    struct error cause;
    int result = glob(pattern, 0, stop_glob, &found); /* in the order of names */
    bool ok = true;

    if (result != 0 && result != GLOB_NOMATCH) {
        (void)error_set(&cause, result == GLOB_NOSPACE ? ERROR_NO_MEMORY : ERROR_CONF,
                        "cannot list %s", pattern);
        ok = fail_at(place, "include: ", &cause, error);
    }
    for (size_t i = 0; ok && i < found.gl_pathc; i++)
        ok = read_included_file(reading, found.gl_pathv[i], place, error);
    globfree(&found);
    return ok;
}

static bool is_pattern(const char *text)
{
    return strpbrk(text, "*?[") != NULL;
}

/* The path or pattern behind an include, beginning with the directory of the file that says so. */
static void build_path(const char *from, const char *named, struct buf *path)
{
    const char *slash = strrchr(from, '/');

    if (named[0] != '/' && slash) {
        for (const char *at = from; at <= slash; at++) {
            /* Only what stands behind include is a pattern. */
            if (is_pattern(named) && strchr("*?[\\", *at))
                buf_append_byte(path, '\\');
            buf_append_byte(path, *at);
        }
    }
    buf_append_text(path, named);
}

static bool check_include(const struct place *place, size_t count, struct error *error)
{
    if (place->is_text)
        return error_set(error, ERROR_CONF, "works in files only");
    if (count != 2)
        return error_set(error, ERROR_CONF, "takes exactly one value");
    if (place->level == INCLUDE_MOST)
        return error_set(error, ERROR_CONF, "more than %d levels; does a file include itself?",
                         INCLUDE_MOST);
    return true;
}

static bool take_include(struct reading *reading, const struct place *place, char **words,
                         size_t count, struct error *error)
{
    struct buf path = {0};
    struct error cause;
    bool ok;

    if (!check_include(place, count, &cause))
        return fail_at(place, "include: ", &cause, error);
    put_instance(words[1], reading->instance);
    build_path(place->file, words[1], &path);
    if (!buf_ok(&path, &cause))
        ok = fail_at(place, "include: ", &cause, error);
    else if (is_pattern(words[1]))
        ok = read_matching_files(reading, path.data, place, error);
    else
        ok = read_included_file(reading, path.data, place, error);
    buf_clear(&path);
    return ok;
}

/* A copy of the line, which splitting will change. */
static bool copy_line(struct str line, char copy[LINE_MOST + 1], struct error *error)
{
    copy[0] = '\0';
    if (line.length > 0 && line.data[line.length - 1] == '\r')
        line.length--;
    if (line.length > LINE_MOST)
        return error_set(error, ERROR_CONF, "the line has more than %d bytes", LINE_MOST);
    for (size_t i = 0; i < line.length; i++) {
        unsigned char byte = (unsigned char)line.data[i];

        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return error_set(error, ERROR_CONF, "the line holds the control byte 0x%02x", byte);
        copy[i] = line.data[i];
    }
    copy[line.length] = '\0';
    return true;
}

static bool read_line(struct reading *reading, struct str line, const struct place *place,
                      struct error *error)
{
    char copy[LINE_MOST + 1];
    char *words[WORDS_MOST];
    struct error cause;
    size_t count;

    if (!copy_line(line, copy, &cause) || !split_line(copy, words, &count, &cause))
        return fail_at(place, "", &cause, error);
    if (count == 0)
        return true;
    if (strcmp(words[0], "include") == 0)
        return take_include(reading, place, words, count, error);
    return take_directive(reading, place, words, count, &cause) ||
           fail_at(place, "", &cause, error);
}

static bool read_lines(struct reading *reading, struct str text, struct place place,
                       struct error *error)
{
    struct str line;

    while (str_split(&text, '\n', &line)) {
        place.line++;
        if (!read_line(reading, line, &place, error))
            return false;
    }
    return true;
}

/* Reads with a fresh memory of what was given. */
static bool start_reading(struct reading *reading, struct str text, struct place place,
                          struct error *error)
{
    const struct conf_directive *directive = conf_first(reading->table);
    size_t count = 0;
    bool ok;

    for (; directive; directive = conf_next(directive))
        count++;
    reading->seen = calloc(count + 1, sizeof *reading->seen);
    if (!reading->seen)
        return error_set(error, ERROR_NO_MEMORY, "out of memory while reading %s", place.file);
    ok = read_lines(reading, text, place, error);
    for (size_t i = 0; i < count; i++)
        free(reading->seen[i]);
    free(reading->seen);
    return ok;
}

bool conf_read_text(const struct conf_directive *table, struct str text, const char *name,
                    unsigned instance, void *values, struct error *error)
{
    struct reading reading = {.table = table, .values = values, .instance = instance};

    return start_reading(&reading, text, (struct place){.file = name, .is_text = true}, error);
}

bool conf_read_file(const struct conf_directive *table, const char *path, unsigned instance,
                    void *values, struct error *error)
{
    struct reading reading = {.table = table, .values = values, .instance = instance};
    struct buf text = {0};
    bool ok = load_file(path, &text, error) &&
              start_reading(&reading, buf_str(&text), (struct place){.file = path}, error);

    buf_clear(&text);
    return ok;
}

/* --- Tables -------------------------------------------------------------------------- */

static bool set_default(const struct conf_directive *directive, void *values, struct error *error)
{
    char copy[LINE_MOST + 1];
    char *words[WORDS_MOST];
    bool may_be_empty = directive->type == CONF_TEXT || directive->type == CONF_WORDS ||
                        directive->type == CONF_LIST || directive->type == CONF_LINES;
    size_t count;

    if (!*directive->fallback && may_be_empty)
        return true;
    return copy_line(str_of(directive->fallback), copy, error) &&
           split_line(copy, words, &count, error) &&
           set_values(directive, words, count, values, error);
}

bool conf_set_defaults(const struct conf_directive *table, void *values, struct error *error)
{
    struct error cause;

    for (table = conf_first(table); table; table = conf_next(table)) {
        if (!set_default(table, values, &cause))
            return error_set(error, cause.code, "wrong default: %s", cause.message);
    }
    return true;
}

void conf_clear(const struct conf_directive *table, void *values)
{
    for (table = conf_first(table); table; table = conf_next(table))
        conf_value_clear(table, values);
}
