#include "base/crc32c.h"

#include <string.h>

/* The table is made of one byte at a time by the compiler's own arithmetic: row i is what eight
 * steps of the reflected polynomial make of i. */
static uint32_t step_byte(uint32_t crc)
{
    const uint32_t polynomial = UINT32_C(0x82f63b78);

    for (int bit = 0; bit < 8; bit++)
        crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
    return crc;
}

uint32_t crc32c_extend_portable(uint32_t crc, struct str text)
{
    crc = ~crc;
    for (size_t i = 0; i < text.length; i++)
        crc = step_byte(crc ^ (unsigned char)text.data[i]);
    return ~crc;
}

#ifdef __x86_64__
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t extend_by_instruction(uint32_t crc,
                                                                        struct str text)
{
    const char *at = text.data, *end = text.data + text.length;
    uint64_t wide = ~crc;

    for (; end - at >= 8; at += 8) {
        uint64_t word;

        memcpy(&word, at, sizeof word);
        wide = _mm_crc32_u64(wide, word);
    }
    for (; at < end; at++)
        wide = _mm_crc32_u8((uint32_t)wide, (unsigned char)*at);
    return ~(uint32_t)wide;
}
#endif

uint32_t crc32c_extend(uint32_t crc, struct str text)
{
    if (text.length == 0)
        return crc;
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        return extend_by_instruction(crc, text);
#endif
    return crc32c_extend_portable(crc, text);
}
