/* access.h - may this request touch this address?
 *
 * Credentials come as a token (?auth= or Authorization: Bearer), or as the header in which a proxy
 * that already logged the user in says `email/domain` (conf: trusted_user_header, believed only
 * from trusted_proxies). They must name exactly the user and the domain of the address.
 *
 * Tokens found good are remembered (a bounded table keyed by the whole token), so that a poll costs
 * one hash and one comparison instead of a MAC and a parse; expiry is looked at each time, and all
 * are forgotten when somebody, anywhere, logs out. */
#ifndef AUTH_ACCESS_H
#define AUTH_ACCESS_H

#include "auth/revocations.h"

struct access_cache;

struct access {
    struct keys keys;
    const char *trusted_header; /* NULL: none; borrowed from the configuration */
    const char *const *proxies; /* addresses or CIDR ranges, "unix:" for unix sockets; borrowed */
    size_t proxy_count;
    struct revocations *revocations; /* NULL: nobody can be logged out */
    uint64_t revocations_version;    /* that the cache knows of */
    struct access_cache *cache;
};

/* As found in the request; all borrowed, empty (data NULL) when absent. */
struct credentials {
    struct str query_token;   /* decoded value of ?auth= */
    struct str authorization; /* header */
    struct str trusted_user;  /* value of the header named by trusted_header; more than one: refused
                                 by the caller */
    const char *peer;         /* textual address of the connection, "127.0.0.1", "::1", "unix:" */
};

/* keys are taken over. */
MUST_CHECK bool access_open(struct access *access, struct keys *keys, struct error *error);
void access_close(struct access *access); /* harmless twice, and on all-zero */

/* New keys after a reload; forgets remembered tokens. keys are taken over. */
void access_replace_keys(struct access *access, struct keys *keys);

/* ERROR_UNAUTHORIZED, with a reason, unless the credentials are good for user at domain. *by_proxy
 * tells that the proxy's header was what counted (then a browser's cookies may be behind it, and
 * the caller checks the Origin of requests that change something). With address NULL any good
 * credentials will do, and *who (may be NULL) gets the token's content. The same answer whether the
 * address exists or not. */
MUST_CHECK bool access_check(struct access *access, const struct credentials *credentials,
                             const struct address *address, int64_t now, bool *by_proxy,
                             struct token *who, struct error *error);

/* Who is behind a connection from peer, for limits and logs: peer itself, or, if that is one of our
 * proxies, the last address in its X-Forwarded-For that is not one of them either (what stands
 * before that, anybody can write). Empty: the proxy does not say. */
enum { ACCESS_CLIENT_SIZE = 64 };
void access_find_client(const struct access *access, const char *peer, struct str forwarded_for,
                        char client[ACCESS_CLIENT_SIZE]);

/* True if peer is one of the proxies. */
bool access_is_proxy(const struct access *access, const char *peer);

/* Conf check of one item of trusted_proxies. */
MUST_CHECK bool access_check_proxy(const char *text, struct error *error);

#endif
