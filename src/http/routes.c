#include "http/routes.h"

#include <string.h>

const struct route routes_public[] = {
    {METHOD_GET | METHOD_HEAD,
     ROUTE_EXACT,
     "/syncclient.js",
     false,
     CORS_ANYBODY,
     {"client_script", client_script_steps, request_ended}},
    {METHOD_GET | METHOD_HEAD,
     ROUTE_EXACT,
     "/info",
     false,
     CORS_ANYBODY,
     {"info", info_steps, request_ended}},
    {METHOD_POST,
     ROUTE_EXACT,
     "/verify",
     false,
     CORS_ANYBODY,
     {"verify", verify_steps, request_ended}},
    {METHOD_GET | METHOD_HEAD,
     ROUTE_EXACT,
     "/verify/email",
     false,
     CORS_NONE,
     {"mail_page", mail_page_steps, request_ended}},
    {METHOD_POST,
     ROUTE_EXACT,
     "/verify/email",
     false,
     CORS_ANYBODY,
     {"mail_code", mail_code_steps, request_ended}},
    {METHOD_POST,
     ROUTE_EXACT,
     "/logout",
     false,
     CORS_ANYBODY,
     {"logout", logout_steps, request_ended}},
    {METHOD_POST,
     ROUTE_EXACT,
     "/logout/everywhere",
     false,
     CORS_ANYBODY,
     {"logout_everywhere", logout_everywhere_steps, request_ended}},
    {METHOD_POST,
     ROUTE_COLLECTION,
     NULL,
     true,
     CORS_COLLECTION,
     {"delete", delete_steps, request_ended}},
    {METHOD_POST,
     ROUTE_COLLECTION,
     NULL,
     false,
     CORS_COLLECTION,
     {"append", append_steps, request_ended}},
    {METHOD_GET | METHOD_HEAD,
     ROUTE_COLLECTION,
     NULL,
     false,
     CORS_COLLECTION,
     {"read", read_steps, request_ended}},
    {METHOD_GET | METHOD_HEAD,
     ROUTE_BLOB,
     NULL,
     false,
     CORS_COLLECTION,
     {"blob", blob_steps, request_ended}},
    {METHOD_POST,
     ROUTE_BLOB,
     NULL,
     false,
     CORS_COLLECTION,
     {"blob_link", blob_link_steps, request_ended}},
    {METHOD_POST,
     ROUTE_BLOBS,
     NULL,
     false,
     CORS_COLLECTION,
     {"upload", upload_steps, request_ended}},
    {METHOD_GET | METHOD_HEAD,
     ROUTE_USER,
     NULL,
     false,
     CORS_COLLECTION,
     {"list", list_steps, request_ended}},
    {METHOD_GET | METHOD_HEAD,
     ROUTE_ANY,
     NULL,
     false,
     CORS_NONE,
     {"file", file_steps, request_ended}},
    {0},
};

const struct route routes_admin[] = {
    {METHOD_GET | METHOD_HEAD,
     ROUTE_EXACT,
     "/health",
     false,
     CORS_NONE,
     {"health", health_steps, request_ended}},
    {METHOD_GET | METHOD_HEAD,
     ROUTE_EXACT,
     "/livez",
     false,
     CORS_NONE,
     {"health", health_steps, request_ended}},
    {METHOD_GET | METHOD_HEAD,
     ROUTE_EXACT,
     "/ready",
     false,
     CORS_NONE,
     {"ready", ready_steps, request_ended}},
    {METHOD_GET | METHOD_HEAD,
     ROUTE_EXACT,
     "/readyz",
     false,
     CORS_NONE,
     {"ready", ready_steps, request_ended}},
    {METHOD_GET | METHOD_HEAD,
     ROUTE_EXACT,
     "/metrics",
     false,
     CORS_NONE,
     {"metrics", metrics_steps, request_ended}},
    {METHOD_GET | METHOD_HEAD,
     ROUTE_EXACT,
     "/status",
     false,
     CORS_NONE,
     {"status", status_steps, request_ended}},
    {METHOD_POST, ROUTE_EXACT, "/drain", false, CORS_NONE, {"drain", drain_steps, request_ended}},
    {0},
};

/* What a path is, as far as the table asks. */
static bool find_pattern(struct request *request, enum route_pattern *pattern, struct error *error)
{
    struct str collection;

    *pattern = ROUTE_ANY;
    if (!address_is_meant(request->path))
        return true;
    request->blob_name = object_blobs_split_path(request->path, &collection);
    if (!address_parse(&request->address, collection, error))
        return false;
    bool has_bucket = request->address.bucket[0];
    if (request->blob_name.data && has_bucket)
        *pattern = request->blob_name.length > 0 ? ROUTE_BLOB : ROUTE_BLOBS;
    else
        *pattern = has_bucket ? ROUTE_COLLECTION : ROUTE_USER;
    /* Right below a user there are no blobs; the name is reserved all the same. */
    if (!request->blob_name.data || has_bucket)
        return true;
    *pattern = ROUTE_COLLECTION;
    return address_parse(&request->address, request->path, error);
}

static bool is_in_collection(enum route_pattern pattern)
{
    return pattern == ROUTE_COLLECTION || pattern == ROUTE_BLOB || pattern == ROUTE_BLOBS;
}

static bool is_reserved(const struct address *address)
{
    return address->bucket[0] == '+' || strstr(address->bucket, "/+");
}

/* Files are for what no other row is about. */
static bool fits(const struct route *route, const struct request *request,
                 enum route_pattern pattern, unsigned allowed)
{
    if (route->pattern == ROUTE_EXACT)
        return str_equals(request->path, str_of(route->path));
    return route->pattern == pattern && (pattern != ROUTE_ANY || !allowed);
}

const struct route *routes_find(const struct route *table, struct request *request,
                                unsigned *allowed, struct error *error)
{
    enum route_pattern pattern = ROUTE_ANY;

    if (!find_pattern(request, &pattern, error))
        return NULL;
    *allowed = 0;
    for (const struct route *route = table; route->methods; route++) {
        if (!fits(route, request, pattern, *allowed))
            continue;
        /* Only a POST deletes: a link, a prefetch or an image must never be able to. */
        if (pattern == ROUTE_COLLECTION && route->deletes != request->query.deletes)
            continue;
        *allowed |= route->methods;
        if (!(route->methods & request->head.method))
            continue;
        if (!is_in_collection(pattern) || !is_reserved(&request->address))
            return route;
        error_set(error, ERROR_NOT_FOUND, "path segments that begin with \"+\" are reserved");
        return NULL;
    }
    if (*allowed)
        error_set(error, ERROR_METHOD, "%s is not possible here, %s is", request->head.method_name,
                  routes_method_names(*allowed));
    else
        error_set(error, ERROR_NOT_FOUND, "there is nothing at %.*s", STR_ARG(request->path));
    return NULL;
}

const char *routes_method_names(unsigned methods)
{
    switch (methods) {
    case METHOD_POST:
        return "POST, OPTIONS";
    case METHOD_GET | METHOD_HEAD:
        return "GET, HEAD, OPTIONS";
    default:
        return "GET, HEAD, POST, OPTIONS";
    }
}
