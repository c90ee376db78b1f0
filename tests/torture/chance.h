/* chance.h - what is decided by chance, so that a number brings it back. */
#ifndef TESTS_TORTURE_CHANCE_H
#define TESTS_TORTURE_CHANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chance {
    uint64_t state;
};

/* splitmix64 */
static inline uint64_t chance_mix(uint64_t number)
{
    number += UINT64_C(0x9e3779b97f4a7c15);
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return number ^ (number >> 31);
}

static inline uint64_t chance_next(struct chance *chance)
{
    chance->state += UINT64_C(0x9e3779b97f4a7c15);
    return chance_mix(chance->state);
}

/* 0 if below is 0 */
static inline size_t chance_below(struct chance *chance, size_t below)
{
    return below ? (size_t)(chance_next(chance) % below) : 0;
}

#endif
