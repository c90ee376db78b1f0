#include "oracle.h"

#include "chance.h"
#include "told.h"

#include "base/list.h"
#include "store/collection.h"
#include "store/database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct oracle {
    struct told told;
    uint64_t checks;
    size_t now;
};

/* A collection as it was recovered, and how far it has been checked. */
struct recovered {
    const struct told_collection *told;
    struct collection collection;
    char id[TOLD_ID_SIZE + 1]; /* empty if it is not live */
    uint64_t first_counter, counter;
    struct told_request *request; /* the batch that the next object is of */
    size_t position;
    size_t told_objects; /* found */
};

struct oracle *oracle_open(const struct trace *trace)
{
    struct oracle *oracle = calloc(1, sizeof *oracle);

    if (oracle && told_open(&oracle->told, trace))
        return oracle;
    oracle_close(oracle);
    return NULL;
}

void oracle_close(struct oracle *oracle)
{
    if (oracle)
        told_close(&oracle->told);
    free(oracle);
}

size_t oracle_objects(const struct oracle *oracle)
{
    return oracle->told.object_count;
}

size_t oracle_deletions(const struct oracle *oracle)
{
    return oracle->told.deletion_count;
}

static bool is_wrong(const struct recovered *recovered, struct error *error, const char *what,
                     uint64_t counter)
{
    return error_set(error, ERROR_DAMAGED, "%s: %s (%llu)", recovered->told->path, what,
                     (unsigned long long)counter);
}

/* --- What is there --------------------------------------------------------------------------- */

static bool check_object(struct oracle *oracle, struct recovered *recovered,
                         const struct told_object *object, struct error *error)
{
    struct told_request *request = object->request;
    uint64_t counter = recovered->counter;

    if (request->collection != recovered->told || request->sent_at >= oracle->now)
        return is_wrong(recovered, error, "holds what nobody had sent there", counter);
    if (request->is_refused && request->done_at < oracle->now)
        return is_wrong(recovered, error, "holds what was refused", counter);
    if (!recovered->request) {
        if (request->stamp == oracle->checks)
            return is_wrong(recovered, error, "holds a batch twice", counter);
        request->stamp = oracle->checks;
        recovered->request = request;
        recovered->position = 0;
    }
    if (request != recovered->request || object->position != recovered->position)
        return is_wrong(recovered, error, "holds a part of a batch", counter);
    if (object->told_at >= oracle->now)
        return true;
    recovered->told_objects++;
    return (object->counter == counter && strcmp(object->life->id, recovered->id) == 0) ||
           is_wrong(recovered, error, "an object stands elsewhere than a client was told", counter);
}

/* [counter,object],\n */
static bool check_record(struct oracle *oracle, struct recovered *recovered, struct str line,
                         const struct index_entry *entry, struct error *error)
{
    size_t comma = str_find_byte(line, ',');
    uint64_t counter;

    if (line.length < 4 || !str_parse_u64(str_slice(line, 1, comma - 1), UINT64_MAX, &counter) ||
        counter != entry->counter || counter <= recovered->counter)
        return is_wrong(recovered, error, "counters do not grow", entry->counter);
    if (recovered->first_counter == 0)
        recovered->first_counter = counter;
    recovered->counter = counter;
    struct str text = str_slice(line, comma + 1, line.length - comma - 3);
    const struct table_node *node = table_find(&oracle->told.objects, text);
    if (!node)
        return is_wrong(recovered, error, "holds bytes that nobody has sent", counter);
    if (!check_object(oracle, recovered, OWNER_OF(node, struct told_object, node), error))
        return false;
    recovered->position++;
    if (recovered->position == recovered->request->count && recovered->request->seq == 0)
        recovered->request = NULL;
    return true;
}

static bool check_commit(struct recovered *recovered, const struct index_entry *entry,
                         struct error *error)
{
    const struct told_request *request = recovered->request;
    uint64_t seq = entry->type | (uint64_t)entry->expires << 32;

    if (!request || recovered->position != request->count || request->seq != seq)
        return is_wrong(recovered, error, "a batch has the seq of another", seq);
    recovered->request = NULL;
    return true;
}

static bool check_entries(struct oracle *oracle, struct recovered *recovered,
                          const struct index_entry *entries, struct str text, struct error *error)
{
    uint64_t count = recovered->collection.head.count;

    for (uint64_t i = 0; i < count; i++) {
        if (entries[i].flags & INDEX_COMMIT) {
            if (!check_commit(recovered, &entries[i], error))
                return false;
            continue;
        }
        size_t end = str_find_byte(text, '\n');
        if (!check_record(oracle, recovered, str_slice(text, 0, end), &entries[i], error))
            return false;
        text = str_slice(text, end + 1, text.length);
    }
    if (recovered->request || text.length > 0)
        return is_wrong(recovered, error, "ends within a batch", recovered->counter);
    return recovered->counter <= recovered->collection.head.last_counter ||
           is_wrong(recovered, error, "would use a counter again", recovered->counter);
}

static bool check_records(struct oracle *oracle, struct recovered *recovered, struct disk *disk,
                          struct error *error)
{
    const struct head *head = &recovered->collection.head;
    struct index_entry *entries = calloc(head->count + 1, sizeof *entries);
    struct database database;
    struct buf text = {0};

    if (!entries || !database_reopen(&database, disk, recovered->told->path, head, error)) {
        free(entries);
        return false;
    }
    bool ok = database_read_entries(&database, 0, head->count, entries, error) &&
              database_read_records(&database, 0, head->count, &text, error) &&
              check_entries(oracle, recovered, entries, buf_str(&text), error);
    database_close(&database);
    buf_clear(&text);
    free(entries);
    return ok;
}

/* --- What has to be there -------------------------------------------------------------------- */

static void note_object(struct told_life *life, const struct told_object *object, size_t sent_at)
{
    life->objects++;
    if (object->told_at < life->first_told)
        life->first_told = object->told_at;
    if (sent_at > life->last_sent)
        life->last_sent = sent_at;
    if (object->counter > life->top)
        life->top = object->counter;
}

/* What was told of each life by now. */
static void survey(const struct told_collection *collection, size_t now)
{
    for (struct told_life *life = collection->lives; life; life = life->next) {
        life->first_told = TOLD_NEVER;
        life->objects = life->last_sent = 0;
        life->top = 0;
    }
    for (struct told_request *request = collection->requests; request && request->sent_at < now;
         request = request->next) {
        for (size_t i = 0; i < request->count; i++) {
            if (request->objects[i].told_at < now)
                note_object(request->objects[i].life, &request->objects[i], request->sent_at);
        }
    }
}

/* May this deletion have ended the life? Not if it was over when something was stored there. */
static bool may_have_ended(const struct told_request *deletion, const struct told_life *life,
                           size_t now)
{
    return deletion->deletes && (deletion->done_at >= now || deletion->done_at >= life->last_sent);
}

/* Must it? If the life was known before it was asked for, and it has been answered. */
static bool must_have_ended(const struct told_request *deletion, const struct told_life *life,
                            size_t now)
{
    return deletion->deletes && deletion->done_at < now && deletion->sent_at > life->first_told;
}

static bool find_deletion(const struct told_life *life, size_t now,
                          bool (*test)(const struct told_request *, const struct told_life *,
                                       size_t))
{
    const struct told_request *request = life->collection->requests;

    for (; request && request->sent_at < now; request = request->next) {
        if (test(request, life, now))
            return true;
    }
    return false;
}

static bool check_life(const struct oracle *oracle, const struct recovered *recovered,
                       const struct told_life *life, struct error *error)
{
    const struct collection *collection = &recovered->collection;

    if (life->objects == 0)
        return true;
    if (strcmp(life->id, recovered->id) == 0) {
        if (find_deletion(life, oracle->now, must_have_ended))
            return is_wrong(recovered, error, "was deleted, and is there", life->top);
        return recovered->told_objects == life->objects ||
               is_wrong(recovered, error, "an acknowledged object is missing; there are only",
                        recovered->told_objects);
    }
    if (!find_deletion(life, oracle->now, may_have_ended))
        return is_wrong(recovered, error, "is not there, with all that was acknowledged",
                        life->top);
    if (collection->state == COLLECTION_ABSENT)
        return is_wrong(recovered, error, "its deletion is forgotten", life->top);
    if (collection->state == COLLECTION_LIVE ? recovered->first_counter <= life->top
                                             : collection->head.last_counter < life->top)
        return is_wrong(recovered, error, "uses counters of a deleted collection again", life->top);
    return true;
}

static bool check_lives(const struct oracle *oracle, const struct recovered *recovered,
                        struct error *error)
{
    survey(recovered->told, oracle->now);
    for (const struct told_life *life = recovered->told->lives; life; life = life->next) {
        if (!check_life(oracle, recovered, life, error))
            return false;
    }
    return true;
}

/* --- All of it ------------------------------------------------------------------------------- */

static void put_id(char id[TOLD_ID_SIZE + 1], const unsigned char *bytes)
{
    for (size_t i = 0; i < INDEX_ID_SIZE; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

static uint64_t extend_digest(uint64_t digest, const struct recovered *recovered)
{
    const struct collection *collection = &recovered->collection;
    uint64_t id;

    memcpy(&id, collection->identity.id, sizeof id);
    digest = chance_mix(digest ^ collection->state) ^ id;
    digest = chance_mix(digest) ^ collection->head.generation;
    digest = chance_mix(digest) ^ collection->head.count;
    digest = chance_mix(digest) ^ collection->head.crc;
    return chance_mix(digest ^ collection->head.last_counter);
}

static bool check_collection(struct oracle *oracle, const struct told_collection *told,
                             struct disk *disk, uint64_t *digest, struct error *error)
{
    struct recovered recovered = {.told = told};
    struct error cause;

    if (!collection_load(&recovered.collection, disk, told->path, &cause))
        return error_set(error, ERROR_DAMAGED, "cannot be read: %s", cause.message);
    bool is_live = recovered.collection.state == COLLECTION_LIVE;
    if (is_live)
        put_id(recovered.id, recovered.collection.identity.id);
    bool ok = (!is_live || check_records(oracle, &recovered, disk, error)) &&
              check_lives(oracle, &recovered, error);
    *digest = extend_digest(*digest, &recovered);
    collection_clear(&recovered.collection);
    return ok;
}

bool oracle_check(struct oracle *oracle, size_t now, struct disk *disk, uint64_t *digest,
                  struct error *error)
{
    const struct told_collection *collection = oracle->told.first_collection;

    oracle->checks++;
    oracle->now = now;
    *digest = 0;
    for (; collection; collection = collection->next) {
        if (!check_collection(oracle, collection, disk, digest, error))
            return false;
    }
    return true;
}
