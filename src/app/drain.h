/* drain.h - stopping without losing anybody's answer. The states are drawn in server.h. */
#ifndef APP_DRAIN_H
#define APP_DRAIN_H

#include "app/server.h"

/* Begins to stop; if that was begun before, cuts off what is still under way. */
void drain_start(struct server *server);

/* At the end of each turn of the loop: goes on if what was waited for has come. */
void drain_look(struct server *server);

#endif
