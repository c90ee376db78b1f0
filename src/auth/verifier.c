#include "auth/verifier.h"

#include "auth/members.h"
#include "base/percent.h"

#include <string.h>

enum { MS_PER_S = 1000 };

void verifier_put_form(struct str assertion, const struct origin *audience, struct buf *form)
{
    buf_append(form, STR("assertion="));
    percent_encode(assertion, form);
    buf_append(form, STR("&audience="));
    percent_encode(str_of(audience->text), form);
}

/* --- Reading --------------------------------------------------------------------------------- */

enum { STATUS_SIZE = 16 };

struct said {
    char status[STATUS_SIZE], email[ADDRESS_USER_SIZE], audience[MEMBERS_TEXT_SIZE];
    char issuer[VERIFIER_ISSUER_SIZE], reason[VERIFIER_REASON_SIZE];
    int64_t expires_ms;
};

#define TEXT_OF(text, field)                                                                       \
    {                                                                                              \
        (text), MEMBER_TEXT, offsetof(struct said, field), sizeof((struct said *)0)->field         \
    }

static const struct member said_members[] = {
    TEXT_OF("status", status),
    TEXT_OF("email", email),
    TEXT_OF("audience", audience),
    TEXT_OF("issuer", issuer),
    TEXT_OF("reason", reason),
    {"expires", MEMBER_SECONDS, offsetof(struct said, expires_ms), 0}, /* they are milliseconds */
    {0},
};

static void refuse(struct verifier_answer *answer, const char *reason)
{
    *answer = (struct verifier_answer){0};
    memcpy(answer->reason, reason, strlen(reason) + 1);
}

static bool is_for(const struct said *said, const struct origin *audience)
{
    struct origin origin;
    struct error cause;

    return origin_parse(&origin, str_of(said->audience), &cause) &&
           strcmp(origin.text, audience->text) == 0;
}

static void judge(const struct said *said, const struct origin *audience, int64_t now,
                  struct verifier_answer *answer)
{
    answer->is_okay = true;
    answer->expires = said->expires_ms / MS_PER_S;
    memcpy(answer->user, said->email, sizeof answer->user);
    memcpy(answer->issuer, said->issuer, sizeof answer->issuer);
    if (!is_for(said, audience))
        refuse(answer, "the assertion is for another audience");
    else if (answer->expires <= now)
        refuse(answer, "the assertion has expired");
}

bool verifier_read(struct str body, const struct origin *audience, int64_t now,
                   struct verifier_answer *answer, struct error *error)
{
    struct said said = {0};
    struct members members;
    struct error cause;

    *answer = (struct verifier_answer){0};
    if (!members_read(&members, body, said_members, &said, &cause))
        return error_set(error, cause.code == ERROR_NO_MEMORY ? cause.code : ERROR_IO,
                         "the verifier's answer: %s", cause.message);
    if (!said.status[0])
        return error_set(error, ERROR_IO, "the verifier's answer has no status");
    if (strcmp(said.status, "okay") != 0)
        refuse(answer, said.reason[0] ? said.reason : "the verifier refused the assertion");
    else if (!said.email[0] || !said.audience[0] || !members_has(&members, "expires"))
        return error_set(error, ERROR_IO, "the verifier's answer lacks email, audience or expires");
    else
        judge(&said, audience, now, answer);
    return true;
}
