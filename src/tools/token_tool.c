#include "tools/token_tool.h"

#include "auth/token.h"
#include "base/clock.h"
#include "base/conf_value.h"
#include "base/percent.h"
#include "loop/fetch.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    STATUS_GOOD = 0,
    STATUS_NO_GOOD = 1,
    STATUS_FAILED = 2,
    HOUR_MS = 3600 * 1000,
    HOURS_MOST = 366 * 24,
    MS_PER_S = 1000,
    TIMEOUT_MS = 15 * 1000,
    HTTP_OK = 200,
    HTTP_UNAUTHORIZED = 401,
    ANSWER_MOST = 4096,
};

const char token_tool_usage[] =
    "usage: cutoutctl token issue -s FILE -a ORIGIN [-l TIME] EMAIL\n"
    "       cutoutctl token inspect [-s FILE] TOKEN\n"
    "       cutoutctl token revoke -u URL [-e] TOKEN\n"
    "\n"
    "  issue    print a token that lets EMAIL use the app at ORIGIN\n"
    "  inspect  print what a token says; with the secret, whether it is good\n"
    "  revoke   log its session out at the server; with -e all sessions of its user\n"
    "\n"
    "  -s, --secret FILE     the server's token_secret_file\n"
    "  -a, --audience ORIGIN as in https://app.example\n"
    "  -l, --lifetime TIME   as in 30m, 12h, 7d; 1h if it is not given\n"
    "  -u, --url URL         of the server\n"
    "  -e, --everywhere\n"
    "  -h, --help            print this\n"
    "\n"
    "TOKEN may be -, then it is read from standard input: what is on a command line can be seen by\n"
    "others. Ends with 0: done, 1: the token is no good, 2: it could not be done.\n";

static const struct option long_options[] = {
    {"secret", required_argument, NULL, 's'},
    {"audience", required_argument, NULL, 'a'},
    {"lifetime", required_argument, NULL, 'l'},
    {"url", required_argument, NULL, 'u'},
    {"everywhere", no_argument, NULL, 'e'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* What was given, in its words. */
struct given {
    const char *action, *word;
    const char *secret, *audience, *lifetime, *url;
    bool everywhere, wants_help;
};

static int fail(const struct error *error)
{
    (void)fprintf(stderr, "cutoutctl: %s\n", error->message);
    return error->code == ERROR_UNAUTHORIZED ? STATUS_NO_GOOD : STATUS_FAILED;
}

/* --- The command line ------------------------------------------------------------------------- */

static bool take_option(struct given *given, int option, const char *word, struct error *error)
{
    switch (option) {
    case 's':
        given->secret = optarg;
        return true;
    case 'a':
        given->audience = optarg;
        return true;
    case 'l':
        given->lifetime = optarg;
        return true;
    case 'u':
        given->url = optarg;
        return true;
    case 'e':
        given->everywhere = true;
        return true;
    case 'h':
        given->wants_help = true;
        return true;
    case ':':
        return error_set(error, ERROR_CONF, "%.60s wants a value", word);
    default:
        return error_set(error, ERROR_CONF, "unknown option %.60s", word);
    }
}

static bool parse(struct given *given, int argc, char **argv, struct error *error)
{
    int option;

    *given = (struct given){0};
    optind = 0; /* the program's own options may have been looked for before */
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":s:a:l:u:eh", long_options, NULL)) != -1) {
        if (!take_option(given, option, argv[optind - 1], error))
            return false;
    }
    if (argc - optind > 2)
        return error_set(error, ERROR_CONF, "unexpected \"%.60s\"", argv[optind + 2]);
    given->action = argc - optind > 0 ? argv[optind] : NULL;
    given->word = argc - optind > 1 ? argv[optind + 1] : NULL;
    return true;
}

/* The server makes the file if it is not there; who only has tokens made must not. */
static bool read_keys(const struct given *given, struct keys *keys, struct error *error)
{
    if (access(given->secret, F_OK) != 0)
        return error_set(error, ERROR_CONF, "%.200s: is not there", given->secret);
    return keys_read_file(keys, given->secret, error);
}

static bool parse_lifetime(const char *word, uint64_t *lifetime_ms, struct error *error)
{
    static const struct conf_directive table[] = {{.name = "lifetime",
                                                   .type = CONF_DURATION,
                                                   .fallback = "",
                                                   .least = MS_PER_S,
                                                   .most = (uint64_t)HOURS_MOST * HOUR_MS},
                                                  {0}};

    *lifetime_ms = HOUR_MS;
    return !word || conf_value_set(table, word, lifetime_ms, error);
}

/* The token as it was given, or a line of standard input. */
static bool read_token(const struct given *given, char text[TOKEN_MOST + 2], struct error *error)
{
    if (strcmp(given->word, "-") != 0)
        return snprintf(text, TOKEN_MOST + 2, "%s", given->word) <= TOKEN_MOST ||
               error_set(error, ERROR_UNAUTHORIZED, "that is too long for a token");
    if (!fgets(text, TOKEN_MOST + 2, stdin))
        return error_set(error, ERROR_CONF, "there is no token on standard input");
    text[strcspn(text, "\r\n")] = '\0';
    return true;
}

/* --- issue ------------------------------------------------------------------------------------ */

static bool make_token(const struct given *given, const struct keys *keys, struct buf *text,
                       struct error *error)
{
    struct token token = {.began = clock_unix_seconds(), .issued = clock_unix_seconds()};
    struct str user = str_of(given->word);
    uint64_t lifetime_ms;

    if (!address_check_user(user) || user.length >= sizeof token.user)
        return error_set(error, ERROR_CONF, "\"%.100s\" is no e-mail address", given->word);
    if (!origin_parse(&token.audience, str_of(given->audience), error) ||
        !parse_lifetime(given->lifetime, &lifetime_ms, error))
        return false;
    memcpy(token.user, user.data, user.length);
    token.expires = token.issued + (int64_t)(lifetime_ms / MS_PER_S);
    return token_begin_session(&token, error) && token_make(keys, &token, text, error);
}

static int issue_token(const struct given *given)
{
    struct buf text = {0};
    struct error error;
    struct keys keys;

    if (!given->word || !given->secret || !given->audience) {
        error_set(&error, ERROR_CONF, "issue wants an EMAIL, --secret and --audience");
        return fail(&error);
    }
    if (!read_keys(given, &keys, &error))
        return fail(&error);
    bool ok = make_token(given, &keys, &text, &error);
    keys_clear(&keys);
    if (ok)
        (void)printf("%.*s\n", STR_ARG(buf_str(&text)));
    buf_clear(&text);
    return ok ? STATUS_GOOD : fail(&error);
}

/* --- inspect ---------------------------------------------------------------------------------- */

/* What it says, whether that is true or not. */
static bool print_payload(struct str token, struct error *error)
{
    struct str rest = token, version, id, payload;
    struct buf text = {0};

    bool ok = str_split(&rest, '.', &version) && str_split(&rest, '.', &id) &&
              str_split(&rest, '.', &payload) && crypto_base64url_decode(payload, &text) &&
              !text.failed;
    if (ok) {
        for (size_t i = 0; i < text.length; i++) /* it goes to a terminal */
            text.data[i] = text.data[i] < ' ' || text.data[i] == 0x7f ? '?' : text.data[i];
        (void)printf("%.*s\n", STR_ARG(buf_str(&text)));
    }
    buf_clear(&text);
    return ok || error_set(error, ERROR_UNAUTHORIZED, "this is no token");
}

static int inspect_token(const struct given *given)
{
    char text[TOKEN_MOST + 2];
    struct token token;
    struct error error;
    struct keys keys;

    if (!given->word) {
        error_set(&error, ERROR_CONF, "inspect wants a TOKEN");
        return fail(&error);
    }
    if (!read_token(given, text, &error) || !print_payload(str_of(text), &error))
        return fail(&error);
    if (!given->secret) {
        (void)fprintf(stderr, "cutoutctl: without --secret nobody can tell whether it is good\n");
        return STATUS_GOOD;
    }
    if (!read_keys(given, &keys, &error))
        return fail(&error);
    bool ok = token_check(&keys, str_of(text), clock_unix_seconds(), &token, &error);
    keys_clear(&keys);
    if (!ok)
        return fail(&error);
    (void)printf("good for %" PRId64 " s, unless it was logged out\n",
                 token.expires - clock_unix_seconds());
    return STATUS_GOOD;
}

/* --- revoke ----------------------------------------------------------------------------------- */

/* One request, in a loop of its own. */
struct asking {
    struct task task;
    struct loop loop;
    struct fetches fetches;
    struct fetch fetch;
    struct buf url; /* with the token */
};

static enum step ask(struct task *task)
{
    struct asking *asking = OWNER_OF(task, struct asking, task);
    const struct fetch_request request = {.url = asking->url.data,
                                          .form = STR(""),
                                          .timeout_ms = TIMEOUT_MS,
                                          .size_most = ANSWER_MOST};

    return fetch_start(&asking->fetch, &asking->fetches, &request, task);
}

static void stop(struct task *task)
{
    loop_stop(task->loop);
}

static bool run_asking(struct asking *asking, struct error *error)
{
    static const struct step_entry steps[] = {STEP(ask), {0}};
    static const struct task_kind kind = {"ask", steps, stop};

    if (!loop_open(&asking->loop, error) ||
        !fetches_open(&asking->fetches, &asking->loop, 1, NULL, error))
        return false;
    task_start(&asking->task, &asking->loop, &kind);
    if (task_is_under_way(&asking->task) && !loop_run(&asking->loop, error))
        return false;
    *error = asking->task.error.code != ERROR_NONE ? asking->task.error : asking->fetch.error;
    return error->code == ERROR_NONE;
}

static bool read_answer(const struct fetch *fetch, struct error *error)
{
    if (fetch->status == HTTP_OK)
        return true;
    return error_set(error, fetch->status == HTTP_UNAUTHORIZED ? ERROR_UNAUTHORIZED : ERROR_IO,
                     "the server answers %d: %.*s", fetch->status, STR_ARG(buf_str(&fetch->body)));
}

static int revoke_token(const struct given *given)
{
    char token[TOKEN_MOST + 2];
    struct asking asking = {0};
    struct error error;

    if (!given->word || !given->url) {
        error_set(&error, ERROR_CONF, "revoke wants a TOKEN and the server's --url");
        return fail(&error);
    }
    if (!read_token(given, token, &error))
        return fail(&error);
    buf_append_text(&asking.url, given->url);
    buf_append_text(&asking.url, given->everywhere ? "/logout/everywhere" : "/logout");
    buf_append(&asking.url, STR("?auth="));
    percent_encode(str_of(token), &asking.url);
    bool ok = buf_ok(&asking.url, &error) && run_asking(&asking, &error) &&
              read_answer(&asking.fetch, &error);
    fetch_clear(&asking.fetch);
    fetches_close(&asking.fetches);
    loop_close(&asking.loop);
    buf_clear(&asking.url);
    return ok ? STATUS_GOOD : fail(&error);
}

int token_tool_run(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct given *given);
    } actions[] = {{"issue", issue_token}, {"inspect", inspect_token}, {"revoke", revoke_token}};
    struct given given;
    struct error error;

    bool ok = parse(&given, argc, argv, &error);
    if (ok && given.wants_help)
        return fputs(token_tool_usage, stdout) == EOF ? STATUS_FAILED : STATUS_GOOD;
    for (size_t i = 0; ok && given.action && i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(actions[i].name, given.action) == 0)
            return actions[i].run(&given);
    }
    if (ok && given.action)
        error_set(&error, ERROR_CONF, "unknown command \"token %.60s\"", given.action);
    else if (ok)
        error_set(&error, ERROR_CONF, "token: issue, inspect or revoke?");
    (void)fprintf(stderr, "cutoutctl: %s\n\n%s", error.message, token_tool_usage);
    return STATUS_FAILED;
}
