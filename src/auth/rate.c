#include "auth/rate.h"

#include "base/crypto.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { MS_PER_S = 1000, NETWORK_BYTES = 8 };

bool rate_open(struct rate *rate, struct error *error)
{
    *rate = (struct rate){0};
    if (!crypto_random(rate->key, sizeof rate->key, error))
        return false;
    rate->full_ms = calloc((size_t)RATE_ROWS * RATE_BUCKETS, sizeof *rate->full_ms);
    return rate->full_ms || error_set(error, ERROR_NO_MEMORY, "out of memory for a rate limit");
}

void rate_close(struct rate *rate)
{
    free(rate->full_ms);
    *rate = (struct rate){0};
}

void rate_set(struct rate *rate, uint64_t burst, uint64_t period_ms)
{
    rate->burst = burst;
    rate->period_ms = period_ms;
}

/* The rows take their bits from one hash. */
static uint64_t *bucket_of(const struct rate *rate, uint64_t hash, unsigned row)
{
    return &rate->full_ms[row * RATE_BUCKETS + (hash >> row * 16) % RATE_BUCKETS];
}

/* Of the fullest bucket. */
static uint64_t find_full(const struct rate *rate, uint64_t hash)
{
    uint64_t full_ms = UINT64_MAX;

    for (unsigned row = 0; row < RATE_ROWS; row++) {
        uint64_t of_row = *bucket_of(rate, hash, row);

        if (of_row < full_ms)
            full_ms = of_row;
    }
    return full_ms;
}

bool rate_has(const struct rate *rate, struct str name, uint64_t now_ms, uint64_t *wait_s)
{
    if (rate->burst == 0)
        return true;
    uint64_t turn_ms = rate->period_ms / rate->burst;
    uint64_t full_ms = find_full(rate, siphash_hash(rate->key, name));

    /* With all turns taken it is full a whole period from now. */
    if (full_ms + turn_ms <= now_ms + turn_ms * rate->burst)
        return true;
    *wait_s = (full_ms - now_ms - turn_ms * (rate->burst - 1) + MS_PER_S - 1) / MS_PER_S;
    return false;
}

/* Rows that others have emptied further stay so. */
static void take_turn(struct rate *rate, uint64_t hash, uint64_t now_ms)
{
    uint64_t full_ms = find_full(rate, hash);

    full_ms = (full_ms > now_ms ? full_ms : now_ms) + rate->period_ms / rate->burst;
    for (unsigned row = 0; row < RATE_ROWS; row++) {
        uint64_t *of_row = bucket_of(rate, hash, row);

        if (*of_row < full_ms)
            *of_row = full_ms;
    }
}

bool rate_take(struct rate *rate, struct str name, uint64_t now_ms, uint64_t *wait_s)
{
    if (!rate_has(rate, name, now_ms, wait_s))
        return false;
    if (rate->burst > 0)
        take_turn(rate, siphash_hash(rate->key, name), now_ms);
    return true;
}

struct str rate_name_address(const char *peer, unsigned char room[NETWORK_BYTES])
{
    struct in6_addr address;

    if (inet_pton(AF_INET6, peer, &address) != 1 || IN6_IS_ADDR_V4MAPPED(&address))
        return str_of(peer);
    memcpy(room, &address, NETWORK_BYTES);
    return (struct str){(const char *)room, NETWORK_BYTES};
}
