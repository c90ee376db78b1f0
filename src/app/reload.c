#include "app/reload.h"

#include "app/apply.h"
#include "base/log.h"

#include <string.h>

/* Compared as they would be printed. Without memory: as if they differed. */
static bool differs(const struct conf_directive *directive, const struct settings *a,
                    const struct settings *b)
{
    const struct conf_directive alone[] = {*directive, {0}};
    struct buf before = {0}, after = {0};

    conf_print_values(alone, a, &before);
    conf_print_values(alone, b, &after);
    bool equal = !before.failed && !after.failed && str_equals(buf_str(&before), buf_str(&after));
    buf_clear(&before);
    buf_clear(&after);
    return !equal;
}

static size_t size_of(enum conf_type type)
{
    switch (type) {
    case CONF_FLAG:
        return sizeof(bool);
    case CONF_CHOICE:
        return sizeof(unsigned);
    case CONF_TEXT:
    case CONF_WORDS:
        return sizeof(char *);
    case CONF_LIST:
    case CONF_LINES:
        return sizeof(struct conf_list);
    case CONF_SIZE:
    case CONF_DURATION:
    case CONF_COUNT:
    default:
        return sizeof(uint64_t);
    }
}

static void swap_field(const struct conf_directive *directive, struct settings *a,
                       struct settings *b)
{
    unsigned char kept[sizeof(struct conf_list)];
    char *first = (char *)a + directive->offset, *second = (char *)b + directive->offset;
    size_t size = size_of(directive->type);

    memcpy(kept, first, size);
    memcpy(first, second, size);
    memcpy(second, kept, size);
}

/* Exchanges what takes a restart, so that next holds what will really be in effect; called again,
 * it undoes that. */
static void swap_fixed(struct settings *next, struct settings *current)
{
    const struct conf_directive *directive = conf_first(directives);

    for (; directive; directive = conf_next(directive)) {
        if (!directive->reloads)
            swap_field(directive, next, current);
    }
}

/* read: as the file has it. */
static void say_changes(const struct settings *current, const struct settings *read)
{
    const struct conf_directive *directive = conf_first(directives);

    for (; directive; directive = conf_next(directive)) {
        if (!differs(directive, current, read))
            continue;
        if (directive->reloads)
            log_write(LOG_NOTICE, "reload: %s changed", directive->name);
        else
            log_write(LOG_WARNING, "reload: %s changed, that takes a restart", directive->name);
    }
}

static bool open_log(const struct settings *settings, struct error *error)
{
    return log_open(settings->log_file, (enum log_level)settings->log_level,
                    (enum log_format)settings->log_format, error);
}

/* Whatever can fail comes first. What is in effect afterwards is checked, not what the file says.
 */
static bool prepare(struct settings *next, struct settings *current, struct prepared *prepared,
                    struct error *error)
{
    swap_fixed(next, current);
    bool ok = directives_check(next, error) && apply_prepare(prepared, next, current, error);
    if (ok && !open_log(next, error)) {
        apply_discard(prepared);
        ok = false;
    }
    swap_fixed(next, current);
    return ok;
}

static void put_in_place(struct server *server, struct prepared *prepared)
{
    apply_settings(server);
    if (prepared->keys.count > 0)
        access_replace_keys(&server->access, &prepared->keys);
    apply_access(server, prepared);
    site_close(&server->site);
    server->site = prepared->site;
}

void reload_run(struct server *server)
{
    const struct options *options = server->options;
    struct settings next;
    struct prepared prepared;
    struct error error;

    if (!options->conf_file) {
        log_write(LOG_WARNING, "reload: there is no configuration file");
        return;
    }
    bool ok = directives_read(&next, options->conf_file, options->instance, &error);
    if (!ok || !prepare(&next, &server->settings, &prepared, &error)) {
        log_write(LOG_ERROR, "reload: nothing was changed: %s", error.message);
        directives_clear(&next);
        return;
    }
    say_changes(&server->settings, &next);
    swap_fixed(&next, &server->settings);
    struct settings old = server->settings;
    server->settings = next;
    put_in_place(server, &prepared);
    directives_clear(&old);
    log_write(LOG_NOTICE, "reload: done");
}
