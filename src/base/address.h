/* address.h - which collection: an app's domain, a user, a bucket (docs/protocol.md, "Addresses").
 *
 * An address is made once, from the path of a request, and is canonical from then on: two requests
 * for the same collection have equal addresses, and equal directory names. */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include "base/buf.h"

enum {
    ADDRESS_DOMAIN_SIZE = 256, /* RFC 1035: a host name has at most 253 bytes */
    ADDRESS_USER_SIZE = 256,   /* RFC 5321: an e-mail address has at most 254 bytes */
    ADDRESS_NAME_MOST = 255,   /* bytes of a directory name: NAME_MAX */
};

struct address {
    char domain[ADDRESS_DOMAIN_SIZE];
    char user[ADDRESS_USER_SIZE];
    char bucket[ADDRESS_NAME_MOST + 1];     /* decoded segments joined by "/"; may be empty */
    char path[3 * (ADDRESS_NAME_MOST + 1)]; /* DOMAIN/USER/BUCKET, each percent-encoded; the key
                                               of tables and the directory below data_dir;
                                               without bucket: DOMAIN/USER */
};

/* From the path of a URL, "/domain/user/bucket...", still percent-encoded and without query.
 * ERROR_BAD_PATH names what is wrong: an empty or dot segment, %00, %2F, control bytes, bad
 * UTF-8, a domain that is no host name, a user that is no e-mail address, a name over 255 bytes
 * once encoded. The domain, and the domain part of the user, are made lower-case. A path of two
 * segments with or without a final "/" gives an empty bucket. */
MUST_CHECK bool address_parse(struct address *address, struct str path, struct error *error);

/* True if the second segment of path decodes to something with an "@": only then is it meant to
 * be a collection's address. Cheap; address_parse says the rest. */
bool address_is_meant(struct str path);

/* Host name: labels of letters, digits, "-" and "_" separated by dots, or an IPv4 address, or an
 * IPv6 address in brackets. Lower-case only. */
bool address_check_domain(struct str domain);

/* local@host as browsers and HTML forms take it, at most 254 bytes; the host in lower case. */
bool address_check_user(struct str user);

/* Copies an e-mail address, its host in lower case. False, if it is none. */
MUST_CHECK bool address_take_user(char user[ADDRESS_USER_SIZE], struct str text);

#endif
