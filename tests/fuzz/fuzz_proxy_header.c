/* Any bytes where a header of the PROXY protocol is expected: what is read lies within them, is the
 * same with more bytes behind it, is not read with fewer, and names an address. */
#include "http/proxy_header.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_address(const char *text)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    struct proxy_header header, again;
    struct error error = {.code = ERROR_NONE};
    size_t length, same;
    enum proxy_header_outcome outcome = proxy_header_read(&header, bytes, &length, &error);

    if (outcome == PROXY_HEADER_BAD && error.code != ERROR_BAD_REQUEST)
        abort();
    if (outcome != PROXY_HEADER_READ)
        return 0;
    if (length == 0 || length > size || (header.source[0] && !is_address(header.source)))
        abort();
    if (proxy_header_read(&again, str_slice(bytes, 0, length), &same, &error) != outcome ||
        same != length || strcmp(header.source, again.source) != 0 ||
        header.is_local != again.is_local)
        abort();
    if (proxy_header_read(&again, str_slice(bytes, 0, length - 1), &same, &error) !=
        PROXY_HEADER_MORE)
        abort();
    return 0;
}
