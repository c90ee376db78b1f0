/* documents.h - documents of other servers that logins depend on: fetched when one is asked for,
 * then kept for a while.
 *
 * All who ask for the same one while it is fetched wait for the same fetch. A good answer (status
 * 200) is kept for an hour, any other, and a failure, for a minute, so that who sends bad logins
 * makes this server ask another at most once a minute for each document. At most `most` are kept;
 * the one longest not asked for gives way.
 *
 *     documents_open -> (documents_get as part of a step) ... -> documents_close */
#ifndef AUTH_DOCUMENTS_H
#define AUTH_DOCUMENTS_H

#include "base/table.h"
#include "loop/fetch.h"

enum documents_flag {
    /* Only from addresses that are public (network.h): who logs in has chosen the server. */
    DOCUMENTS_ONLY_PUBLIC = 1,
    /* Not one that is older than a minute: it lacks something that should be there. */
    DOCUMENTS_NEW = 2,
    /* When it cannot be fetched again, the last good one will do, for a day. */
    DOCUMENTS_OR_OLD = 4,
};

struct documents {
    struct loop *loop;
    struct fetches *fetches;
    struct table table;
    struct list by_use; /* of struct document; the last was asked for last */
    size_t most;
    uint64_t timeout_ms; /* for one fetch */
};

/* What came of a fetch. */
struct document_answer {
    struct error error; /* ERROR_NONE: there was an answer; else as in struct fetch */
    int status;
    char content_type[FETCH_TYPE_SIZE];
    struct buf body;
    uint64_t fetched_ms; /* monotonic */
};

struct document {
    struct document_answer last, good; /* good: an older one, if the last was not; else empty */
    struct documents *documents;
    struct table_node node;
    struct list by_use, waits;
    struct task task; /* under way: it is being fetched; idle: it never was */
    struct fetch fetch;
    bool only_public;
    char key[]; /* who may be asked, then the URL */
};

/* Of one who asks; all-zero before. */
struct document_wait {
    const struct document_answer *answer; /* after STEP_NEXT; until the step that asked returns */
    struct operation operation;
    struct list on_document;
};

MUST_CHECK bool documents_open(struct documents *documents, struct fetches *fetches, size_t most,
                               uint64_t timeout_ms, struct error *error);
void documents_close(struct documents *documents); /* nobody waits; harmless on all-zero */

/* STEP_NEXT: wait->answer is there. STEP_AGAIN: it is being fetched; to be called again by the
 * step's next run. STEP_FAIL: ERROR_BUSY, too much is under way; ERROR_NO_MEMORY. flags: of enum
 * documents_flag. */
enum step documents_get(struct documents *documents, struct document_wait *wait, const char *url,
                        unsigned flags, struct task *task);

#endif
