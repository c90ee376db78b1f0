#include "app/check.h"

#include "auth/oidc_issuer.h"
#include "auth/origin.h"
#include "base/conf_value.h"

#include <string.h>

enum {
    INTERVAL_LEAST = 10, /* ms; below that there is nothing to be won */
    INTERVAL_MOST = 3600 * 1000,
};

/* "/a/b": what goes into headers and into the client script without being coded. */
static bool is_plain_path(struct str path)
{
    struct str rest = str_slice(path, 1, path.length);
    struct str segment;

    if (!str_starts_with(path, STR("/")))
        return false;
    while (str_split(&rest, '/', &segment)) {
        if (segment.length == 0 || str_equals(segment, STR(".")) || str_equals(segment, STR("..")))
            return false;
        for (size_t i = 0; i < segment.length; i++) {
            if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~",
                        segment.data[i]))
                return false;
        }
    }
    return true;
}

bool check_base_path(const char *value, struct error *error)
{
    return is_plain_path(str_of(value)) ||
           error_set(
               error, ERROR_CONF,
               "\"%.60s\" is not like \"/sync\": a \"/\" before each segment, none at the end, "
               "letters, digits and \"-._~\" only",
               value);
}

bool check_origin(const char *value, struct error *error)
{
    struct origin origin;
    struct error cause;

    if (!origin_parse(&origin, str_of(value), &cause))
        return error_set(error, ERROR_CONF, "%s", cause.message);
    return strcmp(origin.text, value) == 0 ||
           error_set(error, ERROR_CONF, "\"%.60s\" is written \"%.100s\"", value, origin.text);
}

bool check_public_url(const char *value, struct error *error)
{
    struct str text = str_of(value);
    const char *host = strstr(value, "://");
    size_t start = host ? (size_t)(host - value) + 3 : 0;
    size_t end = start + str_find_byte(str_slice(text, start, text.length), '/');
    struct str path = str_slice(text, end, text.length);
    struct origin origin;
    struct error cause;

    if (!origin_parse(&origin, str_slice(text, 0, end), &cause))
        return error_set(error, ERROR_CONF, "%s", cause.message);
    return path.length == 0 || is_plain_path(path) ||
           error_set(error, ERROR_CONF,
                     "\"%.60s\" is not like \"https://host\" or "
                     "\"https://host/path\", without \"/\" at the end",
                     value);
}

bool check_header_name(const char *value, struct error *error)
{
    static const char *const taken[] = {"Authorization", "Content-Length", "Host",  "Origin",
                                        "Content-Type",  "If-None-Match",  "Cookie"};

    if (value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")])
        return error_set(error, ERROR_CONF, "\"%.60s\" is no name of a header", value);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        if (str_equals_nocase(str_of(value), str_of(taken[i])))
            return error_set(error, ERROR_CONF, "%s has a meaning of its own", taken[i]);
    }
    return true;
}

/* The same words and ranges as everywhere: of a table with one time in it. */
static bool parse_interval(struct str text, uint64_t *interval_ms, struct error *error)
{
    static const struct conf_directive table[] = {{.name = "interval",
                                                   .type = CONF_DURATION,
                                                   .fallback = "",
                                                   .least = INTERVAL_LEAST,
                                                   .most = INTERVAL_MOST},
                                                  {0}};

    return conf_value_set(table, text.data, interval_ms, error);
}

bool check_durability_parse(const char *value, struct durability *durability, struct error *error)
{
    struct str text = str_of(value), interval = STR("interval ");

    *durability = (struct durability){.mode = DURABILITY_ALWAYS};
    if (str_equals(text, STR("always")))
        return true;
    durability->mode = DURABILITY_OFF;
    if (str_equals(text, STR("off")))
        return true;
    durability->mode = DURABILITY_INTERVAL;
    if (str_starts_with(text, interval))
        return parse_interval(str_slice(text, interval.length, text.length),
                              &durability->interval_ms, error);
    return error_set(error, ERROR_CONF,
                     "\"%.60s\" is not one of: always, interval TIME (as in interval 1s), off",
                     value);
}

bool check_durability(const char *value, struct error *error)
{
    struct durability durability;

    return check_durability_parse(value, &durability, error);
}

bool check_url(const char *value, struct error *error)
{
    static const struct str near[] = {STR_INIT("http://127.0.0.1"), STR_INIT("http://[::1]"),
                                      STR_INIT("http://localhost")};
    struct str url = str_of(value);

    if (str_starts_with(url, STR("https://")) && url.length > strlen("https://"))
        return true;
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        struct str rest = str_slice(url, near[i].length, url.length);

        if (str_starts_with(url, near[i]) &&
            (rest.length == 0 || rest.data[0] == ':' || rest.data[0] == '/'))
            return true;
    }
    return error_set(error, ERROR_CONF,
                     "\"%.100s\" is no URL with https, or with http of this machine", value);
}

bool check_oidc_issuer(const char *value, struct error *error)
{
    bool is_bound;

    return oidc_issuer_check(value, &is_bound, error);
}

bool check_browserid_issuer(const char *value, struct error *error)
{
    struct str text = str_of(value);
    size_t mark = str_find_byte(text, '=');

    return (address_check_domain(str_slice(text, 0, mark)) && mark + 1 < text.length) ||
           error_set(error, ERROR_CONF, "\"%.100s\" is not DOMAIN=FILE", value);
}
