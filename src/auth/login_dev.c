/* "dev:TOKEN:email": TOKEN is random, made at start and printed on the terminal, so that only who
 * started the server can use it. Every peer behind a TCP balancer looks like loopback: an address
 * proves nothing. */
#include "auth/login_kind.h"

static bool takes(struct str assertion)
{
    return str_starts_with(assertion, STR("dev:"));
}

static enum step run(struct login_attempt *attempt, struct task *task)
{
    struct str token = str_of(attempt->login->dev_token);
    struct str rest = buf_str(&attempt->assertion);

    (void)task;
    rest = str_slice(rest, STR("dev:").length, rest.length);
    struct str given = str_slice(rest, 0, str_find_byte(rest, ':'));
    login_take_issuer(attempt, STR("dev"));
    if (token.length == 0)
        login_refuse(attempt, "dev login is off");
    else if (!crypto_equals(given, token))
        login_refuse(attempt, "the dev token is wrong: each start of the server prints a new one");
    else if (!login_take_user(attempt, str_slice(rest, given.length + 1, rest.length)))
        login_refuse(attempt, "the assertion names no e-mail address");
    return STEP_NEXT;
}

const struct login_kind login_dev = {.name = "dev login", .takes = takes, .run = run};
