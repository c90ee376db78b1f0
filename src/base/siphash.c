#include "base/siphash.h"

#include "base/bytes.h"

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void mix(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void take_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix(v);
    mix(v);
    v[0] ^= word;
}

uint64_t siphash_hash(const unsigned char key[SIPHASH_KEY_SIZE], struct str text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    uint64_t k0 = bytes_get_u64(key), k1 = bytes_get_u64(key + 8);
    uint64_t v[4] = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                     k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    uint64_t last = (uint64_t)text.length << 56;
    size_t whole = text.length / 8 * 8;

    for (size_t i = 0; i < whole; i += 8)
        take_word(v, bytes_get_u64(bytes + i));
    for (size_t i = whole; i < text.length; i++)
        last |= (uint64_t)bytes[i] << 8 * (i - whole);
    take_word(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
