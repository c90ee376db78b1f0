#include "sync/clients.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 512,         /* entries read at once */
    CHUNKS_A_SLICE = 16, /* some hundred microseconds */
};

struct clients {
    uint64_t next;                /* entries before this one have been looked at */
    uint64_t batch_first_counter; /* of the batch that `next` is in */
    uint64_t batch_count;         /* its records so far */
    struct clients_batch *items;  /* the one that was silent for longest first */
    size_t count, capacity;
    bool failed; /* memory ran out while noting: start over */
};

uint64_t clients_hash(const struct stream *stream, struct str client)
{
    return siphash_hash(stream->collection.identity.secret, client);
}

static struct clients_batch *find_item(const struct clients *clients, uint64_t client)
{
    for (size_t i = clients->count; i > 0; i--) {
        if (clients->items[i - 1].client == client)
            return &clients->items[i - 1];
    }
    return NULL;
}

static bool reserve_item(struct clients *clients)
{
    size_t capacity = clients->capacity ? 2 * clients->capacity : 4;

    if (clients->count < clients->capacity)
        return true;
    struct clients_batch *items = realloc(clients->items, capacity * sizeof *items);
    if (!items)
        return false;
    clients->items = items;
    clients->capacity = capacity;
    return true;
}

static void remove_item(struct clients *clients, struct clients_batch *item)
{
    size_t behind = clients->count - (size_t)(item - clients->items) - 1;

    memmove(item, item + 1, behind * sizeof *item);
    clients->count--;
}

static void note_commit(struct clients *clients, const struct index_entry *entry)
{
    struct clients_batch *known = find_item(clients, entry->key);

    if (known)
        remove_item(clients, known);
    else if (clients->count == CLIENTS_MOST)
        remove_item(clients, clients->items);
    if (!reserve_item(clients)) {
        clients->failed = true;
        return;
    }
    clients->items[clients->count++] = (struct clients_batch){
        .client = entry->key,
        .seq = entry->type | (uint64_t)entry->expires << 32,
        .first_counter = clients->batch_first_counter,
        .count = clients->batch_count,
        .position = clients->next - 1,
    };
}

static void note_entry(struct clients *clients, const struct index_entry *entry)
{
    clients->next++;
    if (entry->flags & INDEX_COMMIT) {
        note_commit(clients, entry);
    } else {
        if (clients->batch_count == 0)
            clients->batch_first_counter = entry->counter;
        clients->batch_count++;
    }
    if (entry->flags & INDEX_BATCH_END)
        clients->batch_count = 0;
}

static bool are_known(const struct stream *stream)
{
    if (stream->collection.state != COLLECTION_LIVE)
        return true;
    return stream->clients && !stream->clients->failed &&
           stream->clients->next == stream->collection.head.count;
}

static bool read_chunk(struct database *database, struct clients *clients, uint64_t end,
                       struct error *error)
{
    struct index_entry entries[CHUNK + 1];
    uint64_t left = end - clients->next;
    size_t count = left < CHUNK ? (size_t)left : CHUNK;

    if (!database_read_commits(database, clients->next, count, entries, error))
        return false;
    for (size_t i = 1; i <= count; i++)
        note_entry(clients, &entries[i]);
    return true;
}

enum step clients_load(struct database *database, struct stream *stream, struct task *task)
{
    const struct head *head = &stream->collection.head;

    if (are_known(stream))
        return STEP_NEXT;
    if (stream->clients && stream->clients->failed)
        clients_free(&stream->clients);
    if (!stream->clients)
        stream->clients = calloc(1, sizeof *stream->clients);
    if (!stream->clients)
        return task_fail(task, ERROR_NO_MEMORY, "out of memory for the clients of a collection");
    /* The head may have moved on since the last slice. */
    database_close(database);
    if (!database_reopen(database, stream->streams->disk, stream->path, head, &task->error))
        return STEP_FAIL;
    for (unsigned i = 0; i < CHUNKS_A_SLICE && stream->clients->next < head->count; i++) {
        if (!read_chunk(database, stream->clients, head->count, &task->error))
            return STEP_FAIL;
    }
    if (stream->clients->failed)
        return task_fail(task, ERROR_NO_MEMORY, "out of memory for the clients of a collection");
    return stream->clients->next < head->count ? STEP_YIELD : STEP_NEXT;
}

static bool search_chunk(struct database *database, struct clients *clients, uint64_t seq,
                         uint64_t client, struct clients_batch *found, struct error *error)
{
    struct index_entry entries[CHUNK + 1];
    uint64_t left = database->head.count - clients->next;
    size_t count = left < CHUNK ? (size_t)left : CHUNK;

    if (!database_read_commits(database, clients->next, count, entries, error))
        return false;
    for (size_t i = 1; i <= count && found->seq == 0; i++) {
        note_entry(clients, &entries[i]);
        const struct clients_batch *item =
            entries[i].flags & INDEX_COMMIT ? find_item(clients, client) : NULL;
        if (item && item->seq == seq)
            *found = *item;
    }
    return true;
}

enum step clients_search(struct clients **search, struct database *database, struct stream *stream,
                         uint64_t client, uint64_t seq, struct clients_batch *found,
                         struct task *task)
{
    *found = (struct clients_batch){0};
    if (!*search)
        *search = calloc(1, sizeof **search);
    if (!*search)
        return task_fail(task, ERROR_NO_MEMORY, "out of memory for the clients of a collection");
    database_close(database);
    if (!database_reopen(database, stream->streams->disk, stream->path, &stream->collection.head,
                         &task->error))
        return STEP_FAIL;
    for (unsigned i = 0; i < CHUNKS_A_SLICE && found->seq == 0; i++) {
        if ((*search)->next == database->head.count)
            return STEP_NEXT;
        if (!search_chunk(database, *search, seq, client, found, &task->error))
            return STEP_FAIL;
    }
    return found->seq ? STEP_NEXT : STEP_YIELD;
}

bool clients_find_last(const struct stream *stream, uint64_t client, struct clients_batch *batch)
{
    const struct clients_batch *found = stream->clients ? find_item(stream->clients, client) : NULL;

    if (found)
        *batch = *found;
    return found != NULL;
}

void clients_note(struct stream *stream, struct str entries)
{
    struct clients *clients = stream->clients;
    uint64_t added = entries.length / INDEX_ENTRY_SIZE;
    struct index_entry entry;

    /* A table that is still being filled will come to them. */
    if (!clients || clients->failed || clients->next + added != stream->collection.head.count)
        return;
    for (size_t at = 0; at + INDEX_ENTRY_SIZE <= entries.length; at += INDEX_ENTRY_SIZE) {
        index_read_entry((const unsigned char *)entries.data + at, &entry);
        note_entry(clients, &entry);
    }
}

void clients_free(struct clients **clients)
{
    if (*clients)
        free((*clients)->items);
    free(*clients);
    *clients = NULL;
}
