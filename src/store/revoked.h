/* revoked.h - the list of what no longer lets anybody in: ".revoked" in the data directory.
 *
 * Sessions that were logged out, users whose earlier sessions have all ended, and assertions that
 * have been used. The list is only added to, by all servers of the directory, each record synced
 * before it counts; it is read on from where one has read before. Format: docs/file-format.md.
 *
 *     revoked_begin (by the first server of the directory) -> revoked_read, revoked_add
 *
 * Every record rewrites the one before it, too: should that one's sync have failed, this one's
 * makes up for it. A record that is cut off is the last, and nobody was told that it counts; any
 * other that does not check is damage, and nobody is let in until somebody has looked. */
#ifndef STORE_REVOKED_H
#define STORE_REVOKED_H

#include "store/news.h"

enum { REVOKED_ID_SIZE = 16 };

enum revoked_kind {
    REVOKED_SESSION = 1,
    REVOKED_USER = 2,  /* all sessions that began up to `before` */
    REVOKED_PROOF = 3, /* can be there only once */
};

struct revoked_record {
    enum revoked_kind kind;
    unsigned char id[REVOKED_ID_SIZE];
    int64_t before;  /* unix seconds; of a user */
    int64_t expires; /* unix seconds: from then on it means nothing */
};

/* At start, before other servers are let in: makes the list, or leaves out of it what has expired.
 * Blocks. */
MUST_CHECK bool revoked_begin(struct disk *disk, int64_t now, struct error *error);

/* False, with error filled, ends the reading. */
typedef bool revoked_take_fn(void *context, const struct revoked_record *record,
                             struct error *error);

/* Gives take each record from *offset on (0 at first), and moves it on. */
MUST_CHECK bool revoked_read(struct disk *disk, uint64_t *offset, revoked_take_fn *take,
                             void *context, struct error *error);

/* Helper threads only. offset: how far the caller has read. A proof that somebody has added since
 * then is not added again: *is_there. news (NULL: there are no other servers) is told. Waits for
 * the others, ERROR_BUSY after a second. */
MUST_CHECK bool revoked_add(struct disk *disk, struct news *news, uint64_t offset,
                            const struct revoked_record *record, bool *is_there,
                            struct error *error);

/* What revoked_add gives new news of. */
uint64_t revoked_news(const struct news *news);

#endif
