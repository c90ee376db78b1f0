#include "app/directives.h"

#include "app/check.h"
#include "auth/oidc_issuer.h"
#include "http/http.h"

#include <string.h>

struct durability directives_durability(const struct settings *settings)
{
    struct durability durability;
    struct error error;

    (void)!check_durability_parse(settings->durability, &durability, &error); /* it was checked */
    return durability;
}

bool directives_lock_out(const struct settings *settings)
{
    return !settings->dev_login && !settings->token_secret_file && !settings->trusted_user_header &&
           !settings->verifier && settings->browserid_issuer.count == 0 && !settings->mail_server &&
           settings->oidc_issuer.count == 0;
}

static bool check_local(const char *directive, const struct conf_list *places, struct error *error)
{
    for (size_t i = 0; i < places->count; i++) {
        if (!http_listen_is_local(places->items[i]))
            return error_set(error, ERROR_CONF,
                             "dev_login: others can reach \"%s %.100s\"; use 127.0.0.1", directive,
                             places->items[i]);
    }
    return true;
}

/* Behind a balancer every peer looks local, so only what is configured can tell that nobody else
 * gets in. */
static bool check_dev_login(const struct settings *settings, struct error *error)
{
    if (settings->token_secret_file)
        return error_set(error, ERROR_CONF, "dev_login: not together with token_secret_file");
    if (settings->verifier)
        return error_set(error, ERROR_CONF, "dev_login: not together with verifier");
    if (settings->mail_server)
        return error_set(error, ERROR_CONF, "dev_login: not together with mail_server");
    if (settings->oidc_issuer.count > 0)
        return error_set(error, ERROR_CONF, "dev_login: not together with oidc_issuer");
    if (settings->browserid_issuer.count > 0)
        return error_set(error, ERROR_CONF, "dev_login: not together with browserid_issuer");
    if (settings->trusted_user_header)
        return error_set(error, ERROR_CONF, "dev_login: not together with trusted_user_header");
    return check_local("listen", &settings->listen, error) &&
           check_local("tls_listen", &settings->tls_listen, error);
}

/* A client that any site could use would let each of them act for the users of all others. */
static bool check_oidc_issuers(const struct settings *settings, struct error *error)
{
    const struct conf_list *lines = &settings->oidc_issuer;
    bool is_bound;

    for (size_t i = 0; i < lines->count; i++) {
        if (!oidc_issuer_check(lines->items[i], &is_bound, error))
            return false;
        if (!is_bound && settings->allow_audience.count == 0)
            return error_set(error, ERROR_CONF,
                             "oidc_issuer: say which app a client is: CLIENT=https://APP, or list "
                             "all in allow_audience");
        struct str issuer =
            str_slice(str_of(lines->items[i]), 0, str_find_byte(str_of(lines->items[i]), ' '));
        if (oidc_issuer_find((const char *const *)lines->items, i, issuer))
            return error_set(error, ERROR_CONF, "oidc_issuer: \"%.*s\" is there twice",
                             STR_ARG(str_slice(issuer, 0, 100)));
    }
    return true;
}

/* On the host of the app it would protect nothing. */
static bool is_own_host(const struct settings *settings)
{
    struct str blobs = str_of(settings->blob_origin), own = str_of(settings->public_url);

    return blobs.length > 0 && str_starts_with(own, blobs) &&
           (own.length == blobs.length || own.data[blobs.length] == '/');
}

bool directives_check(const struct settings *settings, struct error *error)
{
    if (settings->listen.count == 0 && settings->tls_listen.count == 0)
        return error_set(error, ERROR_CONF, "listen: at least one address is needed");
    if (settings->tls_listen.count > 0 && (!settings->tls_certificate || !settings->tls_key))
        return error_set(error, ERROR_CONF, "tls_listen: needs tls_certificate and tls_key");
    if (!settings->durability)
        return error_set(error, ERROR_CONF, "durability: must not be empty");
    if (settings->max_body_memory < settings->max_post_bytes)
        return error_set(error, ERROR_CONF, "max_body_memory: must not be below max_post_bytes");
    if (!settings->data_dir)
        return error_set(error, ERROR_CONF, "data_dir: must not be empty");
    if (settings->trusted_user_header && settings->trusted_proxies.count == 0)
        return error_set(error, ERROR_CONF,
                         "trusted_user_header: say in trusted_proxies who may send it");
    if (settings->proxy_protocol && settings->trusted_proxies.count == 0)
        return error_set(error, ERROR_CONF, "proxy_protocol: say in trusted_proxies who speaks it");
    if (is_own_host(settings))
        return error_set(error, ERROR_CONF,
                         "blob_origin: is that of public_url; it has to be another host name");
    if (settings->mail_server && !settings->mail_from)
        return error_set(error, ERROR_CONF, "mail_server: say in mail_from who the mail is from");
    return check_oidc_issuers(settings, error) &&
           (!settings->dev_login || check_dev_login(settings, error));
}

bool directives_read(struct settings *settings, const char *path, unsigned instance,
                     struct error *error)
{
    struct error cause;

    *settings = (struct settings){0};
    bool ok = conf_set_defaults(directives, settings, error) &&
              (!path || conf_read_file(directives, path, instance, settings, error));
    if (ok && !directives_check(settings, &cause))
        ok = error_set(error, cause.code, "%s%s%s", path ? path : "", path ? ": " : "",
                       cause.message);
    if (!ok)
        directives_clear(settings);
    return ok;
}

void directives_clear(struct settings *settings)
{
    conf_clear(directives, settings);
}
