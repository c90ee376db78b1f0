#include "http/base_url.h"

#include "http/connection.h"

bool base_url_put(const struct request *request, struct buf *out, struct error *error)
{
    const struct http_settings *settings = request->http->services.settings;
    struct origin origin;
    struct error cause;

    if (settings->public_url.length > 0) {
        buf_append(out, settings->public_url);
        return buf_ok(out, error);
    }
    buf_append_text(out, request->connection->listener->is_tls ? "https://" : "http://");
    buf_append(out, request->head.host);
    if (!buf_ok(out, error))
        return false;
    if (!origin_parse(&origin, buf_str(out), &cause))
        return error_set(error, ERROR_BAD_REQUEST,
                         "the Host header is no host name in lower case: "
                         "%.100s",
                         cause.message);
    buf_reset(out);
    buf_append_text(out, origin.text);
    buf_append(out, settings->base_path);
    return buf_ok(out, error);
}
