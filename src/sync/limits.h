/* limits.h - how much of what one request may bring or take; from the configuration.
 *
 * sync/ is the floor-2 room of what a request means: reading, appending, deleting a collection,
 * waiting for news. It knows streams and files, no HTTP and no identities.
 *
 * One struct, filled by the top floor and changed in place when the configuration is read anew. */
#ifndef SYNC_LIMITS_H
#define SYNC_LIMITS_H

#include <stdint.h>

struct limits {
    uint64_t max_post_bytes, max_post_objects, max_object_bytes, max_blob_bytes;
    uint64_t max_response_bytes, max_response_objects;
    uint64_t max_wait_ms;
    uint64_t json_max_depth;
    uint64_t quota_collection; /* bytes; 0: none */
    uint64_t cached_collections;
    uint64_t journal_bytes, checkpoint_interval_ms;
};

#endif
