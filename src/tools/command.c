#include "tools/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WITH_INDEX = 256, /* no letter */
    COMPONENTS = 3,   /* of the path of a collection */
};

const char command_usage[] =
    "usage: cutoutctl check [-d DIR] [-j] [PATH]\n"
    "       cutoutctl repair [-d DIR] PATH\n"
    "       cutoutctl dump [-d DIR] [--index] PATH\n"
    "       cutoutctl stat [-d DIR] [-j] [PATH]\n"
    "       cutoutctl token issue|inspect|revoke ...    (cutoutctl token --help)\n"
    "\n"
    "Checks, mends and shows the data of cutoutd, without it.\n"
    "\n"
    "  check   does all add up? Changes nothing, and may run beside the server\n"
    "  repair  makes a damaged collection usable again, while no server runs; what it\n"
    "          replaces is kept beside the collection\n"
    "  dump    print the records as lines of JSON, or the entries of the index\n"
    "  stat    print sizes, counters and ids\n"
    "\n"
    "  -d, --data-dir DIR  the data directory, ./data if it is not given\n"
    "  -j, --json          print lines of JSON\n"
    "      --index         the index instead of the records\n"
    "  -h, --help          print this\n"
    "  -V, --version       print the version\n"
    "\n"
    "PATH is the directory of a collection: DOMAIN/USER/BUCKET below DIR, or an absolute path.\n"
    "Ends with 0: sound, 1: damaged, 2: could not look.\n";

static const struct option long_options[] = {
    {"data-dir", required_argument, NULL, 'd'}, {"json", no_argument, NULL, 'j'},
    {"index", no_argument, NULL, WITH_INDEX},   {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},        {NULL, 0, NULL, 0},
};

/* What each command takes. */
static const struct {
    const char *name;
    enum command_action action;
    bool wants_path, takes_json, takes_index;
} commands[] = {
    {"check", COMMAND_CHECK, false, true, false},
    {"repair", COMMAND_REPAIR, true, false, false},
    {"dump", COMMAND_DUMP, true, false, true},
    {"stat", COMMAND_STAT, false, true, false},
};

/* What was given, in its words. */
struct given {
    const char *data_dir, *command, *path;
};

static bool take_option(struct command *command, struct given *given, int option, const char *word,
                        struct error *error)
{
    switch (option) {
    case 'd':
        given->data_dir = optarg;
        return true;
    case 'j':
        command->json = true;
        return true;
    case WITH_INDEX:
        command->index = true;
        return true;
    case 'h':
        command->action = COMMAND_HELP;
        return true;
    case 'V':
        command->action = COMMAND_VERSION;
        return true;
    case ':':
        return error_set(error, ERROR_CONF, "%.60s wants a value", word);
    default:
        return error_set(error, ERROR_CONF, "unknown option %.60s", word);
    }
}

static bool take_words(struct given *given, char **words, int count, struct error *error)
{
    if (count > 0)
        given->command = words[0];
    if (count > 1)
        given->path = words[1];
    return count <= 2 || error_set(error, ERROR_CONF, "unexpected \"%.60s\"", words[2]);
}

static bool find_action(struct command *command, const struct given *given, struct error *error)
{
    if (!given->command)
        return error_set(error, ERROR_CONF, "which command?");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, given->command) != 0)
            continue;
        command->action = commands[i].action;
        if (commands[i].wants_path && !given->path)
            return error_set(error, ERROR_CONF, "%s wants the PATH of a collection",
                             given->command);
        if (command->json && !commands[i].takes_json)
            return error_set(error, ERROR_CONF, "%s takes no --json", given->command);
        if (command->index && !commands[i].takes_index)
            return error_set(error, ERROR_CONF, "%s takes no --index", given->command);
        return true;
    }
    return error_set(error, ERROR_CONF, "unknown command \"%.60s\"", given->command);
}

static bool set_data_dir(struct command *command, const char *data_dir, struct error *error)
{
    if (strlen(data_dir) >= sizeof command->data_dir)
        return error_set(error, ERROR_CONF, "the data directory has too long a name");
    memcpy(command->data_dir, data_dir, strlen(data_dir) + 1);
    return true;
}

static bool set_path(struct command *command, const char *path, struct error *error)
{
    struct str name = str_of(path);

    while (name.length > 0 && name.data[name.length - 1] == '/')
        name.length--;
    if (!paths_check(name))
        return error_set(error, ERROR_CONF,
                         "\"%.100s\" is no collection: PATH is DOMAIN/USER/BUCKET, as the "
                         "directories are named",
                         path);
    memcpy(command->path, name.data, name.length);
    command->path[name.length] = '\0';
    return true;
}

/* The last three components are the collection, the rest is the data directory; which has to be
 * the one that was given, if one was. */
static bool split_absolute(struct command *command, const struct given *given, char *whole,
                           struct error *error)
{
    char given_dir[COMMAND_DIR_SIZE];
    char *end = whole + strlen(whole);

    for (int i = 0; i < COMPONENTS && end; i++)
        end = memrchr(whole, '/', (size_t)(end - whole));
    if (!end)
        return error_set(error, ERROR_CONF, "\"%.100s\" is no collection", whole);
    *end = '\0';
    if (given->data_dir && realpath(given->data_dir, given_dir) && strcmp(given_dir, whole) != 0)
        return error_set(error, ERROR_CONF, "\"%.100s\" is not in \"%.80s\"", given->path,
                         given->data_dir);
    return set_data_dir(command, *whole ? whole : "/", error) && set_path(command, end + 1, error);
}

static bool find_place(struct command *command, const struct given *given, struct error *error)
{
    char whole[COMMAND_DIR_SIZE];

    if (given->path && given->path[0] == '/') {
        if (!realpath(given->path, whole))
            return error_set_errno(error, errno, "%.150s", given->path);
        return split_absolute(command, given, whole, error);
    }
    return set_data_dir(command, given->data_dir ? given->data_dir : "./data", error) &&
           (!given->path || set_path(command, given->path, error));
}

bool command_parse(struct command *command, int argc, char **argv, struct error *error)
{
    struct given given = {0};
    int option;

    *command = (struct command){0};
    optind = 0; /* begin anew, also when called again */
    while ((option = getopt_long(argc, argv, ":d:jhV", long_options, NULL)) != -1) {
        if (!take_option(command, &given, option, argv[optind - 1], error))
            return false;
    }
    if (command->action == COMMAND_HELP || command->action == COMMAND_VERSION)
        return true;
    return take_words(&given, argv + optind, argc - optind, error) &&
           find_action(command, &given, error) && find_place(command, &given, error);
}
