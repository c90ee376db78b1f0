/* clock.h - what time it is. Tests can hold both clocks. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds on a clock that never goes back; for durations and deadlines. */
uint64_t clock_monotonic_ms(void);

/* Microseconds on the same clock; for measuring. Never held. */
uint64_t clock_monotonic_us(void);

/* Microseconds of a core that this thread has used. Never held. */
uint64_t clock_thread_us(void);

/* Seconds since 1970 UTC; for what is shown, signed or compared with what clients sent. */
int64_t clock_unix_seconds(void);

/* For tests: from now on both give what is said here (seconds; 0 lets go). */
void clock_hold(int64_t unix_seconds);

#endif
