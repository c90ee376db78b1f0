/* browserid.h - backed identity assertions of BrowserID (Persona), checked here, without asking
 * anybody: "CERTIFICATE~ASSERTION", each a signed JSON object (HEADER.PAYLOAD.SIGNATURE).
 *
 * The certificate is signed by who vouches for the e-mail address (the issuer) and names it and a
 * public key; the assertion is signed with that key and names the site. Where an issuer's keys come
 * from is the caller's business: a support document, as issuers publish it at
 * /.well-known/browserid, from a file.
 *
 *     browserid_add_issuer (for each) -> browserid_check ... -> browserid_clear
 *
 * Specification: github.com/mozilla/id-specs, browserid/index.md. */
#ifndef AUTH_BROWSERID_H
#define AUTH_BROWSERID_H

#include "auth/members.h"
#include "auth/origin.h"
#include "base/public_key.h"

enum {
    BROWSERID_MOST = 16 * 1024, /* bytes of an assertion */
    BROWSERID_ISSUERS_MOST = 32,
    BROWSERID_SKEW_S = 60,
};

/* What algorithm and size are called: RSA of 2048 bits, DSA of 2048 and 256, both with SHA-256;
 * the last two are weak: RSA of 1024 bits, DSA of 1024 and 160 with SHA-1. */
enum browserid_label {
    BROWSERID_NONE,
    BROWSERID_RS256,
    BROWSERID_DS256,
    BROWSERID_RS128,
    BROWSERID_DS128,
};

struct browserid_issuer {
    char domain[ADDRESS_DOMAIN_SIZE]; /* lower case */
    struct public_key key;
};

struct browserid_rules {
    struct browserid_issuer issuers[BROWSERID_ISSUERS_MOST];
    size_t issuer_count;
    bool takes_weak; /* RS128 and DS128 */
};

struct browserid_proof {
    char user[ADDRESS_USER_SIZE];
    char issuer[ADDRESS_DOMAIN_SIZE];
    int64_t expires; /* unix seconds: of the assertion */
};

/* With the key of its support document. *rules is all-zero before the first. ERROR_CONF: a domain
 * that is none or is there already, too many, or a document without a key, because it is disabled,
 * hands over to another domain, or is none. */
MUST_CHECK bool browserid_add_issuer(struct browserid_rules *rules, struct str domain,
                                     struct str document, struct error *error);
void browserid_clear(struct browserid_rules *rules); /* harmless twice, and on all-zero */

/* ERROR_UNAUTHORIZED says why it is not good. An issuer vouches for addresses of its own domain
 * only. */
MUST_CHECK bool browserid_check(const struct browserid_rules *rules, struct str assertion,
                                const struct origin *audience, int64_t now,
                                struct browserid_proof *proof, struct error *error);

#endif
