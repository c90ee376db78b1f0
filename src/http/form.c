#include "http/form.h"

#include "base/json_read.h"
#include "base/percent.h"
#include "http/body.h"

enum { JSON_DEPTH = 4 };

struct reading {
    const struct form_field *fields;
    struct buf *current; /* field whose value comes next, in JSON */
    struct error *error;
};

static struct buf *find_field(const struct form_field *fields, struct str name)
{
    for (; fields->name; fields++) {
        if (str_equals(name, str_of(fields->name)))
            return fields->value;
    }
    return NULL;
}

/* A field that two readers could take differently is nothing to decide on. */
static bool refuse_second(struct str name, struct error *error)
{
    return error_set(error, ERROR_BAD_REQUEST, "%.*s is given twice", STR_ARG(name));
}

static bool take_form(const struct form_field *fields, struct str body, struct error *error)
{
    struct str rest = body, part;

    while (rest.length > 0 && str_split(&rest, '&', &part)) {
        size_t mark = str_find_byte(part, '=');
        struct str name = str_slice(part, 0, mark);
        struct buf *field = find_field(fields, name);

        if (field && field->length > 0)
            return refuse_second(name, error);
        if (field && !percent_decode(str_slice(part, mark + 1, part.length), true, field))
            return error_set(error, ERROR_BAD_REQUEST, "%.*s is not percent-coded correctly",
                             STR_ARG(name));
    }
    return true;
}

static bool take_event(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct reading *reading = context;

    if (depth != 1)
        return true;
    if (event == JSON_KEY) {
        reading->current = find_field(reading->fields, text);
        return !reading->current || reading->current->length == 0 ||
               refuse_second(text, reading->error);
    }
    if (event == JSON_STRING && reading->current)
        buf_append(reading->current, text);
    return true;
}

bool form_read(const struct request *request, const struct form_field *fields, struct error *error)
{
    struct str body = body_bytes(request, (size_t)request->head.body_length);
    struct str type =
        str_slice(request->head.content_type, 0, str_find_byte(request->head.content_type, ';'));
    struct reading reading = {.fields = fields, .error = error};

    bool is_json = str_equals_nocase(str_trim(type), STR("application/json"));
    if (!(is_json ? json_read_text(body, JSON_DEPTH, take_event, &reading, error)
                  : take_form(fields, body, error)))
        return false;
    for (; fields->name; fields++) {
        if (!buf_ok(fields->value, error))
            return false;
        if (fields->value->length == 0 && !fields->may_lack)
            return error_set(error, ERROR_BAD_REQUEST, "missing %s parameter", fields->name);
    }
    return true;
}
