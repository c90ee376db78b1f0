#include "http/proxy_header.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    TEXT_MOST = 107, /* bytes of a header of version 1, with its end */
    BINARY_START = 16,
    BINARY_MOST = 2048, /* bytes behind the start: addresses, and more that is passed over */
    COMMAND_LOCAL = 0x20,
    COMMAND_PROXY = 0x21,
    OVER_TCP4 = 0x11,
    OVER_TCP6 = 0x21,
    PORTS_SIZE = 4,
    PARTS = 6, /* of a line */
};

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static enum proxy_header_outcome refuse(struct error *error, const char *reason)
{
    error_set(error, ERROR_BAD_REQUEST, "no header of the PROXY protocol: %s", reason);
    return PROXY_HEADER_BAD;
}

/* --- Version 1: "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n" ------------------------------
 */

static bool is_address(int family, struct str text, char to[INET6_ADDRSTRLEN])
{
    unsigned char bytes[sizeof(struct in6_addr)];

    if (text.length == 0 || text.length >= INET6_ADDRSTRLEN)
        return false;
    memcpy(to, text.data, text.length);
    to[text.length] = '\0';
    /* Read and written anew, so that one address has one text. */
    return strlen(to) == text.length && inet_pton(family, to, bytes) == 1 &&
           inet_ntop(family, bytes, to, INET6_ADDRSTRLEN) != NULL;
}

static bool is_port(struct str text)
{
    uint64_t port;

    return str_parse_u64(text, 65535, &port);
}

static bool read_line(struct proxy_header *header, struct str line)
{
    char target[INET6_ADDRSTRLEN];
    struct str parts[PARTS + 1];
    size_t count = 0;

    while (count <= PARTS && str_split(&line, ' ', &parts[count]))
        count++;
    if (count < 2 || !str_equals(parts[0], STR("PROXY")))
        return false;
    if (str_equals(parts[1], STR("UNKNOWN")))
        return true; /* whatever follows */
    int family = str_equals(parts[1], STR("TCP4"))   ? AF_INET
                 : str_equals(parts[1], STR("TCP6")) ? AF_INET6
                                                     : AF_UNSPEC;
    return family != AF_UNSPEC && count == PARTS && is_address(family, parts[2], header->source) &&
           is_address(family, parts[3], target) && is_port(parts[4]) && is_port(parts[5]);
}

static enum proxy_header_outcome read_text(struct proxy_header *header, struct str bytes,
                                           size_t *length, struct error *error)
{
    struct str line = str_slice(bytes, 0, TEXT_MOST);
    size_t end = str_find_byte(line, '\n');

    if (end == line.length)
        return end < TEXT_MOST ? PROXY_HEADER_MORE : refuse(error, "the line is too long");
    if (end == 0 || line.data[end - 1] != '\r')
        return refuse(error, "the line does not end with CR LF");
    *length = end + 1;
    if (read_line(header, str_slice(line, 0, end - 1)))
        return PROXY_HEADER_READ;
    header->source[0] = '\0';
    return refuse(error, "the line is not PROXY TCP4|TCP6 SOURCE TARGET PORT PORT");
}

/* --- Version 2 -------------------------------------------------------------------------------- */

/* Of a stream over IPv4 or IPv6; of all others the length tells where they end. */
static bool read_source(struct proxy_header *header, unsigned over, const char *bytes,
                        size_t length)
{
    size_t size = over == OVER_TCP4 ? sizeof(struct in_addr) : sizeof(struct in6_addr);

    if (over != OVER_TCP4 && over != OVER_TCP6)
        return true;
    return length >= 2 * size + PORTS_SIZE &&
           inet_ntop(over == OVER_TCP4 ? AF_INET : AF_INET6, bytes, header->source,
                     sizeof header->source) != NULL;
}

static enum proxy_header_outcome read_binary(struct proxy_header *header, struct str bytes,
                                             size_t *length, struct error *error)
{
    const unsigned char *start = (const unsigned char *)bytes.data;

    if (bytes.length < BINARY_START)
        return PROXY_HEADER_MORE;
    size_t more = ((size_t)start[14] << 8) | start[15];
    if (start[12] != COMMAND_LOCAL && start[12] != COMMAND_PROXY)
        return refuse(error, "neither LOCAL nor PROXY of version 2");
    if (more > BINARY_MOST)
        return refuse(error, "it is too long");
    if (bytes.length < BINARY_START + more)
        return PROXY_HEADER_MORE;
    *length = BINARY_START + more;
    header->is_local = start[12] == COMMAND_LOCAL;
    if (header->is_local || read_source(header, start[13], bytes.data + BINARY_START, more))
        return PROXY_HEADER_READ;
    return refuse(error, "it is too short for its addresses");
}

enum proxy_header_outcome proxy_header_read(struct proxy_header *header, struct str bytes,
                                            size_t *length, struct error *error)
{
    static const struct str text = STR_INIT("PROXY ");
    static const struct str binary = {signature, sizeof signature};

    *header = (struct proxy_header){0};
    *length = 0;
    if (str_starts_with(bytes, binary))
        return read_binary(header, bytes, length, error);
    if (str_starts_with(bytes, text))
        return read_text(header, bytes, length, error);
    if (str_starts_with(binary, bytes) || str_starts_with(text, bytes))
        return PROXY_HEADER_MORE;
    return refuse(error, "it does not begin like one");
}
