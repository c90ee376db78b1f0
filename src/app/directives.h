/* directives.h - THE table of configuration directives, and the struct that they fill.
 *
 * app/ is floor 5: it starts the program, puts the rooms together, and ends it. It is where the
 * configuration is known; every other room gets the few values it needs. */
#ifndef APP_DIRECTIVES_H
#define APP_DIRECTIVES_H

#include "app/check.h"
#include "base/conf.h"

/* Sizes in bytes, times in milliseconds. A text is NULL when it is not given. */
struct settings {
    struct conf_list listen, admin_listen;
    char *data_dir, *base_path, *public_url, *blob_origin;
    char *durability; /* see directives_durability */
    bool dev_login;
    char *trusted_user_header, *token_secret_file;
    struct conf_list tls_listen, trusted_proxies, allow_origin;
    const char *tls_certificate, *tls_key;
    struct conf_list browserid_issuer;
    bool browserid_legacy;
    char *verifier, *login_ca_file;
    uint64_t login_timeout, max_login_requests;
    char *mail_server, *mail_from, *mail_password_file, *mail_ca_file;
    uint64_t mail_timeout, max_mails, mail_code_lifetime;
    uint64_t mail_codes_per_user, mail_codes_per_address;
    uint64_t token_lifetime, session_lifetime, logins_per_address, logins_per_user;
    struct conf_list allow_audience, oidc_issuer;
    uint64_t oidc_token_age;
    char *document_root, *client_script;
    struct conf_list document_connect;
    uint64_t max_connections, max_connections_per_address, max_header_bytes, max_body_memory;
    bool proxy_protocol;
    uint64_t idle_timeout, header_timeout, transfer_timeout;
    uint64_t max_post_bytes, max_post_objects, max_object_bytes, max_blob_bytes;
    uint64_t max_response_bytes, max_response_objects;
    uint64_t max_wait, json_max_depth, quota_collection, poll_time, busy_poll_time;
    uint64_t cached_collections, journal_bytes, checkpoint_interval;
    uint64_t helper_threads, drain_timeout;
    char *log_file;
    unsigned log_level, log_format;
    bool access_log;
};

extern const struct conf_directive directives[];

/* What settings->durability says. */
struct durability directives_durability(const struct settings *settings);

/* Defaults, then the file (NULL: none), then directives_check. On failure error begins with the
 * file, and settings are empty. Clear with directives_clear. */
MUST_CHECK bool directives_read(struct settings *settings, const char *path, unsigned instance,
                                struct error *error);

/* What no single directive can tell: whether they go together. */
MUST_CHECK bool directives_check(const struct settings *settings, struct error *error);
void directives_clear(struct settings *settings); /* harmless twice, and on all-zero */

/* True if nobody can log in with these settings. */
bool directives_lock_out(const struct settings *settings);

#endif
