#include "store/walk.h"

#include "store/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum level { LEVEL_DOMAINS, LEVEL_USERS, LEVEL_BUCKETS, LEVEL_COLLECTION };

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of a list, sorted; on the heap, and pointing into it. */
static const char **sort_names(const struct buf *list, size_t *count)
{
    size_t most = 0;

    for (size_t i = 0; i < list->length; i++)
        most += list->data[i] == '\0';
    const char **names = calloc(most + 1, sizeof *names);
    *count = 0;
    for (size_t at = 0; names && at < list->length; at += strlen(list->data + at) + 1)
        names[(*count)++] = list->data + at;
    if (names)
        qsort(names, *count, sizeof *names, compare_names);
    return names;
}

static bool visit_level(const struct walk *walk, const char *path, enum level level,
                        struct error *error);

/* The server's own, and what file systems put at their top. */
static bool is_ours(const char *name, enum level level)
{
    static const char *const ours[] = {".lock",       ".journal", ".reserve",     ".losses",
                                       ".losses.new", ".revoked", ".revoked.new", "lost+found"};

    for (size_t i = 0; level == LEVEL_DOMAINS && i < sizeof ours / sizeof *ours; i++) {
        if (strcmp(name, ours[i]) == 0)
            return true;
    }
    return false;
}

/* A name as percent_encode makes it? Any two others make it a collection's. */
static bool is_good_name(const char *name, enum level level)
{
    char path[PATHS_SIZE];

    (void)snprintf(path, sizeof path, level == LEVEL_DOMAINS ? "%.300s/x/x" : "x/x/%.300s", name);
    return paths_check(str_of(path));
}

static bool tell_strange(const struct walk *walk, const char *path, const char *what,
                         struct error *error)
{
    return !walk->on_strange || walk->on_strange(walk->context, path, what, error);
}

static bool visit_below(const struct walk *walk, const char *path, const char *name,
                        enum level level, struct error *error)
{
    char full[PATHS_SIZE];

    if (is_ours(name, level))
        return true;
    if (level == LEVEL_DOMAINS)
        (void)snprintf(full, sizeof full, "%s", name);
    else
        (void)snprintf(full, sizeof full, "%s/%s", path, name);
    if (!is_good_name(name, level)) {
        return tell_strange(walk, full, "its name is none of ours", error);
    }
    return visit_level(walk, full, level + 1, error);
}

static bool visit_names(const struct walk *walk, const char *path, const struct buf *list,
                        enum level level, struct error *error)
{
    size_t count;
    const char **names = sort_names(list, &count);
    bool ok = true;

    if (!names)
        return error_set(error, ERROR_NO_MEMORY, "out of memory to list %s", path);

    for (size_t i = 0; ok && i < count; i++)
        ok = visit_below(walk, path, names[i], level, error);
    free(names);
    return ok;
}

static bool visit_level(const struct walk *walk, const char *path, enum level level,
                        struct error *error)
{
    struct buf list = {0};
    bool ok = disk_list(walk->disk, path, &list, error);

    if (!ok && error->errnum == ENOTDIR)
        ok = tell_strange(walk, path, "a file or a link where directories stand", error);
    else if (!ok)
        ok = walk->on_unreadable(walk->context, path, error);
    else if (level == LEVEL_COLLECTION)
        ok = walk->on_collection(walk->context, path, error);
    else
        ok = visit_names(walk, path, &list, level, error);
    buf_clear(&list);
    return ok;
}

bool walk_run(const struct walk *walk, struct error *error)
{
    return visit_level(walk, ".", LEVEL_DOMAINS, error);
}
