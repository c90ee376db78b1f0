#include "auth/browserid.h"

#include "base/crypto.h"

#include <stddef.h>
#include <string.h>

enum { MS_PER_S = 1000, NUMBER_SIZE = 1100, DEPTH_MOST = 8, ALGORITHM_SIZE = 16 };

#define TEXT_OF(type, text, field)                                                                 \
    {                                                                                              \
        (text), MEMBER_TEXT, offsetof(struct type, field), sizeof(((struct type *)0)->field)       \
    }

/* --- Keys --------------------------------------------------------------------------------------
 */

/* As it is written: numbers in decimal or hexadecimal digits, or, if it has a kty, in base64url. */
struct key_text {
    char algorithm[ALGORITHM_SIZE], kty[ALGORITHM_SIZE];
    char n[NUMBER_SIZE], e[NUMBER_SIZE];
    char p[NUMBER_SIZE], q[NUMBER_SIZE], g[NUMBER_SIZE], y[NUMBER_SIZE];
};

static const struct member key_members[] = {
    TEXT_OF(key_text, "algorithm", algorithm),
    TEXT_OF(key_text, "kty", kty),
    TEXT_OF(key_text, "n", n),
    TEXT_OF(key_text, "e", e),
    TEXT_OF(key_text, "p", p),
    TEXT_OF(key_text, "q", q),
    TEXT_OF(key_text, "g", g),
    TEXT_OF(key_text, "y", y),
    {0},
};

static bool put_number(const char *text, bool is_coded, enum public_key_base base,
                       struct buf *bytes, struct error *error)
{
    if (!is_coded)
        return public_key_parse_number(str_of(text), base, bytes, error);
    return (crypto_base64url_decode(str_of(text), bytes) && buf_ok(bytes, error)) ||
           error_set(error, ERROR_BAD_PARAMETER, "a number of the key is no base64url");
}

static bool make_rsa(const struct key_text *text, bool is_coded, struct public_key *key,
                     struct error *error)
{
    struct buf n = {0}, e = {0};
    bool ok = put_number(text->n, is_coded, PUBLIC_KEY_DECIMAL, &n, error) &&
              put_number(text->e, is_coded, PUBLIC_KEY_DECIMAL, &e, error) &&
              public_key_make_rsa(key, buf_str(&n), buf_str(&e), error);

    buf_clear(&n);
    buf_clear(&e);
    return ok;
}

static bool make_dsa(const struct key_text *text, bool is_coded, struct public_key *key,
                     struct error *error)
{
    const char *const texts[] = {text->p, text->q, text->g, text->y};
    struct buf numbers[4] = {{0}};
    bool ok = true;

    for (size_t i = 0; ok && i < 4; i++)
        ok = put_number(texts[i], is_coded, PUBLIC_KEY_HEX, &numbers[i], error);
    ok = ok && public_key_make_dsa(key, buf_str(&numbers[0]), buf_str(&numbers[1]),
                                   buf_str(&numbers[2]), buf_str(&numbers[3]), error);
    for (size_t i = 0; i < 4; i++)
        buf_clear(&numbers[i]);
    return ok;
}

static bool make_key(const struct key_text *text, struct public_key *key, struct error *error)
{
    bool is_coded = text->kty[0] != '\0';
    const char *kind = is_coded ? text->kty : text->algorithm;

    if (strcmp(kind, is_coded ? "RSA" : "RS") == 0)
        return make_rsa(text, is_coded, key, error);
    if (strcmp(kind, is_coded ? "DSA" : "DS") == 0)
        return make_dsa(text, is_coded, key, error);
    return error_set(error, ERROR_BAD_PARAMETER, "a key is of no kind that is known");
}

/* A bit more or less is of the same size. */
static bool is_about(unsigned bits, unsigned size)
{
    return bits >= size - 1 && bits <= size + 1;
}

static enum browserid_label label_of(const struct public_key *key)
{
    if (key->q_bits > 0)
        return is_about(key->bits, 2048) && key->q_bits == 256   ? BROWSERID_DS256
               : is_about(key->bits, 1024) && key->q_bits == 160 ? BROWSERID_DS128
                                                                 : BROWSERID_NONE;
    return is_about(key->bits, 2048)   ? BROWSERID_RS256
           : is_about(key->bits, 1024) ? BROWSERID_RS128
                                       : BROWSERID_NONE;
}

static enum browserid_label find_label(const char *name)
{
    static const char *const names[] = {[BROWSERID_RS256] = "RS256",
                                        [BROWSERID_DS256] = "DS256",
                                        [BROWSERID_RS128] = "RS128",
                                        [BROWSERID_DS128] = "DS128"};

    for (size_t i = BROWSERID_RS256; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0)
            return (enum browserid_label)i;
    }
    return BROWSERID_NONE;
}

/* --- Objects within objects --------------------------------------------------------------------
 */

/* Up to two members of an object may be objects that mean something. */
struct nest {
    struct members top, inner[2];
    const char *names[2];
    struct members *current; /* the inner one whose members come */
    bool is_twice;
    bool seen[2];
};

static bool take_nested(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct nest *nest = context;

    if (depth == 0)
        return event == JSON_BEGIN_OBJECT || event == JSON_END_OBJECT;
    if (depth > 1) {
        if (nest->current)
            members_take(nest->current, event, depth - 1, text);
        return true;
    }
    if (event == JSON_KEY) {
        nest->current = NULL;
        for (size_t i = 0; i < 2; i++) {
            if (!nest->names[i] || !str_equals(str_of(nest->names[i]), text))
                continue;
            nest->current = &nest->inner[i];
            nest->is_twice |= nest->seen[i];
            nest->seen[i] = true;
        }
    }
    members_take(&nest->top, event, depth, text);
    return true;
}

static bool read_nest(struct nest *nest, struct str text, struct error *error)
{
    struct error cause = {0};

    if (!json_read_text(text, DEPTH_MOST, take_nested, nest, &cause))
        return error_set(error, cause.code == ERROR_NO_MEMORY ? cause.code : ERROR_BAD_JSON, "%s",
                         cause.code == ERROR_NONE ? "it is no JSON object" : cause.message);
    return (!nest->is_twice && !nest->top.wrong && !nest->inner[0].wrong &&
            !nest->inner[1].wrong) ||
           error_set(error, ERROR_BAD_JSON, "a member is wrong, or there twice");
}

/* --- Issuers -----------------------------------------------------------------------------------
 */

struct support {
    char authority[MEMBERS_TEXT_SIZE];
    bool is_disabled;
};

static const struct member support_members[] = {
    TEXT_OF(support, "authority", authority),
    {"disabled", MEMBER_FLAG, offsetof(struct support, is_disabled), 0},
    {0},
};

static const struct browserid_issuer *find_issuer(const struct browserid_rules *rules,
                                                  const char *domain)
{
    for (size_t i = 0; i < rules->issuer_count; i++) {
        if (strcmp(rules->issuers[i].domain, domain) == 0)
            return &rules->issuers[i];
    }
    return NULL;
}

static bool read_document(struct browserid_issuer *issuer, struct str document, struct error *error)
{
    struct nest nest = {.names = {"public-key"}};
    struct support support = {0};
    struct key_text key = {0};
    struct error cause;

    members_begin(&nest.top, support_members, &support);
    members_begin(&nest.inner[0], key_members, &key);
    if (!read_nest(&nest, document, &cause))
        return error_set(error, ERROR_CONF, "%s", cause.message);
    if (support.is_disabled || support.authority[0])
        return error_set(error, ERROR_CONF, "the domain is disabled, or leaves it to another");
    if (!make_key(&key, &issuer->key, &cause))
        return error_set(error, ERROR_CONF, "public-key: %s", cause.message);
    if (label_of(&issuer->key) != BROWSERID_NONE)
        return true;
    public_key_clear(&issuer->key);
    return error_set(error, ERROR_CONF, "public-key: is of a size that is not taken");
}

bool browserid_add_issuer(struct browserid_rules *rules, struct str domain, struct str document,
                          struct error *error)
{
    struct browserid_issuer issuer = {0};

    if (!address_check_domain(domain) || domain.length >= sizeof issuer.domain)
        return error_set(error, ERROR_CONF, "\"%.*s\" is no domain", STR_ARG(domain));
    memcpy(issuer.domain, domain.data, domain.length);
    if (find_issuer(rules, issuer.domain) || rules->issuer_count == BROWSERID_ISSUERS_MOST)
        return error_set(error, ERROR_CONF, "%s is there twice, or there are more than %d",
                         issuer.domain, BROWSERID_ISSUERS_MOST);
    if (!read_document(&issuer, document, error))
        return false;
    rules->issuers[rules->issuer_count++] = issuer;
    return true;
}

void browserid_clear(struct browserid_rules *rules)
{
    for (size_t i = 0; i < rules->issuer_count; i++)
        public_key_clear(&rules->issuers[i].key);
    *rules = (struct browserid_rules){0};
}

/* --- Signed objects ----------------------------------------------------------------------------
 */

/* HEADER.PAYLOAD.SIGNATURE, decoded. */
struct signed_object {
    struct str text; /* what is signed */
    enum browserid_label label;
    struct buf payload, signature;
};

struct header {
    char algorithm[ALGORITHM_SIZE];
};

static const struct member header_members[] = {TEXT_OF(header, "alg", algorithm), {0}};

static bool refuse(struct error *error, const char *what, const char *why)
{
    return error_set(error, ERROR_UNAUTHORIZED, "the %s %s", what, why);
}

static bool read_label(struct signed_object *object, struct str coded, const char *what,
                       struct error *error)
{
    struct header header = {0};
    struct members members;
    struct buf text = {0};
    struct error cause;
    bool ok = crypto_base64url_decode(coded, &text) && !text.failed &&
              members_read(&members, buf_str(&text), header_members, &header, &cause);

    buf_clear(&text);
    if (!ok)
        return refuse(error, what, "has no good header");
    object->label = find_label(header.algorithm);
    return object->label != BROWSERID_NONE ||
           refuse(error, what, "is signed by an algorithm that is not taken");
}

static bool open_object(struct signed_object *object, struct str text, const char *what,
                        struct error *error)
{
    struct str rest = text, header, payload, signature;

    *object = (struct signed_object){0};
    if (!str_split(&rest, '.', &header) || !str_split(&rest, '.', &payload) ||
        !str_split(&rest, '.', &signature) || rest.data || signature.length == 0)
        return refuse(error, what, "has not three parts");
    object->text = str_slice(text, 0, header.length + 1 + payload.length);
    if (!read_label(object, header, what, error))
        return false;
    return (crypto_base64url_decode(payload, &object->payload) && !object->payload.failed &&
            crypto_base64url_decode(signature, &object->signature) && !object->signature.failed) ||
           refuse(error, what, "is no base64url");
}

static void close_object(struct signed_object *object)
{
    buf_clear(&object->payload);
    buf_clear(&object->signature);
}

/* The algorithm that the header names is the one that the key is for, so that the header chooses
 * nothing. */
static bool is_signed_by(const struct signed_object *object, const struct public_key *key)
{
    return label_of(key) == object->label &&
           public_key_verify(key,
                             object->label == BROWSERID_DS128 ? PUBLIC_KEY_SHA1 : PUBLIC_KEY_SHA256,
                             object->text, buf_str(&object->signature));
}

static bool is_allowed(const struct browserid_rules *rules, const struct signed_object *object,
                       const char *what, struct error *error)
{
    bool is_weak = object->label == BROWSERID_RS128 || object->label == BROWSERID_DS128;

    return !is_weak || rules->takes_weak ||
           refuse(error, what, "is signed by an algorithm that is too weak");
}

/* --- The certificate ---------------------------------------------------------------------------
 */

struct certificate {
    char issuer[MEMBERS_TEXT_SIZE];
    int64_t issued_ms, expires_ms;
    char email[MEMBERS_TEXT_SIZE];
    struct public_key key;
};

static const struct member certificate_members[] = {
    TEXT_OF(certificate, "iss", issuer),
    {"iat", MEMBER_SECONDS, offsetof(struct certificate, issued_ms), 0}, /* milliseconds */
    {"exp", MEMBER_SECONDS, offsetof(struct certificate, expires_ms), 0},
    {0},
};

static const struct member principal_members[] = {TEXT_OF(certificate, "email", email), {0}};

static bool read_certificate(struct certificate *certificate, struct str payload,
                             struct error *error)
{
    struct nest nest = {.names = {"public-key", "principal"}};
    struct key_text key = {0};
    struct error cause;

    members_begin(&nest.top, certificate_members, certificate);
    members_begin(&nest.inner[0], key_members, &key);
    members_begin(&nest.inner[1], principal_members, certificate);
    if (!read_nest(&nest, payload, &cause))
        return refuse(error, "certificate", "does not say what one says");
    if (!certificate->issuer[0] || !certificate->email[0] || !members_has(&nest.top, "iat") ||
        !members_has(&nest.top, "exp"))
        return refuse(error, "certificate", "lacks one of iss, iat, exp and principal.email");
    return make_key(&key, &certificate->key, &cause) ||
           refuse(error, "certificate", "holds no good public-key");
}

static bool is_time(int64_t from_ms, int64_t to_ms, int64_t now, const char *what,
                    struct error *error)
{
    if (to_ms / MS_PER_S + BROWSERID_SKEW_S <= now)
        return refuse(error, what, "has expired");
    return from_ms / MS_PER_S - BROWSERID_SKEW_S <= now ||
           refuse(error, what, "is from the future: is a clock wrong?");
}

/* For addresses of its own domain. */
static bool vouches(const struct browserid_issuer *issuer, const char *user, struct error *error)
{
    const char *at = strrchr(user, '@');

    return (at && strcmp(at + 1, issuer->domain) == 0) ||
           error_set(error, ERROR_UNAUTHORIZED, "untrusted issuer: %s vouches for %s",
                     issuer->domain, user);
}

/* Returns the issuer that a certificate names, if it is known here and signed this one. */
static const struct browserid_issuer *find_signer(const struct browserid_rules *rules,
                                                  const struct signed_object *object,
                                                  const char *name, struct error *error)
{
    const struct browserid_issuer *issuer = find_issuer(rules, name);

    if (!issuer)
        refuse(error, "certificate", "is of an issuer that is not known here");
    else if (!is_signed_by(object, &issuer->key)) {
        refuse(error, "certificate", "is not signed by its issuer");
        issuer = NULL;
    }
    return issuer;
}

static bool check_certificate(const struct browserid_rules *rules, struct str text, int64_t now,
                              struct certificate *certificate, struct browserid_proof *proof,
                              struct error *error)
{
    struct signed_object object;
    const struct browserid_issuer *issuer = NULL;

    if (open_object(&object, text, "certificate", error) &&
        is_allowed(rules, &object, "certificate", error) &&
        read_certificate(certificate, buf_str(&object.payload), error))
        issuer = find_signer(rules, &object, certificate->issuer, error);
    close_object(&object);
    if (!issuer)
        return false;
    memcpy(proof->issuer, issuer->domain, sizeof proof->issuer);
    if (!address_take_user(proof->user, str_of(certificate->email)))
        return refuse(error, "certificate", "names no e-mail address");
    return vouches(issuer, proof->user, error) &&
           is_time(certificate->issued_ms, certificate->expires_ms, now, "certificate", error);
}

/* --- The assertion -----------------------------------------------------------------------------
 */

struct claims {
    char audience[MEMBERS_TEXT_SIZE];
    int64_t issued_ms, expires_ms;
};

static const struct member claim_members[] = {
    TEXT_OF(claims, "aud", audience),
    {"iat", MEMBER_SECONDS, offsetof(struct claims, issued_ms), 0},
    {"exp", MEMBER_SECONDS, offsetof(struct claims, expires_ms), 0},
    {0},
};

static bool is_for(const char *text, const struct origin *audience, struct error *error)
{
    struct origin signed_for;
    struct error cause;

    if (!origin_parse(&signed_for, str_of(text), &cause))
        return error_set(error, ERROR_UNAUTHORIZED, "audience mismatch: %s", cause.message);
    if (signed_for.secure != audience->secure)
        return error_set(error, ERROR_UNAUTHORIZED, "audience mismatch: scheme mismatch");
    if (signed_for.port != audience->port)
        return error_set(error, ERROR_UNAUTHORIZED, "audience mismatch: port mismatch");
    return strcmp(signed_for.text, audience->text) == 0 ||
           error_set(error, ERROR_UNAUTHORIZED, "audience mismatch: domain mismatch");
}

static bool check_claims(const struct signed_object *object, const struct origin *audience,
                         int64_t now, int64_t *expires, struct error *error)
{
    struct claims claims = {0};
    struct members members;
    struct error cause;

    if (!members_read(&members, buf_str(&object->payload), claim_members, &claims, &cause) ||
        !claims.audience[0] || !members_has(&members, "exp"))
        return refuse(error, "assertion", "lacks aud or exp");
    *expires = claims.expires_ms / MS_PER_S;
    return is_for(claims.audience, audience, error) &&
           is_time(claims.issued_ms, claims.expires_ms, now, "assertion", error);
}

static bool check_assertion(const struct browserid_rules *rules, struct str text,
                            const struct public_key *key, const struct origin *audience,
                            int64_t now, int64_t *expires, struct error *error)
{
    struct signed_object object;
    bool ok = open_object(&object, text, "assertion", error) &&
              is_allowed(rules, &object, "assertion", error) &&
              (is_signed_by(&object, key) ||
               refuse(error, "assertion", "is not signed with the key of its certificate")) &&
              check_claims(&object, audience, now, expires, error);

    close_object(&object);
    return ok;
}

bool browserid_check(const struct browserid_rules *rules, struct str assertion,
                     const struct origin *audience, int64_t now, struct browserid_proof *proof,
                     struct error *error)
{
    struct certificate certificate = {0};
    struct str rest = assertion, first, second;

    *proof = (struct browserid_proof){0};
    if (assertion.length > BROWSERID_MOST || !str_split(&rest, '~', &first) ||
        !str_split(&rest, '~', &second) || rest.data)
        return error_set(error, ERROR_UNAUTHORIZED,
                         "this is not one certificate and one assertion");
    bool ok =
        check_certificate(rules, first, now, &certificate, proof, error) &&
        check_assertion(rules, second, &certificate.key, audience, now, &proof->expires, error);
    public_key_clear(&certificate.key);
    if (!ok)
        *proof = (struct browserid_proof){0};
    return ok;
}
