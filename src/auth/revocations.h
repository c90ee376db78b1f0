/* revocations.h - who is not let in any more, as this process knows it and all that share the data
 * directory keep it (store/revoked.h).
 *
 *     revocations_open -> (revocations_look -> revocations_find_..., or revocations_add) ...
 *                      -> revocations_close
 *
 * Looking is a read of memory unless somebody has added something. Adding is done by a helper
 * thread, as it waits for the disk; a task waits for it. One is added at a time: they would only
 * wait for each other's lock, with threads that the journal needs. */
#ifndef AUTH_REVOCATIONS_H
#define AUTH_REVOCATIONS_H

#include "auth/token.h"
#include "base/table.h"
#include "loop/offload.h"
#include "loop/task.h"
#include "store/revoked.h"

struct revocations {
    struct disk *disk;
    struct news *news; /* NULL: no other server */
    struct offload *helpers;
    struct list waiting; /* to be added, after the one that is */
    bool is_adding;
    struct table table;
    uint64_t offset;   /* how far the list has been read */
    uint64_t seen;     /* of the news, when it was */
    uint64_t version;  /* changes when somebody was logged out */
    size_t tidy_count; /* entries at which those that have expired are dropped */
};

/* One that is being added; all-zero before. What came of it, when the task goes on. */
struct revocation {
    struct operation operation;
    struct revocation_job *job;
    bool is_there; /* a proof that somebody has used before */
    struct error error;
};

/* The list has been begun (revoked_begin) by now. Blocks. */
MUST_CHECK bool revocations_open(struct revocations *revocations, struct disk *disk,
                                 struct news *news, struct offload *helpers, struct error *error);

/* The helpers have ended. Harmless twice, and on all-zero. */
void revocations_close(struct revocations *revocations);

/* Reads what others have added since the last look. False: that cannot be read; nobody is to be let
 * in. now: unix seconds. */
MUST_CHECK bool revocations_look(struct revocations *revocations, struct error *error);

/* Was the token's session, or all of its user's when it began, logged out? */
bool revocations_has_token(const struct revocations *revocations, const struct token *token);

/* Unix seconds up to which this user's sessions have ended; 0: never were. */
int64_t revocations_user_before(const struct revocations *revocations, const struct token *token);

/* The session of the token ends; or all of its user at its site that began before or at now; or an
 * assertion (its whole text) is used up until `ends`, which revocation->is_there forbids. Return
 * STEP_WAIT or, for a task that tries again, what the caller makes of it; STEP_FAIL for lack of
 * memory. */
enum step revocations_add_session(struct revocations *revocations, struct revocation *revocation,
                                  const struct token *token, struct task *task);
enum step revocations_add_user(struct revocations *revocations, struct revocation *revocation,
                               const struct token *token, int64_t now, struct task *task);
enum step revocations_add_proof(struct revocations *revocations, struct revocation *revocation,
                                struct str proof, int64_t ends, struct task *task);

#endif
