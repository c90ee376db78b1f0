/* crc32c.h - CRC-32C (Castagnoli polynomial, RFC 3720 appendix B.4), by the processor's own
 * instruction where it has one. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include "base/str.h"

/* Extends crc (0 to begin) by text, so that crc(crc(0, a), b) = crc(0, ab). */
uint32_t crc32c_extend(uint32_t crc, struct str text);

/* The table version; the same values. Public so that tests can hold both against each other. */
uint32_t crc32c_extend_portable(uint32_t crc, struct str text);

#endif
