#include "auth/access.h"

#include "base/siphash.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_SLOTS = 4096, CACHED_TOKEN_MOST = 512 };

/* One token a slot, the latest found good. */
struct slot {
    uint64_t hash;
    uint32_t length; /* 0: empty */
    char text[CACHED_TOKEN_MOST];
    struct token token;
};

/* Slots are made when they are first needed. */
struct access_cache {
    unsigned char key[SIPHASH_KEY_SIZE];
    struct slot *slots[CACHE_SLOTS];
};

bool access_open(struct access *access, struct keys *keys, struct error *error)
{
    access->keys = *keys;
    keys_clear(keys);
    access->cache = calloc(1, sizeof *access->cache);
    if (!access->cache)
        return error_set(error, ERROR_NO_MEMORY, "out of memory");
    return crypto_random(access->cache->key, sizeof access->cache->key, error);
}

static void empty_cache(struct access_cache *cache)
{
    for (size_t i = 0; cache && i < CACHE_SLOTS; i++) {
        if (cache->slots[i])
            crypto_wipe(cache->slots[i], sizeof *cache->slots[i]);
        free(cache->slots[i]);
        cache->slots[i] = NULL;
    }
}

void access_close(struct access *access)
{
    empty_cache(access->cache);
    free(access->cache);
    access->cache = NULL;
    keys_clear(&access->keys);
}

void access_replace_keys(struct access *access, struct keys *keys)
{
    empty_cache(access->cache);
    access->keys = *keys;
    keys_clear(keys);
}

static void remember(struct slot **slot, uint64_t hash, struct str text, const struct token *token)
{
    if (text.length > CACHED_TOKEN_MOST)
        return;
    if (!*slot)
        *slot = calloc(1, sizeof **slot);
    if (!*slot)
        return;
    (*slot)->hash = hash;
    (*slot)->length = (uint32_t)text.length;
    memcpy((*slot)->text, text.data, text.length);
    (*slot)->token = *token;
}

/* Who has the whole token has what it takes, so comparing it as text gives nothing away: to be
 * compared at all, 64 bits of a hash with a secret key have to be the same first. */
static bool find_token(struct access *access, struct str text, int64_t now, struct token *token,
                       struct error *error)
{
    uint64_t hash = siphash_hash(access->cache->key, text);
    struct slot **slot = &access->cache->slots[hash % CACHE_SLOTS];

    if (*slot && (*slot)->hash == hash && (*slot)->token.expires > now &&
        str_equals((struct str){(*slot)->text, (*slot)->length}, text)) {
        *token = (*slot)->token;
        return true;
    }
    if (!token_check(&access->keys, text, now, token, error))
        return false;
    remember(slot, hash, text, token);
    return true;
}

/* An address as 16 bytes, IPv4 mapped into IPv6, so that both spellings of one are equal. */
static bool parse_ip(const char *text, unsigned char to[16], bool *is_v4)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

    *is_v4 = inet_pton(AF_INET, text, to + 12) == 1;
    if (*is_v4)
        memcpy(to, mapped, sizeof mapped);
    return *is_v4 || inet_pton(AF_INET6, text, to) == 1;
}

/* "ADDRESS" or "ADDRESS/BITS" as address and number of leading bits that count. */
static bool parse_range(const char *text, unsigned char to[16], unsigned *bits)
{
    char address[INET6_ADDRSTRLEN + 1];
    struct str rest = str_of(text);
    size_t slash = str_find_byte(rest, '/');
    uint64_t given = 0;
    bool is_v4;

    if (slash >= sizeof address)
        return false;
    memcpy(address, text, slash);
    address[slash] = '\0';
    if (!parse_ip(address, to, &is_v4))
        return false;
    *bits = 128;
    if (slash == rest.length)
        return true;
    if (!str_parse_u64(str_slice(rest, slash + 1, rest.length), is_v4 ? 32 : 128, &given))
        return false;
    *bits = (unsigned)given + (is_v4 ? 96 : 0);
    return true;
}

bool access_check_proxy(const char *text, struct error *error)
{
    unsigned char address[16];
    unsigned bits;

    return strcmp(text, "unix:") == 0 || parse_range(text, address, &bits) ||
           error_set(error, ERROR_CONF,
                     "\"%s\" is no address, no range like 10.0.0.0/8, and not "
                     "unix:",
                     text);
}

static bool is_within(const unsigned char a[16], const unsigned char range[16], unsigned bits)
{
    unsigned whole = bits / 8, left = bits % 8;

    if (memcmp(a, range, whole) != 0)
        return false;
    return left == 0 || (a[whole] ^ range[whole]) >> (8 - left) == 0;
}

static bool is_trusted_peer(const struct access *access, const char *peer)
{
    unsigned char address[16], range[16];
    bool is_ip, is_v4;
    unsigned bits;

    is_ip = parse_ip(peer, address, &is_v4);
    for (size_t i = 0; i < access->proxy_count; i++) {
        const char *proxy = access->proxies[i];

        if (is_ip ? parse_range(proxy, range, &bits) && is_within(address, range, bits)
                  : strcmp(proxy, peer) == 0)
            return true;
    }
    return false;
}

static bool refuse(struct error *error, const char *why)
{
    return error_set(error, ERROR_UNAUTHORIZED, "%s", why);
}

/* "email/domain", split at the last slash: an e-mail address may hold one, a domain cannot. */
static bool read_trusted_user(struct str value, struct token *who, struct error *error)
{
    size_t slash = value.length;

    while (slash > 0 && value.data[slash - 1] != '/')
        slash--;
    if (slash == 0)
        return refuse(error, "the proxy's header is not \"email/domain\"");
    struct str user = str_slice(value, 0, slash - 1);
    struct str domain = str_slice(value, slash, value.length);
    if (!address_check_user(user) || !address_check_domain(domain) ||
        user.length >= sizeof who->user || domain.length >= sizeof who->audience.host)
        return refuse(error, "the proxy's header is not \"email/domain\"");
    memcpy(who->user, user.data, user.length);
    memcpy(who->audience.host, domain.data, domain.length);
    return true;
}

static struct str bearer_token(struct str authorization)
{
    struct str scheme = str_slice(authorization, 0, 7);

    if (!str_equals_nocase(scheme, STR("bearer ")))
        return (struct str){0};
    return str_trim(str_slice(authorization, 7, authorization.length));
}

static bool identify(struct access *access, const struct credentials *credentials, int64_t now,
                     bool *by_proxy, struct token *who, struct error *error)
{
    struct str text = credentials->query_token;

    *by_proxy = access->trusted_header && credentials->trusted_user.data &&
                is_trusted_peer(access, credentials->peer);
    if (*by_proxy)
        return read_trusted_user(credentials->trusted_user, who, error);
    if (text.length == 0)
        text = bearer_token(credentials->authorization);
    if (text.length == 0)
        return refuse(error, "log in first: there is no token in the request");
    return find_token(access, text, now, who, error);
}

bool access_check(struct access *access, const struct credentials *credentials,
                  const struct address *address, int64_t now, bool *by_proxy, struct token *who,
                  struct error *error)
{
    struct token found = {0};

    if (!identify(access, credentials, now, by_proxy, &found, error))
        return false;
    if (who)
        *who = found;
    if (!address)
        return true;
    if (strcmp(found.user, address->user) == 0 && strcmp(found.audience.host, address->domain) == 0)
        return true;
    return refuse(error, "the login is for another user or another site");
}
