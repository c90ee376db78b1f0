/* id_token.h - an OpenID Connect ID token: a compact JWS (RFC 7515) whose payload says who logged
 * in where (OpenID Connect Core 1.0, section 2).
 *
 *     id_token_read -> the issuer is looked up -> id_token_check -> id_token_check_signature
 *                   -> id_token_name_user
 *
 * Nothing in it is true before its signature has been checked. */
#ifndef AUTH_ID_TOKEN_H
#define AUTH_ID_TOKEN_H

#include "auth/key_set.h"
#include "auth/members.h"
#include "base/address.h"

enum {
    ID_TOKEN_MOST = 16 * 1024,
    ID_TOKEN_SKEW_S = 60, /* by how much the clocks of others may be wrong */
};

struct id_token {
    enum key_algorithm algorithm;
    size_t signed_length; /* bytes of the text, from its start, that are signed */
    char kid[KEY_SET_ID_SIZE];
    char issuer[MEMBERS_TEXT_SIZE], subject[MEMBERS_TEXT_SIZE], nonce[MEMBERS_TEXT_SIZE];
    char authorized[MEMBERS_TEXT_SIZE]; /* azp; empty: it names none */
    char email[MEMBERS_TEXT_SIZE];      /* empty: it names none */
    bool is_email_verified;
    struct member_texts audiences;
    int64_t expires, issued, not_before; /* unix seconds; not_before 0: at once */
};

/* Three parts with something in each, in base64url: by its shape it is one, or wants to be. */
bool id_token_is_meant(struct str text);

/* *token is all-zero. ERROR_UNAUTHORIZED says why not: too large, an algorithm other than RS256 and
 * ES256, a header that wants more than we do (crit, b64) or brings its own key (jku, jwk, x5u,
 * x5c), a missing or double claim. */
MUST_CHECK bool id_token_read(struct id_token *token, struct str text, struct error *error);

/* The application that it was issued to: the only audience, or the authorised party of several.
 * NULL: none, or they do not fit together. */
const char *id_token_client(const struct id_token *token);

/* exp, nbf, iat, which may be age_most seconds ago, and, unless nonce is empty, nonce.
 * ERROR_UNAUTHORIZED. */
MUST_CHECK bool id_token_check(const struct id_token *token, int64_t now, int64_t age_most,
                               struct str nonce, struct error *error);

/* text: what it was read from. */
MUST_CHECK bool id_token_check_signature(const struct id_token *token, struct str text,
                                         const struct key_set *keys);

/* Appends who it is: the e-mail address, if the issuer is said to verify those and does so for this
 * one; else a name that no e-mail address can be, made of subject and issuer:
 *
 *     SUBJECT@HOST.oidc.invalid                  of the issuer https://HOST
 *     SUBJECT@HOST.HASH.oidc-url.invalid         of any other, with port or path
 *
 * In SUBJECT letters, digits, ".", "_" and "-" stand for themselves and any other byte is "~" with
 * two hexadecimal digits, so different ones stay different. HASH is half of the SHA-256 of the
 * issuer, in hexadecimal. ".invalid" is reserved (RFC 2606), and an e-mail address that ends with
 * it is refused. ERROR_UNAUTHORIZED: it cannot be a user here. */
MUST_CHECK bool id_token_name_user(const struct id_token *token, bool has_email, struct buf *user,
                                   struct error *error);

#endif
