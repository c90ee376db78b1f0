#include "store/record.h"

#include "base/json_read.h"

#include <string.h>

enum { DEPTH_MOST = 1 << 16 }; /* the configuration allows far less */

/* Members that mean something to the index, as bits. */
enum member {
    MEMBER_OTHER = 0,
    MEMBER_ID = 1,
    MEMBER_TYPE = 2,
    MEMBER_DELETED = 4,
    MEMBER_EXPIRES = 8,
    MEMBER_BLOB = 16,
    MEMBER_DATA = 32,
};

struct reading {
    struct record *record;
    enum member member; /* whose value comes next */
    bool is_href;       /* that of its blob */
    unsigned seen;
    unsigned values; /* of the outer array */
    struct error error;
};

static bool refuse(struct error *error, const char *what)
{
    return error_set(error, ERROR_DAMAGED, "%s", what);
}

static enum member find_member(struct str name)
{
    static const struct {
        struct str name;
        enum member member;
    } members[] = {
        {STR_INIT("id"), MEMBER_ID},           {STR_INIT("type"), MEMBER_TYPE},
        {STR_INIT("deleted"), MEMBER_DELETED}, {STR_INIT("expires"), MEMBER_EXPIRES},
        {STR_INIT("blob"), MEMBER_BLOB},       {STR_INIT("data"), MEMBER_DATA},
    };

    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (str_equals(members[i].name, name))
            return members[i].member;
    }
    return MEMBER_OTHER;
}

static bool note_key(struct reading *reading, struct str name)
{
    reading->member = find_member(name);
    if (reading->seen & reading->member)
        return refuse(&reading->error, "a member stands twice in the object");
    reading->seen |= reading->member;
    if (reading->member == MEMBER_BLOB)
        reading->record->flags |= INDEX_BLOB;
    return true;
}

static bool is_good_name(struct str name)
{
    return name.length <= RECORD_NAME_MOST && str_find_byte(name, '\0') == name.length;
}

/* -(2^53 - 1) to 2^53 - 1, in digits. */
static bool is_exact_integer(struct str text)
{
    struct str digits = str_starts_with(text, STR("-")) ? str_slice(text, 1, text.length) : text;
    uint64_t number;

    return str_parse_u64(digits, INDEX_COUNTER_MOST, &number) &&
           (number != 0 || digits.length == text.length);
}

static bool set_id(struct reading *reading, enum json_event event, struct str text)
{
    struct record *record = reading->record;
    bool is_string = event == JSON_STRING && is_good_name(text);

    if (!is_string && !(event == JSON_NUMBER && is_exact_integer(text)))
        return refuse(&reading->error, "the id is none");
    record->has_id = true;
    record->id[0] = is_string ? 's' : 'i';
    memcpy(record->id + 1, text.data, text.length);
    record->id_length = text.length + 1;
    return true;
}

static bool set_type(struct reading *reading, enum json_event event, struct str text)
{
    struct record *record = reading->record;

    if (event != JSON_STRING || !is_good_name(text))
        return refuse(&reading->error, "the type is none");
    record->has_type = true;
    memcpy(record->type, text.data, text.length);
    record->type_length = text.length;
    return true;
}

static bool set_expires(struct reading *reading, enum json_event event, struct str text)
{
    struct str whole = str_slice(text, 0, str_find_byte(text, '.'));
    uint64_t seconds;

    if (event != JSON_NUMBER || !str_parse_u64(whole, INDEX_COUNTER_MOST, &seconds))
        return refuse(&reading->error, "expires is no time");
    reading->record->expires = seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX;
    return true;
}

static bool note_value(struct reading *reading, enum json_event event, struct str text)
{
    switch (reading->member) {
    case MEMBER_ID:
        return set_id(reading, event, text);
    case MEMBER_TYPE:
        return set_type(reading, event, text);
    case MEMBER_EXPIRES:
        return set_expires(reading, event, text);
    case MEMBER_DELETED:
        reading->record->flags |= INDEX_DELETED;
        return event == JSON_TRUE || refuse(&reading->error, "deleted is something but true");
    case MEMBER_BLOB:
    case MEMBER_DATA:
    case MEMBER_OTHER:
    default:
        return true;
    }
}

/* Of the outer array: a number, then an object. */
static bool note_part(struct reading *reading, enum json_event event)
{
    static const enum json_event parts[] = {JSON_NUMBER, JSON_BEGIN_OBJECT, JSON_END_OBJECT};

    return (reading->values < sizeof parts / sizeof *parts && parts[reading->values++] == event) ||
           refuse(&reading->error, "it is no counter with an object");
}

/* What stands behind the last slash of the address. */
static void note_blob(struct reading *reading, enum json_event event, struct str text)
{
    struct str rest = text, name = {0};
    struct blob_id id;

    if (event == JSON_KEY)
        reading->is_href = str_equals(text, STR("href"));
    if (event != JSON_STRING || !reading->is_href)
        return;
    while (rest.data && str_split(&rest, '/', &name))
        continue;
    if (blob_parse_name(name, &id))
        blob_put_name(&id, reading->record->blob);
}

static bool on_event(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct reading *reading = context;

    if (depth == 1)
        return note_part(reading, event);
    if (depth == 3 && reading->member == MEMBER_BLOB)
        note_blob(reading, event, text);
    if (depth != 2 || event == JSON_END_ARRAY || event == JSON_END_OBJECT)
        return true;
    return event == JSON_KEY ? note_key(reading, text) : note_value(reading, event, text);
}

/* Stored form has no white space outside strings. */
static bool is_compact(struct str text)
{
    bool in_string = false;

    for (size_t i = 0; i < text.length; i++) {
        char byte = text.data[i];

        if (byte == '"')
            in_string = !in_string;
        else if (byte == '\\' && in_string)
            i++;
        else if (!in_string && (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'))
            return false;
    }
    return true;
}

static bool read_json(struct reading *reading, struct str array, struct error *error)
{
    struct error cause;

    if (json_read_text(array, DEPTH_MOST, on_event, reading, &cause))
        return true;
    if (reading->error.code != ERROR_NONE)
        cause = reading->error;
    return error_set(error, cause.code == ERROR_BAD_JSON ? ERROR_DAMAGED : cause.code, "%s",
                     cause.message);
}

bool record_read(struct record *record, struct str line, struct error *error)
{
    static const struct str end = STR_INIT("],\n");
    struct reading reading = {.record = record};

    record->counter = 0;
    record->expires = 0;
    record->flags = 0;
    record->has_type = record->has_id = false;
    record->type_length = record->id_length = 0;
    record->blob[0] = '\0';
    if (!str_starts_with(line, STR("[")) || !str_ends_with(line, end))
        return refuse(error, "it is no line of a counter and an object");
    size_t comma = str_find_byte(line, ',');
    if (!str_parse_u64(str_slice(line, 1, comma - 1), INDEX_COUNTER_MOST, &record->counter) ||
        record->counter == 0)
        return refuse(error, "its counter is none");
    record->object = str_slice(line, comma + 1, line.length - end.length - comma - 1);
    struct str array = str_slice(line, 0, line.length - strlen(",\n"));
    if (!read_json(&reading, array, error))
        return false;
    return is_compact(array) || refuse(error, "there is white space outside strings");
}

uint32_t record_hash_type(const unsigned char secret[SIPHASH_KEY_SIZE], struct str type)
{
    uint32_t hash = (uint32_t)siphash_hash(secret, type);

    return hash ? hash : 1;
}

/* (type, id) as bytes that no other pair has: neither part holds NUL. */
uint64_t record_hash_key(const unsigned char secret[SIPHASH_KEY_SIZE], struct str type,
                         struct str id)
{
    char bytes[2 * RECORD_NAME_MOST + 4];
    size_t length = 0;

    bytes[length++] = type.data ? 't' : '-';
    if (type.length > 0)
        memcpy(bytes + length, type.data, type.length);
    length += type.length;
    bytes[length++] = '\0';
    memcpy(bytes + length, id.data, id.length);
    length += id.length;
    uint64_t hash = siphash_hash(secret, (struct str){bytes, length});
    return hash ? hash : 1;
}

void record_describe(const struct record *record, const unsigned char secret[SIPHASH_KEY_SIZE],
                     struct batch_object *object)
{
    struct str type = {record->has_type ? record->type : NULL, record->type_length};
    struct str id = {record->id, record->id_length};

    *object = (struct batch_object){
        .text = record->object,
        .key = record->has_id ? record_hash_key(secret, type, id) : 0,
        .type = record->has_type ? record_hash_type(secret, type) : 0,
        .expires = record->expires,
        .flags = record->flags,
    };
}
