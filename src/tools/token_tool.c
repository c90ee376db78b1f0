#include "tools/token_tool.h"

#include "auth/token.h"
#include "base/clock.h"
#include "base/conf_value.h"

#include <curl/curl.h>
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
    TIMEOUT_S = 15,
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

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct buf *body = context;

    if (body->length + size * count > ANSWER_MOST)
        return 0;
    buf_append(body, (struct str){data, size * count});
    return size * count;
}

static bool post(const char *url, const char *token, long *status, struct buf *body,
                 struct error *error)
{
    char header[TOKEN_MOST + 64];
    struct curl_slist *headers;
    CURL *easy = curl_easy_init();

    (void)snprintf(header, sizeof header, "Authorization: Bearer %s", token);
    headers = curl_slist_append(NULL, header);
    if (!easy || !headers) {
        curl_slist_free_all(headers);
        curl_easy_cleanup(easy);
        return error_set(error, ERROR_NO_MEMORY, "out of memory");
    }
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, body);
    CURLcode result = curl_easy_perform(easy);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    return result == CURLE_OK ||
           error_set(error, ERROR_IO, "%.200s: %s", url, curl_easy_strerror(result));
}

static int revoke_token(const struct given *given)
{
    char token[TOKEN_MOST + 2], url[2048];
    struct buf body = {0};
    struct error error;
    long status = 0;

    if (!given->word || !given->url) {
        error_set(&error, ERROR_CONF, "revoke wants a TOKEN and the server's --url");
        return fail(&error);
    }
    if (!read_token(given, token, &error))
        return fail(&error);
    (void)snprintf(url, sizeof url, "%.1900s/logout%s", given->url,
                   given->everywhere ? "/everywhere" : "");
    bool ok = post(url, token, &status, &body, &error);
    if (ok && status != HTTP_OK)
        ok = error_set(&error, status == HTTP_UNAUTHORIZED ? ERROR_UNAUTHORIZED : ERROR_IO,
                       "the server answers %ld: %.*s", status, STR_ARG(buf_str(&body)));
    buf_clear(&body);
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
