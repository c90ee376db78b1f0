#include "sync/object_blobs.h"

#include "base/base64.h"
#include "base/json_write.h"
#include "sync/objects.h"

#include <stdlib.h>
#include <string.h>

enum blob_member { BLOB_OTHER, BLOB_CONTENT_TYPE = 1, BLOB_DATA = 2, BLOB_HREF = 4 };

enum { HREF_MOST = 4096 };

static const char wrong_href[] = "href is no address of a blob of this collection";
static const char wrong_members[] =
    "a blob has a content_type, and data or an href, all of them strings, and nothing else";

/* --- Reading --------------------------------------------------------------------------------- */

struct object_blob *object_blobs_begin(struct object_blobs *blobs, size_t object, unsigned member)
{
    if (blobs->count == blobs->capacity) {
        size_t capacity = blobs->capacity ? 2 * blobs->capacity : 4;
        struct object_blob *items = realloc(blobs->items, capacity * sizeof *items);

        if (!items)
            return NULL;
        blobs->items = items;
        blobs->capacity = capacity;
    }
    blobs->seen = 0;
    blobs->value = BLOB_OTHER;
    blobs->items[blobs->count] = (struct object_blob){.object = object, .member = member};
    return &blobs->items[blobs->count++];
}

static enum blob_member find_member(struct str name)
{
    if (str_equals(name, STR("content_type")))
        return BLOB_CONTENT_TYPE;
    if (str_equals(name, STR("data")))
        return BLOB_DATA;
    return str_equals(name, STR("href")) ? BLOB_HREF : BLOB_OTHER;
}

static const char *note_key(struct object_blobs *blobs, struct str name)
{
    blobs->value = find_member(name);
    if (blobs->value == BLOB_OTHER || blobs->seen & blobs->value)
        return wrong_members;
    blobs->seen |= blobs->value;
    return NULL;
}

static const char *set_type(struct object_blobs *blobs, struct object_blob *blob, struct str text)
{
    if (!blob_check_type(text))
        return "content_type is no media type of at most 127 bytes, as RFC 9110 has it";
    blob->type_start = blobs->texts.length;
    blob->type_length = text.length;
    buf_append(&blobs->texts, text);
    return NULL;
}

static const char *set_href(struct object_blobs *blobs, struct object_blob *blob, struct str text)
{
    if (text.length > HREF_MOST)
        return wrong_href;
    blob->has_href = true;
    blob->href_start = blobs->texts.length;
    blob->href_length = text.length;
    buf_append(&blobs->texts, text);
    return NULL;
}

static const char *set_data(struct object_blob *blob, struct str text, uint64_t most,
                            bool *is_too_large)
{
    struct error ignored;

    if (text.length / 4 * 3 > most + 3) {
        *is_too_large = true;
        return "more bytes than max_blob_bytes";
    }
    blob->has_data = true;
    /* Without memory the buffer has failed, which object_blobs_ok tells: it is no fault of the
     * client's. */
    if (!base64_decode(text, &blob->bytes))
        return blob->bytes.failed ? NULL : "data is not base64";
    *is_too_large = blob->bytes.length > most;
    /* Without memory for that the name would be wrong; then the buffer counts as failed. */
    if (!crypto_sha256(buf_str(&blob->bytes), blob->content, &ignored))
        blob->bytes.failed = true;
    return *is_too_large ? "more bytes than max_blob_bytes" : NULL;
}

static const char *end_blob(const struct object_blobs *blobs)
{
    bool is_complete = blobs->seen & BLOB_CONTENT_TYPE && blobs->seen & (BLOB_DATA | BLOB_HREF);

    return is_complete ? NULL : wrong_members;
}

const char *object_blobs_note(struct object_blobs *blobs, enum json_event event, unsigned depth,
                              struct str text, uint64_t most, bool *is_too_large)
{
    struct object_blob *blob = &blobs->items[blobs->count - 1];

    *is_too_large = false;
    if (depth == 0 && event == JSON_BEGIN_OBJECT)
        return NULL;
    if (depth == 0 && event == JSON_END_OBJECT)
        return end_blob(blobs);
    if (depth == 1 && event == JSON_KEY)
        return note_key(blobs, text);
    if (depth != 1 || event != JSON_STRING)
        return wrong_members;
    if (blobs->value == BLOB_CONTENT_TYPE)
        return set_type(blobs, blob, text);
    if (blobs->value == BLOB_DATA)
        return set_data(blob, text, most, is_too_large);
    return blobs->value == BLOB_HREF ? set_href(blobs, blob, text) : wrong_members;
}

bool object_blobs_ok(const struct object_blobs *blobs, struct error *error)
{
    for (size_t i = 0; i < blobs->count; i++) {
        if (!buf_ok(&blobs->items[i].bytes, error))
            return false;
    }
    return buf_ok(&blobs->texts, error);
}

/* --- Addresses ------------------------------------------------------------------------------- */

static const char marker[] = "/+static/";

struct str object_blobs_split_path(struct str path, struct str *collection)
{
    size_t length = sizeof marker - 1;

    *collection = path;
    for (size_t at = path.length; at-- > 0;) {
        if (!str_starts_with(str_slice(path, at, path.length), STR(marker)))
            continue;
        *collection = str_slice(path, 0, at);
        return str_slice(path, at + length, path.length);
    }
    return (struct str){0};
}

void object_blobs_put_path(const char *path, struct buf *out)
{
    struct str rest = str_of(path);

    /* The slashes of a bucket are coded in a path, and nothing else in it gives that code. */
    while (rest.length > 0) {
        size_t at = str_find_byte(rest, '%');
        bool is_slash = str_starts_with(str_slice(rest, at, rest.length), STR("%2F"));

        buf_append(out, str_slice(rest, 0, at));
        rest = str_slice(rest, at, rest.length);
        if (is_slash)
            buf_append_byte(out, '/');
        else
            buf_append(out, str_slice(rest, 0, 1));
        rest = str_slice(rest, is_slash ? 3 : 1, rest.length);
    }
}

/* The path of a URL, or of a reference that begins with it. Which host it names does not matter: a
 * server may have moved, and what is stored names this one. */
static struct str find_path(struct str href)
{
    size_t at = str_find_byte(href, ':');

    if (str_starts_with(str_slice(href, at, href.length), STR("://"))) {
        href = str_slice(href, at + 3, href.length);
        href = str_slice(href, str_find_byte(href, '/'), href.length);
    }
    return str_slice(href, 0, str_find_either(href, '?', '#'));
}

static bool is_of(struct str collection, const char *path, struct str base_path)
{
    struct address address;
    struct error ignored;

    if (str_starts_with(collection, base_path))
        collection = str_slice(collection, base_path.length, collection.length);
    return address_is_meant(collection) && address_parse(&address, collection, &ignored) &&
           strcmp(address.path, path) == 0;
}

static bool find_href(struct object_blobs *blobs, struct object_blob *blob, const char *path,
                      struct str base_path)
{
    struct str href = str_slice(buf_str(&blobs->texts), blob->href_start, blob->href_length);
    struct str collection, name = object_blobs_split_path(find_path(href), &collection);

    return blob_parse_name(name, &blob->id) && is_of(collection, path, base_path);
}

bool object_blobs_find_hrefs(struct objects *objects, const char *path, struct str base_path,
                             struct error *error)
{
    struct object_blobs *blobs = &objects->blobs;

    for (size_t i = 0; i < blobs->count; i++) {
        if (!blobs->items[i].has_data && !find_href(blobs, &blobs->items[i], path, base_path))
            blobs->items[i].wrong = wrong_href;
    }
    return object_blobs_check(objects, error);
}

/* --- As it is stored ------------------------------------------------------------------------- */

static struct str type_of(const struct object_blobs *blobs, const struct object_blob *blob)
{
    return str_slice(buf_str(&blobs->texts), blob->type_start, blob->type_length);
}

static void put_href(const struct object_blobs *blobs, const struct object_blob *blob,
                     struct buf *out)
{
    char name[BLOB_NAME_SIZE];

    blob_put_name(&blob->id, name);
    json_write_name(out, "href");
    buf_append_byte(out, '"');
    buf_append(out, buf_str(&blobs->prefix));
    buf_append_text(out, name);
    buf_append_byte(out, '"');
}

/* Where a string that begins at text.data[at] is over. */
static size_t skip_string(struct str text, size_t at)
{
    for (at++; at < text.length && text.data[at] != '"'; at++)
        at += text.data[at] == '\\';
    return at + 1;
}

/* Where a value is over: at the comma or the brace behind it. */
static size_t skip_value(struct str text, size_t at)
{
    unsigned depth = 0;

    while (at < text.length) {
        char byte = text.data[at];

        if (depth == 0 && (byte == ',' || byte == '}'))
            break;
        depth += byte == '{' || byte == '[';
        depth -= byte == '}' || byte == ']';
        at = byte == '"' ? skip_string(text, at) : at + 1;
    }
    return at;
}

/* The value of that member of a compact object, known to be good JSON. */
static void find_value(struct str text, unsigned member, size_t *start, size_t *end)
{
    *end = 0;
    for (unsigned i = 0; i <= member; i++) {
        *start = skip_string(text, *end + 1) + 1;
        *end = skip_value(text, *start);
    }
}

static void put_object(const struct object_blobs *blobs, const struct object_blob *blob,
                       struct str text, struct buf *out)
{
    size_t start, end;

    find_value(text, blob->member, &start, &end);
    buf_append(out, str_slice(text, 0, start));
    buf_append_byte(out, '{');
    json_write_string_member(out, "content_type", type_of(blobs, blob));
    put_href(blobs, blob, out);
    buf_append_byte(out, '}');
    buf_append(out, str_slice(text, end, text.length));
}

/* All texts anew: what came as base64 shall count for nothing any more. */
static bool store_texts(struct objects *objects, struct error *error)
{
    const struct object_blobs *blobs = &objects->blobs;
    struct buf texts = {0};
    size_t next = 0;

    for (size_t i = 0; i < objects->count; i++) {
        struct str text = objects_text(objects, i);
        size_t start = texts.length;

        if (next < blobs->count && blobs->items[next].object == i)
            put_object(blobs, &blobs->items[next++], text, &texts);
        else
            buf_append(&texts, text);
        objects->items[i].start = start;
        objects->items[i].length = texts.length - start;
    }
    buf_clear(&objects->text);
    objects->text = texts;
    return buf_ok(&objects->text, error);
}

bool object_blobs_name(struct objects *objects, const struct identity *identity,
                       uint64_t generation, struct error *error)
{
    struct object_blobs *blobs = &objects->blobs;

    if (blobs->is_named || blobs->count == 0)
        return true;
    for (size_t i = 0; i < blobs->count; i++) {
        struct object_blob *blob = &blobs->items[i];
        uint64_t key = objects_key(objects, blob->object, identity->secret);

        if (!blob->has_data && blob->id.key != key)
            blob->wrong = "href is that of another object's blob";
        if (blob->has_data && !blob_make_id(&blob->id, identity->secret, generation, key,
                                            type_of(blobs, blob), blob->content, error))
            return false;
    }
    blobs->is_named = true;
    return object_blobs_check(objects, error) && store_texts(objects, error);
}

bool object_blobs_check(struct objects *objects, struct error *error)
{
    const struct object_blobs *blobs = &objects->blobs;

    for (size_t i = 0; i < blobs->count; i++) {
        if (blobs->items[i].wrong)
            objects_add_error(objects, blobs->items[i].object, "bad_blob", blobs->items[i].wrong);
    }
    return objects->error_count == 0 || objects_end_errors(objects, error);
}

void object_blobs_put(const struct objects *objects, struct buf *out)
{
    const struct object_blobs *blobs = &objects->blobs;

    buf_append_byte(out, '[');
    for (size_t i = 0; i < blobs->count; i++) {
        const struct object_blob *blob = &blobs->items[i];
        struct str type = objects_type(objects, blob->object);

        if (!blob->has_data)
            continue;
        buf_append(out, out->data && out->data[out->length - 1] == '[' ? STR("{") : STR(",{"));
        if (objects->items[blob->object].has_id)
            objects_put_id(objects, blob->object, out);
        if (type.data)
            json_write_string_member(out, "type", type);
        put_href(blobs, blob, out);
        json_write_string_member(out, "content_type", type_of(blobs, blob));
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ']');
}

/* --- Files ----------------------------------------------------------------------------------- */

static bool write_blob(struct object_blobs *blobs, struct object_blob *blob, struct disk *disk,
                       const char *path, struct error *error)
{
    struct blob_writing writing = {0};
    unsigned char content[CRYPTO_HASH_SIZE];
    char name[BLOB_NAME_SIZE];

    blob_put_name(&blob->id, name);
    bool ok = blob_begin(&writing, disk, path, error) &&
              blob_extend(&writing, buf_str(&blob->bytes), error) &&
              blob_seal(&writing, type_of(blobs, blob), content, error) &&
              blob_place(&writing, path, name, error);
    blob_drop(&writing);
    return ok;
}

static bool look_for_blob(struct object_blob *blob, struct disk *disk, const char *path,
                          struct error *error)
{
    char name[BLOB_NAME_SIZE];
    struct blob file;

    blob_put_name(&blob->id, name);
    if (blob_open(&file, disk, path, str_of(name), error)) {
        blob_close(&file);
        return true;
    }
    if (error->code == ERROR_NOT_FOUND)
        blob->wrong = "there is no such blob (any more)";
    return error->code == ERROR_NOT_FOUND;
}

bool object_blobs_place(struct object_blobs *blobs, struct disk *disk, const char *path,
                        struct error *error)
{
    size_t missing = 0;

    for (size_t i = 0; i < blobs->count; i++) {
        if (blobs->items[i].has_data)
            continue;
        if (!look_for_blob(&blobs->items[i], disk, path, error))
            return false;
        missing += blobs->items[i].wrong != NULL;
    }
    for (size_t i = 0; missing == 0 && i < blobs->count; i++) {
        if (blobs->items[i].has_data && !write_blob(blobs, &blobs->items[i], disk, path, error))
            return false;
    }
    return true;
}

void object_blobs_clear(struct object_blobs *blobs)
{
    for (size_t i = 0; i < blobs->count; i++)
        buf_clear(&blobs->items[i].bytes);
    free(blobs->items);
    buf_clear(&blobs->texts);
    buf_clear(&blobs->prefix);
    *blobs = (struct object_blobs){0};
}
