/* proxy_header.h - what a balancer of TCP connections says of a client, before the client's own
 * first byte: the PROXY protocol, versions 1 (text) and 2 (binary), as HAProxy defines it
 * ("The PROXY protocol", 2020/03/05).
 *
 * Nothing is guessed: whether there is a header is known before (conf: proxy_protocol, and the peer
 * is one of trusted_proxies); bytes that are none are refused.
 *
 * No system calls, no allocation. */
#ifndef HTTP_PROXY_HEADER_H
#define HTTP_PROXY_HEADER_H

#include "base/error.h"
#include "base/str.h"

#include <netinet/in.h>

struct proxy_header {
    bool is_local; /* the proxy speaks for itself, to see whether we are well */
    /* Textual address of the client; empty: the proxy does not know it. */
    char source[INET6_ADDRSTRLEN];
};

enum proxy_header_outcome { PROXY_HEADER_READ, PROXY_HEADER_MORE, PROXY_HEADER_BAD };

/* MORE: the bytes end within one. READ: *length of them were the header. BAD: error says why. */
enum proxy_header_outcome proxy_header_read(struct proxy_header *header, struct str bytes,
                                            size_t *length, struct error *error);

#endif
