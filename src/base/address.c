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

static bool check_label(struct str label, bool may_underscore)
{
    if (label.length == 0 || label.length > LABEL_MOST || label.data[0] == '-' ||
        label.data[label.length - 1] == '-')
        return false;
    for (size_t i = 0; i < label.length; i++) {
        char byte = label.data[i];

        if (!is_letter_or_digit(byte) && byte != '-' && !(byte == '_' && may_underscore))
            return false;
    }
    return true;
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

static bool check_labels(struct str host, bool may_underscore)
{
    struct str rest = host, label;

    while (str_split(&rest, '.', &label)) {
        if (!check_label(label, may_underscore))
            return false;
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

/* Appends one segment decoded. */
static bool decode_segment(struct str segment, const char *what, struct buf *out,
                           struct error *error)
{
    size_t before = out->length;
    bool decoded = percent_decode(segment, false, out);
    struct str text;

    if (!buf_ok(out, error))
        return false;
    if (!decoded)
        return error_set(error, ERROR_BAD_PATH, "the %s holds a bad percent escape or %%00", what);
    text = str_slice(buf_str(out), before, out->length);
    if (text.length == 0)
        return error_set(error, ERROR_BAD_PATH, "the %s is empty or has an empty segment", what);
    if (str_equals(text, STR(".")) || str_equals(text, STR("..")))
        return error_set(error, ERROR_BAD_PATH, "the %s has the segment \"%.*s\"", what,
                         STR_ARG(text));
    if (str_find_byte(text, '/') < text.length)
        return error_set(error, ERROR_BAD_PATH, "the %s holds %%2F", what);
    if (has_control_byte(text))
        return error_set(error, ERROR_BAD_PATH, "the %s holds a control byte", what);
    return utf8_check(text) || error_set(error, ERROR_BAD_PATH, "the %s is not UTF-8", what);
}

static void make_lower(char *text)
{
    for (; *text; text++) {
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
    }
}

/* Appends it to the address's path, as the name of a directory. */
static bool add_name(struct address *address, const char *name, const char *what,
                     struct buf *scratch, struct error *error)
{
    size_t used = strlen(address->path);

    buf_reset(scratch);
    percent_encode(str_of(name), scratch);
    if (!buf_ok(scratch, error))
        return false;
    if (scratch->length > ADDRESS_NAME_MOST)
        return error_set(error, ERROR_BAD_PATH,
                         "the %s has %zu bytes once percent-encoded, at most %d are possible", what,
                         scratch->length, ADDRESS_NAME_MOST);
    if (used > 0)
        address->path[used++] = '/';
    memcpy(address->path + used, scratch->data, scratch->length + 1);
    return true;
}

/* Copies what was decoded to its field. */
static bool take_text(const struct buf *decoded, const char *what, char *to, size_t size,
                      struct error *error)
{
    if (decoded->length >= size)
        return error_set(error, ERROR_BAD_PATH, "the %s has %zu bytes, at most %zu are possible",
                         what, decoded->length, size - 1);
    memcpy(to, decoded->data, decoded->length + 1);
    return true;
}

static bool take_domain(struct address *address, struct str segment, struct buf *scratch,
                        struct error *error)
{
    if (!decode_segment(segment, "domain", scratch, error) ||
        !take_text(scratch, "domain", address->domain, sizeof address->domain, error))
        return false;
    make_lower(address->domain);
    if (!address_check_domain(str_of(address->domain)))
        return error_set(error, ERROR_BAD_PATH, "the domain is not a host name");
    return add_name(address, address->domain, "domain", scratch, error);
}

static bool take_user(struct address *address, struct str segment, struct buf *scratch,
                      struct error *error)
{
    char *at;

    buf_reset(scratch);
    if (!decode_segment(segment, "user", scratch, error) ||
        !take_text(scratch, "user", address->user, sizeof address->user, error))
        return false;
    at = strchr(address->user, '@');
    make_lower(at ? at : address->user);
    if (!address_check_user(str_of(address->user)))
        return error_set(error, ERROR_BAD_PATH, "the user is not an e-mail address");
    return add_name(address, address->user, "user", scratch, error);
}

static bool take_bucket(struct address *address, struct str rest, struct buf *scratch,
                        struct error *error)
{
    struct str segment;

    buf_reset(scratch);
    while (str_split(&rest, '/', &segment)) {
        if (scratch->length > 0)
            buf_append_byte(scratch, '/');
        if (!decode_segment(segment, "bucket", scratch, error))
            return false;
    }
    return take_text(scratch, "bucket", address->bucket, sizeof address->bucket, error) &&
           add_name(address, address->bucket, "bucket", scratch, error);
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
    struct str rest = str_slice(path, 1, path.length), domain, user;

    if (!str_starts_with(path, STR("/")) || !str_split(&rest, '/', &domain) ||
        !str_split(&rest, '/', &user))
        return false;
    for (size_t i = 0; i < user.length; i++) {
        if (user.data[i] == '@' || str_starts_with(str_slice(user, i, 3), STR("%40")))
            return true;
    }
    return false;
}
