#include "sync/objects.h"

#include "base/json_read.h"
#include "base/json_write.h"
#include "store/record.h"

#include <stdlib.h>
#include <string.h>

/* Members that mean something to the server, as bits. */
enum member {
    MEMBER_OTHER = 0,
    MEMBER_ID = 1,
    MEMBER_TYPE = 2,
    MEMBER_DELETED = 4,
    MEMBER_EXPIRES = 8,
    MEMBER_DATA = 16,
    MEMBER_BLOB = 32,
};

/* Two readers go over each piece: the parser, which tells what the members are (events), and then a
 * scan over the same bytes, which by then are known to be good JSON, for where each object begins
 * and ends and what of it is white space. They meet in the items. */
struct objects_scan {
    struct json_read json;
    size_t begun;       /* objects that events have begun */
    enum member member; /* whose value comes next */
    unsigned seen;      /* members of the current object */
    unsigned members;   /* how many of all kinds it has, so far */
    bool deleted;
    const char *code; /* what is wrong with the current object; NULL: nothing so far */
    char message[96];
    struct error error; /* of the whole array */
    bool only_sizes;    /* nothing but sizes was wrong so far */

    unsigned depth; /* of the scan */
    bool in_string, escaped, in_item;
    size_t copied; /* objects that the scan has completed */
    size_t start;  /* of the one it is in, in text */
};

/* Room for item i; NULL when memory is out. */
static struct object *item_at(struct objects *objects, size_t i)
{
    if (i >= objects->capacity) {
        size_t capacity = objects->capacity ? 2 * objects->capacity : 16;
        struct object *items = realloc(objects->items, capacity * sizeof *items);

        if (!items)
            return NULL;
        memset(items + objects->capacity, 0, (capacity - objects->capacity) * sizeof *items);
        objects->items = items;
        objects->capacity = capacity;
    }
    return &objects->items[i];
}

void objects_put_id(const struct objects *objects, size_t i, struct buf *out)
{
    const struct object *object = &objects->items[i];
    struct str id = str_slice(buf_str(&objects->names), object->id_start, object->id_length);

    json_write_name(out, "id");
    if (str_starts_with(id, STR("i")))
        buf_append(out, str_slice(id, 1, id.length));
    else
        json_write_string(out, str_slice(id, 1, id.length));
}

/* The scan may be in an item that the parser has not come to the end of, and so knows nothing of.
 */
void objects_add_error(struct objects *objects, size_t i, const char *code, const char *message)
{
    struct buf *out = &objects->errors;

    if (objects->error_count++ >= OBJECTS_ERRORS_MOST)
        return;
    buf_append(out, objects->error_count == 1 ? STR("[{") : STR(",{"));
    json_write_u64_member(out, "index", i);
    if (i < objects->scan->begun && objects->items[i].has_id)
        objects_put_id(objects, i, out);
    json_write_string_member(out, "code", str_of(code));
    json_write_string_member(out, "message", str_of(message));
    buf_append_byte(out, '}');
}

static const char too_large[] = "too_large";

/* The first thing wrong with the current object is what is told. */
static void blame(struct objects_scan *scan, const char *code, const char *message)
{
    if (scan->code)
        return;
    scan->code = code;
    (void)strncpy(scan->message, message, sizeof scan->message - 1);
}

static bool begin_object(struct objects *objects)
{
    struct objects_scan *scan = objects->scan;

    if (scan->begun >= objects->limits->max_post_objects)
        return error_set(&scan->error, ERROR_TOO_LARGE,
                         "more than %llu objects in one POST (max_post_objects)",
                         (unsigned long long)objects->limits->max_post_objects);
    if (!item_at(objects, scan->begun))
        return error_set(&scan->error, ERROR_NO_MEMORY, "out of memory for the objects");
    scan->begun++;
    scan->seen = scan->members = 0;
    scan->member = MEMBER_OTHER;
    scan->deleted = false;
    scan->code = NULL;
    return true;
}

static bool end_object(struct objects *objects)
{
    struct objects_scan *scan = objects->scan;

    if (scan->deleted && scan->seen & (MEMBER_DATA | MEMBER_BLOB))
        blame(scan, "deleted_with_data", "a deleted object has neither data nor blob");
    if (scan->code) {
        scan->only_sizes &= scan->code == too_large;
        objects_add_error(objects, scan->begun - 1, scan->code, scan->message);
    }
    return true;
}

static enum member find_member(struct str name)
{
    static const struct {
        struct str name;
        enum member member;
    } members[] = {
        {STR_INIT("id"), MEMBER_ID},           {STR_INIT("type"), MEMBER_TYPE},
        {STR_INIT("deleted"), MEMBER_DELETED}, {STR_INIT("expires"), MEMBER_EXPIRES},
        {STR_INIT("data"), MEMBER_DATA},       {STR_INIT("blob"), MEMBER_BLOB},
    };

    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (str_equals(members[i].name, name))
            return members[i].member;
    }
    return MEMBER_OTHER;
}

static bool note_key(struct objects *objects, struct str name)
{
    struct objects_scan *scan = objects->scan;

    scan->member = find_member(name);
    if (scan->seen & scan->member)
        blame(scan, "duplicate_member", "id, type, deleted, expires, data and blob stand once");
    scan->seen |= scan->member;
    scan->members++;
    if (scan->member != MEMBER_BLOB)
        return true;
    objects->items[scan->begun - 1].flags |= INDEX_BLOB;
    return object_blobs_begin(&objects->blobs, scan->begun - 1, scan->members - 1) ||
           error_set(&scan->error, ERROR_NO_MEMORY, "out of memory for the blobs");
}

static bool note_blob(struct objects *objects, enum json_event event, unsigned depth,
                      struct str text)
{
    uint64_t most = objects->limits->max_blob_bytes;
    bool is_too_large;
    const char *wrong = object_blobs_note(&objects->blobs, event, depth, text, most, &is_too_large);

    if (wrong)
        blame(objects->scan, is_too_large ? too_large : "bad_blob", wrong);
    return true;
}

static bool is_good_name(struct str name)
{
    return name.length <= OBJECTS_NAME_MOST && str_find_byte(name, '\0') == name.length;
}

/* -(2^53 - 1) to 2^53 - 1, in digits. */
static bool is_exact_integer(struct str text)
{
    struct str digits = str_starts_with(text, STR("-")) ? str_slice(text, 1, text.length) : text;
    uint64_t number;

    return str_parse_u64(digits, INDEX_COUNTER_MOST, &number) &&
           (number != 0 || digits.length == text.length);
}

static bool set_id(struct objects *objects, enum json_event event, struct str text)
{
    struct object *object = &objects->items[objects->scan->begun - 1];
    bool is_string = event == JSON_STRING && is_good_name(text);

    if (!is_string && !(event == JSON_NUMBER && is_exact_integer(text))) {
        blame(objects->scan, "bad_id",
              "an id is a string of at most 1024 bytes or an integer within 2^53");
        return true;
    }
    object->has_id = true;
    object->id_start = objects->names.length;
    object->id_length = text.length + 1;
    buf_append_byte(&objects->names, is_string ? 's' : 'i');
    buf_append(&objects->names, text);
    return buf_ok(&objects->names, &objects->scan->error);
}

static bool set_type(struct objects *objects, enum json_event event, struct str text)
{
    struct object *object = &objects->items[objects->scan->begun - 1];

    if (event != JSON_STRING || !is_good_name(text)) {
        blame(objects->scan, "bad_type", "a type is a string of at most 1024 bytes");
        return true;
    }
    object->has_type = true;
    object->type_start = objects->names.length;
    object->type_length = text.length;
    buf_append(&objects->names, text);
    return buf_ok(&objects->names, &objects->scan->error);
}

static bool set_expires(struct objects *objects, enum json_event event, struct str text)
{
    struct object *object = &objects->items[objects->scan->begun - 1];
    struct str whole = str_slice(text, 0, str_find_byte(text, '.'));
    uint64_t seconds;

    if (event != JSON_NUMBER || !str_parse_u64(whole, INDEX_COUNTER_MOST, &seconds)) {
        blame(objects->scan, "bad_expires", "expires is a number of unix seconds");
        return true;
    }
    object->expires = seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX;
    return true;
}

static bool set_deleted(struct objects *objects, enum json_event event)
{
    struct object *object = &objects->items[objects->scan->begun - 1];

    objects->scan->deleted = true;
    object->flags |= INDEX_DELETED;
    if (event != JSON_TRUE)
        blame(objects->scan, "bad_deleted", "deleted is true or absent");
    return true;
}

static bool note_value(struct objects *objects, enum json_event event, struct str text)
{
    switch (objects->scan->member) {
    case MEMBER_ID:
        return set_id(objects, event, text);
    case MEMBER_TYPE:
        return set_type(objects, event, text);
    case MEMBER_EXPIRES:
        return set_expires(objects, event, text);
    case MEMBER_DELETED:
        return set_deleted(objects, event);
    case MEMBER_DATA:
    case MEMBER_BLOB:
    case MEMBER_OTHER:
    default:
        return true;
    }
}

static bool note_array(struct objects *objects, enum json_event event)
{
    return event == JSON_BEGIN_ARRAY || event == JSON_END_ARRAY ||
           error_set(&objects->scan->error, ERROR_BAD_JSON, "the body is not a JSON array");
}

static bool note_item(struct objects *objects, enum json_event event)
{
    if (event == JSON_END_OBJECT || event == JSON_END_ARRAY)
        return end_object(objects);
    if (!begin_object(objects))
        return false;
    if (event == JSON_BEGIN_OBJECT)
        return true;
    blame(objects->scan, "not_object", "each item of the array has to be an object");
    return event == JSON_BEGIN_ARRAY || end_object(objects);
}

static bool on_event(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct objects *objects = context;

    if (depth == 0)
        return note_array(objects, event);
    if (depth == 1)
        return note_item(objects, event);
    if (objects->scan->member == MEMBER_BLOB && (depth > 2 || event != JSON_KEY))
        return note_blob(objects, event, depth - 2, text);
    if (depth > 2 || event == JSON_END_ARRAY || event == JSON_END_OBJECT)
        return true;
    if (event == JSON_KEY)
        return note_key(objects, text);
    return note_value(objects, event, text);
}

bool objects_open(struct objects *objects, const struct limits *limits, size_t length,
                  struct error *error)
{
    *objects = (struct objects){.limits = limits};
    if (length > limits->max_post_bytes)
        return error_set(error, ERROR_TOO_LARGE, "the body has %zu bytes, max_post_bytes is %llu",
                         length, (unsigned long long)limits->max_post_bytes);
    objects->scan = calloc(1, sizeof *objects->scan);
    if (!objects->scan)
        return error_set(error, ERROR_NO_MEMORY, "out of memory for the objects");
    objects->scan->only_sizes = true;
    (void)buf_reserve(&objects->text, length);
    return json_read_open(&objects->scan->json, length, (unsigned)limits->json_max_depth, on_event,
                          objects, error);
}

static bool complete_item(struct objects *objects)
{
    struct objects_scan *scan = objects->scan;
    struct object *object = item_at(objects, scan->copied);
    char message[96];

    if (!object)
        return error_set(&scan->error, ERROR_NO_MEMORY, "out of memory for the objects");
    object->start = scan->start;
    object->length = objects->text.length - scan->start;
    if (object->length > objects->limits->max_object_bytes) {
        struct error text;

        error_set(&text, ERROR_TOO_LARGE, "%zu bytes, max_object_bytes is %llu", object->length,
                  (unsigned long long)objects->limits->max_object_bytes);
        (void)strncpy(message, text.message, sizeof message - 1);
        message[sizeof message - 1] = '\0';
        objects_add_error(objects, scan->copied, too_large, message);
    }
    scan->in_item = false;
    scan->copied++;
    return true;
}

/* One byte outside strings. Depth 1 is inside the array, between objects. */
static bool scan_structure(struct objects *objects, char byte)
{
    struct objects_scan *scan = objects->scan;
    bool opens = byte == '{' || byte == '[';
    bool closes = byte == '}' || byte == ']';

    if (closes)
        scan->depth--;
    if (scan->depth == 1 && scan->in_item && byte == ',' && !complete_item(objects))
        return false;
    if (scan->depth == 0 && closes && scan->in_item && !complete_item(objects))
        return false;
    if (scan->depth >= 1 && !scan->in_item && byte != ',') {
        scan->in_item = true;
        scan->start = objects->text.length;
    }
    if (opens)
        scan->depth++;
    scan->in_string = byte == '"';
    if (scan->in_item)
        buf_append_byte(&objects->text, byte);
    return true;
}

/* The rest of a string, as far as it is in this piece, in one copy. */
static size_t scan_string(struct objects *objects, struct str rest)
{
    struct objects_scan *scan = objects->scan;
    size_t i = 0;

    while (i < rest.length && scan->in_string) {
        if (scan->escaped) {
            scan->escaped = false;
            i++;
            continue;
        }
        i += str_find_either(str_slice(rest, i, rest.length), '"', '\\');
        if (i == rest.length)
            break;
        scan->escaped = rest.data[i] == '\\';
        scan->in_string = scan->escaped;
        i++;
    }
    buf_append(&objects->text, str_slice(rest, 0, i));
    return i;
}

static bool scan_piece(struct objects *objects, struct str piece)
{
    struct objects_scan *scan = objects->scan;

    for (size_t i = 0; i < piece.length;) {
        char byte = piece.data[i];

        if (scan->in_string) {
            i += scan_string(objects, str_slice(piece, i, piece.length));
            continue;
        }
        i++;
        if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r')
            continue;
        if (!scan_structure(objects, byte))
            return false;
    }
    return buf_ok(&objects->text, &scan->error);
}

/* One that is far too large is not read to its end: the parser goes over a long string once more
 * with each piece. */
static bool check_size(struct objects *objects)
{
    struct objects_scan *scan = objects->scan;
    uint64_t most = objects->limits->max_object_bytes;

    if (!scan->in_item || objects->text.length - scan->start <= most + OBJECTS_PIECE)
        return true;
    objects_add_error(objects, scan->copied, too_large, "far more bytes than max_object_bytes");
    buf_append_byte(&objects->errors, ']');
    return error_set(&scan->error, ERROR_TOO_LARGE,
                     "object %zu is far larger than max_object_bytes, %llu", scan->copied,
                     (unsigned long long)most);
}

bool objects_feed(struct objects *objects, struct str piece, struct error *error)
{
    if (json_read_feed(&objects->scan->json, piece, error) && scan_piece(objects, piece) &&
        check_size(objects))
        return true;
    if (objects->scan->error.code != ERROR_NONE)
        *error = objects->scan->error;
    return false;
}

bool objects_finish(struct objects *objects, struct error *error)
{
    struct objects_scan *scan = objects->scan;

    if (!json_read_finish(&objects->scan->json, error)) {
        if (scan->error.code != ERROR_NONE)
            *error = scan->error;
        return false;
    }
    json_read_close(&objects->scan->json);
    objects->count = scan->begun;
    if (objects->error_count == 0)
        return object_blobs_ok(&objects->blobs, error);
    if (!scan->only_sizes)
        return objects_end_errors(objects, error);
    buf_append_byte(&objects->errors, ']');
    return error_set(error, ERROR_TOO_LARGE, "%zu of %zu objects are over max_object_bytes, %llu",
                     objects->error_count, objects->count,
                     (unsigned long long)objects->limits->max_object_bytes);
}

bool objects_end_errors(struct objects *objects, struct error *error)
{
    buf_append_byte(&objects->errors, ']');
    return error_set(error, ERROR_BAD_OBJECTS,
                     "%zu of %zu objects are refused, nothing was stored; see errors",
                     objects->error_count, objects->count);
}

void objects_clear(struct objects *objects)
{
    if (objects->scan)
        json_read_close(&objects->scan->json);
    free(objects->scan);
    free(objects->items);
    object_blobs_clear(&objects->blobs);
    buf_clear(&objects->text);
    buf_clear(&objects->names);
    buf_clear(&objects->errors);
    *objects = (struct objects){0};
}

struct str objects_text(const struct objects *objects, size_t i)
{
    return str_slice(buf_str(&objects->text), objects->items[i].start, objects->items[i].length);
}

struct str objects_type(const struct objects *objects, size_t i)
{
    const struct object *object = &objects->items[i];

    if (!object->has_type)
        return (struct str){0};
    return str_slice(buf_str(&objects->names), object->type_start, object->type_length);
}

uint64_t objects_key(const struct objects *objects, size_t i,
                     const unsigned char secret[SIPHASH_KEY_SIZE])
{
    const struct object *object = &objects->items[i];

    if (!object->has_id)
        return 0;
    struct str id = str_slice(buf_str(&objects->names), object->id_start, object->id_length);

    return record_hash_key(secret, objects_type(objects, i), id);
}

bool objects_find_key(struct str type, struct str id, struct str id_number,
                      const unsigned char secret[SIPHASH_KEY_SIZE], uint64_t *key,
                      struct error *error)
{
    bool is_string = id.data && !id_number.data;
    struct buf coded = {0};

    if (is_string ? !is_good_name(id)
                  : !(id_number.data && !id.data && is_exact_integer(id_number)))
        return error_set(error, ERROR_BAD_PARAMETER,
                         "id, or id_number for an integer, has to say which object it is for");
    if (!is_good_name(type))
        return error_set(error, ERROR_BAD_PARAMETER, "type: has more than %d bytes, or a NUL",
                         OBJECTS_NAME_MOST);
    buf_append_byte(&coded, is_string ? 's' : 'i');
    buf_append(&coded, is_string ? id : id_number);
    bool ok = buf_ok(&coded, error);
    if (ok)
        *key = record_hash_key(secret, type, buf_str(&coded));
    buf_clear(&coded);
    return ok;
}

void objects_describe(const struct objects *objects, size_t i,
                      const unsigned char secret[SIPHASH_KEY_SIZE], struct batch_object *out)
{
    const struct object *object = &objects->items[i];

    *out = (struct batch_object){
        .text = objects_text(objects, i),
        .key = objects_key(objects, i, secret),
        .type = object->has_type ? filter_hash_type(secret, objects_type(objects, i)) : 0,
        .expires = object->expires,
        .flags = object->flags,
    };
}

static bool require_object(void *context, enum json_event event, unsigned depth, struct str text)
{
    bool *is_object = context;

    (void)text;
    if (depth == 0 && event == JSON_BEGIN_OBJECT)
        *is_object = true;
    return true;
}

bool objects_read_reason(struct str body, const struct limits *limits, struct buf *out,
                         struct error *error)
{
    bool is_object = false, in_string = false, escaped = false;

    if (str_trim(body).length == 0) {
        buf_append(out, STR("{}"));
        return buf_ok(out, error);
    }
    if (!json_read_text(body, (unsigned)limits->json_max_depth, require_object, &is_object, error))
        return false;
    if (!is_object)
        return error_set(error, ERROR_BAD_JSON, "the reason of a deletion is a JSON object");
    for (size_t i = 0; i < body.length; i++) {
        char byte = body.data[i];

        if (!in_string && (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'))
            continue;
        if (byte == '"' && !escaped)
            in_string = !in_string;
        escaped = in_string && byte == '\\' && !escaped;
        buf_append_byte(out, byte);
    }
    return buf_ok(out, error);
}
