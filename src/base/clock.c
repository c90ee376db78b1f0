#include "base/clock.h"

#include <time.h>

static int64_t held; /* for tests; 0: not */

static uint64_t read_us(clockid_t id)
{
    struct timespec time;

    /* Cannot fail for these clocks. */
    (void)clock_gettime(id, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

uint64_t clock_monotonic_ms(void)
{
    return held ? (uint64_t)held * 1000 : clock_monotonic_us() / 1000;
}

uint64_t clock_monotonic_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

uint64_t clock_thread_us(void)
{
    return read_us(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_unix_seconds(void)
{
    return held ? held : (int64_t)(read_us(CLOCK_REALTIME) / 1000000);
}

void clock_hold(int64_t unix_seconds)
{
    held = unix_seconds;
}
