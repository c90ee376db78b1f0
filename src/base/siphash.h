/* siphash.h - SipHash-2-4, a keyed hash of short inputs (Aumasson and Bernstein, 2012).
 *
 * For tables and index entries whose keys strangers choose: without the 16 byte key nobody can
 * make keys that collide. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include "base/str.h"

enum { SIPHASH_KEY_SIZE = 16 };

uint64_t siphash_hash(const unsigned char key[SIPHASH_KEY_SIZE], struct str text);

#endif
