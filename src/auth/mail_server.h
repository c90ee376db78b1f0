/* mail_server.h - what the configuration says of the server that mail is given to. */
#ifndef AUTH_MAIL_SERVER_H
#define AUTH_MAIL_SERVER_H

#include "base/error.h"

enum { MAIL_SECRET_SIZE = 512 };

/* Who we are to it. */
struct mail_secret {
    char user[MAIL_SECRET_SIZE]; /* empty: no login */
    char password[MAIL_SECRET_SIZE];
};

/* One line "USER:PASSWORD" of a secret_file.h; the password may hold ":". At start and reload only:
 * it blocks. */
MUST_CHECK bool mail_server_read_secret(struct mail_secret *secret, const char *path,
                                        struct error *error);

/* Conf checks: smtp://HOST[:PORT] or smtps://HOST[:PORT], and an e-mail address. */
MUST_CHECK bool mail_server_check(const char *url, struct error *error);
MUST_CHECK bool mail_server_check_sender(const char *address, struct error *error);

/* True if the URL names this machine, and has no TLS of its own. */
bool mail_server_is_local(const char *url);

#endif
