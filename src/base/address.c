#include "base/address.h"

#include "base/percent.h"
#include "base/utf8.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    DOMAIN_MOST = 253, /* RFC 1035, without the final dot */
    USER_MOST = 254,   /* RFC 5321, 4.5.3.1.3, without the angle brackets */
    LABEL_MOST = 63,   /* RFC 1035 */
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Of a lower-case host name. */
static bool is_letter_or_digit(char byte)
{
    return (byte >= 'a' && byte <= 'z') || is_digit(byte);
}

/* The last label decides whether browsers take a host for an IPv4 address: digits, or 0x and
 * hexadecimal digits (URL standard, "ends in a number"). */
static bool is_number(struct str label)
{
    bool is_hex = str_starts_with(label, STR("0x"));

    for (size_t i = is_hex ? 2 : 0; i < label.length; i++) {
        if (!is_digit(label.data[i]) && !(is_hex && percent_hex_value(label.data[i]) >= 0))
            return false;
    }
    return label.length > 0;
}

/* Each of 1 to 63 letters, digits and hyphens, without a hyphen at either end. */
static bool check_labels(struct str host, bool may_underscore)
{
    size_t start = 0; /* of the label */

    for (size_t i = 0; i <= host.length; i++) {
        char byte = i < host.length ? host.data[i] : '.';

        if (byte == '.') {
            if (i == start || i - start > LABEL_MOST || host.data[i - 1] == '-')
                return false;
            start = i + 1;
        } else if (byte == '-' ? i == start
                               : !is_letter_or_digit(byte) && !(byte == '_' && may_underscore)) {
            return false;
        }
    }
    return true;
}

static struct str last_label(struct str host)
{
    size_t start = host.length;

    while (start > 0 && host.data[start - 1] != '.')
        start--;
    return str_slice(host, start, host.length);
}

/* An IP address, spelled as inet_ntop spells it, so that there is one spelling only. */
static bool check_ip(int family, struct str host)
{
    char text[INET6_ADDRSTRLEN], again[INET6_ADDRSTRLEN];
    struct in6_addr binary; /* large enough for both */

    if (host.length >= sizeof text || memchr(host.data, '\0', host.length))
        return false;
    memcpy(text, host.data, host.length);
    text[host.length] = '\0';
    return inet_pton(family, text, &binary) == 1 &&
           inet_ntop(family, &binary, again, sizeof again) && strcmp(text, again) == 0;
}

bool address_check_domain(struct str domain)
{
    if (domain.length == 0 || domain.length > DOMAIN_MOST)
        return false;
    if (domain.data[0] == '[')
        return domain.data[domain.length - 1] == ']' &&
               check_ip(AF_INET6, str_slice(domain, 1, domain.length - 2));
    if (is_number(last_label(domain)))
        return check_ip(AF_INET, domain);
    return check_labels(domain, true);
}

/* The part before the "@", as HTML takes it (section 4.10.5.1.5). */
static bool check_local_part(struct str local)
{
    for (size_t i = 0; i < local.length; i++) {
        char byte = local.data[i];

        if (!is_letter_or_digit(byte) && !(byte >= 'A' && byte <= 'Z') &&
            (byte == '\0' || !strchr(".!#$%&'*+/=?^_`{|}~-", byte)))
            return false;
    }
    return local.length > 0;
}

bool address_check_user(struct str user)
{
    size_t at = str_find_byte(user, '@');

    return user.length <= USER_MOST && at < user.length &&
           check_local_part(str_slice(user, 0, at)) &&
           check_labels(str_slice(user, at + 1, user.length), false);
}

bool address_take_user(char user[ADDRESS_USER_SIZE], struct str text)
{
    size_t at = str_find_byte(text, '@');

    if (text.length >= ADDRESS_USER_SIZE)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.data[i];

        user[i] = i > at && byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
    }
    user[text.length] = '\0';
    return address_check_user((struct str){user, text.length});
}

/* --- Paths --------------------------------------------------------------------------- */

static bool has_control_byte(struct str text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (byte < ' ' || byte == 0x7f)
            return true;
    }
    return false;
}

static bool check_decoded(struct str text, const char *what, struct error *error)
{
    if (str_find_byte(text, '/') < text.length)
        return error_set(error, ERROR_BAD_PATH, "the %s holds %%2F", what);
    if (has_control_byte(text))
        return error_set(error, ERROR_BAD_PATH, "the %s holds a control byte", what);
    return utf8_check(text) || error_set(error, ERROR_BAD_PATH, "the %s is not UTF-8", what);
}

static bool check_segment(struct str text, const char *what, struct error *error)
{
    if (text.length == 0)
        return error_set(error, ERROR_BAD_PATH, "the %s is empty or has an empty segment", what);
    if (text.data[0] == '.' && (str_equals(text, STR(".")) || str_equals(text, STR(".."))))
        return error_set(error, ERROR_BAD_PATH, "the %s has the segment \"%.*s\"", what,
                         STR_ARG(text));
    return true;
}

/* Appends one segment decoded. */
static bool decode_segment(struct str segment, const char *what, struct buf *out,
                           struct error *error)
{
    size_t before = out->length;
    bool decoded = percent_decode(segment, false, out);

    if (!buf_ok(out, error))
        return false;
    if (!decoded)
        return error_set(error, ERROR_BAD_PATH, "the %s holds a bad percent escape or %%00", what);
    struct str text = str_slice(buf_str(out), before, out->length);
    return check_segment(text, what, error) && check_decoded(text, what, error);
}

/* One of the three parts of a path, in its decoded form. Nearly all are plain: then it is the same
 * bytes, in the path and in the name of the directory. */
struct part {
    const char *what;
    struct str text;
    bool is_plain;
};

/* Decodes all segments of coded, into scratch where there is anything to decode. */
static bool decode_part(struct part *part, struct str coded, struct buf *scratch,
                        struct error *error)
{
    struct str segment;

    part->is_plain = percent_plain_length(coded) == coded.length;
    part->text = coded;
    if (part->is_plain)
        return check_segment(coded, part->what, error);
    buf_reset(scratch);
    while (str_split(&coded, '/', &segment)) {
        if (scratch->length > 0)
            buf_append_byte(scratch, '/');
        if (!decode_segment(segment, part->what, scratch, error))
            return false;
    }
    part->text = buf_str(scratch);
    return true;
}

static void make_lower(char *text)
{
    for (; *text; text++) {
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
    }
}

/* Copies what was decoded to its field. */
static bool take_text(const struct part *part, char *to, size_t size, struct error *error)
{
    if (part->text.length >= size)
        return error_set(error, ERROR_BAD_PATH, "the %s has %zu bytes, at most %zu are possible",
                         part->what, part->text.length, size - 1);
    memcpy(to, part->text.data, part->text.length);
    to[part->text.length] = '\0';
    return true;
}

/* Appends the field to the address's path, as the name of a directory. */
static bool add_name(struct address *address, const struct part *part, const char *field,
                     struct buf *scratch, struct error *error)
{
    size_t used = strlen(address->path);
    struct str name = {field, part->text.length};

    if (!part->is_plain) {
        buf_reset(scratch);
        percent_encode(name, scratch);
        if (!buf_ok(scratch, error))
            return false;
        name = buf_str(scratch);
    }
    if (name.length > ADDRESS_NAME_MOST)
        return error_set(error, ERROR_BAD_PATH,
                         "the %s has %zu bytes once percent-encoded, at most %d are possible",
                         part->what, name.length, ADDRESS_NAME_MOST);
    if (used > 0)
        address->path[used++] = '/';
    memcpy(address->path + used, name.data, name.length);
    address->path[used + name.length] = '\0';
    return true;
}

static bool take_domain(struct address *address, struct str coded, struct buf *scratch,
                        struct error *error)
{
    struct part part = {.what = "domain"};

    if (!decode_part(&part, coded, scratch, error) ||
        !take_text(&part, address->domain, sizeof address->domain, error))
        return false;
    make_lower(address->domain);
    if (!address_check_domain((struct str){address->domain, part.text.length}))
        return error_set(error, ERROR_BAD_PATH, "the domain is not a host name");
    return add_name(address, &part, address->domain, scratch, error);
}

static bool take_user(struct address *address, struct str coded, struct buf *scratch,
                      struct error *error)
{
    struct part part = {.what = "user"};

    if (!decode_part(&part, coded, scratch, error) ||
        !take_text(&part, address->user, sizeof address->user, error))
        return false;
    char *at = strchr(address->user, '@');
    make_lower(at ? at : address->user);
    if (!address_check_user((struct str){address->user, part.text.length}))
        return error_set(error, ERROR_BAD_PATH, "the user is not an e-mail address");
    return add_name(address, &part, address->user, scratch, error);
}

static bool take_bucket(struct address *address, struct str coded, struct buf *scratch,
                        struct error *error)
{
    struct part part = {.what = "bucket"};

    return decode_part(&part, coded, scratch, error) &&
           take_text(&part, address->bucket, sizeof address->bucket, error) &&
           add_name(address, &part, address->bucket, scratch, error);
}

static bool parse_path(struct address *address, struct str path, struct buf *scratch,
                       struct error *error)
{
    struct str rest = str_slice(path, 1, path.length), domain, user;

    if (!str_starts_with(path, STR("/")))
        return error_set(error, ERROR_BAD_PATH, "the path does not begin with \"/\"");
    if (!str_split(&rest, '/', &domain) || !str_split(&rest, '/', &user))
        return error_set(error, ERROR_BAD_PATH, "the path is not /DOMAIN/USER/BUCKET");
    return take_domain(address, domain, scratch, error) &&
           take_user(address, user, scratch, error) &&
           (rest.length == 0 || take_bucket(address, rest, scratch, error));
}

bool address_parse(struct address *address, struct str path, struct error *error)
{
    struct buf scratch = {0};
    bool ok;

    /* All of it, at 1.5 KB, would cost more than the parsing. */
    address->domain[0] = address->user[0] = address->bucket[0] = address->path[0] = '\0';
    ok = parse_path(address, path, &scratch, error);
    buf_clear(&scratch);
    return ok;
}

bool address_is_meant(struct str path)
{
    struct str rest = str_slice(path, 1, path.length);
    size_t slash = str_find_byte(rest, '/');
    struct str user = str_slice(rest, slash + 1, rest.length);

    if (!str_starts_with(path, STR("/")) || slash == rest.length)
        return false;
    user.length = str_find_byte(user, '/');
    if (str_find_byte(user, '@') < user.length)
        return true;
    for (size_t i = 0; i < user.length; i++) {
        if (str_starts_with(str_slice(user, i, user.length), STR("%40")))
            return true;
    }
    return false;
}
