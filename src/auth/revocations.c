#include "auth/revocations.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    KEY_SIZE = 1 + REVOKED_ID_SIZE,
    FIRST_TIDY = 1024,
    /* How long a user's entry is kept: no token is good for longer (conf: session_lifetime). */
    USER_KEPT_S = 366 * 24 * 3600,
};

_Static_assert(TOKEN_SESSION_SIZE == REVOKED_ID_SIZE + 1, "a session's text is its id");

struct entry {
    struct table_node node;
    char key[KEY_SIZE]; /* kind, id */
    int64_t before, expires;
};

/* --- What is known --------------------------------------------------------------------------- */

static void put_key(char key[KEY_SIZE], enum revoked_kind kind,
                    const unsigned char id[REVOKED_ID_SIZE])
{
    key[0] = (char)kind;
    memcpy(key + 1, id, REVOKED_ID_SIZE);
}

static struct entry *find(const struct revocations *revocations, enum revoked_kind kind,
                          const unsigned char id[REVOKED_ID_SIZE])
{
    char key[KEY_SIZE];

    put_key(key, kind, id);
    struct table_node *node = table_find(&revocations->table, (struct str){key, sizeof key});

    return node ? OWNER_OF(node, struct entry, node) : NULL;
}

static void drop_expired(struct revocations *revocations)
{
    struct table *table = &revocations->table;
    int64_t now = clock_unix_seconds();

    for (struct table_node *node = table_next(table, NULL), *next; node; node = next) {
        struct entry *entry = OWNER_OF(node, struct entry, node);

        next = table_next(table, node);
        if (entry->expires > now)
            continue;
        table_remove(table, node);
        free(entry);
    }
    revocations->tidy_count = 2 * table->count + FIRST_TIDY;
}

static bool take(void *context, const struct revoked_record *record, struct error *error)
{
    struct revocations *revocations = context;
    struct entry *entry = find(revocations, record->kind, record->id);

    revocations->version += record->kind != REVOKED_PROOF;
    if (!entry) {
        if (revocations->table.count >= revocations->tidy_count)
            drop_expired(revocations);
        entry = calloc(1, sizeof *entry);
        if (!entry)
            return error_set(error, ERROR_NO_MEMORY, "out of memory for who was logged out");
        put_key(entry->key, record->kind, record->id);
        entry->node.key = (struct str){entry->key, sizeof entry->key};
        table_insert(&revocations->table, &entry->node);
    }
    if (record->before > entry->before)
        entry->before = record->before;
    if (record->expires > entry->expires)
        entry->expires = record->expires;
    return true;
}

static bool read_on(struct revocations *revocations, struct error *error)
{
    return revoked_read(revocations->disk, &revocations->offset, take, revocations, error);
}

bool revocations_look(struct revocations *revocations, struct error *error)
{
    if (!revocations->news)
        return true;
    uint64_t news = revoked_news(revocations->news);
    if (news == revocations->seen)
        return true;
    if (!read_on(revocations, error))
        return false;
    revocations->seen = news;
    return true;
}

/* A user is one at one site: no app can log its users out of another. */
static bool put_user_id(const struct token *token, unsigned char id[REVOKED_ID_SIZE])
{
    unsigned char hash[CRYPTO_HASH_SIZE];
    char text[ADDRESS_USER_SIZE + ADDRESS_DOMAIN_SIZE + 1];
    size_t user = strlen(token->user), host = strlen(token->audience.host);
    struct error error;

    memcpy(text, token->user, user);
    text[user] = '\n';
    memcpy(text + user + 1, token->audience.host, host);
    if (!crypto_sha256((struct str){text, user + 1 + host}, hash, &error))
        return false;
    memcpy(id, hash, REVOKED_ID_SIZE);
    return true;
}

int64_t revocations_user_before(const struct revocations *revocations, const struct token *token)
{
    unsigned char id[REVOKED_ID_SIZE];

    if (!put_user_id(token, id))
        return INT64_MAX;
    const struct entry *entry = find(revocations, REVOKED_USER, id);

    return entry ? entry->before : 0;
}

bool revocations_has_token(const struct revocations *revocations, const struct token *token)
{
    unsigned char id[REVOKED_ID_SIZE];

    if (revocations->table.count == 0)
        return false;
    memcpy(id, token->session, sizeof id);
    return find(revocations, REVOKED_SESSION, id) ||
           token->began <= revocations_user_before(revocations, token);
}

/* --- Adding ---------------------------------------------------------------------------------- */

/* What the helper thread gets; outlives a task that is cancelled. */
struct revocation_job {
    struct offload_job job;
    struct revocations *revocations; /* not for the thread */
    struct revocation *revocation;   /* NULL: nobody wants to know. Not for the thread. */
    struct disk *disk;
    struct news *news;
    uint64_t offset;
    struct revoked_record record;
    bool is_there;
    struct error error;
};

static void run_job(struct offload_job *offload_job)
{
    struct revocation_job *job = OWNER_OF(offload_job, struct revocation_job, job);

    if (revoked_add(job->disk, job->news, job->offset, &job->record, &job->is_there, &job->error))
        job->error.code = ERROR_NONE;
}

/* Tells whoever waits, and frees the job. */
static void end_job(struct revocation_job *job)
{
    struct revocation *revocation = job->revocation;

    if (revocation) {
        revocation->job = NULL;
        revocation->is_there = job->is_there;
        revocation->error = job->error;
        operation_end(&revocation->operation);
    }
    free(job);
}

static struct revocation_job *take_waiting(struct revocations *revocations)
{
    struct list *first = revocations->waiting.next;

    list_remove(first);
    return OWNER_OF(first, struct revocation_job, job.link);
}

static void add_next(struct revocations *revocations)
{
    if (revocations->is_adding || list_is_empty(&revocations->waiting))
        return;
    revocations->is_adding = true;
    offload_submit(revocations->helpers, &take_waiting(revocations)->job);
}

/* What one could not do within its time the next would not do within the same again. */
static void give_up_waiting(struct revocations *revocations, const struct error *error)
{
    while (!list_is_empty(&revocations->waiting)) {
        struct revocation_job *job = take_waiting(revocations);

        job->error = *error;
        end_job(job);
    }
}

static void finish_job(struct offload_job *offload_job)
{
    struct revocation_job *job = OWNER_OF(offload_job, struct revocation_job, job);
    struct revocations *revocations = job->revocations;
    struct error cause;

    if (job->error.code == ERROR_NONE && !read_on(revocations, &cause))
        job->error = cause;
    if (job->error.code == ERROR_BUSY)
        give_up_waiting(revocations, &job->error);
    revocations->is_adding = false;
    end_job(job);
    add_next(revocations);
}

static void give_up(struct operation *operation)
{
    struct revocation *revocation = OWNER_OF(operation, struct revocation, operation);

    revocation->job->revocation = NULL;
    revocation->job = NULL;
}

static enum step add(struct revocations *revocations, struct revocation *revocation,
                     const struct revoked_record *record, struct task *task)
{
    struct revocation_job *job = calloc(1, sizeof *job);

    *revocation = (struct revocation){.job = job};
    if (!job)
        return task_fail(task, ERROR_NO_MEMORY, "out of memory for a logout");
    *job = (struct revocation_job){.job = {.run = run_job, .finished = finish_job},
                                   .revocations = revocations,
                                   .revocation = revocation,
                                   .disk = revocations->disk,
                                   .news = revocations->news,
                                   .offset = revocations->offset,
                                   .record = *record};
    enum step outcome = operation_begin(&revocation->operation, task, give_up);
    list_append(&revocations->waiting, &job->job.link);
    add_next(revocations);
    return outcome;
}

enum step revocations_add_session(struct revocations *revocations, struct revocation *revocation,
                                  const struct token *token, struct task *task)
{
    struct revoked_record record = {.kind = REVOKED_SESSION,
                                    .expires = clock_unix_seconds() + USER_KEPT_S};

    memcpy(record.id, token->session, sizeof record.id);
    return add(revocations, revocation, &record, task);
}

enum step revocations_add_user(struct revocations *revocations, struct revocation *revocation,
                               const struct token *token, int64_t now, struct task *task)
{
    struct revoked_record record = {
        .kind = REVOKED_USER, .before = now, .expires = now + USER_KEPT_S};

    if (!put_user_id(token, record.id))
        return task_fail(task, ERROR_NO_MEMORY, "out of memory for a logout");
    return add(revocations, revocation, &record, task);
}

enum step revocations_add_proof(struct revocations *revocations, struct revocation *revocation,
                                struct str proof, int64_t ends, struct task *task)
{
    struct revoked_record record = {.kind = REVOKED_PROOF, .expires = ends};
    unsigned char hash[CRYPTO_HASH_SIZE];

    if (!crypto_sha256(proof, hash, &task->error))
        return STEP_FAIL;
    memcpy(record.id, hash, sizeof record.id);
    if (!find(revocations, REVOKED_PROOF, record.id))
        return add(revocations, revocation, &record, task);
    *revocation = (struct revocation){.is_there = true};
    return STEP_NEXT;
}

/* --- All of it -------------------------------------------------------------------------------- */

bool revocations_open(struct revocations *revocations, struct disk *disk, struct news *news,
                      struct offload *helpers, struct error *error)
{
    *revocations = (struct revocations){
        .disk = disk, .news = news, .helpers = helpers, .tidy_count = FIRST_TIDY};
    list_init(&revocations->waiting);
    if (!table_init(&revocations->table, error))
        return false;
    if (news)
        revocations->seen = revoked_news(news);
    return read_on(revocations, error);
}

void revocations_close(struct revocations *revocations)
{
    struct table *table = &revocations->table;

    for (struct table_node *node = table_next(table, NULL), *next; node; node = next) {
        next = table_next(table, node);
        free(OWNER_OF(node, struct entry, node));
    }
    table_clear(table);
    *revocations = (struct revocations){0};
}
