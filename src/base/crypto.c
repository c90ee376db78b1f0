#include "base/crypto.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

enum {
    HASH_BLOCK_SIZE = 64, /* of SHA-256; RFC 2104 calls it B */
    INNER_PAD = 0x36,
    OUTER_PAD = 0x5c,
};

bool crypto_open(struct error *error)
{
    /* Whether the library got its context is told by this call only. Then a hash, so that what
     * hashes is loaded. */
    EVP_MD *kind = OPENSSL_init_crypto(0, NULL) == 1 && OSSL_LIB_CTX_get0_global_default()
                       ? EVP_MD_fetch(NULL, "SHA256", NULL)
                       : NULL;

    EVP_MD_free(kind);
    return kind || error_set(error, ERROR_NO_MEMORY, "out of memory for the library of ciphers");
}

bool crypto_random(void *to, size_t length, struct error *error)
{
    unsigned char *bytes = to;

    while (length > 0) {
        ssize_t got = getrandom(bytes, length, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(error, errno, "cannot get random bytes from the system");
        bytes += got;
        length -= (size_t)got;
    }
    return true;
}

/* One hash over two parts. */
static bool hash_parts(EVP_MD_CTX *hash, struct str first, struct str second,
                       unsigned char out[CRYPTO_HASH_SIZE])
{
    return EVP_DigestUpdate(hash, first.data, first.length) == 1 &&
           EVP_DigestUpdate(hash, second.data, second.length) == 1 &&
           EVP_DigestFinal_ex(hash, out, NULL) == 1;
}

static bool hash_once(EVP_MD_CTX *hash, struct str first, struct str second,
                      unsigned char out[CRYPTO_HASH_SIZE])
{
    /* The second time round without a name: looking it up costs as much as hashing. */
    const EVP_MD *kind = EVP_MD_CTX_get0_md(hash) ? NULL : EVP_sha256();

    return EVP_DigestInit_ex(hash, kind, NULL) == 1 && hash_parts(hash, first, second, out);
}

static struct str str_of_bytes(const unsigned char *bytes, size_t length)
{
    return (struct str){(const char *)bytes, length};
}

static void xor_pad(unsigned char pad[HASH_BLOCK_SIZE], unsigned char value)
{
    for (size_t i = 0; i < HASH_BLOCK_SIZE; i++)
        pad[i] ^= value;
}

static bool hash_with_key(EVP_MD_CTX *hash, struct str key, struct str text,
                          unsigned char mac[CRYPTO_HASH_SIZE])
{
    unsigned char pad[HASH_BLOCK_SIZE] = {0};
    struct str whole_pad = str_of_bytes(pad, sizeof pad);
    bool ok = true;

    if (key.length > sizeof pad)
        ok = hash_once(hash, key, STR(""), pad);
    else if (key.length > 0)
        memcpy(pad, key.data, key.length);
    xor_pad(pad, INNER_PAD);
    ok = ok && hash_once(hash, whole_pad, text, mac);
    xor_pad(pad, INNER_PAD ^ OUTER_PAD);
    ok = ok && hash_once(hash, whole_pad, str_of_bytes(mac, CRYPTO_HASH_SIZE), mac);
    OPENSSL_cleanse(pad, sizeof pad);
    return ok;
}

/* By hand over one digest context: 0.8 us for 200 bytes, where OpenSSL 3's HMAC() takes 2.9,
 * because it looks up the names of both algorithms every time. */
bool crypto_hmac(struct str key, struct str text, unsigned char mac[CRYPTO_HASH_SIZE],
                 struct error *error)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool ok = hash && hash_with_key(hash, key, text, mac);

    EVP_MD_CTX_free(hash);
    return ok || error_set(error, ERROR_NO_MEMORY, "out of memory while signing");
}

/* Extract, and the first step of expand: that is all there is for 32 bytes. */
bool crypto_derive(struct str key, struct str info, unsigned char out[CRYPTO_HASH_SIZE],
                   struct error *error)
{
    static const char no_salt[CRYPTO_HASH_SIZE];
    unsigned char extracted[CRYPTO_HASH_SIZE];
    struct buf step = {0};
    bool ok;

    buf_append(&step, info);
    buf_append_byte(&step, 1);
    ok = buf_ok(&step, error) &&
         crypto_hmac((struct str){no_salt, sizeof no_salt}, key, extracted, error) &&
         crypto_hmac(str_of_bytes(extracted, sizeof extracted), buf_str(&step), out, error);
    OPENSSL_cleanse(extracted, sizeof extracted);
    buf_clear(&step);
    return ok;
}

bool crypto_sha256(struct str text, unsigned char out[CRYPTO_HASH_SIZE], struct error *error)
{
    return EVP_Digest(text.data, text.length, out, NULL, EVP_sha256(), NULL) == 1 ||
           error_set(error, ERROR_NO_MEMORY, "out of memory while hashing");
}

static bool fail_digest(struct error *error)
{
    return error_set(error, ERROR_NO_MEMORY, "out of memory while hashing");
}

bool crypto_digest_begin(struct crypto_digest *digest, struct error *error)
{
    digest->context = EVP_MD_CTX_new();
    if (digest->context && EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) == 1)
        return true;
    crypto_digest_clear(digest);
    return fail_digest(error);
}

bool crypto_digest_extend(struct crypto_digest *digest, struct str piece, struct error *error)
{
    return EVP_DigestUpdate(digest->context, piece.data, piece.length) == 1 || fail_digest(error);
}

bool crypto_digest_end(struct crypto_digest *digest, unsigned char out[CRYPTO_HASH_SIZE],
                       struct error *error)
{
    return EVP_DigestFinal_ex(digest->context, out, NULL) == 1 || fail_digest(error);
}

void crypto_digest_clear(struct crypto_digest *digest)
{
    EVP_MD_CTX_free(digest->context);
    digest->context = NULL;
}

bool crypto_equals(struct str a, struct str b)
{
    return a.length == b.length && (a.length == 0 || CRYPTO_memcmp(a.data, b.data, a.length) == 0);
}

void crypto_wipe(void *data, size_t length)
{
    if (length > 0)
        OPENSSL_cleanse(data, length);
}

static const char base64url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-_";

/* A group is up to three bytes, written as one digit more than it has bytes. */
void crypto_base64url_encode(struct str bytes, struct buf *out)
{
    const unsigned char *data = (const unsigned char *)bytes.data;

    for (size_t at = 0; at < bytes.length; at += 3) {
        size_t count = bytes.length - at < 3 ? bytes.length - at : 3;
        uint32_t group = 0;

        for (size_t i = 0; i < 3; i++)
            group = group << 8 | (i < count ? data[at + i] : 0U);
        for (size_t i = 0; i <= count; i++)
            buf_append_byte(out, base64url_digits[group >> (18 - 6 * i) & 63]);
    }
}

/* Value of a digit, -1 for any other byte. */
static int base64url_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '-')
        return 62;
    return digit == '_' ? 63 : -1;
}

bool crypto_base64url_decode(struct str text, struct buf *out)
{
    uint32_t bits = 0;
    unsigned count = 0; /* of the bits not yet given out */

    for (size_t i = 0; i < text.length; i++) {
        int value = base64url_value(text.data[i]);

        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        buf_append_byte(out, (char)(bits >> count));
        bits &= (1U << count) - 1;
    }
    /* Six bits left are a digit too many; other bits than zero would be a second spelling. */
    return count < 6 && bits == 0;
}

void crypto_hex_encode(struct str bytes, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes.length; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];

        buf_append_byte(out, digits[byte >> 4]);
        buf_append_byte(out, digits[byte & 15]);
    }
}
