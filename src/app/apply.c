#include "app/apply.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    MS_PER_S = 1000,
    MS_PER_MINUTE = 60 * MS_PER_S,
    MS_PER_HOUR = 60 * MS_PER_MINUTE,
    TEXT_MOST = 16384,
    FILES_BESIDES = 256, /* descriptors for all that are no connections */
};

/* Where `make install` and where the source tree have it, seen from the executable's directory. */
static const char *const client_places[] = {"/../share/cutout/syncclient.js",
                                            "/../client/dist/syncclient.js",
                                            "/../../client/dist/syncclient.js"};

static bool find_client(char path[PATH_MAX])
{
    char directory[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", directory, sizeof directory - 1);

    if (length <= 0)
        return false;
    directory[length] = '\0';
    *strrchr(directory, '/') = '\0';
    for (size_t i = 0; i < sizeof client_places / sizeof *client_places; i++) {
        int needed = snprintf(path, PATH_MAX, "%s%s", directory, client_places[i]);

        if (needed > 0 && needed < PATH_MAX && access(path, R_OK) == 0)
            return true;
    }
    return false;
}

static bool read_site(struct site *site, const struct settings *settings, struct error *error)
{
    char found[PATH_MAX];
    const char *client = settings->client_script;

    if (!client && find_client(found))
        client = found;
    if (!client)
        log_write(LOG_WARNING, "client_script: none was found, /syncclient.js is not served");
    struct site_settings files = {
        .client_path = client,
        .document_root = settings->document_root,
        .public_url = settings->public_url,
        .connects = (const char *const *)settings->document_connect.items,
        .connect_count = settings->document_connect.count,
    };

    return site_open(site, &files, error);
}

/* Keys that end with the process stay the same at a reload, or everybody would be logged out. */
static bool read_keys(struct keys *keys, const struct settings *settings,
                      const struct settings *old, struct error *error)
{
    struct error cause;
    const char *path = settings->token_secret_file;

    /* Made anew it would log everybody out, for a file that was only missing for a moment. */
    if (path && old && old->token_secret_file && strcmp(path, old->token_secret_file) == 0 &&
        access(path, F_OK) != 0)
        return error_set_errno(error, errno, "token_secret_file: %s", path);
    if (settings->token_secret_file)
        return keys_read_file(keys, settings->token_secret_file, &cause) ||
               error_set(error, cause.code, "token_secret_file: %s", cause.message);
    return (old && !old->token_secret_file) || keys_make(keys, error);
}

static bool read_mail_secret(struct mail_secret *secret, const struct settings *settings,
                             struct error *error)
{
    struct error cause;

    return !settings->mail_password_file ||
           mail_server_read_secret(secret, settings->mail_password_file, &cause) ||
           error_set(error, cause.code, "mail_password_file: %s", cause.message);
}

static bool read_text(const char *path, char text[TEXT_MOST], size_t *length, struct error *error)
{
    FILE *file = fopen(path, "re");

    if (!file)
        return error_set_errno(error, errno, "%s: cannot open it", path);
    *length = fread(text, 1, TEXT_MOST, file);
    bool ok = !ferror(file) && *length < TEXT_MOST;
    (void)fclose(file);
    return ok || error_set(error, ERROR_CONF, "%s: cannot be read, or is longer than %d bytes",
                           path, TEXT_MOST - 1);
}

static bool read_document(struct browserid_rules *rules, struct str item, struct error *error)
{
    struct str domain = str_slice(item, 0, str_find_byte(item, '='));
    char text[TEXT_MOST];
    struct error cause;
    size_t length = 0;

    if (!read_text(item.data + domain.length + 1, text, &length, error))
        return false;
    return browserid_add_issuer(rules, domain, (struct str){text, length}, &cause) ||
           error_set(error, cause.code, "%s: %s", item.data + domain.length + 1, cause.message);
}

static bool read_issuers(struct browserid_rules *rules, const struct settings *settings,
                         struct error *error)
{
    struct error cause;

    rules->takes_weak = settings->browserid_legacy;
    for (size_t i = 0; i < settings->browserid_issuer.count; i++) {
        if (!read_document(rules, str_of(settings->browserid_issuer.items[i]), &cause))
            return error_set(error, cause.code, "browserid_issuer: %s", cause.message);
    }
    return true;
}

static bool read_certificate(struct tls_context *tls, const struct settings *settings,
                             struct error *error)
{
    struct error cause;

    return settings->tls_listen.count == 0 ||
           tls_context_open(tls, settings->tls_certificate, settings->tls_key, &cause) ||
           error_set(error, cause.code, "tls_certificate, tls_key: %s", cause.message);
}

bool apply_check_files(const struct settings *settings, struct error *error)
{
    struct prepared prepared = {0};
    const char *secret = settings->token_secret_file;
    struct error cause;
    bool ok = true;

    if (secret && access(secret, F_OK) == 0 && !keys_read_file(&prepared.keys, secret, &cause))
        ok = error_set(error, cause.code, "token_secret_file: %s", cause.message);
    ok = ok && read_mail_secret(&prepared.mail_secret, settings, error) &&
         read_issuers(&prepared.browserid, settings, error) &&
         read_certificate(&prepared.tls, settings, error);
    apply_discard(&prepared);
    return ok;
}

bool apply_prepare(struct prepared *prepared, const struct settings *settings,
                   const struct settings *old, struct error *error)
{
    *prepared = (struct prepared){0};
    if (read_site(&prepared->site, settings, error) &&
        read_keys(&prepared->keys, settings, old, error) &&
        read_mail_secret(&prepared->mail_secret, settings, error) &&
        read_issuers(&prepared->browserid, settings, error) &&
        read_certificate(&prepared->tls, settings, error))
        return true;
    apply_discard(prepared);
    return false;
}

void apply_discard(struct prepared *prepared)
{
    site_close(&prepared->site);
    keys_clear(&prepared->keys);
    browserid_clear(&prepared->browserid);
    tls_context_close(&prepared->tls);
    crypto_wipe(&prepared->mail_secret, sizeof prepared->mail_secret);
}

static void fill_limits(struct limits *limits, const struct settings *settings)
{
    *limits = (struct limits){
        .max_post_bytes = settings->max_post_bytes,
        .max_post_objects = settings->max_post_objects,
        .max_object_bytes = settings->max_object_bytes,
        .max_blob_bytes = settings->max_blob_bytes,
        .max_response_bytes = settings->max_response_bytes,
        .max_response_objects = settings->max_response_objects,
        .max_wait_ms = settings->max_wait,
        .json_max_depth = settings->json_max_depth,
        .quota_collection = settings->quota_collection,
        .cached_collections = settings->cached_collections,
        .journal_bytes = settings->journal_bytes,
        .checkpoint_interval_ms = settings->checkpoint_interval,
    };
}

/* How many connections there may be with the descriptors that the system gives. */
static uint64_t get_descriptors(uint64_t connections)
{
    const rlim_t wanted = (rlim_t)connections + FILES_BESIDES;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return connections;
    if (limit.rlim_cur < wanted) {
        struct rlimit raised = {.rlim_cur = wanted, .rlim_max = limit.rlim_max};

        if (raised.rlim_max < wanted)
            raised.rlim_max = wanted; /* root may */
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            return connections;
        raised.rlim_cur = raised.rlim_max = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit.rlim_cur = limit.rlim_max;
    }
    if (limit.rlim_cur >= wanted)
        return connections;
    uint64_t possible =
        limit.rlim_cur / 2 > FILES_BESIDES ? limit.rlim_cur - FILES_BESIDES : FILES_BESIDES;
    log_write(LOG_WARNING,
              "max_connections: %" PRIu64 " need %ju open files, the system allows %ju (ulimit -n, "
              "LimitNOFILE); going on with %" PRIu64,
              connections, (uintmax_t)wanted, (uintmax_t)limit.rlim_cur, possible);
    return possible;
}

void apply_settings(struct server *server)
{
    const struct settings *settings = &server->settings;

    fill_limits(&server->limits, settings);
    server->http_settings = (struct http_settings){
        .base_path = str_of(settings->base_path),
        .allow_origins = (const char *const *)settings->allow_origin.items,
        .allow_origin_count = settings->allow_origin.count,
        .max_connections = get_descriptors(settings->max_connections),
        .max_connections_per_address = settings->max_connections_per_address,
        .proxy_protocol = settings->proxy_protocol,
        .max_header_bytes = settings->max_header_bytes,
        .max_body_memory = settings->max_body_memory,
        .idle_timeout_ms = settings->idle_timeout,
        .header_timeout_ms = settings->header_timeout,
        .transfer_timeout_ms = settings->transfer_timeout,
        .poll_time_s = settings->poll_time / MS_PER_S,
        .busy_poll_time_s = settings->busy_poll_time / MS_PER_S,
        .public_url = str_of(settings->public_url),
        .blob_origin = str_of(settings->blob_origin),
        .access_log = settings->access_log,
        .version = CUTOUT_VERSION,
        .durability = settings->durability,
    };
}

static void apply_mail(struct mail_login *mail, const struct settings *settings,
                       struct mail_secret *secret)
{
    mail->server = settings->mail_server;
    mail->from = settings->mail_from;
    mail->public_url = str_of(settings->public_url);
    mail->timeout_ms = settings->mail_timeout;
    mail->lifetime_s = (int64_t)(settings->mail_code_lifetime / MS_PER_S);
    mail_login_limit(mail, settings->mail_codes_per_user, settings->mail_codes_per_address);
    mail->secret = *secret;
    crypto_wipe(secret, sizeof *secret);
}

void apply_access(struct server *server, struct prepared *prepared)
{
    const struct settings *settings = &server->settings;

    tls_context_close(&server->tls);
    server->tls = prepared->tls;
    prepared->tls = (struct tls_context){0};
    if (server->tls.library)
        tls_context_set_ticket_secret(&server->tls, server->access.keys.items[0].tls_key);
    browserid_clear(&server->login.browserid);
    server->login.browserid = prepared->browserid;
    prepared->browserid = (struct browserid_rules){0};
    apply_mail(&server->mail_login, settings, &prepared->mail_secret);

    server->access.trusted_header = settings->trusted_user_header;
    server->access.proxies = (const char *const *)settings->trusted_proxies.items;
    server->access.proxy_count = settings->trusted_proxies.count;
    server->login.verifier = settings->verifier;
    server->login.login_timeout_ms = settings->login_timeout;
    server->login.oidc_issuers = (const char *const *)settings->oidc_issuer.items;
    server->login.oidc_issuer_count = settings->oidc_issuer.count;
    server->login.oidc_token_age = (int64_t)(settings->oidc_token_age / MS_PER_S);
    server->documents.timeout_ms = settings->login_timeout;
    server->login.token_lifetime = (int64_t)(settings->token_lifetime / MS_PER_S);
    server->login.session_lifetime = (int64_t)(settings->session_lifetime / MS_PER_S);
    server->login.audiences = (const char *const *)settings->allow_audience.items;
    server->login.audience_count = settings->allow_audience.count;
    rate_set(&server->login.by_address, settings->logins_per_address, MS_PER_MINUTE);
    rate_set(&server->login.by_user, settings->logins_per_user, MS_PER_HOUR);
}
