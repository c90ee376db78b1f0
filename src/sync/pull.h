/* pull.h - what a client has not seen: the answer to a GET, and to a POST that came too late.
 *
 *     set the members given -> pull_run, a slice at a time -> the answer -> pull_clear
 *
 * Looks for what to send, checks all that it looks at, sent or not, and puts the text of the answer
 * together: `{"objects":[` + the bytes of the records as they are on disk + the rest. All of
 * one answer is of one moment: that at which the pull began. */
#ifndef SYNC_PULL_H
#define SYNC_PULL_H

#include "loop/task.h"
#include "store/database.h"
#include "sync/clients.h"
#include "sync/query.h"

struct pull {
    /* Given; the rest is all-zero to begin. All borrowed, the stream is held by the caller. */
    struct stream *stream;
    const struct query *query;
    const struct limits *limits;
    bool conflict; /* the answer to a POST that was refused for its since: says so, never 204 */

    /* The answer, when pull_run has returned STEP_NEXT. */
    bool nothing; /* 204: no body */
    struct buf body;
    uint64_t objects; /* in body; for the log */

    /* On the way. */
    struct database database;
    struct head head; /* where the stream stood when the pull began */
    struct filter filter;
    struct buf records, mine, batch; /* batch: counters returned of the batch looked at (u64) */
    uint64_t since, position;
    uint64_t last_returned;      /* counter */
    uint64_t pending;            /* how many more there are */
    uint64_t client, client_seq; /* hash; the last seq stored */
    unsigned phase;
    unsigned failures; /* of reading beside other servers */
    bool changed, named, full;
};

/* One slice: STEP_YIELD, STEP_NEXT (the answer is there) or STEP_FAIL. */
enum step pull_run(struct pull *pull, struct task *task);
void pull_clear(struct pull *pull); /* harmless twice, and on all-zero */

/* True if a pull begun now would have nothing to tell: what decides whether a request with wait is
 * held. The stream is loaded. */
bool pull_is_idle(const struct stream *stream, const struct query *query);

#endif
