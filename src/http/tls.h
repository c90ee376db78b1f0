/* tls.h - TLS on a connection: what OpenSSL does, behind reads and writes like a socket's.
 *
 * As in Mozilla's "intermediate" recommendation: TLS 1.2 and 1.3, suites with forward secrecy and
 * authenticated ciphers only, no renegotiation, no compression. Sessions are resumed with tickets
 * whose keys are derived from a secret that several servers may share, for a day each.
 *
 *     tls_context_open            at the start, and at each reload: a certificate and its key
 *     tls_begin, tls_read, tls_write, tls_end      for each connection; the socket is not ours
 *
 * A context that is closed goes on for the connections that began with it. */
#ifndef HTTP_TLS_H
#define HTTP_TLS_H

#include "base/error.h"
#include "base/str.h"

#include <sys/types.h>

struct ssl_st; /* OpenSSL's, of one connection */

struct tls_context {
    struct ssl_ctx_st *library;
    bool has_secret;
    unsigned char ticket_secret[32];
    int64_t ticket_day; /* that the keys of tickets are of; 0: the library's own */
};

/* At most so many bytes of what a client sent lie in one piece: reads of this size leave nothing
 * behind that the socket would not tell of. */
enum { TLS_PIECE = 16 * 1024 };

/* Files in PEM; the certificate's with those of its issuers behind it. ERROR_CONF says which file
 * is wrong, and how: it cannot be read, others may read the key, they do not belong together. */
MUST_CHECK bool tls_context_open(struct tls_context *context, const char *certificate_file,
                                 const char *key_file, struct error *error);

/* Who has the same secret resumes the sessions of another. Without, each context has its own. */
void tls_context_set_ticket_secret(struct tls_context *context, const unsigned char secret[32]);
void tls_context_close(struct tls_context *context); /* harmless twice, and on all-zero */

/* NULL: out of memory. fd is a socket that does not block; it stays open at tls_end. */
struct ssl_st *tls_begin(struct tls_context *context, int fd, int64_t unix_seconds);

/* Tells the client that nothing more comes; then frees. Harmless on NULL. */
void tls_end(struct ssl_st *tls);

/* As recv and send: bytes; 0 (reading): the client has ended; -1: errno is EAGAIN, ENOMEM, or what
 * broke the connection (EPROTO: TLS itself). The handshake is done on the way. */
ssize_t tls_read(struct ssl_st *tls, void *room, size_t size);
ssize_t tls_write(struct ssl_st *tls, const void *bytes, size_t length);

/* After EAGAIN from tls_read: it goes on when the socket takes bytes, not when it has some. */
bool tls_wants_to_write(const struct ssl_st *tls);

/* The handshake is over. */
bool tls_is_established(const struct ssl_st *tls);

/* Nothing more will be written. */
void tls_shut_down(struct ssl_st *tls);

#endif
