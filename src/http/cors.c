#include "http/cors.h"

#include "base/percent.h"
#include "http/routes.h"

static bool is_allowed_by_conf(const struct http_settings *settings, const char *origin)
{
    for (size_t i = 0; i < settings->allow_origin_count; i++) {
        if (str_equals(str_of(settings->allow_origins[i]), str_of(origin)))
            return true;
    }
    return false;
}

/* The first segment as it was sent, since the rest of the path may be what is wrong with it. */
static bool is_of_domain(struct str path, const char *host)
{
    struct str rest = str_slice(path, 1, path.length);
    struct str segment = str_slice(rest, 0, str_find_byte(rest, '/'));
    struct buf decoded = {0};
    bool equal = str_equals_nocase(segment, str_of(host)) ||
                 (percent_decode(segment, false, &decoded) &&
                  str_equals_nocase(buf_str(&decoded), str_of(host)));

    buf_clear(&decoded);
    return equal;
}

static enum cors_rule rule_of(const struct request *request)
{
    if (request->route)
        return request->route->cors;
    if (!cors_has_preflight(request->http->routes))
        return CORS_NONE;
    if (address_is_meant(request->path))
        return CORS_COLLECTION;
    /* A preflight does not say what will be asked; the answer to the request itself decides. */
    return request->head.method == METHOD_OPTIONS ? CORS_ANYBODY : CORS_NONE;
}

void cors_decide(struct request *request)
{
    struct origin origin;
    struct error error;

    if (!request->head.origin.data || !origin_parse(&origin, request->head.origin, &error))
        return;
    enum cors_rule rule = rule_of(request);
    bool at_home = rule == CORS_COLLECTION && is_of_domain(request->path, origin.host);
    bool by_conf =
        rule != CORS_NONE && is_allowed_by_conf(request->http->services.settings, origin.text);
    request->origin_credentials = at_home || by_conf;
    request->origin_allowed = request->origin_credentials || rule == CORS_ANYBODY;
}

bool cors_check_audience(const struct request *request, struct str audience, struct error *error)
{
    struct origin origin, site;
    struct error cause;

    if (!request->head.origin.data || request->origin_credentials ||
        !origin_parse(&site, audience, &cause))
        return true;
    return (origin_parse(&origin, request->head.origin, &cause) &&
            str_equals(str_of(origin.text), str_of(site.text))) ||
           error_set(error, ERROR_FORBIDDEN, "pages of %.*s may not ask for logins at %.*s",
                     STR_ARG(str_slice(request->head.origin, 0, 80)),
                     STR_ARG(str_slice(audience, 0, 80)));
}

bool cors_has_preflight(const struct route *routes)
{
    return routes == routes_public;
}

void cors_put_headers(const struct request *request, struct buf *out)
{
    if (!cors_has_preflight(request->http->routes))
        return;
    buf_append(out, STR("Vary: Origin\r\n"));
    if (!request->origin_allowed)
        return;
    buf_append(out, STR("Access-Control-Allow-Origin: "));
    buf_append(out, request->head.origin);
    if (request->origin_credentials)
        buf_append(out, STR("\r\nAccess-Control-Allow-Credentials: true"));
    if (request->reply.preflight)
        buf_append(out, STR("\r\nAccess-Control-Allow-Methods: GET, HEAD, POST"
                            "\r\nAccess-Control-Allow-Headers: Authorization, Content-Type, "
                            "Last-Event-ID, If-None-Match, Range, If-Range"
                            "\r\nAccess-Control-Max-Age: 86400\r\n"));
    else
        buf_append(out, STR("\r\nAccess-Control-Expose-Headers: "
                            "ETag, Retry-After, X-Sync-Poll-Time, X-Request-Id, Accept-Ranges, "
                            "Content-Range, Content-Disposition\r\n"));
}
