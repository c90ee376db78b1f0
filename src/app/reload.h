/* reload.h - SIGHUP: the configuration read anew, all of it or nothing. */
#ifndef APP_RELOAD_H
#define APP_RELOAD_H

#include "app/server.h"

/* Says in the log what changed, what takes a restart, or why nothing was done. */
void reload_run(struct server *server);

#endif
