/* oracle.h - what clients were told, and so what a recovered server must have.
 *
 *     oracle_open (reads all of the trace) -> oracle_check ... -> oracle_close
 *
 * At a moment of the trace, for each collection:
 *  1. It can be read, all of it.
 *  2. Every object that a client was told of, by the answer to its POST or by a read, is there, at
 *     the counter it was told, byte for byte as it was sent, once; unless the collection may have
 *     been deleted since.
 *  3. What else is there was sent, and is there in whole batches, each once, with its client and
 *     seq. What was refused is not there.
 *  4. A collection that was deleted stays deleted: the next one has another id, and counters above
 *     all that were ever told.
 *  5. Counters grow, and none that was told stands for anything else. */
#ifndef TESTS_TORTURE_ORACLE_H
#define TESTS_TORTURE_ORACLE_H

#include "trace.h"

#include "store/disk.h"

struct oracle;

/* NULL, and a message on stderr, if the trace contradicts itself. Borrows the trace. */
struct oracle *oracle_open(const struct trace *trace);
void oracle_close(struct oracle *oracle); /* NULL is fine */

/* What has been recovered, for the clients as of record `now`. False and what is wrong in error.
 * *digest: of all that the collections hold, whatever bytes that takes. */
bool oracle_check(struct oracle *oracle, size_t now, struct disk *disk, uint64_t *digest,
                  struct error *error);

/* For the figures: acknowledged by the end of the trace. */
size_t oracle_objects(const struct oracle *oracle);
size_t oracle_deletions(const struct oracle *oracle);

#endif
