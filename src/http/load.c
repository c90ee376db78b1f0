#include "http/load.h"

enum { SMOOTH_US = 10 * 1000 * 1000 };

void load_look(struct load *load, uint64_t wall_us, uint64_t cpu_us)
{
    uint64_t passed = wall_us - load->wall_us, used = cpu_us - load->cpu_us;
    bool is_first = load->wall_us == 0;

    load->wall_us = wall_us;
    load->cpu_us = cpu_us;
    if (is_first || passed == 0)
        return;
    uint64_t share = used < passed ? used * LOAD_FULL / passed : LOAD_FULL;
    if (passed > SMOOTH_US)
        passed = SMOOTH_US;
    load->share = (unsigned)((load->share * (SMOOTH_US - passed) + share * passed) / SMOOTH_US);
}

uint64_t load_poll_time(const struct load *load, uint64_t least, uint64_t most)
{
    if (load->share <= LOAD_BUSY || most <= least)
        return least;
    return least + (most - least) * (load->share - LOAD_BUSY) / (LOAD_FULL - LOAD_BUSY);
}
