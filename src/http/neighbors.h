/* neighbors.h - how many connections there are from each address.
 *
 * One address must not take all the connections there may be. Of IPv6 the first 64 bits count, as
 * that is what one customer gets. Whoever counts says which addresses do not: a proxy's, whose
 * connections are many people's. */
#ifndef HTTP_NEIGHBORS_H
#define HTTP_NEIGHBORS_H

#include "base/table.h"

struct neighbors {
    struct table table; /* of struct neighbor */
};

/* Those from one address. */
struct neighbor {
    struct table_node node;
    uint64_t count;
    char name[64];
};

MUST_CHECK bool neighbors_open(struct neighbors *neighbors, struct error *error);
void neighbors_close(struct neighbors *neighbors); /* harmless twice, and on all-zero */

/* One more from peer, textual as in "192.0.2.1". NULL: there are `most` of them (ERROR_TOO_OFTEN),
 * or memory is out. */
struct neighbor *neighbors_join(struct neighbors *neighbors, const char *peer, uint64_t most,
                                struct error *error);

/* One less. */
void neighbors_leave(struct neighbors *neighbors, struct neighbor *neighbor);

#endif
