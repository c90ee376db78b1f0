#include "auth/oidc_issuer.h"

#include "auth/members.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct str https = STR_INIT("https://"), http = STR_INIT("http://");

static bool take_word(struct str *rest, struct str *word)
{
    while (rest->data && str_split(rest, ' ', word)) {
        if (word->length > 0)
            return true;
    }
    return false;
}

/* CLIENT=ORIGIN: a client may hold "=", an origin cannot. */
static struct str split_client(struct str word, struct str *origin)
{
    size_t end = word.length;

    *origin = (struct str){0};
    while (end > 0 && word.data[end - 1] != '=')
        end--;
    struct str after = str_slice(word, end, word.length);
    if (end == 0 || !(str_starts_with(after, https) || str_starts_with(after, http)))
        return word;
    *origin = after;
    return str_slice(word, 0, end - 1);
}

/* --- The line --------------------------------------------------------------------------------- */

static bool is_of_this_machine(struct str url)
{
    struct origin origin;
    struct error cause;
    struct str rest = str_slice(url, http.length, url.length);
    size_t length = http.length + str_find_byte(rest, '/');

    return origin_parse(&origin, str_slice(url, 0, length), &cause) &&
           (strcmp(origin.host, "127.0.0.1") == 0 || strcmp(origin.host, "[::1]") == 0 ||
            strcmp(origin.host, "localhost") == 0);
}

/* An origin as browsers write it, and maybe a path. */
static bool check_issuer(struct str issuer, struct error *error)
{
    bool secure = str_starts_with(issuer, https);
    struct str rest = str_slice(issuer, secure ? https.length : http.length, issuer.length);
    size_t length = issuer.length - rest.length + str_find_byte(rest, '/');
    struct str base = str_slice(issuer, 0, length);
    struct origin origin;
    struct error cause;

    if (!secure && !(str_starts_with(issuer, http) && is_of_this_machine(issuer)))
        return error_set(error, ERROR_CONF,
                         "\"%.*s\" is no URL with https, or with http of this machine",
                         STR_ARG(str_slice(issuer, 0, 100)));
    if (!origin_parse(&origin, base, &cause))
        return error_set(error, ERROR_CONF, "%s", cause.message);
    if (issuer.length >= MEMBERS_TEXT_SIZE || str_find_either(issuer, '?', '#') < issuer.length)
        return error_set(error, ERROR_CONF, "an issuer has no \"?\" and no \"#\" and is short");
    return str_equals(str_of(origin.text), base) ||
           error_set(error, ERROR_CONF, "\"%.*s\" is written \"%.100s\"",
                     STR_ARG(str_slice(base, 0, 100)), origin.text);
}

static bool check_client(struct str word, bool *is_bound, struct error *error)
{
    struct str text;
    struct str client = split_client(word, &text);
    struct origin origin;
    struct error cause;

    if (client.length == 0 || client.length >= MEMBERS_TEXT_SIZE)
        return error_set(error, ERROR_CONF, "\"%.*s\" is no CLIENT and no CLIENT=ORIGIN",
                         STR_ARG(str_slice(word, 0, 100)));
    if (text.length == 0) {
        *is_bound = false;
        return true;
    }
    if (!origin_parse(&origin, text, &cause))
        return error_set(error, ERROR_CONF, "%s", cause.message);
    return str_equals(str_of(origin.text), text) ||
           error_set(error, ERROR_CONF, "\"%.*s\" is written \"%.100s\"",
                     STR_ARG(str_slice(text, 0, 100)), origin.text);
}

bool oidc_issuer_check(const char *line, bool *is_bound, struct error *error)
{
    struct str rest = str_of(line), word = {0};
    size_t clients = 0;

    *is_bound = true;
    if (!take_word(&rest, &word) || !check_issuer(word, error))
        return word.length > 0 ? false : error_set(error, ERROR_CONF, "names no issuer");
    while (take_word(&rest, &word)) {
        if (str_equals(word, STR("email")))
            continue;
        if (!check_client(word, is_bound, error))
            return false;
        clients++;
    }
    return clients > 0 || error_set(error, ERROR_CONF,
                                    "say after the issuer CLIENT=https://APP, the client that "
                                    "the app is registered as there");
}

const char *oidc_issuer_find(const char *const *lines, size_t count, struct str issuer)
{
    for (size_t i = 0; i < count; i++) {
        struct str rest = str_of(lines[i]), word;

        if (take_word(&rest, &word) && str_equals(word, issuer))
            return lines[i];
    }
    return NULL;
}

bool oidc_issuer_admits(const char *line, struct str client, const struct origin *audience,
                        bool has_list)
{
    struct str rest = str_of(line), word, origin;

    (void)take_word(&rest, &word);
    while (take_word(&rest, &word)) {
        struct str name = split_client(word, &origin);

        if (str_equals(word, STR("email")) || !str_equals(name, client))
            continue;
        if (origin.length > 0 ? str_equals(origin, str_of(audience->text)) : has_list)
            return true;
    }
    return false;
}

bool oidc_issuer_verifies_email(const char *line)
{
    struct str rest = str_of(line), word;

    (void)take_word(&rest, &word);
    while (take_word(&rest, &word)) {
        if (str_equals(word, STR("email")))
            return true;
    }
    return false;
}

/* --- What it says of itself ------------------------------------------------------------------- */

/* OpenID Connect Discovery 1.0, section 4.1: without the "/" at the end. */
bool oidc_issuer_metadata_url(struct str issuer, char url[OIDC_URL_SIZE], struct error *error)
{
    if (str_ends_with(issuer, STR("/")))
        issuer.length--;
    int length =
        snprintf(url, OIDC_URL_SIZE, "%.*s/.well-known/openid-configuration", STR_ARG(issuer));
    return (length > 0 && length < OIDC_URL_SIZE) ||
           error_set(error, ERROR_CONF, "the issuer's URL is too long");
}

struct metadata {
    char issuer[MEMBERS_TEXT_SIZE], keys_url[OIDC_URL_SIZE];
};

bool oidc_issuer_read_metadata(struct str body, struct str issuer, char keys_url[OIDC_URL_SIZE],
                               struct error *error)
{
    static const struct member table[] = {
        {"issuer", MEMBER_TEXT, offsetof(struct metadata, issuer), MEMBERS_TEXT_SIZE},
        {"jwks_uri", MEMBER_TEXT, offsetof(struct metadata, keys_url), OIDC_URL_SIZE},
        {0}};
    struct metadata metadata = {0};
    struct members members;

    if (!members_read(&members, body, table, &metadata, error))
        return false;
    struct str url = str_of(metadata.keys_url);
    if (!str_equals(str_of(metadata.issuer), issuer))
        return error_set(error, ERROR_BAD_JSON, "it is of another issuer");
    if (!str_starts_with(url, https) &&
        !(str_starts_with(issuer, http) && str_starts_with(url, http) && is_of_this_machine(url)))
        return error_set(error, ERROR_BAD_JSON, "its jwks_uri is no URL with https");
    memcpy(keys_url, metadata.keys_url, OIDC_URL_SIZE);
    return true;
}
