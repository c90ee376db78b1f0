#include "store/look_blobs.h"

#include "store/blob.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char look_blobs_restore[] = "restore it from a backup";
const char look_blobs_litter[] = "nobody needs it; move it away";

/* An object, by its key, or without one by its blob; what its newest version says. */
struct object {
    struct table_node node;
    struct list link;
    uint64_t position;
    bool is_deleted;
    char blob[BLOB_NAME_SIZE]; /* "": it has none any more */
    char key[BLOB_NAME_SIZE];
};

bool look_blobs_open(struct look_blobs *blobs, struct error *error)
{
    *blobs = (struct look_blobs){0};
    list_init(&blobs->in_order);
    return table_init(&blobs->objects, error);
}

static struct str key_of(const uint64_t *key, const char *blob)
{
    return *key ? (struct str){(const char *)key, sizeof *key} : str_of(blob);
}

static struct object *find_object(const struct look_blobs *blobs, struct str key)
{
    struct table_node *node = table_find(&blobs->objects, key);

    return node ? OWNER_OF(node, struct object, node) : NULL;
}

static struct object *add_object(struct look_blobs *blobs, struct str key)
{
    struct object *object = calloc(1, sizeof *object);

    if (!object)
        return NULL;
    memcpy(object->key, key.data, key.length);
    object->node.key = (struct str){object->key, key.length};
    table_insert(&blobs->objects, &object->node);
    list_append(&blobs->in_order, &object->link);
    return object;
}

bool look_blobs_note(struct look_blobs *blobs, const struct record *record, uint64_t key,
                     uint64_t position, struct error *error)
{
    struct str name = key_of(&key, record->blob);
    struct object *object = find_object(blobs, name);

    if (!object && !(record->flags & INDEX_BLOB))
        return true;
    if (!object)
        object = add_object(blobs, name);
    if (!object)
        return error_set(error, ERROR_NO_MEMORY, "out of memory to check blobs");
    object->position = position;
    object->is_deleted = record->flags & INDEX_DELETED;
    memcpy(object->blob, record->blob, sizeof object->blob);
    return true;
}

static void blame(struct findings *findings, const char *path, struct str name, uint64_t position,
                  const char *todo, const char *what)
{
    struct buf full = {0};
    struct error ignored;

    buf_append_text(&full, path);
    buf_append(&full, STR("/blobs/"));
    buf_append(&full, name);
    findings_add(findings, buf_ok(&full, &ignored) ? full.data : path, FINDING_NO_OFFSET, position,
                 todo, "%s", what);
    buf_clear(&full);
}

/* Without the name that errors of blobs begin with. */
static const char *strip_name(const struct error *error)
{
    const char *colon = strstr(error->message, ": ");

    return colon ? colon + strlen(": ") : error->message;
}

/* Gone, or damaged, is no failure of looking. */
static bool read_blob(struct look_blobs *blobs, struct findings *findings, struct disk *disk,
                      const char *path, struct str name, const unsigned char *secret,
                      struct error *error)
{
    struct blob blob;

    if (blob_open(&blob, disk, path, name, error)) {
        bool ok = blob_verify(&blob, name, secret, error);

        blobs->count++;
        blobs->bytes += blob.length;
        blob_close(&blob);
        if (ok)
            return true;
    }
    if (error->code == ERROR_DAMAGED)
        blame(findings, path, name, 0, look_blobs_restore, strip_name(error));
    return error->code == ERROR_DAMAGED || error->code == ERROR_NOT_FOUND;
}

/* What this file is doing here; NULL: it belongs here. */
static const char *judge_name(const struct look_blobs *blobs, struct str name,
                              uint64_t last_generation)
{
    const struct object *object;
    struct blob_id id;

    if (blob_is_temporary(name))
        return NULL;
    if (!blob_parse_name(name, &id))
        return "no blob";
    if (id.generation <= last_generation)
        return "left over from a deletion";
    object = id.key ? find_object(blobs, key_of(&id.key, "")) : NULL;
    return object && object->is_deleted ? "its object is deleted" : NULL;
}

static bool check_file(struct look_blobs *blobs, struct findings *findings, struct disk *disk,
                       const char *path, struct str name, const unsigned char *secret,
                       uint64_t last_generation, struct error *error)
{
    const char *wrong = judge_name(blobs, name, last_generation);

    if (wrong)
        blame(findings, path, name, 0, look_blobs_litter, wrong);
    else if (!blob_is_temporary(name))
        return read_blob(blobs, findings, disk, path, name, secret, error);
    return true;
}

static bool check_files(struct look_blobs *blobs, struct findings *findings, struct disk *disk,
                        const char *path, const unsigned char *secret, uint64_t last_generation,
                        struct error *error)
{
    char directory[PATHS_SIZE];
    struct buf list = {0};
    struct str name;

    paths_put_blobs(directory, path);
    bool ok = disk_list(disk, directory, &list, error);
    struct str rest = buf_str(&list);
    while (ok && rest.data && str_split(&rest, '\0', &name)) {
        if (name.length > 0)
            ok = check_file(blobs, findings, disk, path, name, secret, last_generation, error);
    }
    buf_clear(&list);
    return ok;
}

static bool is_missing(struct disk *disk, const char *path, const char *name)
{
    struct error error;
    struct blob blob;

    if (!blob_open(&blob, disk, path, str_of(name), &error))
        return error.code == ERROR_NOT_FOUND; /* anything else has been told */
    blob_close(&blob);
    return false;
}

static void check_objects(const struct look_blobs *blobs, struct findings *findings,
                          struct disk *disk, const char *path)
{
    const struct list *node;

    for (node = blobs->in_order.next; node != &blobs->in_order; node = node->next) {
        const struct object *object = OWNER_OF((struct list *)node, struct object, link);

        if (object->blob[0] && is_missing(disk, path, object->blob))
            blame(findings, path, str_of(object->blob), object->position, look_blobs_restore,
                  "an object refers to it, and it is not there");
    }
}

bool look_blobs_check(struct look_blobs *blobs, struct findings *findings, struct disk *disk,
                      const char *path, const unsigned char *secret, uint64_t last_generation,
                      struct error *error)
{
    if (!check_files(blobs, findings, disk, path, secret, last_generation, error))
        return false;
    if (last_generation == 0)
        check_objects(blobs, findings, disk, path);
    return true;
}

void look_blobs_clear(struct look_blobs *blobs)
{
    struct list *node, *after;

    if (!blobs->in_order.next)
        return;
    list_for_each_safe (node, after, &blobs->in_order)
        free(OWNER_OF(node, struct object, link));
    list_init(&blobs->in_order);
    table_clear(&blobs->objects);
}
