#include "auth/verifier.h"

#include "base/json_read.h"
#include "base/percent.h"

#include <string.h>

enum { ANSWER_DEPTH = 8, MS_PER_S = 1000 };

void verifier_put_form(struct str assertion, const struct origin *audience, struct buf *form)
{
    buf_append(form, STR("assertion="));
    percent_encode(assertion, form);
    buf_append(form, STR("&audience="));
    percent_encode(str_of(audience->text), form);
}

/* --- Reading --------------------------------------------------------------------------------- */

enum member { STATUS = 1, EMAIL = 2, AUDIENCE = 4, EXPIRES = 8, ISSUER = 16, REASON = 32 };

struct reading {
    struct verifier_answer *answer;
    const struct origin *audience;
    enum member member; /* whose value comes next; 0: one that means nothing here */
    unsigned seen;
    bool is_same_audience, is_text_bad, is_twice;
};

static enum member find_member(struct str name)
{
    static const struct {
        struct str name;
        enum member member;
    } members[] = {
        {STR_INIT("status"), STATUS},     {STR_INIT("email"), EMAIL},
        {STR_INIT("audience"), AUDIENCE}, {STR_INIT("expires"), EXPIRES},
        {STR_INIT("issuer"), ISSUER},     {STR_INIT("reason"), REASON},
    };

    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (str_equals(members[i].name, name))
            return members[i].member;
    }
    return 0;
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

static void take_string(struct reading *reading, struct str text)
{
    struct verifier_answer *answer = reading->answer;
    struct origin origin;
    struct error cause;

    switch (reading->member) {
    case STATUS:
        answer->is_okay = str_equals(text, STR("okay"));
        break;
    case EMAIL:
        reading->is_text_bad |= !copy_text(answer->user, sizeof answer->user, text);
        break;
    case AUDIENCE:
        reading->is_same_audience = origin_parse(&origin, text, &cause) &&
                                    strcmp(origin.text, reading->audience->text) == 0;
        break;
    case ISSUER:
        reading->is_text_bad |= !copy_text(answer->issuer, sizeof answer->issuer, text);
        break;
    case REASON: /* for people: what does not fit is left out */
        if (!copy_text(answer->reason, sizeof answer->reason, text))
            answer->reason[0] = '\0';
        break;
    case EXPIRES:
    default:
        reading->seen &= ~(unsigned)reading->member; /* a value of another kind is none */
        break;
    }
}

static void take_number(struct reading *reading, struct str text)
{
    uint64_t ms;

    if (reading->member == EXPIRES && str_parse_u64(text, INT64_MAX, &ms))
        reading->answer->expires = (int64_t)(ms / MS_PER_S);
    else
        reading->seen &= ~(unsigned)reading->member;
}

static bool take_event(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct reading *reading = context;

    if (depth != 1)
        return true;
    if (event == JSON_KEY) {
        reading->member = find_member(text);
        reading->is_twice |= (reading->seen & reading->member) != 0;
        reading->seen |= reading->member;
    } else if (event == JSON_STRING) {
        take_string(reading, text);
    } else if (event == JSON_NUMBER) {
        take_number(reading, text);
    } else if (event != JSON_END_OBJECT && event != JSON_END_ARRAY) {
        reading->seen &= ~(unsigned)reading->member;
    }
    return true;
}

static void refuse(struct verifier_answer *answer, const char *reason)
{
    *answer = (struct verifier_answer){0};
    memcpy(answer->reason, reason, strlen(reason) + 1);
}

bool verifier_read(struct str body, const struct origin *audience, int64_t now,
                   struct verifier_answer *answer, struct error *error)
{
    const unsigned wanted = STATUS | EMAIL | AUDIENCE | EXPIRES;
    struct reading reading = {.answer = answer, .audience = audience};
    struct error cause;

    *answer = (struct verifier_answer){0};
    if (!json_read_text(body, ANSWER_DEPTH, take_event, &reading, &cause))
        return cause.code == ERROR_NO_MEMORY
                   ? error_set(error, cause.code, "%s", cause.message)
                   : error_set(error, ERROR_IO, "the verifier's answer: %s", cause.message);
    if (!(reading.seen & STATUS) || reading.is_twice)
        return error_set(error, ERROR_IO, "the verifier's answer has no status, or a member twice");
    if (!answer->is_okay) {
        if (!answer->reason[0])
            refuse(answer, "the verifier refused the assertion");
        return true;
    }
    if ((reading.seen & wanted) != wanted || reading.is_text_bad)
        return error_set(error, ERROR_IO,
                         "the verifier's answer lacks, or has no good, status, "
                         "email, audience or expires");
    if (!reading.is_same_audience)
        refuse(answer, "the assertion is for another audience");
    else if (answer->expires <= now)
        refuse(answer, "the assertion has expired");
    return true;
}
