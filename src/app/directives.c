#include "app/directives.h"

#include "app/check.h"
#include "auth/access.h"
#include "auth/mail_login.h"
#include "auth/oidc_issuer.h"
#include "http/http.h"
#include "loop/offload.h"

#include <stddef.h>
#include <string.h>

#define FIELD(member) offsetof(struct settings, member)

enum {
    KILO = 1 << 10,
    MEGA = 1 << 20,
    GIGA = 1 << 30,
    SECOND = 1000,
    MINUTE = 60 * SECOND,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR,
};

static const char *const log_levels[] = {"error", "warning", "notice", "info", "debug", NULL};
static const char *const log_formats[] = {"text", "json", NULL};

const struct conf_directive directives[] = {
    {.name = "listen",
     .type = CONF_LIST,
     .offset = FIELD(listen),
     .fallback = "127.0.0.1:8088",
     .check = http_check_listen,
     .values = "ADDRESS:PORT | [ADDRESS]:PORT | *:PORT | unix:PATH ...",
     .help = "Where clients connect. Addresses are numbers; * is all of them, IPv4 and IPv6; "
             "port 0 lets the system choose. It speaks HTTP without TLS: towards the network "
             "put a proxy in front."},
    {.name = "admin_listen",
     .type = CONF_LIST,
     .offset = FIELD(admin_listen),
     .fallback = "127.0.0.1:8089",
     .check = http_check_listen,
     .values = "ADDRESS:PORT | unix:PATH ...",
     .help = "Where /health, /ready, /metrics, /status and POST /drain are answered, to "
             "anybody who can connect: keep it off the network. Empty: nowhere."},
    {.name = "data_dir",
     .type = CONF_TEXT,
     .offset = FIELD(data_dir),
     .fallback = "./data",
     .values = "DIRECTORY",
     .help = "The directory of all data. It is made if it is not there; one server uses it "
             "at a time."},
    {.name = "durability",
     .type = CONF_WORDS,
     .offset = FIELD(durability),
     .fallback = "always",
     .check = check_durability,
     .values = "always | interval TIME | off",
     .help = "When a POST is answered. always: when what it brought is on disk, synced; "
             "nothing that was answered is lost in a power cut. interval TIME: when it was "
             "given to the system, which has it on disk at most so much later (10ms to 1h); "
             "a power cut takes back what was answered last, a crash of the server nothing. "
             "off: likewise, but it is on disk at the next checkpoint only. interval and off "
             "are for a server that has data_dir for itself."},
    {.name = "base_path",
     .type = CONF_TEXT,
     .offset = FIELD(base_path),
     .fallback = "",
     .check = check_base_path,
     .reloads = true,
     .values = "/PATH",
     .help = "What stands before every path, if the server shares its host with others: with "
             "/sync a collection is /sync/DOMAIN/USER/BUCKET."},
    {.name = "public_url",
     .type = CONF_TEXT,
     .offset = FIELD(public_url),
     .fallback = "",
     .check = check_public_url,
     .reloads = true,
     .values = "URL",
     .help = "How browsers reach this server, base_path included; /syncclient.js says it to "
             "the apps that load it. Needed behind a proxy that speaks TLS; without it the "
             "script names the host that it was asked from, by http."},
    {.name = "dev_login",
     .type = CONF_FLAG,
     .offset = FIELD(dev_login),
     .fallback = "off",
     .help = "For development: whoever knows the token that is printed at the start may log "
             "in as anybody. Refused beside listeners that others can reach, and beside any "
             "other way to log in."},
    {.name = "trusted_user_header",
     .type = CONF_TEXT,
     .offset = FIELD(trusted_user_header),
     .fallback = "",
     .check = check_header_name,
     .reloads = true,
     .values = "NAME",
     .help = "A header in which a proxy that has logged the user in says EMAIL/DOMAIN. It is "
             "believed from trusted_proxies only, and they have to remove it from what "
             "clients send."},
    {.name = "trusted_proxies",
     .type = CONF_LIST,
     .offset = FIELD(trusted_proxies),
     .fallback = "",
     .check = access_check_proxy,
     .reloads = true,
     .values = "ADDRESS | ADDRESS/BITS | unix: ...",
     .help =
         "Whose trusted_user_header is believed, and whose X-Forwarded-For: behind a proxy that "
         "is not named here all clients are one to the limits of logins."},
    {.name = "browserid_issuer",
     .type = CONF_LIST,
     .offset = FIELD(browserid_issuer),
     .fallback = "",
     .check = check_browserid_issuer,
     .reloads = true,
     .values = "DOMAIN=FILE ...",
     .help =
         "Let users with an address of DOMAIN log in with BrowserID assertions, checked here. FILE "
         "is the domain's support document, as it publishes it at /.well-known/browserid."},
    {.name = "browserid_legacy",
     .type = CONF_FLAG,
     .offset = FIELD(browserid_legacy),
     .fallback = "off",
     .reloads = true,
     .help = "Take BrowserID signatures by RSA of 1024 bits and by DSA with SHA-1, too, which are "
             "weak."},
    {.name = "verifier",
     .type = CONF_TEXT,
     .offset = FIELD(verifier),
     .fallback = "",
     .check = check_url,
     .reloads = true,
     .values = "URL",
     .help = "Let users log in with BrowserID assertions: this verifier is asked whether they are "
             "good, and is believed. Over https, unless it is on this machine."},
    {.name = "verifier_timeout",
     .type = CONF_DURATION,
     .offset = FIELD(verifier_timeout),
     .fallback = "10s",
     .least = 100,
     .most = MINUTE,
     .reloads = true,
     .help = "How long a verifier or an issuer may take for an answer; then the login is answered "
             "with 503."},
    {.name = "verifier_ca_file",
     .type = CONF_TEXT,
     .offset = FIELD(verifier_ca_file),
     .fallback = "",
     .values = "FILE",
     .help =
         "Certificates to trust instead of the system's when a verifier or an issuer is asked."},
    {.name = "oidc_issuer",
     .type = CONF_LINES,
     .offset = FIELD(oidc_issuer),
     .fallback = "",
     .check = check_oidc_issuer,
     .reloads = true,
     .values = "ISSUER CLIENT[=ORIGIN] ... [email]",
     .help =
         "Let users log in with OpenID Connect ID tokens of this issuer (its URL, exactly as it "
         "spells itself): those that it issued to CLIENT, at the app whose origin is ORIGIN. A "
         "CLIENT without ORIGIN is for each of allow_audience. With email the issuer is "
         "believed to have verified the addresses that it says are verified, and users have "
         "those as names; otherwise a name is made of the issuer's own, so that nobody becomes "
         "somebody else by changing an address there. One line for each issuer."},
    {.name = "oidc_token_age",
     .type = CONF_DURATION,
     .offset = FIELD(oidc_token_age),
     .fallback = "10m",
     .least = SECOND,
     .most = DAY,
     .reloads = true,
     .help = "How long after it was issued an ID token can be used to log in, which it can once."},
    {.name = "max_verifications",
     .type = CONF_COUNT,
     .offset = FIELD(max_verifications),
     .fallback = "64",
     .least = 1,
     .most = 10000,
     .help = "How many verifications may be under way; further logins are answered with 503."},
    {.name = "mail_server",
     .type = CONF_TEXT,
     .offset = FIELD(mail_server),
     .fallback = "",
     .check = mail_server_check,
     .reloads = true,
     .values = "smtp://HOST[:PORT] | smtps://HOST[:PORT]",
     .help =
         "Let users log in with a code that they get by mail, through this server. smtp (port 25, "
         "or 587 where you have an account) wants STARTTLS, unless HOST is localhost, "
         "127.0.0.1 or [::1]; smtps (port 465) is TLS from the start."},
    {.name = "mail_from",
     .type = CONF_TEXT,
     .offset = FIELD(mail_from),
     .fallback = "",
     .check = mail_server_check_sender,
     .reloads = true,
     .values = "ADDRESS",
     .help = "Who the mail is from. Needed with mail_server."},
    {.name = "mail_password_file",
     .type = CONF_TEXT,
     .offset = FIELD(mail_password_file),
     .fallback = "",
     .reloads = true,
     .values = "FILE",
     .help =
         "USER:PASSWORD for the mail server, on one line; nobody else may read it (chmod 600)."},
    {.name = "mail_ca_file",
     .type = CONF_TEXT,
     .offset = FIELD(mail_ca_file),
     .fallback = "",
     .values = "FILE",
     .help = "Certificates to trust instead of the system's when mail is sent."},
    {.name = "mail_timeout",
     .type = CONF_DURATION,
     .offset = FIELD(mail_timeout),
     .fallback = "15s",
     .least = 100,
     .most = MINUTE,
     .reloads = true,
     .help = "How long the mail server may take; then the request is answered with 503."},
    {.name = "max_mails",
     .type = CONF_COUNT,
     .offset = FIELD(max_mails),
     .fallback = "16",
     .least = 1,
     .most = 1000,
     .help = "Mails that may be under way; further requests for a code are answered with 503."},
    {.name = "mail_code_lifetime",
     .type = CONF_DURATION,
     .offset = FIELD(mail_code_lifetime),
     .fallback = "10m",
     .least = SECOND,
     .most = (uint64_t)MAIL_CODE_LIFETIME_MOST * SECOND,
     .reloads = true,
     .help = "How long a code is good."},
    {.name = "mail_codes_per_user",
     .type = CONF_COUNT,
     .offset = FIELD(mail_codes_per_user),
     .fallback = "3",
     .most = 1000,
     .reloads = true,
     .help = "Codes for one address that one client may ask for, at once and then in an hour; "
             "all clients together three times as many. 0: no limit."},
    {.name = "mail_codes_per_address",
     .type = CONF_COUNT,
     .offset = FIELD(mail_codes_per_address),
     .fallback = "30",
     .most = 100000,
     .reloads = true,
     .help = "Codes that one client (of IPv6: a network of 64 bits) may ask for, likewise. "
             "0: no limit."},
    {.name = "token_secret_file",
     .type = CONF_TEXT,
     .offset = FIELD(token_secret_file),
     .fallback = "",
     .reloads = true,
     .values = "FILE",
     .help = "The keys that tokens are signed with, one KID HEX a line; the first signs, all "
             "are accepted. The file is made, with a random key, if it is not there. Without "
             "it tokens end with the process."},
    {.name = "token_lifetime",
     .type = CONF_DURATION,
     .offset = FIELD(token_lifetime),
     .fallback = "12h",
     .least = SECOND,
     .most = (uint64_t)366 * DAY,
     .reloads = true,
     .help = "How long a token is good. A client that has one gets another for it, until "
             "session_lifetime is over."},
    {.name = "session_lifetime",
     .type = CONF_DURATION,
     .offset = FIELD(session_lifetime),
     .fallback = "30d",
     .least = SECOND,
     .most = (uint64_t)366 * DAY,
     .reloads = true,
     .help = "How long after a login its user has to log in again, however often the token was "
             "renewed."},
    {.name = "allow_audience",
     .type = CONF_LIST,
     .offset = FIELD(allow_audience),
     .fallback = "",
     .check = check_origin,
     .reloads = true,
     .values = "https://HOST ...",
     .help = "The only sites whose users can log in. Without it: those of any site."},
    {.name = "logins_per_address",
     .type = CONF_COUNT,
     .offset = FIELD(logins_per_address),
     .fallback = "120",
     .most = 1000000,
     .reloads = true,
     .help = "How often one address (of IPv6: one /64) may try to log in within a minute; then it "
             "gets 429. 0: as often as it likes, which is right behind a balancer that hides the "
             "addresses."},
    {.name = "logins_per_user",
     .type = CONF_COUNT,
     .offset = FIELD(logins_per_user),
     .fallback = "60",
     .most = 1000000,
     .reloads = true,
     .help = "How often one user can log in within an hour. 0: as often as they like."},
    {.name = "allow_origin",
     .type = CONF_LIST,
     .offset = FIELD(allow_origin),
     .fallback = "",
     .check = check_origin,
     .reloads = true,
     .values = "https://HOST ...",
     .help = "Further origins whose pages may use every collection that their user can log "
             "in to. The origin whose host is the domain of a collection always may."},
    {.name = "document_root",
     .type = CONF_TEXT,
     .offset = FIELD(document_root),
     .fallback = "",
     .reloads = true,
     .values = "DIRECTORY",
     .help = "A directory with an app, served beside the API. It is read into memory at the "
             "start and at each reload; hidden files and links are left out."},
    {.name = "client_script",
     .type = CONF_TEXT,
     .offset = FIELD(client_script),
     .fallback = "",
     .reloads = true,
     .values = "FILE",
     .help = "The file that is served as /syncclient.js. Empty: the one that was installed "
             "with the server."},
    {.name = "max_connections",
     .type = CONF_COUNT,
     .offset = FIELD(max_connections),
     .fallback = "10000",
     .least = 16,
     .most = 1000000,
     .reloads = true,
     .help = "Connections at a time; beyond that new ones wait. The limit of open files is "
             "raised to what this needs, as far as the system lets it."},
    {.name = "max_header_bytes",
     .type = CONF_SIZE,
     .offset = FIELD(max_header_bytes),
     .fallback = "16k",
     .least = KILO,
     .most = MEGA,
     .reloads = true,
     .help = "Request line and headers together."},
    {.name = "idle_timeout",
     .type = CONF_DURATION,
     .offset = FIELD(idle_timeout),
     .fallback = "75s",
     .least = SECOND,
     .most = HOUR,
     .reloads = true,
     .help = "A connection on which nothing moves for so long is closed; held reads do not "
             "count. New connections go by it."},
    {.name = "max_post_bytes",
     .type = CONF_SIZE,
     .offset = FIELD(max_post_bytes),
     .fallback = "16m",
     .least = KILO,
     .most = GIGA,
     .reloads = true,
     .help = "The body of a POST; larger ones are answered 413."},
    {.name = "max_post_objects",
     .type = CONF_COUNT,
     .offset = FIELD(max_post_objects),
     .fallback = "10000",
     .least = 1,
     .most = 1000000,
     .reloads = true,
     .help = "Objects in a POST; more are answered 413."},
    {.name = "max_object_bytes",
     .type = CONF_SIZE,
     .offset = FIELD(max_object_bytes),
     .fallback = "1m",
     .least = 64,
     .most = GIGA,
     .reloads = true,
     .help = "One object; larger ones are answered 413, with their places in the array."},
    {.name = "max_response_bytes",
     .type = CONF_SIZE,
     .offset = FIELD(max_response_bytes),
     .fallback = "1m",
     .least = KILO,
     .most = GIGA,
     .reloads = true,
     .help = "About how much an answer to a read holds before it says that there is more. At "
             "least one object is always sent."},
    {.name = "max_response_objects",
     .type = CONF_COUNT,
     .offset = FIELD(max_response_objects),
     .fallback = "10000",
     .least = 1,
     .most = 1000000,
     .reloads = true,
     .help = "How many objects an answer to a read holds at most."},
    {.name = "max_wait",
     .type = CONF_DURATION,
     .offset = FIELD(max_wait),
     .fallback = "55s",
     .most = HOUR,
     .reloads = true,
     .help = "How long a read may be held when it asks for that; 0 answers all at once. Stay "
             "below the timeouts of proxies in front."},
    {.name = "json_max_depth",
     .type = CONF_COUNT,
     .offset = FIELD(json_max_depth),
     .fallback = "64",
     .least = 4,
     .most = 1024,
     .reloads = true,
     .help = "Levels of nesting in what is posted."},
    {.name = "quota_collection",
     .type = CONF_SIZE,
     .offset = FIELD(quota_collection),
     .fallback = "0",
     .reloads = true,
     .help = "Bytes that one collection may hold; more is answered 507. 0: no limit."},
    {.name = "poll_time",
     .type = CONF_DURATION,
     .offset = FIELD(poll_time),
     .fallback = "0",
     .most = DAY,
     .reloads = true,
     .help = "Asks clients, by X-Sync-Poll-Time, not to poll more often than this; whole "
             "seconds. 0: does not ask."},
    {.name = "cached_collections",
     .type = CONF_COUNT,
     .offset = FIELD(cached_collections),
     .fallback = "65536",
     .least = 16,
     .most = 100000000,
     .reloads = true,
     .help = "How many unused collections are remembered, so that a poll opens no file; "
             "about 1 KB each."},
    {.name = "journal_bytes",
     .type = CONF_SIZE,
     .offset = FIELD(journal_bytes),
     .fallback = "64m",
     .least = MEGA,
     .most = (uint64_t)64 * GIGA,
     .reloads = true,
     .help = "When the journal has grown by so much the databases are synced and it starts "
             "over. A larger one means fewer syncs and a longer start after a crash."},
    {.name = "checkpoint_interval",
     .type = CONF_DURATION,
     .offset = FIELD(checkpoint_interval),
     .fallback = "60s",
     .least = SECOND,
     .most = DAY,
     .reloads = true,
     .help = "The same after this time, however little was written."},
    {.name = "helper_threads",
     .type = CONF_COUNT,
     .offset = FIELD(helper_threads),
     .fallback = "4",
     .least = 1,
     .most = OFFLOAD_THREADS_MOST,
     .help = "Threads for calls that wait for the disk."},
    {.name = "drain_timeout",
     .type = CONF_DURATION,
     .offset = FIELD(drain_timeout),
     .fallback = "30s",
     .most = HOUR,
     .reloads = true,
     .help = "How long a server that was told to stop waits for requests under way. What was "
             "answered is safe in any case."},
    {.name = "log_file",
     .type = CONF_TEXT,
     .offset = FIELD(log_file),
     .fallback = "",
     .reloads = true,
     .values = "FILE",
     .help = "Empty: standard error. SIGUSR1 opens it anew, for rotation."},
    {.name = "log_level",
     .type = CONF_CHOICE,
     .offset = FIELD(log_level),
     .fallback = "info",
     .choices = log_levels,
     .reloads = true,
     .help = "The least important lines that are written. Requests are logged at info."},
    {.name = "log_format",
     .type = CONF_CHOICE,
     .offset = FIELD(log_format),
     .fallback = "text",
     .choices = log_formats,
     .reloads = true,
     .help = "Lines for people, or one JSON object a line."},
    {.name = "access_log",
     .type = CONF_FLAG,
     .offset = FIELD(access_log),
     .fallback = "on",
     .reloads = true,
     .help = "A line for each request, never with tokens. Requests that fail through the "
             "server's own fault are logged in any case."},
    {0},
};

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
    for (size_t i = 0; i < settings->listen.count; i++) {
        if (!http_listen_is_local(settings->listen.items[i]))
            return error_set(error, ERROR_CONF,
                             "dev_login: others can reach \"listen %.100s\"; use 127.0.0.1",
                             settings->listen.items[i]);
    }
    return true;
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

bool directives_check(const struct settings *settings, struct error *error)
{
    if (settings->listen.count == 0)
        return error_set(error, ERROR_CONF, "listen: at least one address is needed");
    if (!settings->durability)
        return error_set(error, ERROR_CONF, "durability: must not be empty");
    if (!settings->data_dir)
        return error_set(error, ERROR_CONF, "data_dir: must not be empty");
    if (settings->trusted_user_header && settings->trusted_proxies.count == 0)
        return error_set(error, ERROR_CONF,
                         "trusted_user_header: say in trusted_proxies who may send it");
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
