#include "auth/access.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_SLOT_BITS = 12, CACHE_SLOTS = 1 << CACHE_SLOT_BITS, CACHED_TOKEN_MOST = 512 };

/* The end of a token: of its MAC, 96 bits that nobody can choose or guess. It is what a good token
 * is found by. */
struct tail {
    uint64_t words[2];
};

/* One token a slot, the latest found good. */
struct slot {
    struct tail tail;
    uint32_t length; /* 0: empty */
    char text[CACHED_TOKEN_MOST];
    struct token token;
};

/* Slots are made when they are first needed. */
struct access_cache {
    struct slot *slots[CACHE_SLOTS];
};

bool access_open(struct access *access, struct keys *keys, struct error *error)
{
    access->keys = *keys;
    keys_clear(keys);
    access->cache = calloc(1, sizeof *access->cache);
    return access->cache || error_set(error, ERROR_NO_MEMORY, "out of memory");
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

static void remember(struct slot **slot, const struct tail *tail, struct str text,
                     const struct token *token)
{
    if (text.length > CACHED_TOKEN_MOST)
        return;
    if (!*slot)
        *slot = calloc(1, sizeof **slot);
    if (!*slot)
        return;
    (*slot)->tail = *tail;
    (*slot)->length = (uint32_t)text.length;
    memcpy((*slot)->text, text.data, text.length);
    (*slot)->token = *token;
}

/* The slot for a tail. Its bytes are letters of base64, so they are mixed first. */
static struct slot **slot_of(struct access_cache *cache, const struct tail *tail)
{
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);

    return &cache->slots[(tail->words[0] ^ tail->words[1]) * odd >> (64 - CACHE_SLOT_BITS)];
}

/* Comparing the whole text gives nothing away, because the tail has to be the same first: who has
 * that has the token. The tail is compared at once, not letter by letter. */
static bool is_in(const struct slot *slot, const struct tail *tail, struct str text)
{
    return slot &&
           ((slot->tail.words[0] ^ tail->words[0]) | (slot->tail.words[1] ^ tail->words[1])) == 0 &&
           str_equals((struct str){slot->text, slot->length}, text);
}

static const struct token *refuse(struct error *error, const char *why)
{
    error_set(error, ERROR_UNAUTHORIZED, "%s", why);
    return NULL;
}

/* Remembered tokens were good before anybody logged out. */
static bool look_at_revocations(struct access *access, struct error *error)
{
    struct revocations *revocations = access->revocations;

    if (!revocations)
        return true;
    if (!revocations_look(revocations, error))
        return false;
    if (revocations->version != access->revocations_version) {
        empty_cache(access->cache);
        access->revocations_version = revocations->version;
    }
    return true;
}

/* The token's content, in its slot or, where that cannot be, in *room. NULL on failure. */
static const struct token *find_token(struct access *access, struct str text, int64_t now,
                                      struct token *room, struct error *error)
{
    struct slot **slot = NULL;
    struct tail tail;

    if (!look_at_revocations(access, error))
        return NULL;
    if (text.length > sizeof tail) {
        memcpy(&tail, text.data + text.length - sizeof tail, sizeof tail);
        slot = slot_of(access->cache, &tail);
        if (is_in(*slot, &tail, text) && (*slot)->token.expires > now)
            return &(*slot)->token;
    }
    if (!token_check(&access->keys, text, now, room, error))
        return NULL;
    if (access->revocations && revocations_has_token(access->revocations, room))
        return refuse(error, "the token was logged out; log in again");
    if (slot)
        remember(slot, &tail, text, room);
    return room;
}

/* What a connection through a unix socket has for an address. */
static const char unix_peer[] = "unix:";

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

    return strcmp(text, unix_peer) == 0 || parse_range(text, address, &bits) ||
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

bool access_is_proxy(const struct access *access, const char *peer)
{
    unsigned char address[16], range[16];
    bool is_ip, is_v4;
    unsigned bits;

    is_ip = parse_ip(peer, address, &is_v4);
    for (size_t i = 0; i < access->proxy_count; i++) {
        const char *proxy = access->proxies[i];

        if (is_ip ? parse_range(proxy, range, &bits) && is_within(address, range, bits)
                  : strcmp(proxy, unix_peer) == 0 && strcmp(peer, unix_peer) == 0)
            return true;
    }
    return false;
}

/* An address, or one with a port, as some proxies write it: "192.0.2.1:80", "[2001:db8::1]:80". */
static bool take_address(struct str text, char to[ACCESS_CLIENT_SIZE])
{
    unsigned char address[16];
    bool is_v4;

    if (str_starts_with(text, STR("[")))
        text = str_slice(text, 1, str_find_byte(text, ']') - 1);
    else if (str_find_byte(text, '.') < str_find_byte(text, ':'))
        text = str_slice(text, 0, str_find_byte(text, ':'));
    if (text.length == 0 || text.length >= ACCESS_CLIENT_SIZE)
        return false;
    memcpy(to, text.data, text.length);
    to[text.length] = '\0';
    return strlen(to) == text.length && parse_ip(to, address, &is_v4);
}

void access_find_client(const struct access *access, const char *peer, struct str forwarded_for,
                        char client[ACCESS_CLIENT_SIZE])
{
    struct str rest = forwarded_for;
    bool is_told = false;

    (void)snprintf(client, ACCESS_CLIENT_SIZE, "%s", peer);
    while (access_is_proxy(access, client) && (!is_told || rest.length > 0)) {
        size_t comma = rest.length;

        while (comma > 0 && rest.data[comma - 1] != ',')
            comma--;
        if (!take_address(str_trim(str_slice(rest, comma, rest.length)), client)) {
            client[0] = '\0';
            return;
        }
        rest = str_slice(rest, 0, comma > 0 ? comma - 1 : 0);
        is_told = true;
    }
}

/* "email/domain", split at the last slash: an e-mail address may hold one, a domain cannot. */
static const struct token *read_trusted_user(struct str value, struct token *who,
                                             struct error *error)
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
    *who = (struct token){0};
    memcpy(who->user, user.data, user.length);
    memcpy(who->audience.host, domain.data, domain.length);
    return who;
}

static struct str bearer_token(struct str authorization)
{
    struct str scheme = str_slice(authorization, 0, 7);

    if (!str_equals_nocase(scheme, STR("bearer ")))
        return (struct str){0};
    return str_trim(str_slice(authorization, 7, authorization.length));
}

static const struct token *identify(struct access *access, const struct credentials *credentials,
                                    int64_t now, bool *by_proxy, struct token *room,
                                    struct error *error)
{
    struct str text = credentials->query_token;

    *by_proxy = access->trusted_header && credentials->trusted_user.data &&
                access_is_proxy(access, credentials->peer);
    if (*by_proxy)
        return read_trusted_user(credentials->trusted_user, room, error);
    if (text.length == 0)
        text = bearer_token(credentials->authorization);
    if (text.length == 0)
        return refuse(error, "log in first: there is no token in the request");
    return find_token(access, text, now, room, error);
}

bool access_check(struct access *access, const struct credentials *credentials,
                  const struct address *address, int64_t now, bool *by_proxy, struct token *who,
                  struct error *error)
{
    struct token room;
    const struct token *found = identify(access, credentials, now, by_proxy, &room, error);

    if (!found)
        return false;
    if (who)
        *who = *found;
    if (address && (strcmp(found->user, address->user) != 0 ||
                    strcmp(found->audience.host, address->domain) != 0))
        return error_set(error, ERROR_UNAUTHORIZED,
                         "the login is for another user or another site");
    return true;
}
