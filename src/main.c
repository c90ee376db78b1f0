/* cutoutd - keeps the data of offline web apps in sync. */
#include "app/apply.h"
#include "app/self_test.h"
#include "app/server.h"
#include "base/crypto.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>

enum { STATUS_GOOD = 0, STATUS_FAILED = 1, STATUS_USAGE = 2 };

enum { LONG_PIECE = 1024 * 1024 }; /* bytes */

static int fail(const struct error *error)
{
    (void)fprintf(stderr, "cutoutd: %s\n", error->message);
    return STATUS_FAILED;
}

static int print(const struct options *options, struct settings *settings)
{
    struct buf text = {0};
    struct error error = {0};

    options_print(options, settings, &text);
    directives_clear(settings);
    bool ok = buf_ok(&text, &error) && fputs(buf_str(&text).data, stdout) != EOF;
    buf_clear(&text);
    return ok ? STATUS_GOOD : STATUS_FAILED;
}

/* Long answers come and go. Left to itself the C library soon takes room for them from where all
 * the small pieces lie, and gives none of it back when many had to be held at once. */
static void keep_long_apart(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, LONG_PIECE);
    (void)mallopt(M_TRIM_THRESHOLD, 16 * LONG_PIECE); /* or it asks the system each time */
#endif
}

/* A server that is to be started reads them anyway. */
static bool check_files(const struct options *options, const struct settings *settings,
                        struct error *error)
{
    return options->action != ACTION_TEST ||
           (crypto_open(error) && apply_check_files(settings, error));
}

static int run(const struct options *options, struct settings *settings)
{
    struct server server;
    struct error error;

    (void)signal(SIGPIPE, SIG_IGN);
    keep_long_apart();
    if (!crypto_open(&error)) {
        directives_clear(settings);
        return fail(&error);
    }
    bool ok = server_open(&server, options, settings, &error) && server_run(&server, &error);
    server_close(&server);
    return ok ? STATUS_GOOD : fail(&error);
}

int main(int argc, char **argv)
{
    struct options options;
    struct settings settings = {0};
    struct error error;

    if (!options_parse(&options, argc, argv, &error)) {
        (void)fprintf(stderr, "cutoutd: %s\n\n%s", error.message, options_usage);
        return STATUS_USAGE;
    }
    if (options.action == ACTION_SELF_TEST)
        return self_test_run(options.directory, options.as_json);
    if (options_want_conf(&options) &&
        (!directives_read(&settings, options.conf_file, options.instance, &error) ||
         !options_check(&options, &settings, &error) ||
         !check_files(&options, &settings, &error))) {
        directives_clear(&settings);
        return fail(&error);
    }
    return options.action == ACTION_RUN ? run(&options, &settings) : print(&options, &settings);
}
