/* How many tokens can be checked in a second, and how many HMACs of their length OpenSSL makes.
 *
 *     bench_tokens SECONDS        prints both */
#include "auth/token.h"
#include "base/clock.h"
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 1000 };

static struct keys keys;

static bool make_token(struct buf *text, int64_t now)
{
    struct token token = {.user = "ann@example.org", .began = now, .issued = now};
    struct error error;

    token.expires = now + 3600;
    return origin_parse(&token.audience, STR("https://notes.example"), &error) &&
           token_begin_session(&token, &error) && token_make(&keys, &token, text, &error);
}

static bool check(struct str text, int64_t now)
{
    struct token token;
    struct error error;

    return token_check(&keys, text, now, &token, &error);
}

static bool authenticate(struct str text, int64_t now)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    (void)now;
    return HMAC(EVP_sha256(), keys.items[0].token_key, CRYPTO_HASH_SIZE,
                (const unsigned char *)text.data, text.length, mac, &length) != NULL;
}

static bool measure(bool (*run)(struct str, int64_t), struct str text, double seconds)
{
    uint64_t begin = clock_monotonic_us(), end = begin + (uint64_t)(seconds * 1e6), now = begin;
    uint64_t done = 0;

    for (; now < end; now = clock_monotonic_us()) {
        for (int i = 0; i < AT_ONCE; i++) {
            if (!run(text, clock_unix_seconds()))
                return false;
        }
        done += AT_ONCE;
    }
    printf("%.0f\n", (double)done * 1e6 / (double)(now - begin));
    return true;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 0;
    struct buf text = {0};
    struct error error;

    if (seconds <= 0) {
        fprintf(stderr, "usage: bench_tokens SECONDS\n");
        return EXIT_FAILURE;
    }
    bool ok = keys_make(&keys, &error) && make_token(&text, clock_unix_seconds()) &&
              measure(check, buf_str(&text), seconds) &&
              measure(authenticate, buf_str(&text), seconds);
    buf_clear(&text);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
