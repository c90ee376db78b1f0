#include "app/directives.h"

#include "auth/access.h"
#include "auth/origin.h"
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

static const char *const durabilities[] = {"always", NULL};
static const char *const log_levels[] = {"error", "warning", "notice", "info", "debug", NULL};
static const char *const log_formats[] = {"text", "json", NULL};

/* "/a/b": what goes into headers and into the client script without being coded. */
static bool is_plain_path(struct str path)
{
    struct str rest = str_slice(path, 1, path.length);
    struct str segment;

    if (!str_starts_with(path, STR("/")))
        return false;
    while (str_split(&rest, '/', &segment)) {
        if (segment.length == 0 || str_equals(segment, STR(".")) ||
            str_equals(segment, STR("..")))
            return false;
        for (size_t i = 0; i < segment.length; i++) {
            if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~",
                        segment.data[i]))
                return false;
        }
    }
    return true;
}

static bool check_base_path(const char *value, struct error *error)
{
    return is_plain_path(str_of(value)) ||
           error_set(error, ERROR_CONF,
                     "\"%.60s\" is not like \"/sync\": a \"/\" before each segment, none at the end, "
                     "letters, digits and \"-._~\" only",
                     value);
}

static bool check_origin(const char *value, struct error *error)
{
    struct origin origin;
    struct error cause;

    if (!origin_parse(&origin, str_of(value), &cause))
        return error_set(error, ERROR_CONF, "%s", cause.message);
    return strcmp(origin.text, value) == 0 ||
           error_set(error, ERROR_CONF, "\"%.60s\" is written \"%.100s\"", value, origin.text);
}

/* An origin, and maybe a path. */
static bool check_public_url(const char *value, struct error *error)
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
           error_set(error, ERROR_CONF, "\"%.60s\" is not like \"https://host\" or "
                                        "\"https://host/path\", without \"/\" at the end", value);
}

/* RFC 9110, section 5.1, without the rarer punctuation. */
static bool check_header_name(const char *value, struct error *error)
{
    static const char *const taken[] = {"Authorization", "Content-Length", "Host", "Origin",
                                        "Content-Type",  "If-None-Match",  "Cookie"};

    if (value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")])
        return error_set(error, ERROR_CONF, "\"%.60s\" is no name of a header", value);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        if (str_equals_nocase(str_of(value), str_of(taken[i])))
            return error_set(error, ERROR_CONF, "%s has a meaning of its own", taken[i]);
    }
    return true;
}

static const char *durability_help =
    "When a POST is answered. always: when what it brought is on disk, synced.";

const struct conf_directive directives[] = {
    {.name = "listen", .type = CONF_LIST, .offset = FIELD(listen),
     .fallback = "127.0.0.1:8088", .check = http_check_listen,
     .values = "ADDRESS:PORT | [ADDRESS]:PORT | *:PORT | unix:PATH ...",
     .help = "Where clients connect. Addresses are numbers; * is all of them, IPv4 and IPv6; port 0 "
             "lets the system choose. HTTP without TLS: for the network put a proxy in front."},
    {0},
};
