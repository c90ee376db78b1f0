/* CRC-32C as in RFC 3720, appendix B.4. crc32c(...buffers) goes over all of them in a row. */
'use strict';

const POLYNOMIAL = 0x82f63b78; /* Castagnoli, its bits reversed */

const table = new Uint32Array(256).map((_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
    return value;
});

function crc32c(...buffers) {
    let crc = 0xffffffff;
    for (const buffer of buffers) {
        for (const byte of buffer) crc = table[(crc ^ byte) & 0xff] ^ (crc >>> 8);
    }
    return (crc ^ 0xffffffff) >>> 0;
}

module.exports = { crc32c };
