/* apply.h - from settings, as users write them, to what the rooms below work with. */
#ifndef APP_APPLY_H
#define APP_APPLY_H

#include "app/server.h"

/* What a reload may change, and what can fail about it: made aside, then put in place. */
struct prepared {
    struct site site;
    struct mail_secret mail_secret;
    struct browserid_rules browserid;
    struct tls_context tls;
    struct keys keys; /* count 0: the ones in use stay */
};

/* Reads the files that settings name. old: the settings in use, NULL at the start. On failure there
 * is nothing to clear. Blocks. */
MUST_CHECK bool apply_prepare(struct prepared *prepared, const struct settings *settings,
                              const struct settings *old, struct error *error);
void apply_discard(struct prepared *prepared);

/* For a test of the configuration: whether the files that it names can be read and say what they
 * should. Makes none. Blocks. */
MUST_CHECK bool apply_check_files(const struct settings *settings, struct error *error);

/* Fills limits and http_settings from server->settings, which have to stay. Raises the limit of
 * open files, as far as that is possible, and says in the log if it was not far enough. */
void apply_settings(struct server *server);

/* The same for access, once it is open. */
void apply_access(struct server *server, struct prepared *prepared);

#endif
