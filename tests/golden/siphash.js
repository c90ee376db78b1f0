/* SipHash-2-4 (Aumasson and Bernstein, 2012), as a BigInt. key: 16 bytes. */
'use strict';

const MASK = (1n << 64n) - 1n;
const rotate = (value, bits) => ((value << bits) | (value >> (64n - bits))) & MASK;

function round(v) {
    v[0] = (v[0] + v[1]) & MASK;
    v[1] = rotate(v[1], 13n) ^ v[0];
    v[0] = rotate(v[0], 32n);
    v[2] = (v[2] + v[3]) & MASK;
    v[3] = rotate(v[3], 16n) ^ v[2];
    v[0] = (v[0] + v[3]) & MASK;
    v[3] = rotate(v[3], 21n) ^ v[0];
    v[2] = (v[2] + v[1]) & MASK;
    v[1] = rotate(v[1], 17n) ^ v[2];
    v[2] = rotate(v[2], 32n);
}

function siphash(key, message) {
    const k0 = key.readBigUInt64LE(0), k1 = key.readBigUInt64LE(8);
    const v = [k0 ^ 0x736f6d6570736575n, k1 ^ 0x646f72616e646f6dn,
        k0 ^ 0x6c7967656e657261n, k1 ^ 0x7465646279746573n];
    const padded = Buffer.alloc(Math.ceil((message.length + 1) / 8) * 8);

    message.copy(padded);
    padded[padded.length - 1] = message.length & 0xff;
    for (let at = 0; at < padded.length; at += 8) {
        const word = padded.readBigUInt64LE(at);
        v[3] ^= word;
        round(v);
        round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xffn;
    for (let i = 0; i < 4; i++) round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

module.exports = { siphash };
