/* load.h - how busy the loop is, and what follows: clients are asked to poll less often.
 *
 * One thread does all, so its share of a core is the load. It is looked at now and then and
 * smoothed over some ten seconds. Up to LOAD_BUSY nobody is asked for anything; from there on the
 * time between polls that is asked for grows with the load, so that polls leave room for those who
 * have something to say. */
#ifndef HTTP_LOAD_H
#define HTTP_LOAD_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LOAD_FULL = 1000, /* per mille of one core */
    LOAD_BUSY = 700,
};

struct load {
    uint64_t wall_us, cpu_us; /* when it was looked at last; wall_us 0: never */
    unsigned share;           /* per mille, smoothed */
};

/* wall_us: a clock that does not go back. cpu_us: what this thread has used so far. */
void load_look(struct load *load, uint64_t wall_us, uint64_t cpu_us);

/* Seconds between polls to ask for: least (0: nothing is asked) unless the loop is busy; at full
 * load most, which is 0 if nobody shall be asked for that. */
uint64_t load_poll_time(const struct load *load, uint64_t least, uint64_t most);

#endif
