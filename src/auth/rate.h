/* rate.h - how often somebody may do something: so many at once, then so many in a while.
 *
 * Each name (an address, an e-mail) has a bucket of `burst` turns that fills up again evenly over
 * `period_ms` (a token bucket, as the generic cell rate algorithm does it: one time is kept, that
 * at which the bucket will be full). The buckets are rows of fixed size: a name has one in each,
 * found by keyed hashing, and the fullest counts. So names share turns only if they meet in all
 * rows, which is unlikely (of a hundred thousand names one, while a thousand others have used
 * theirs up), and impossible to bring about on purpose. Nothing is ever pushed out, so nobody gets
 * turns by flooding the table. */
#ifndef AUTH_RATE_H
#define AUTH_RATE_H

#include "base/error.h"
#include "base/siphash.h"

enum { RATE_ROWS = 4, RATE_BUCKETS = 16384 }; /* of each row */

struct rate {
    unsigned char key[SIPHASH_KEY_SIZE];
    uint64_t *full_ms;  /* of each bucket: when it is full, on the monotonic clock */
    uint64_t burst;     /* 0: no limit */
    uint64_t period_ms; /* in which an empty bucket gets full */
};

MUST_CHECK bool rate_open(struct rate *rate, struct error *error);
void rate_close(struct rate *rate); /* harmless twice, and on all-zero */

/* After a reload; who has used turns has used them. period_ms is at least burst. */
void rate_set(struct rate *rate, uint64_t burst, uint64_t period_ms);

/* Takes a turn. False: none is left; *wait_s says when there will be one, at least 1. */
bool rate_take(struct rate *rate, struct str name, uint64_t now_ms, uint64_t *wait_s);

/* Takes none. */
bool rate_has(const struct rate *rate, struct str name, uint64_t now_ms, uint64_t *wait_s);

/* What of a client's address has a bucket: of IPv6 the first 64 bits, as that is what one customer
 * gets; anything else whole. Text as in "127.0.0.1", "2001:db8::1". Writes into room. */
struct str rate_name_address(const char *peer, unsigned char room[8]);

#endif
