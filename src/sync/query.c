#include "sync/query.h"

#include "base/percent.h"
#include "store/index.h"

#include <stdlib.h>

enum {
    WAIT_MOST_S = 86400,
    SHOWN_MOST = 64, /* bytes of a bad value that a message repeats */
    ID_MOST = 128,   /* bytes of a collection id that is compared */
};

enum parameter {
    PARAMETER_SINCE,
    PARAMETER_LIMIT,
    PARAMETER_WAIT,
    PARAMETER_SEQ,
    PARAMETER_COLLECTION_ID,
    PARAMETER_CLIENT,
    PARAMETER_AUTH,
    PARAMETER_DELETE,
    PARAMETER_INCLUDE, /* from here on: may come several times */
    PARAMETER_EXCLUDE,
    PARAMETER_TICKET,
    PARAMETER_FILENAME,
    PARAMETER_TYPE,
    PARAMETER_ID,
    PARAMETER_ID_NUMBER,
    PARAMETER_NODES_ONLY,
    PARAMETER_UNKNOWN,
};

static const struct {
    struct str name;
    enum parameter parameter;
} parameters[] = {
    {STR_INIT("since"), PARAMETER_SINCE},
    {STR_INIT("limit"), PARAMETER_LIMIT},
    {STR_INIT("wait"), PARAMETER_WAIT},
    {STR_INIT("seq"), PARAMETER_SEQ},
    {STR_INIT("collection_id"), PARAMETER_COLLECTION_ID},
    {STR_INIT("client"), PARAMETER_CLIENT},
    {STR_INIT("auth"), PARAMETER_AUTH},
    {STR_INIT("delete"), PARAMETER_DELETE},
    {STR_INIT("include"), PARAMETER_INCLUDE},
    {STR_INIT("exclude"), PARAMETER_EXCLUDE},
    {STR_INIT("ticket"), PARAMETER_TICKET},
    {STR_INIT("filename"), PARAMETER_FILENAME},
    {STR_INIT("type"), PARAMETER_TYPE},
    {STR_INIT("id"), PARAMETER_ID},
    {STR_INIT("id_number"), PARAMETER_ID_NUMBER},
    {STR_INIT("copy"), PARAMETER_NODES_ONLY},
    {STR_INIT("paste"), PARAMETER_NODES_ONLY},
    {STR_INIT("deprecate"), PARAMETER_NODES_ONLY},
    {STR_INIT("backup-from-pos"), PARAMETER_NODES_ONLY},
};

static enum parameter find_parameter(struct str name)
{
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
        if (str_equals(parameters[i].name, name))
            return parameters[i].parameter;
    }
    return PARAMETER_UNKNOWN;
}

static bool set_number(struct str name, struct str value, uint64_t most, uint64_t *number,
                       struct error *error)
{
    if (str_parse_u64(value, most, number))
        return true;
    return error_set(error, ERROR_BAD_PARAMETER,
                     "%.*s: \"%.*s\" is not a whole number from 0 to %llu", STR_ARG(name),
                     STR_ARG(str_slice(value, 0, SHOWN_MOST)), (unsigned long long)most);
}

static bool set_client(struct query *query, struct str value, struct error *error)
{
    bool ok = value.length > 0 && value.length <= QUERY_CLIENT_MOST;

    for (size_t i = 0; ok && i < value.length; i++) {
        char byte = value.data[i];

        ok = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
             (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.' ||
             byte == '~';
    }
    query->client = value;
    return ok || error_set(error, ERROR_BAD_PARAMETER,
                           "client: wants 1 to %d of A-Z a-z 0-9 - _ . ~", QUERY_CLIENT_MOST);
}

static bool add_type(struct query *query, enum filter_kind kind, struct str value,
                     struct error *error)
{
    struct filter *filter = &query->filter;

    if (filter->kind != FILTER_ALL && filter->kind != kind)
        return error_set(error, ERROR_BAD_PARAMETER, "include and exclude cannot be combined");
    if (!filter->types)
        filter->types = calloc(1, sizeof *filter->types);
    if (!filter->types)
        return error_set(error, ERROR_NO_MEMORY, "out of memory for a query");
    if (filter->types->count == FILTER_TYPES_MOST)
        return error_set(error, ERROR_BAD_PARAMETER, "more than %d types to include or exclude",
                         FILTER_TYPES_MOST);
    filter->kind = kind;
    filter->types->types[filter->types->count++] = value;
    return true;
}

static bool set_wait(struct query *query, struct str name, struct str value, struct error *error)
{
    uint64_t wait_s;

    if (!set_number(name, value, WAIT_MOST_S, &wait_s, error))
        return false;
    query->wait_ms = wait_s * 1000;
    return true;
}

static bool set_collection_id(struct query *query, struct str value, struct error *error)
{
    query->collection_id = value;
    return value.length <= ID_MOST ||
           error_set(error, ERROR_BAD_PARAMETER, "collection_id: longer than %d bytes", ID_MOST);
}

static bool set_seq(struct query *query, struct str name, struct str value, struct error *error)
{
    if (!set_number(name, value, INDEX_COUNTER_MOST, &query->seq, error))
        return false;
    return query->seq > 0 || error_set(error, ERROR_BAD_PARAMETER, "seq: begins with 1");
}

static bool set_text(struct query *query, enum parameter parameter, struct str value)
{
    if (parameter == PARAMETER_TICKET)
        query->ticket = value;
    else if (parameter == PARAMETER_FILENAME)
        query->filename = value;
    else if (parameter == PARAMETER_TYPE)
        query->type = value;
    else if (parameter == PARAMETER_ID)
        query->id = value;
    else
        query->id_number = value;
    return true;
}

static bool set_parameter(struct query *query, enum parameter parameter, struct str name,
                          struct str value, struct error *error)
{
    switch (parameter) {
    case PARAMETER_SINCE:
        query->has_since = true;
        return set_number(name, value, INDEX_COUNTER_MOST, &query->since, error);
    case PARAMETER_LIMIT:
        return set_number(name, value, INDEX_COUNTER_MOST, &query->limit, error);
    case PARAMETER_WAIT:
        return set_wait(query, name, value, error);
    case PARAMETER_SEQ:
        return set_seq(query, name, value, error);
    case PARAMETER_COLLECTION_ID:
        return set_collection_id(query, value, error);
    case PARAMETER_CLIENT:
        return set_client(query, value, error);
    case PARAMETER_AUTH:
        query->auth = value;
        return true;
    case PARAMETER_DELETE:
        query->deletes = true;
        return true;
    case PARAMETER_INCLUDE:
        return add_type(query, FILTER_INCLUDE, value, error);
    case PARAMETER_EXCLUDE:
        return add_type(query, FILTER_EXCLUDE, value, error);
    case PARAMETER_TICKET:
    case PARAMETER_FILENAME:
    case PARAMETER_TYPE:
    case PARAMETER_ID:
    case PARAMETER_ID_NUMBER:
        return set_text(query, parameter, value);
    case PARAMETER_NODES_ONLY:
        return error_set(error, ERROR_NOT_FOUND, "%.*s is not for users", STR_ARG(name));
    case PARAMETER_UNKNOWN:
    default:
        return true;
    }
}

/* Copies the text and makes room behind the copy for all that will be decoded from it, so that what
 * points into the storage stays valid. */
static bool keep(struct query *query, struct str *text, struct error *error)
{
    query->is_plain =
        str_find_byte(*text, '%') == text->length && str_find_byte(*text, '+') == text->length;
    if (!buf_reserve(&query->storage, (query->is_plain ? 1 : 2) * text->length + 1))
        return error_set(error, ERROR_NO_MEMORY, "out of memory for a query");
    buf_append(&query->storage, *text);
    *text = buf_str(&query->storage);
    return true;
}

static bool decode(struct query *query, struct str text, struct str *decoded)
{
    size_t start = query->storage.length;

    *decoded = text;
    if (query->is_plain)
        return true;
    if (!percent_decode(text, true, &query->storage))
        return false;
    *decoded = (struct str){query->storage.data + start, query->storage.length - start};
    return true;
}

static bool parse_part(struct query *query, struct str part, unsigned *seen, struct error *error)
{
    size_t mark = str_find_byte(part, '=');
    struct str name, value;

    if (!decode(query, str_slice(part, 0, mark), &name) ||
        !decode(query, str_slice(part, mark + 1, part.length), &value))
        return error_set(error, ERROR_BAD_PARAMETER,
                         "a parameter of the query is not percent-coded correctly");
    enum parameter parameter = find_parameter(name);
    if (parameter < PARAMETER_INCLUDE) {
        if (*seen & 1u << parameter)
            return error_set(error, ERROR_BAD_PARAMETER, "%.*s: given twice", STR_ARG(name));
        *seen |= 1u << parameter;
    }
    return set_parameter(query, parameter, name, value, error);
}

bool query_parse(struct query *query, struct str text, struct error *error)
{
    struct str part;
    unsigned seen = 0;

    query->limit = UINT64_MAX;
    if (text.length == 0)
        return true;
    if (!keep(query, &text, error))
        return false;
    while (str_split(&text, '&', &part)) {
        if (part.length > 0 && !parse_part(query, part, &seen, error))
            return false;
    }
    if (query->seq > 0 && query->client.length == 0)
        return error_set(error, ERROR_BAD_PARAMETER, "seq: means nothing without client");
    return true;
}

void query_clear(struct query *query)
{
    free(query->filter.types);
    buf_clear(&query->storage);
    *query = (struct query){.limit = UINT64_MAX};
}
