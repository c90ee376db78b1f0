#include "sync/filter.h"

#include "base/json_read.h"
#include "store/record.h"

enum { RECORD_DEPTH_MOST = 1 << 16 }; /* checked when it was stored */

uint32_t filter_hash_type(const unsigned char secret[SIPHASH_KEY_SIZE], struct str type)
{
    return record_hash_type(secret, type);
}

void filter_prepare(const struct filter *filter, const unsigned char secret[SIPHASH_KEY_SIZE])
{
    struct filter_types *types = filter->types;

    for (size_t i = 0; types && i < types->count; i++)
        types->hashes[i] = filter_hash_type(secret, types->types[i]);
}

static bool has_hash(const struct filter *filter, uint32_t hash)
{
    for (size_t i = 0; i < filter->types->count; i++) {
        if (filter->types->hashes[i] == hash)
            return true;
    }
    return false;
}

enum filter_verdict filter_test_hash(const struct filter *filter, uint32_t hash)
{
    if (filter->kind == FILTER_ALL)
        return FILTER_YES;
    if (has_hash(filter, hash))
        return FILTER_LOOK;
    return filter->kind == FILTER_EXCLUDE ? FILTER_YES : FILTER_NO;
}

static bool has_type(const struct filter *filter, struct str type)
{
    for (size_t i = 0; type.data && i < filter->types->count; i++) {
        if (str_equals(filter->types->types[i], type))
            return true;
    }
    return false;
}

bool filter_test_type(const struct filter *filter, struct str type)
{
    switch (filter->kind) {
    case FILTER_INCLUDE:
        return has_type(filter, type);
    case FILTER_EXCLUDE:
        return !has_type(filter, type);
    case FILTER_ALL:
    default:
        return true;
    }
}

/* Reading the type of a record: [counter, {"type": ...}]. */
struct record_type {
    const struct filter *filter;
    bool at_type, passes;
};

static bool note_type(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct record_type *found = context;

    if (depth != 2)
        return true;
    if (event == JSON_KEY)
        found->at_type = str_equals(text, STR("type"));
    else if (event == JSON_STRING && found->at_type)
        found->passes = filter_test_type(found->filter, text);
    return true;
}

bool filter_test_record(const struct filter *filter, struct str record)
{
    struct record_type found = {.filter = filter,
                                .passes = filter_test_type(filter, (struct str){0})};
    struct str array = str_slice(record, 0, record.length - sizeof ",\n" + 1);
    struct error error;

    return record.length > 2 &&
           json_read_text(array, RECORD_DEPTH_MOST, note_type, &found, &error) && found.passes;
}
