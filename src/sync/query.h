/* query.h - what the query of a URL asks (docs/protocol.md, "Reading" and "Appending").
 *
 * Unknown parameters are ignored. A parameter given twice is refused, but for include and exclude,
 * which add up, and for those that only blobs have, of which the last counts. */
#ifndef SYNC_QUERY_H
#define SYNC_QUERY_H

#include "base/buf.h"
#include "sync/filter.h"

enum { QUERY_CLIENT_MOST = 64 }; /* bytes of a client id */

struct query {
    uint64_t since;
    uint64_t limit;                 /* UINT64_MAX: not given */
    uint64_t wait_ms;               /* 0: not given; not yet capped */
    uint64_t seq;                   /* 0: not given */
    bool has_since, deletes;        /* deletes: "delete" is among the parameters */
    struct str collection_id;       /* empty: not given */
    struct str client;              /* empty: not given */
    struct str auth;                /* token; empty: not given */
    struct str ticket;              /* of a link to a blob; empty: not given */
    struct str filename;            /* for what is downloaded; empty: not given */
    struct str type, id, id_number; /* of the object that a blob is for; data NULL: not given */
    struct filter filter;
    struct buf storage; /* what the strs point into */
    bool is_plain;      /* nothing in it had to be decoded */
};

/* text is what stands behind "?", still coded; empty is fine. ERROR_BAD_PARAMETER names the
 * parameter and the value (never the one of auth). seq wants client. The names that only nodes use
 * among themselves (copy, paste, deprecate, backup-from-pos) are ERROR_NOT_FOUND. */
MUST_CHECK bool query_parse(struct query *query, struct str text, struct error *error);
void query_clear(struct query *query); /* harmless twice, and on all-zero */

#endif
