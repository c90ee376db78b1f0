#include "told.h"

#include "base/error.h"
#include "base/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool complain(size_t record, const char *what)
{
    (void)fprintf(stderr, "record %zu of the trace: %s\n", record, what);
    return false;
}

static void *make(size_t size)
{
    void *made = calloc(1, size);

    if (!made)
        abort();
    return made;
}

static struct str take_line(struct str *rest)
{
    size_t end = str_find_byte(*rest, '\n');
    struct str line = str_slice(*rest, 0, end);

    *rest = str_slice(*rest, end + 1, rest->length);
    return line;
}

static struct told_collection *find_collection(struct told *told, struct str path)
{
    struct table_node *node = table_find(&told->collections, path);

    if (node)
        return OWNER_OF(node, struct told_collection, node);
    struct told_collection *collection = make(sizeof *collection + path.length + 1);
    memcpy(collection->path, path.data, path.length);
    collection->node.key = (struct str){collection->path, path.length};
    collection->last_request = &collection->requests;
    collection->next = told->first_collection;
    told->first_collection = collection;
    table_insert(&told->collections, &collection->node);
    return collection;
}

static struct told_life *find_life(struct told_collection *collection, struct str id)
{
    struct told_life *life = collection->lives;

    while (life && !str_equals(str_of(life->id), id))
        life = life->next;
    if (life || id.length != TOLD_ID_SIZE)
        return life;
    life = make(sizeof *life);
    memcpy(life->id, id.data, TOLD_ID_SIZE);
    life->collection = collection;
    life->next = collection->lives;
    collection->lives = life;
    return life;
}

static struct told_object *find_object(const struct told *told, struct str text)
{
    struct table_node *node = table_find(&told->objects, text);

    return node ? OWNER_OF(node, struct told_object, node) : NULL;
}

static struct told_request *find_request(const struct told *told, uint64_t number)
{
    return number < told->request_count ? told->requests[number] : NULL;
}

static struct told_request *add_request(struct told *told, size_t at, uint64_t number,
                                        struct told_collection *collection)
{
    if (number >= told->request_count) {
        told->requests = realloc(told->requests, (number + 1) * sizeof *told->requests);
        if (!told->requests)
            abort();
        while (told->request_count <= number)
            told->requests[told->request_count++] = NULL;
    }
    struct told_request *request = make(sizeof *request);
    request->collection = collection;
    request->sent_at = at;
    request->done_at = TOLD_NEVER;
    *collection->last_request = request;
    collection->last_request = &request->next;
    told->requests[number] = request;
    return request;
}

static bool read_sent(struct told *told, size_t at, const struct trace_record *record,
                      struct str rest)
{
    struct told_collection *collection = find_collection(told, take_line(&rest));
    struct told_request *request = add_request(told, at, record->number, collection);

    request->deletes = record->kind == TRACE_DELETE;
    request->seq = record->at;
    for (size_t i = 0; i < rest.length; i++)
        request->count += rest.data[i] == '\n';
    request->objects = make((request->count + 1) * sizeof *request->objects);
    for (size_t i = 0; i < request->count; i++) {
        struct told_object *object = &request->objects[i];

        object->request = request;
        object->position = i;
        object->told_at = TOLD_NEVER;
        object->node.key = take_line(&rest);
        if (find_object(told, object->node.key))
            return complain(at, "an object was sent twice; the oracle cannot tell them apart");
        table_insert(&told->objects, &object->node);
    }
    return true;
}

static bool note_told(struct told_object *object, size_t at, struct told_life *life,
                      uint64_t counter)
{
    if (object->told_at == TOLD_NEVER) {
        object->told_at = at;
        object->counter = counter;
        object->life = life;
        return true;
    }
    return (object->counter == counter && object->life == life) ||
           complain(at, "an object stands elsewhere than was told before");
}

static bool read_stored(struct told *told, size_t at, struct told_request *request, struct str rest)
{
    struct str part;
    uint64_t counter;

    if (!str_split(&rest, ' ', &part))
        return complain(at, "has no collection id");
    struct told_life *life = find_life(request->collection, part);
    request->done_at = at;
    told->object_count += request->count;
    for (size_t i = 0; i < request->count; i++) {
        if (!life || !str_split(&rest, ' ', &part) || !str_parse_u64(part, UINT64_MAX, &counter))
            return complain(at, "a counter is missing");
        if (!note_told(&request->objects[i], at, life, counter))
            return false;
    }
    return true;
}

static bool read_read(struct told *told, size_t at, struct str rest)
{
    struct told_collection *collection = find_collection(told, take_line(&rest));
    struct told_life *life = find_life(collection, take_line(&rest));
    uint64_t counter;

    while (rest.length > 0) {
        struct str line = take_line(&rest);
        size_t blank = str_find_byte(line, ' ');
        struct told_object *object = find_object(told, str_slice(line, blank + 1, line.length));

        if (!object || !life || object->request->collection != collection ||
            !str_parse_u64(str_slice(line, 0, blank), UINT64_MAX, &counter))
            return complain(at, "a client read what nobody has sent");
        if (!note_told(object, at, life, counter))
            return false;
    }
    return true;
}

static bool read_record(struct told *told, size_t at, const struct trace_record *record,
                        struct str bytes)
{
    if (record->kind < TRACE_SENT)
        return true;
    if (record->kind == TRACE_SENT || record->kind == TRACE_DELETE)
        return read_sent(told, at, record, bytes);
    if (record->kind == TRACE_READ)
        return read_read(told, at, bytes);
    struct told_request *request = find_request(told, record->number);
    if (!request)
        return complain(at, "answers a request that was not sent");
    if (record->kind == TRACE_STORED)
        return read_stored(told, at, request, bytes);
    request->done_at = at;
    request->is_refused = record->kind == TRACE_REFUSED;
    told->deletion_count += record->kind == TRACE_DELETED;
    return true;
}

bool told_open(struct told *told, const struct trace *trace)
{
    struct error error;

    *told = (struct told){0};
    if (!table_init(&told->collections, &error) || !table_init(&told->objects, &error))
        return complain(0, error.message);
    for (size_t i = 0; i < trace->count; i++) {
        struct str bytes;
        struct trace_record record = trace_get(trace, i, &bytes.data, &bytes.length);

        if (!read_record(told, i, &record, bytes))
            return false;
    }
    return true;
}

static void free_collection(struct told_collection *collection)
{
    while (collection->requests) {
        struct told_request *request = collection->requests;

        collection->requests = request->next;
        free(request->objects);
        free(request);
    }
    while (collection->lives) {
        struct told_life *life = collection->lives;

        collection->lives = life->next;
        free(life);
    }
    free(collection);
}

void told_close(struct told *told)
{
    while (told->first_collection) {
        struct told_collection *collection = told->first_collection;

        told->first_collection = collection->next;
        free_collection(collection);
    }
    table_clear(&told->collections);
    table_clear(&told->objects);
    free(told->requests);
    *told = (struct told){0};
}
