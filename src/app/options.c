#include "app/options.h"

#include "base/str.h"

#include <getopt.h>
#include <stddef.h>

enum {
    INSTANCES_MOST = 999,
    PRINT_REFERENCE = 256, /* no letter, like the next */
    SELF_TEST,
    AS_JSON,
};

const char options_usage[] =
    "usage: cutoutd [-c FILE] [-n NUMBER] [-t | -T]\n"
    "       cutoutd --self-test DIRECTORY [--json]\n"
    "\n"
    "Keeps the data of offline web apps in sync. Runs in the foreground.\n"
    "\n"
    "  -c, --conf FILE        read the configuration; without it the defaults are used\n"
    "  -n, --instance NUMBER  one of several servers on the data directory; what {instance}\n"
    "                         becomes in values of the configuration\n"
    "  -t, --test             test the configuration and end\n"
    "  -T, --show             print the configuration that is in effect and end\n"
    "      --self-test DIR    test whether DIR is fit for a data directory, and how fast it is\n"
    "      --json             print what the self-test has found as JSON\n"
    "      --print-reference  print every directive with its explanation and default\n"
    "  -h, --help             print this\n"
    "  -V, --version          print the version\n"
    "\n"
    "Signals: TERM and INT stop it when what is under way is done, at once if sent twice;\n"
    "HUP reads the configuration anew; USR1 opens the log anew.\n";

static const struct option long_options[] = {
    {"conf", required_argument, NULL, 'c'},
    {"instance", required_argument, NULL, 'n'},
    {"test", no_argument, NULL, 't'},
    {"show", no_argument, NULL, 'T'},
    {"self-test", required_argument, NULL, SELF_TEST},
    {"json", no_argument, NULL, AS_JSON},
    {"print-reference", no_argument, NULL, PRINT_REFERENCE},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static bool take_instance(struct options *options, const char *text, struct error *error)
{
    uint64_t number;

    if (!str_parse_u64(str_of(text), INSTANCES_MOST, &number))
        return error_set(error, ERROR_CONF, "-n: \"%.40s\" is no number from 0 to %d", text,
                         INSTANCES_MOST);
    options->instance = (unsigned)number;
    options->is_one_of_several = true;
    return true;
}

static bool take_option(struct options *options, int option, const char *word, struct error *error)
{
    switch (option) {
    case 'c':
        options->conf_file = optarg;
        return true;
    case 'n':
        return take_instance(options, optarg, error);
    case 't':
        options->action = ACTION_TEST;
        return true;
    case 'T':
        options->action = ACTION_SHOW;
        return true;
    case SELF_TEST:
        if (!*optarg) /* of a variable that is not set: the root is not what was meant */
            return error_set(error, ERROR_CONF, "--self-test wants a directory");
        options->action = ACTION_SELF_TEST;
        options->directory = optarg;
        return true;
    case AS_JSON:
        options->as_json = true;
        return true;
    case PRINT_REFERENCE:
        options->action = ACTION_REFERENCE;
        return true;
    case 'h':
        options->action = ACTION_HELP;
        return true;
    case 'V':
        options->action = ACTION_VERSION;
        return true;
    case ':':
        return error_set(error, ERROR_CONF, "%.60s wants a value", word);
    default:
        return error_set(error, ERROR_CONF, "unknown option %.60s", word);
    }
}

bool options_parse(struct options *options, int argc, char **argv, struct error *error)
{
    int option;

    *options = (struct options){0};
    optind = 0; /* begin anew, also when called again */
    /* "+": what is no option ends them. ":": the messages are ours. */
    while ((option = getopt_long(argc, argv, "+:c:n:tThV", long_options, NULL)) != -1) {
        if (!take_option(options, option, argv[optind - 1], error))
            return false;
    }
    if (options->as_json && options->action != ACTION_SELF_TEST)
        return error_set(error, ERROR_CONF, "--json goes with --self-test only");
    if (optind < argc)
        return error_set(error, ERROR_CONF, "unexpected \"%.60s\"", argv[optind]);
    return true;
}

bool options_want_conf(const struct options *options)
{
    return options->action == ACTION_RUN || options->action == ACTION_TEST ||
           options->action == ACTION_SHOW;
}

bool options_check(const struct options *options, const struct settings *settings,
                   struct error *error)
{
    return !options->is_one_of_several ||
           directives_durability(settings).mode == DURABILITY_ALWAYS ||
           error_set(error, ERROR_CONF,
                     "durability: %s is not for servers that share a data directory (-n): one "
                     "would build upon what another may lose",
                     settings->durability);
}

void options_print(const struct options *options, const struct settings *settings, struct buf *out)
{
    switch (options->action) {
    case ACTION_TEST:
        buf_append_format(out, "%s: ok\n", options->conf_file ? options->conf_file : "defaults");
        break;
    case ACTION_SHOW:
        conf_print_values(directives, settings, out);
        break;
    case ACTION_REFERENCE:
        conf_print_reference(directives, out);
        break;
    case ACTION_VERSION:
        buf_append_text(out, "cutoutd " CUTOUT_VERSION "\n");
        break;
    case ACTION_SELF_TEST:
    case ACTION_HELP:
    case ACTION_RUN:
    default:
        buf_append_text(out, options_usage);
        break;
    }
}
