#include "http/head.h"

#include "base/utf8.h"

/* --- Where it ends ---------------------------------------------------------------------------- */

/* An empty line of any kind ends a head, also one that head_parse refuses: what a lenient reader
 * would take for the end must not be passed over. */
size_t head_find_end(struct str bytes, size_t *looked_at)
{
    while (*looked_at < bytes.length) {
        struct str rest = str_slice(bytes, *looked_at, bytes.length);
        size_t feed = *looked_at + str_find_byte(rest, '\n');
        struct str after = str_slice(bytes, feed + 1, 2);

        if (feed == bytes.length) {
            *looked_at = bytes.length;
            return 0;
        }
        if (str_starts_with(after, STR("\n")))
            return feed + 2;
        if (str_starts_with(after, STR("\r\n")))
            return feed + 3;
        /* "\r" alone may go on as the end. */
        if (after.length == 0 || str_equals(after, STR("\r"))) {
            *looked_at = feed;
            return 0;
        }
        *looked_at = feed + 1;
    }
    return 0;
}

/* --- Which bytes may stand where -------------------------------------------------------------- */

/* RFC 9110, section 5.6.2. */
static bool is_token_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '-' ||
           (byte >= '0' && byte <= '9') || (byte && strchr("!#$%&'*+.^_`|~", byte));
}

static bool is_token(struct str name)
{
    for (size_t i = 0; i < name.length; i++) {
        if (!is_token_byte(name.data[i]))
            return false;
    }
    return name.length > 0;
}

/* True if one of eight bytes is below `least` (1 to 0x80) or is DEL: the sign bit of a byte tells,
 * where no borrow has come from the byte before, and if one has, that one was below. */
static bool has_control(uint64_t bytes, uint64_t least)
{
    const uint64_t ones = 0x0101010101010101, signs = ones << 7;
    uint64_t not_del = bytes ^ ones * 0x7f;

    return (((bytes - ones * least) & ~bytes) | ((not_del - ones) & ~not_del)) & signs;
}

/* No byte below `least`, and no DEL. */
static bool is_clean(struct str text, unsigned char least)
{
    size_t i = 0;

    for (; i + sizeof(uint64_t) <= text.length; i += sizeof(uint64_t)) {
        uint64_t bytes;

        memcpy(&bytes, text.data + i, sizeof bytes);
        if (has_control(bytes, least))
            return false;
    }
    for (; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (byte < least || byte == 0x7f)
            return false;
    }
    return true;
}

/* Blanks, tabs, visible bytes, and those above ASCII (RFC 9110, section 5.5). */
static bool is_value(struct str value)
{
    struct str part;

    if (is_clean(value, ' '))
        return true;
    while (str_split(&value, '\t', &part)) {
        if (!is_clean(part, ' '))
            return false;
    }
    return true;
}

/* Control bytes in it, or bytes that are no text, are for nobody's log or JSON. */
static bool is_target(struct str target)
{
    return target.length > 0 && target.data[0] == '/' && is_clean(target, ' ' + 1) &&
           utf8_check(target);
}

/* --- Lines ------------------------------------------------------------------------------------ */

/* Takes a line off *rest, without its CRLF; the one way to end a line. False: it ends otherwise. */
static bool take_line(struct str *rest, struct str *line)
{
    size_t feed = str_find_byte(*rest, '\n');

    if (feed == rest->length || feed == 0 || rest->data[feed - 1] != '\r')
        return false;
    *line = str_slice(*rest, 0, feed - 1);
    *rest = str_slice(*rest, feed + 1, rest->length);
    return true;
}

static const struct {
    struct str text;
    enum method method;
    const char *name;
} methods[] = {
    {STR_INIT("GET"), METHOD_GET, "GET"},
    {STR_INIT("POST"), METHOD_POST, "POST"},
    {STR_INIT("HEAD"), METHOD_HEAD, "HEAD"},
    {STR_INIT("OPTIONS"), METHOD_OPTIONS, "OPTIONS"},
};

static void find_method(struct request_head *head, struct str text)
{
    head->method = METHOD_OTHER;
    head->method_name = "OTHER";
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (str_equals(text, methods[i].text)) {
            head->method = methods[i].method;
            head->method_name = methods[i].name;
        }
    }
}

/* METHOD SP target SP HTTP/1.x (RFC 9112, section 3). */
static bool read_request_line(struct request_head *head, struct str line, struct error *error)
{
    size_t first = str_find_byte(line, ' ');
    struct str method = str_slice(line, 0, first);
    struct str rest = str_slice(line, first + 1, line.length);
    size_t second = str_find_byte(rest, ' ');
    struct str version = str_slice(rest, second + 1, rest.length);

    find_method(head, method);
    head->target = str_slice(rest, 0, second);
    if (!is_token(method))
        return error_set(error, ERROR_BAD_REQUEST, "this is no HTTP: no method begins it");
    if (!str_equals(version, STR("HTTP/1.1")) && !str_equals(version, STR("HTTP/1.0")))
        return error_set(error, ERROR_BAD_REQUEST, "HTTP/1.0 and HTTP/1.1 are spoken here");
    head->minor = str_ends_with(version, STR("1"));
    return is_target(head->target) ||
           error_set(error, ERROR_BAD_REQUEST,
                     "the request target has to begin with \"/\" and to be percent-coded");
}

static const struct {
    struct str name;
    size_t offset; /* in struct request_head */
} kept_headers[] = {
    {STR_INIT("host"), offsetof(struct request_head, host)},
    {STR_INIT("origin"), offsetof(struct request_head, origin)},
    {STR_INIT("user-agent"), offsetof(struct request_head, user_agent)},
    {STR_INIT("content-type"), offsetof(struct request_head, content_type)},
    {STR_INIT("authorization"), offsetof(struct request_head, authorization)},
    {STR_INIT("x-forwarded-for"), offsetof(struct request_head, forwarded_for)},
    {STR_INIT("if-none-match"), offsetof(struct request_head, if_none_match)},
    {STR_INIT("if-range"), offsetof(struct request_head, if_range)},
    {STR_INIT("range"), offsetof(struct request_head, range)},
};

static void keep_header(struct request_head *head, struct str name, struct str value)
{
    for (size_t i = 0; i < sizeof kept_headers / sizeof *kept_headers; i++) {
        if (str_equals_nocase(name, kept_headers[i].name))
            *(struct str *)((char *)head + kept_headers[i].offset) = value;
    }
}

/* What decides where the request ends. */
struct framing {
    unsigned hosts, lengths;
    bool close, keep_alive;
};

static void read_connection(struct framing *framing, struct str value)
{
    struct str word;

    while (str_split(&value, ',', &word)) {
        framing->close |= str_equals_nocase(str_trim(word), STR("close"));
        framing->keep_alive |= str_equals_nocase(str_trim(word), STR("keep-alive"));
    }
}

/* Those that are of the connection or of the body, not of what is asked for. */
static bool read_framing(struct request_head *head, struct framing *framing, struct str name,
                         struct str value, struct error *error)
{
    if (str_equals_nocase(name, STR("host"))) {
        framing->hosts++;
    } else if (str_equals_nocase(name, STR("connection"))) {
        read_connection(framing, value);
    } else if (str_equals_nocase(name, STR("content-length"))) {
        framing->lengths++;
        if (!str_parse_u64(value, INT64_MAX, &head->body_length))
            return error_set(error, ERROR_BAD_REQUEST, "Content-Length is no plain number");
    } else if (str_equals_nocase(name, STR("transfer-encoding"))) {
        return error_set(error, ERROR_BAD_REQUEST, "Transfer-Encoding is not taken, send a length");
    } else if (str_equals_nocase(name, STR("expect"))) {
        head->expects = str_equals_nocase(value, STR("100-continue"));
        return head->expects || error_set(error, ERROR_EXPECTATION,
                                          "Expect: 100-continue is the only one that is met here");
    }
    return true;
}

static bool read_header(struct request_head *head, struct framing *framing, struct str line,
                        struct str trusted_name, struct error *error)
{
    size_t colon = str_find_byte(line, ':');
    struct str name = str_slice(line, 0, colon);
    struct str value = str_trim(str_slice(line, colon + 1, line.length));

    if (colon == line.length || !is_token(name))
        return error_set(error, ERROR_BAD_REQUEST,
                         "a header has no colon, an empty name, or blanks in or before its name");
    if (!is_value(value))
        return error_set(error, ERROR_BAD_REQUEST, "the value of %.*s has a control byte in it",
                         STR_ARG(str_slice(name, 0, 40)));
    if (trusted_name.length > 0 && str_equals_nocase(name, trusted_name)) {
        head->trusted_user_twice = head->trusted_user.data != NULL;
        head->trusted_user = value;
    }
    keep_header(head, name, value);
    return read_framing(head, framing, name, value, error);
}

static bool check_framing(struct request_head *head, const struct framing *framing,
                          struct error *error)
{
    /* RFC 9112, section 9.3. */
    head->closes = framing->close || (head->minor == 0 && !framing->keep_alive);
    if (framing->lengths > 1)
        return error_set(error, ERROR_BAD_REQUEST, "Content-Length is given more than once");
    if (framing->hosts > 1)
        return error_set(error, ERROR_BAD_REQUEST, "Host is given more than once");
    if (framing->hosts == 0 && head->minor == 1)
        return error_set(error, ERROR_BAD_REQUEST, "HTTP/1.1 wants a Host");
    if (head->body_length > 0 && head->method != METHOD_POST)
        return error_set(error, ERROR_BAD_REQUEST, "%s takes no body", head->method_name);
    return true;
}

bool head_parse(struct request_head *head, struct str text, struct str trusted_name,
                struct error *error)
{
    struct framing framing = {0};
    struct str rest = text, line;

    *head = (struct request_head){.method = METHOD_OTHER, .method_name = "OTHER"};
    if (!take_line(&rest, &line))
        return error_set(error, ERROR_BAD_REQUEST, "lines end in CR LF");
    if (!read_request_line(head, line, error))
        return false;
    while (rest.length > 0) {
        if (!take_line(&rest, &line))
            return error_set(error, ERROR_BAD_REQUEST, "lines end in CR LF");
        if (line.length == 0)
            break;
        if (!read_header(head, &framing, line, trusted_name, error))
            return false;
    }
    return check_framing(head, &framing, error);
}
