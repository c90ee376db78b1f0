/* network.h - which addresses belong to the whole world, and which to a private network. */
#ifndef BASE_NETWORK_H
#define BASE_NETWORK_H

#include <stdbool.h>

struct sockaddr;

/* False for loopback, private, link-local, shared, documentation, benchmark, multicast and reserved
 * addresses (RFC 6890 and its registries), for IPv6 addresses that carry such an IPv4 address, and
 * for anything but IPv4 and IPv6. So whoever may choose a name cannot make us talk to a neighbour.
 */
bool network_is_public(const struct sockaddr *address);

#endif
