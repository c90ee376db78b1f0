#include "auth/members.h"

#include <string.h>

enum { DEPTH_MOST = 8 };

void members_begin(struct members *members, const struct member *table, void *into)
{
    *members = (struct members){.table = table, .into = into};
}

static void set_wrong(struct members *members)
{
    if (!members->wrong)
        members->wrong = members->current;
}

static void take_name(struct members *members, struct str name)
{
    members->current = NULL;
    for (unsigned i = 0; members->table[i].name; i++) {
        if (!str_equals(str_of(members->table[i].name), name))
            continue;
        members->current = &members->table[i];
        if (members->current->type == MEMBER_BAD || members->seen & 1U << i)
            set_wrong(members);
        members->seen |= 1U << i;
    }
}

/* Whole, and without what a C string or a log line cannot hold. */
static bool copy_text(char *to, size_t size, struct str text)
{
    if (text.length >= size)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
            return false;
        to[i] = text.data[i];
    }
    to[text.length] = '\0';
    return true;
}

static bool add_text(struct member_texts *texts, struct str text)
{
    return texts->count < MEMBERS_TEXTS_MOST &&
           copy_text(texts->items[texts->count++], MEMBERS_TEXT_SIZE, text);
}

static bool take_seconds(int64_t *seconds, struct str text)
{
    uint64_t number;
    struct str whole = str_slice(text, 0, str_find_byte(text, '.'));

    if (!str_parse_u64(whole, INT64_MAX / 2, &number) ||
        str_find_either(text, 'e', 'E') < text.length)
        return false;
    *seconds = (int64_t)number;
    return true;
}

/* A value right inside the object, but for lists. */
static bool take_value(const struct member *member, void *field, enum json_event event,
                       struct str text)
{
    switch (member->type) {
    case MEMBER_TEXT:
        return event == JSON_STRING && copy_text(field, member->size, text);
    case MEMBER_TEXTS:
        return event == JSON_STRING && add_text(field, text);
    case MEMBER_SECONDS:
        return event == JSON_NUMBER && take_seconds(field, text);
    case MEMBER_FLAG:
        *(bool *)field = event == JSON_TRUE;
        return event == JSON_TRUE || event == JSON_FALSE;
    case MEMBER_BAD:
    default:
        return false;
    }
}

void members_take(struct members *members, enum json_event event, unsigned depth, struct str text)
{
    const struct member *current = members->current;
    bool is_list = current && current->type == MEMBER_TEXTS;

    if (event == JSON_KEY && depth == 1) {
        take_name(members, text);
        return;
    }
    if (!current || depth == 0 || (depth == 1 && event == JSON_END_ARRAY) ||
        (depth == 1 && event == JSON_BEGIN_ARRAY && is_list))
        return;
    void *field = (char *)members->into + current->offset;
    if (depth == 1 ? !take_value(current, field, event, text)
                   : !is_list || depth > 2 || event != JSON_STRING || !add_text(field, text))
        set_wrong(members);
}

bool members_has(const struct members *members, const char *name)
{
    for (unsigned i = 0; members->table[i].name; i++) {
        if (strcmp(members->table[i].name, name) == 0)
            return (members->seen & 1U << i) != 0;
    }
    return false;
}

static bool take_event(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct members *members = context;

    if (depth == 0)
        return event == JSON_BEGIN_OBJECT || event == JSON_END_OBJECT;
    members_take(members, event, depth, text);
    return true;
}

bool members_read(struct members *members, struct str text, const struct member *table, void *into,
                  struct error *error)
{
    struct error cause = {0};

    members_begin(members, table, into);
    if (!json_read_text(text, DEPTH_MOST, take_event, members, &cause))
        return error_set(error, cause.code == ERROR_NO_MEMORY ? cause.code : ERROR_BAD_JSON, "%s",
                         cause.code == ERROR_NONE ? "it is no JSON object" : cause.message);
    return !members->wrong ||
           error_set(error, ERROR_BAD_JSON, "its member \"%s\" is wrong", members->wrong->name);
}
