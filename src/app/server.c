#include "app/server.h"

#include "app/apply.h"
#include "app/drain.h"
#include "app/reload.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/routes.h"
#include "store/losses.h"
#include "store/replay.h"

#include <inttypes.h>
#include <signal.h>

static struct server *server_of_context(void *context)
{
    return context;
}

/* Of other servers, kept for logins: at most 64 KB each. */
enum { DOCUMENTS_MOST = 256 };

/* --- Data --------------------------------------------------------------------------------------
 */

static void say_replay(const struct replay_report *report)
{
    if (report->frames > 0)
        log_write(LOG_NOTICE,
                  "the last run did not end well: replayed %" PRIu64 " batches and %" PRIu64
                  " deletions of %" PRIu64 " collections from %" PRIu64 " bytes of journal",
                  report->batches, report->deletions, report->collections, report->bytes);
    if (report->may_have_lost)
        log_write(LOG_WARNING, "the machine went down under durability interval or off: what was "
                               "answered last may be lost; counters go on above it");
    if (report->refused > 0)
        log_write(LOG_ERROR,
                  "%" PRIu64 " collections do not fit the journal and were left alone: %s",
                  report->refused, report->first_refusal.message);
}

/* By the first server of the directory. */
static bool recover(struct server *server, struct replay_report *report, struct error *error)
{
    return replay_run(&server->disk, report, error) &&
           revoked_begin(&server->disk, clock_unix_seconds(), error);
}

/* What is written again may need more room than there is left. */
static bool recover_somehow(struct server *server, struct replay_report *report,
                            struct error *error)
{
    struct reserve reserve = {0};

    if (recover(server, report, error))
        return true;
    return error->code == ERROR_NO_SPACE && reserve_give_up(&reserve, &server->disk) &&
           recover(server, report, error);
}

static bool open_data(struct server *server, struct error *error)
{
    const char *data_dir = server->settings.data_dir;
    struct replay_report report = {0};

    if (!server->options->is_one_of_several) {
        if (!disk_open(&server->disk, data_dir, error) || !recover_somehow(server, &report, error))
            return false;
    } else if (!disk_open_shared(&server->disk, data_dir, error) ||
               (server->disk.is_first && !recover_somehow(server, &report, error)) ||
               !disk_admit(&server->disk, error) || !losses_read(&server->disk, error)) {
        return false;
    }
    say_replay(&report);
    return share_open(&server->share, &server->disk, error);
}

/* Decided once: what was answered under one rule is in segments that say so. */
static bool apply_durability(struct server *server, struct error *error)
{
    struct durability durability = directives_durability(&server->settings);

    if (durability.mode != DURABILITY_ALWAYS)
        committer_relax(&server->committer);
    return durability.mode != DURABILITY_INTERVAL ||
           syncer_open(&server->syncer, &server->committer, durability.interval_ms, error);
}

static bool open_sync(struct server *server, struct error *error)
{
    struct loop *loop = &server->loop;
    const struct limits *limits = &server->limits;
    struct news *news = share_news(&server->share);
    unsigned threads = (unsigned)server->settings.helper_threads;
    bool ok = offload_open(&server->helpers, loop, threads, error) &&
              offload_open(&server->movers, loop, threads, error) &&
              committer_open(&server->committer, loop, &server->disk, news, error) &&
              apply_durability(server, error) &&
              checkpoint_open(&server->checkpoint, &server->committer, loop, &server->helpers,
                              limits, error) &&
              streams_open(&server->streams, loop, &server->disk, &server->helpers,
                           &server->committer, news, limits, error) &&
              share_listen(&server->share, loop, &server->streams, &server->helpers, error);
    server->streams.movers = &server->movers;
    return ok;
}

/* --- Who, and what is served -------------------------------------------------------------------
 */

static bool open_access(struct server *server, struct error *error)
{
    struct prepared prepared;
    const struct settings *settings = &server->settings;

    if (!apply_prepare(&prepared, settings, NULL, error))
        return false;
    server->site = prepared.site;
    if (!access_open(&server->access, &prepared.keys, error)) {
        keys_clear(&prepared.keys);
        return false;
    }
    if (!fetches_open(&server->fetches, &server->loop, (size_t)settings->max_login_requests,
                      settings->login_ca_file, error) ||
        !revocations_open(&server->revocations, &server->disk, share_news(&server->share),
                          &server->helpers, error) ||
        !documents_open(&server->documents, &server->fetches, DOCUMENTS_MOST,
                        settings->login_timeout, error) ||
        !mails_open(&server->mails, &server->loop, (size_t)settings->max_mails,
                    settings->mail_ca_file, error) ||
        !mail_login_open(&server->mail_login, &server->mails, error) ||
        !login_open(&server->login, &server->access, settings->dev_login, 0, error))
        return false;
    server->access.revocations = server->login.revocations = &server->revocations;
    server->login.fetches = &server->fetches;
    server->login.documents = &server->documents;
    server->login.mail = &server->mail_login;
    apply_access(server, &prepared);
    return true;
}

static void start_drain(void *context)
{
    drain_start(server_of_context(context));
}

static const char *find_not_ready(void *context)
{
    const struct server *server = server_of_context(context);

    if (server->http.draining)
        return "draining";
    return server->committer.sound ? NULL : "the journal cannot be written";
}

static bool listen_on(struct http *http, const char *directive, const struct conf_list *places,
                      bool is_tls, struct error *error)
{
    struct error cause;

    for (size_t i = 0; i < places->count; i++) {
        if (!http_listen(http, places->items[i], is_tls, &cause))
            return error_set(error, cause.code, "%s: %s", directive, cause.message);
    }
    return true;
}

static bool open_http(struct server *server, struct error *error)
{
    const struct http_services services = {
        .loop = &server->loop,
        .streams = &server->streams,
        .committer = &server->committer,
        .checkpoint = &server->checkpoint,
        .access = &server->access,
        .login = &server->login,
        .limits = &server->limits,
        .settings = &server->http_settings,
        .site = &server->site,
        .tls = &server->tls,
        .public_face = &server->http,
        .started_ms = server->started_ms,
        .instance = server->options->instance,
        .drain = start_drain,
        .not_ready = find_not_ready,
        .context = server,
    };

    return http_open(&server->http, &services, routes_public, error) &&
           listen_on(&server->http, "listen", &server->settings.listen, false, error) &&
           listen_on(&server->http, "tls_listen", &server->settings.tls_listen, true, error) &&
           http_open(&server->admin, &services, routes_admin, error) &&
           listen_on(&server->admin, "admin_listen", &server->settings.admin_listen, false, error);
}

/* --- Signals -----------------------------------------------------------------------------------
 */

static void on_term(struct loop_signal *loop_signal)
{
    drain_start(OWNER_OF(loop_signal, struct server, on_term));
}

static void on_int(struct loop_signal *loop_signal)
{
    drain_start(OWNER_OF(loop_signal, struct server, on_int));
}

static void on_hup(struct loop_signal *loop_signal)
{
    struct server *server = OWNER_OF(loop_signal, struct server, on_hup);

    /* The listeners may be closed already, and nobody would see the new settings. */
    if (server->stopping || task_is_under_way(&server->drain))
        log_write(LOG_NOTICE, "reload: not while stopping");
    else
        reload_run(server);
}

static void on_usr1(struct loop_signal *loop_signal)
{
    struct error error;

    (void)loop_signal;
    if (log_reopen(&error))
        log_write(LOG_NOTICE, "the log goes on here");
    else
        log_write(LOG_ERROR, "the old log goes on: %s", error.message);
}

static bool watch_signals(struct server *server, struct error *error)
{
    struct loop *loop = &server->loop;

    return loop_signal_open(&server->on_term, loop, SIGTERM, on_term, error) &&
           loop_signal_open(&server->on_int, loop, SIGINT, on_int, error) &&
           loop_signal_open(&server->on_hup, loop, SIGHUP, on_hup, error) &&
           loop_signal_open(&server->on_usr1, loop, SIGUSR1, on_usr1, error);
}

/* --- Running -----------------------------------------------------------------------------------
 */

/* What goes wrong behind the requests is said here; each failed request is a line of its own. */
static void say_trouble(struct server *server)
{
    const struct committer *committer = &server->committer;
    const struct error *failure = &server->checkpoint.last_error;

    if (server->said_unsound == committer->sound) {
        server->said_unsound = !committer->sound;
        if (committer->sound)
            log_write(LOG_NOTICE, "the journal can be written again");
        else
            log_write(LOG_ERROR, "the journal cannot be written; appends fail until it can");
    }
    if (server->said_failed_checkpoints != committer->stats.failed_checkpoints) {
        server->said_failed_checkpoints = committer->stats.failed_checkpoints;
        if (committer->sound) /* else it has been said */
            log_write(LOG_ERROR, "checkpoint: %s; it will be tried again",
                      failure->code == ERROR_NONE ? "failed" : failure->message);
    }
}

static void on_turn_ended(void *context)
{
    struct server *server = context;

    drain_look(server);
    say_trouble(server);
    log_flush();
}

static bool open_loop(struct server *server, struct error *error)
{
    if (!loop_open(&server->loop, error))
        return false;
    server->loop.turn_ended = on_turn_ended;
    server->loop.turn_context = server;
    return true;
}

static bool open_log(const struct settings *settings, struct error *error)
{
    return log_open(settings->log_file, (enum log_level)settings->log_level,
                    (enum log_format)settings->log_format, error);
}

bool server_open(struct server *server, const struct options *options, struct settings *settings,
                 struct error *error)
{
    *server = (struct server){.options = options,
                              .settings = *settings,
                              .started_ms = clock_monotonic_ms(),
                              .disk = {.root_fd = -1, .lock_fd = -1}};
    *settings = (struct settings){0};
    if (!open_log(&server->settings, error))
        return false;
    apply_settings(server);
    return open_data(server, error) && open_loop(server, error) && open_sync(server, error) &&
           open_access(server, error) && open_http(server, error) && watch_signals(server, error);
}

/* Where a browser on this machine finds the app, logged in. */
static void say_dev_login(const struct server *server)
{
    const char *token = server->login.dev_token;

    log_write(LOG_NOTICE, "dev login token: %s", token);
    for (size_t i = 0; i < server->http.listener_count; i++) {
        const struct http_listener *listener = &server->http.listeners[i];

        if (listener->unix_path)
            continue;
        log_write(LOG_NOTICE, "open %s://%s%.*s/#dev=%s", listener->is_tls ? "https" : "http",
                  listener->name, STR_ARG(server->http_settings.base_path), token);
        return;
    }
}

static void say_start(const struct server *server)
{
    log_write(LOG_NOTICE, "cutoutd " CUTOUT_VERSION ", data in %s", server->settings.data_dir);
    if (directives_durability(&server->settings).mode != DURABILITY_ALWAYS)
        log_write(LOG_NOTICE, "durability %s: a power cut may take back what was answered last",
                  server->settings.durability);
    for (size_t i = 0; i < server->http.listener_count; i++)
        log_write(LOG_NOTICE, "listening on %s%s", server->http.listeners[i].name,
                  server->http.listeners[i].is_tls ? " with TLS" : "");
    for (size_t i = 0; i < server->admin.listener_count; i++)
        log_write(LOG_NOTICE, "admin on %s", server->admin.listeners[i].name);
    if (server->login.dev_token[0])
        say_dev_login(server);
    if (directives_lock_out(&server->settings))
        log_write(LOG_WARNING, "nobody can log in: oidc_issuer, mail_server, verifier, "
                               "trusted_user_header, token_secret_file and dev_login are all off");
    log_flush();
}

bool server_run(struct server *server, struct error *error)
{
    say_start(server);
    if (!loop_run(&server->loop, error))
        return false;
    log_write(LOG_NOTICE, "stopped");
    return true;
}

static void close_signals(struct server *server)
{
    loop_signal_close(&server->on_usr1);
    loop_signal_close(&server->on_hup);
    loop_signal_close(&server->on_int);
    loop_signal_close(&server->on_term);
}

/* In the reverse order of opening. A helper's last job may still have something to tell the
 * checkpoint, so the helpers go first; the committer makes the last checkpoint. */
static void close_sync(struct server *server)
{
    struct error error;

    share_stop(&server->share);
    syncer_close(&server->syncer);
    offload_close(&server->movers);
    offload_close(&server->helpers);
    checkpoint_close(&server->checkpoint);
    streams_close(&server->streams);
    if (!committer_close(&server->committer, &error))
        log_write(LOG_WARNING, "the last checkpoint failed, the next start replays the journal: %s",
                  error.message);
}

void server_close(struct server *server)
{
    task_cancel(&server->drain);
    http_close(&server->admin);
    http_close(&server->http);
    login_close(&server->login);
    documents_close(&server->documents);
    mail_login_close(&server->mail_login);
    mails_close(&server->mails);
    fetches_close(&server->fetches);
    access_close(&server->access);
    site_close(&server->site);
    tls_context_close(&server->tls);
    /* Only if the loop gave up: then nothing here can end in order. What was answered is in the
     * journal, and the next start finds it there. */
    if (server->streams.writers > 0)
        return;
    close_sync(server);
    revocations_close(&server->revocations);
    close_signals(server); /* until here they are caught: a third SIGTERM must not cut this short */
    loop_close(&server->loop);
    share_close(&server->share);
    disk_close(&server->disk);
    directives_clear(&server->settings);
    log_close();
}
