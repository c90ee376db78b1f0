/* bytes.h - little-endian integers in byte arrays, as all our files hold them. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdint.h>

static inline void bytes_put_u32(unsigned char *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (unsigned char)(value >> 8 * i);
}

static inline void bytes_put_u64(unsigned char *to, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        to[i] = (unsigned char)(value >> 8 * i);
}

static inline uint32_t bytes_get_u32(const unsigned char *from)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 4; i++)
        value |= (uint32_t)from[i] << 8 * i;
    return value;
}

static inline uint64_t bytes_get_u64(const unsigned char *from)
{
    return bytes_get_u32(from) | (uint64_t)bytes_get_u32(from + 4) << 32;
}

#endif
