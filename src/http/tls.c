#include "http/tls.h"

#include "base/crypto.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    SECONDS_A_DAY = 86400,
    SESSION_SECONDS = SECONDS_A_DAY / 2,
    /* What the library wants of keys: a name, a MAC key, a cipher key (SSL_CTX_ctrl(3)). */
    TICKET_NAME = 16,
    TICKET_MAC = 32,
    TICKET_CIPHER = 32,
};

/* The first thing that went wrong, in the library's words. */
static bool refuse(struct error *error, const char *file, const char *what)
{
    char reason[160];
    unsigned long code = ERR_get_error();

    ERR_error_string_n(code, reason, sizeof reason);
    ERR_clear_error();
    const char *text = ERR_reason_error_string(code);
    return error_set(error, ERROR_CONF, "%s: %s (%s)", file, what, text ? text : reason);
}

/* --- The context ------------------------------------------------------------------------------ */

/* Of what the client offers, we speak this. One that offers nothing, or not this, is served. */
static int choose_protocol(SSL *tls, const unsigned char **out, unsigned char *length,
                           const unsigned char *offered, unsigned offered_length, void *context)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    (void)tls;
    (void)context;
    if (SSL_select_next_proto(&chosen, length, ours, sizeof ours - 1, offered, offered_length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* https://wiki.mozilla.org/Security/Server_Side_TLS, intermediate, version 5.7, without its suites
 * of plain Diffie-Hellman. */
static bool choose_algorithms(SSL_CTX *library)
{
    (void)SSL_CTX_set_options(library, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(library, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_timeout(library, SESSION_SECONDS);
    (void)SSL_CTX_set_session_cache_mode(library, SSL_SESS_CACHE_OFF); /* tickets */
    SSL_CTX_set_alpn_select_cb(library, choose_protocol, NULL);
    return SSL_CTX_set_min_proto_version(library, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set1_groups_list(library, "X25519:P-256:P-384") == 1 &&
           SSL_CTX_set_cipher_list(
               library, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                        "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305") == 1;
}

static bool check_key_file(const char *file, struct error *error)
{
    struct stat info;

    if (stat(file, &info) != 0)
        return error_set_errno(error, errno, "%s: cannot look at it", file);
    return (info.st_mode & (S_IROTH | S_IWOTH)) == 0 ||
           error_set(error, ERROR_CONF, "%s: everybody can read or write it (chmod o-rw)", file);
}

static bool read_files(SSL_CTX *library, const char *certificate_file, const char *key_file,
                       struct error *error)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(library, certificate_file) != 1)
        return refuse(error, certificate_file, "no certificate in PEM can be read");
    if (!check_key_file(key_file, error))
        return false;
    if (SSL_CTX_use_PrivateKey_file(library, key_file, SSL_FILETYPE_PEM) != 1)
        return refuse(error, key_file, "no key of the certificate in PEM can be read");
    return SSL_CTX_check_private_key(library) == 1 ||
           refuse(error, key_file, "it is not the key of the certificate");
}

bool tls_context_open(struct tls_context *context, const char *certificate_file,
                      const char *key_file, struct error *error)
{
    *context = (struct tls_context){.library = SSL_CTX_new(TLS_server_method())};
    if (!context->library || !choose_algorithms(context->library)) {
        tls_context_close(context);
        return error_set(error, ERROR_NO_MEMORY, "out of memory for TLS");
    }
    if (read_files(context->library, certificate_file, key_file, error))
        return true;
    tls_context_close(context);
    return false;
}

void tls_context_close(struct tls_context *context)
{
    SSL_CTX_free(context->library);
    crypto_wipe(context, sizeof *context);
}

/* --- Tickets ---------------------------------------------------------------------------------- */

void tls_context_set_ticket_secret(struct tls_context *context, const unsigned char secret[32])
{
    memcpy(context->ticket_secret, secret, sizeof context->ticket_secret);
    context->has_secret = true;
    context->ticket_day = 0;
}

static bool derive(const struct tls_context *context, const char *purpose, int64_t day,
                   unsigned char out[CRYPTO_HASH_SIZE])
{
    struct str secret = {(const char *)context->ticket_secret, sizeof context->ticket_secret};
    char info[64];
    struct error error;

    (void)snprintf(info, sizeof info, "tls ticket %s %lld", purpose, (long long)day);
    return crypto_derive(secret, str_of(info), out, &error);
}

/* Yesterday's are not taken any more: then there is a whole handshake. If this fails, the library
 * goes on with the keys it has. */
static void change_ticket_keys(struct tls_context *context, int64_t day)
{
    unsigned char keys[TICKET_NAME + TICKET_MAC + TICKET_CIPHER], name[CRYPTO_HASH_SIZE];

    if (derive(context, "name", day, name) && derive(context, "mac", day, keys + TICKET_NAME) &&
        derive(context, "cipher", day, keys + TICKET_NAME + TICKET_MAC)) {
        memcpy(keys, name, TICKET_NAME);
        if (SSL_CTX_set_tlsext_ticket_keys(context->library, keys, (long)sizeof keys) == 1)
            context->ticket_day = day;
    }
    crypto_wipe(keys, sizeof keys);
}

/* --- A connection ----------------------------------------------------------------------------- */

struct ssl_st *tls_begin(struct tls_context *context, int fd, int64_t unix_seconds)
{
    int64_t day = unix_seconds / SECONDS_A_DAY;

    if (context->has_secret && day != context->ticket_day)
        change_ticket_keys(context, day);
    SSL *tls = SSL_new(context->library);
    if (tls && SSL_set_fd(tls, fd) != 1) {
        SSL_free(tls);
        tls = NULL;
    }
    if (tls)
        SSL_set_accept_state(tls);
    ERR_clear_error();
    return tls;
}

void tls_shut_down(struct ssl_st *tls)
{
    /* The library complains of one whose handshake is not over. */
    if (SSL_is_init_finished(tls) && (SSL_get_shutdown(tls) & SSL_SENT_SHUTDOWN) == 0)
        (void)SSL_shutdown(tls);
    ERR_clear_error();
}

void tls_end(struct ssl_st *tls)
{
    if (!tls)
        return;
    tls_shut_down(tls);
    SSL_free(tls);
}

/* After a call that moved nothing. The library has a queue of errors, which has to be empty before
 * each call. */
static ssize_t fail(const struct ssl_st *tls, int result)
{
    int system_error = errno;

    switch (SSL_get_error(tls, result)) {
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_SYSCALL:
        errno = system_error ? system_error : ECONNRESET;
        return -1;
    default:
        errno = ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE ? ENOMEM : EPROTO;
        return -1;
    }
}

ssize_t tls_read(struct ssl_st *tls, void *room, size_t size)
{
    size_t count = 0;

    ERR_clear_error();
    errno = 0;
    int result = SSL_read_ex(tls, room, size, &count);
    return result == 1 ? (ssize_t)count : fail(tls, result);
}

ssize_t tls_write(struct ssl_st *tls, const void *bytes, size_t length)
{
    size_t count = 0;

    ERR_clear_error();
    errno = 0;
    int result = SSL_write_ex(tls, bytes, length, &count);
    if (result == 1)
        return (ssize_t)count;
    ssize_t outcome = fail(tls, result);
    if (outcome == 0)
        errno = EPIPE;
    return -1;
}

bool tls_wants_to_write(const struct ssl_st *tls)
{
    return SSL_want_write(tls) != 0;
}

bool tls_is_established(const struct ssl_st *tls)
{
    return SSL_is_init_finished(tls) != 0;
}
