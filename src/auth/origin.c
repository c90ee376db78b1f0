#include "auth/origin.h"

#include <string.h>

enum { PORT_MOST = 65535, HTTP_PORT = 80, HTTPS_PORT = 443 };

static bool refuse(struct str text, const char *why, struct error *error)
{
    return error_set(error, ERROR_BAD_PARAMETER, "\"%.*s\" is no origin: %s",
                     STR_ARG(str_slice(text, 0, 80)), why);
}

/* "host" or "host:port"; the colons of an IPv6 address stand inside brackets. */
static bool split_port(struct str rest, struct str *host, struct str *port)
{
    size_t end = rest.length > 0 && rest.data[0] == '[' ? str_find_byte(rest, ']') : 0;
    size_t colon = end + str_find_byte(str_slice(rest, end, rest.length), ':');

    *host = str_slice(rest, 0, colon);
    *port = str_slice(rest, colon + 1, rest.length);
    return colon < rest.length;
}

bool origin_parse(struct origin *origin, struct str text, struct error *error)
{
    struct str rest, host, port;
    uint64_t number;

    *origin = (struct origin){0};
    if (str_starts_with(text, STR("https://")))
        origin->secure = true;
    else if (!str_starts_with(text, STR("http://")))
        return refuse(text, "it has to begin with http:// or https://", error);
    rest = str_slice(text, origin->secure ? 8 : 7, text.length);
    if (str_ends_with(rest, STR("/")))
        rest.length--;
    number = origin->secure ? HTTPS_PORT : HTTP_PORT;
    if (split_port(rest, &host, &port) && (!str_parse_u64(port, PORT_MOST, &number) || number == 0))
        return refuse(text, "the port is no number from 1 to 65535", error);
    if (!address_check_domain(host) || host.length >= sizeof origin->host)
        return refuse(text, "scheme, host in lower case and port are all that may be in it", error);
    memcpy(origin->host, host.data, host.length);
    origin->port = (unsigned)number;
    /* The scheme's own port is left out; else the text is canonical as it stands. */
    if (number == (origin->secure ? HTTPS_PORT : HTTP_PORT))
        rest = host;
    size_t length = (size_t)(rest.data - text.data) + rest.length;
    memcpy(origin->text, text.data, length);
    origin->text[length] = '\0';
    return true;
}
