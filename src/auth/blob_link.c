#include "auth/blob_link.h"

#include <stdlib.h>
#include <string.h>

static bool sign(const unsigned char key[CRYPTO_HASH_SIZE], const char *path, struct str name,
                 uint64_t expires, unsigned char mac[CRYPTO_HASH_SIZE], struct error *error)
{
    struct buf text = {0};

    /* Neither a path nor a name can have a line break. */
    buf_append_text(&text, path);
    buf_append_byte(&text, '\n');
    buf_append(&text, name);
    buf_append_byte(&text, '\n');
    buf_append_u64(&text, expires);
    bool ok = buf_ok(&text, error) && crypto_hmac((struct str){(const char *)key, CRYPTO_HASH_SIZE},
                                                  buf_str(&text), mac, error);
    buf_clear(&text);
    return ok;
}

bool blob_link_make(const struct keys *keys, const char *path, struct str name, int64_t expires,
                    struct buf *out, struct error *error)
{
    unsigned char mac[CRYPTO_HASH_SIZE];

    if (!sign(keys->items[0].link_key, path, name, (uint64_t)expires, mac, error))
        return false;
    buf_append_u64(out, (uint64_t)expires);
    buf_append_byte(out, '.');
    buf_append_text(out, keys->items[0].id);
    buf_append_byte(out, '.');
    crypto_base64url_encode((struct str){(const char *)mac, sizeof mac}, out);
    return buf_ok(out, error);
}

static const unsigned char *find_key(const struct keys *keys, struct str id)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (str_equals(str_of(keys->items[i].id), id))
            return keys->items[i].link_key;
    }
    return NULL;
}

static bool check_mac(const unsigned char *key, struct str said, const char *path, struct str name,
                      uint64_t expires, struct error *error)
{
    unsigned char mac[CRYPTO_HASH_SIZE];
    struct buf right = {0};

    if (!sign(key, path, name, expires, mac, error))
        return false;
    crypto_base64url_encode((struct str){(const char *)mac, sizeof mac}, &right);
    bool ok = buf_ok(&right, error);
    if (ok && !crypto_equals(buf_str(&right), said))
        ok = error_set(error, ERROR_UNAUTHORIZED, "the link was not made for this blob");
    buf_clear(&right);
    return ok;
}

bool blob_link_check(const struct keys *keys, struct str text, const char *path, struct str name,
                     int64_t now, struct error *error)
{
    struct str rest = text, expires_text, id;
    uint64_t expires;

    if (!str_split(&rest, '.', &expires_text) || !str_split(&rest, '.', &id) ||
        !str_parse_u64(expires_text, INT64_MAX, &expires))
        return error_set(error, ERROR_UNAUTHORIZED, "the link is cut off");
    const unsigned char *key = find_key(keys, id);
    if (!key)
        return error_set(error, ERROR_UNAUTHORIZED, "the link was signed with an unknown key");
    if (!check_mac(key, rest, path, name, expires, error))
        return false;
    return (int64_t)expires > now ||
           error_set(error, ERROR_UNAUTHORIZED, "the link has expired, ask for another");
}
