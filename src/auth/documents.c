#include "auth/documents.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIZE_MOST = 64 * 1024,
    STATUS_GOOD = 200,
    MS_PER_MINUTE = 60 * 1000,
    KEPT_GOOD_MS = 60 * MS_PER_MINUTE,
    KEPT_OLD_MS = 24 * KEPT_GOOD_MS,
    KEY_PUBLIC = 'p',
    KEY_ANY = 'a',
    KEY_SIZE = 2048,
};

static const char *url_of(const struct document *document)
{
    return document->key + 1;
}

static bool is_good(const struct document_answer *answer)
{
    return answer->error.code == ERROR_NONE && answer->status == STATUS_GOOD;
}

static uint64_t age_of(const struct document_answer *answer)
{
    return clock_monotonic_ms() - answer->fetched_ms;
}

static void clear_answer(struct document_answer *answer)
{
    buf_clear(&answer->body);
    *answer = (struct document_answer){0};
}

/* --- Fetching -------------------------------------------------------------------------------- */

static enum step start(struct task *task)
{
    struct document *document = OWNER_OF(task, struct document, task);
    const struct fetch_request request = {.url = url_of(document),
                                          .timeout_ms = document->documents->timeout_ms,
                                          .size_most = SIZE_MOST,
                                          .only_public = document->only_public};

    return fetch_start(&document->fetch, document->documents->fetches, &request, task);
}

/* The last good one stays behind a bad one. */
static void take_answer(struct document *document, const struct error *error)
{
    struct fetch *fetch = &document->fetch;
    struct document_answer answer = {.error = *error, .fetched_ms = clock_monotonic_ms()};

    if (error->code == ERROR_NONE) {
        answer.status = fetch->status;
        memcpy(answer.content_type, fetch->content_type, sizeof fetch->content_type);
        answer.body = fetch->body;
        fetch->body = (struct buf){0};
    }
    if (is_good(&answer)) {
        clear_answer(&document->good);
    } else if (is_good(&document->last)) {
        document->good = document->last;
        document->last = (struct document_answer){0};
    }
    clear_answer(&document->last);
    document->last = answer;
}

static void ended(struct task *task)
{
    struct document *document = OWNER_OF(task, struct document, task);
    const struct error *error =
        task->error.code != ERROR_NONE ? &task->error : &document->fetch.error;

    take_answer(document, error);
    fetch_clear(&document->fetch);
    while (!list_is_empty(&document->waits)) {
        struct document_wait *wait =
            OWNER_OF(document->waits.next, struct document_wait, on_document);

        list_remove(&wait->on_document);
        operation_end(&wait->operation);
    }
}

static const struct step_entry steps[] = {STEP(start), {0}};
static const struct task_kind kind = {"document", steps, ended};

/* --- Keeping --------------------------------------------------------------------------------- */

static void forget(struct document *document)
{
    table_remove(&document->documents->table, &document->node);
    list_remove(&document->by_use);
    clear_answer(&document->last);
    clear_answer(&document->good);
    free(document);
}

static bool make_room(struct documents *documents)
{
    struct list *node;

    if (documents->table.count < documents->most)
        return true;
    for (node = documents->by_use.next; node != &documents->by_use; node = node->next) {
        struct document *document = OWNER_OF(node, struct document, by_use);

        if (!task_is_under_way(&document->task)) {
            forget(document);
            return true;
        }
    }
    return false;
}

static struct document *make_document(struct documents *documents, struct str key,
                                      struct task *task)
{
    if (!make_room(documents)) {
        (void)task_fail(task, ERROR_BUSY, "too many documents of other servers are being fetched");
        return NULL;
    }
    struct document *document = calloc(1, sizeof *document + key.length + 1);
    if (!document) {
        (void)task_fail(task, ERROR_NO_MEMORY, "out of memory for a document");
        return NULL;
    }
    document->documents = documents;
    document->only_public = key.data[0] == KEY_PUBLIC;
    memcpy(document->key, key.data, key.length);
    document->node.key = (struct str){document->key, key.length};
    list_init(&document->waits);
    table_insert(&documents->table, &document->node);
    list_append(&documents->by_use, &document->by_use);
    return document;
}

/* --- Asking ---------------------------------------------------------------------------------- */

static struct document *find(const struct documents *documents, struct str key)
{
    struct table_node *node = table_find(&documents->table, key);

    return node ? OWNER_OF(node, struct document, node) : NULL;
}

static struct document *find_or_make(struct documents *documents, const char *url, bool only_public,
                                     struct task *task)
{
    char key[KEY_SIZE];
    int length = snprintf(key, sizeof key, "%c%s", only_public ? KEY_PUBLIC : KEY_ANY, url);

    if (length < 0 || (size_t)length >= sizeof key) {
        (void)task_fail(task, ERROR_CONF, "\"%.100s...\" is too long for a URL", url);
        return NULL;
    }
    struct str text = {key, (size_t)length};
    struct document *document = find(documents, text);

    return document ? document : make_document(documents, text, task);
}

static bool is_fresh(const struct document *document, unsigned flags)
{
    bool keeps = is_good(&document->last) && !(flags & DOCUMENTS_NEW);

    return document->task.state == TASK_ENDED &&
           age_of(&document->last) < (keeps ? KEPT_GOOD_MS : MS_PER_MINUTE);
}

static const struct document_answer *choose(const struct document *document, unsigned flags)
{
    const struct document_answer *good = &document->good;

    if (flags & DOCUMENTS_OR_OLD && is_good(good) && age_of(good) < KEPT_OLD_MS)
        return good;
    return &document->last;
}

static void give_up(struct operation *operation)
{
    list_remove(&OWNER_OF(operation, struct document_wait, operation)->on_document);
}

enum step documents_get(struct documents *documents, struct document_wait *wait, const char *url,
                        unsigned flags, struct task *task)
{
    struct document *document = find_or_make(documents, url, flags & DOCUMENTS_ONLY_PUBLIC, task);

    if (!document)
        return STEP_FAIL;
    list_remove(&document->by_use);
    list_append(&documents->by_use, &document->by_use);
    if (is_fresh(document, flags)) {
        wait->answer = choose(document, flags);
        return STEP_NEXT;
    }
    bool is_fetched = task_is_under_way(&document->task);
    if (!is_fetched && documents->fetches->count == documents->fetches->most)
        return task_fail(task, ERROR_BUSY, "%zu requests to other servers are under way",
                         documents->fetches->count);
    (void)operation_begin(&wait->operation, task, give_up);
    list_append(&document->waits, &wait->on_document);
    if (!is_fetched)
        task_start(&document->task, documents->loop, &kind);
    return STEP_AGAIN;
}

bool documents_open(struct documents *documents, struct fetches *fetches, size_t most,
                    uint64_t timeout_ms, struct error *error)
{
    *documents = (struct documents){
        .loop = fetches->loop, .fetches = fetches, .most = most, .timeout_ms = timeout_ms};
    list_init(&documents->by_use);
    return table_init(&documents->table, error);
}

void documents_close(struct documents *documents)
{
    while (documents->loop && !list_is_empty(&documents->by_use)) {
        struct document *document = OWNER_OF(documents->by_use.next, struct document, by_use);

        task_cancel(&document->task);
        forget(document);
    }
    table_clear(&documents->table);
    *documents = (struct documents){0};
}
