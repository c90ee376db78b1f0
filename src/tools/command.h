/* command.h - the command line of cutoutctl.
 *
 * tools/ is the room of programs beside the server. It stands on store and auth: data can be read
 * and mended, and tokens made, without the server. */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

#include "base/buf.h"
#include "store/paths.h"

enum command_action {
    COMMAND_CHECK,
    COMMAND_REPAIR,
    COMMAND_DUMP,
    COMMAND_STAT,
    COMMAND_HELP,
    COMMAND_VERSION,
};

enum { COMMAND_DIR_SIZE = 4096 }; /* PATH_MAX */

struct command {
    enum command_action action;
    char data_dir[COMMAND_DIR_SIZE];
    char path[PATHS_SIZE]; /* DOMAIN/USER/BUCKET below it; "": all collections */
    bool json, index;
};

/* error says what is wrong with the command line. Absolute paths are looked up on the disk. */
MUST_CHECK bool command_parse(struct command *command, int argc, char **argv, struct error *error);

extern const char command_usage[];

#endif
