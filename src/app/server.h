/* server.h - the process: owns everything, puts it together, ends it.
 *
 *     server_open -> server_run (until it is told to stop) -> server_close
 *
 * States, and what changes them:
 *
 *     running  -> draining   drain_start: SIGTERM, SIGINT, POST /drain
 *     draining -> stopping   all is answered, or drain_timeout is over, or a second signal
 *     stopping -> stopped    the last writer has ended; server_run returns
 *
 * While draining nothing new is accepted and held reads end. When it begins to stop, requests that
 * are still under way are cut off; what is being written is finished first in any case. */
#ifndef APP_SERVER_H
#define APP_SERVER_H

#include "app/directives.h"
#include "app/options.h"
#include "app/share.h"
#include "auth/documents.h"
#include "auth/mail_login.h"
#include "http/http.h"
#include "http/site.h"
#include "http/tls.h"
#include "store/disk.h"
#include "sync/checkpoint.h"
#include "sync/syncer.h"

struct server {
    const struct options *options;
    struct settings settings;
    struct limits limits; /* these two: of settings, as the rooms below want them */
    struct http_settings http_settings;
    uint64_t started_ms;

    struct disk disk;
    struct share share;
    struct loop loop;
    struct offload helpers;
    struct offload movers; /* of blobs: what takes long holds up nothing else */
    struct committer committer;
    struct checkpoint checkpoint;
    struct syncer syncer;
    struct streams streams;
    struct access access;
    struct fetches fetches;
    struct documents documents;
    struct revocations revocations;
    struct mails mails;
    struct mail_login mail_login;
    struct login login;
    struct site site;
    struct tls_context tls;
    struct http http, admin;
    struct loop_signal on_term, on_int, on_hup, on_usr1;

    struct task drain; /* see drain.h */
    struct pause drain_pause;
    bool stopping;

    /* What was already said in the log. */
    bool said_unsound;
    uint64_t said_failed_checkpoints;
};

/* The settings were read and are taken over, also on failure. options must outlive it. Blocks, for
 * long if a journal has to be replayed. */
MUST_CHECK bool server_open(struct server *server, const struct options *options,
                            struct settings *settings, struct error *error);

/* Says in the log where it listens, and serves. False: the loop gave up. */
MUST_CHECK bool server_run(struct server *server, struct error *error);

/* Harmless on what server_open left half-built. */
void server_close(struct server *server);

#endif
