/* Any text as a token: it is refused, unless it is one that we signed; and any payload, signed with
 * our key, is refused or says who, for which site and until when. */
#include "auth/token.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1000000 };

static void check_content(const struct token *token)
{
    struct origin again;
    struct error error;

    if (!address_check_user(str_of(token->user)) ||
        !origin_parse(&again, str_of(token->audience.text), &error) ||
        strcmp(again.text, token->audience.text) != 0 || token->expires <= NOW)
        abort();
}

static void check_signed(const struct keys *keys, struct str payload)
{
    const struct str key = {(const char *)keys->items[0].token_key, CRYPTO_HASH_SIZE};
    unsigned char mac[CRYPTO_HASH_SIZE];
    struct buf text = {0};
    struct token token;
    struct error error;

    buf_append(&text, STR("v1.once."));
    crypto_base64url_encode(payload, &text);
    if (!crypto_hmac(key, buf_str(&text), mac, &error))
        abort();
    buf_append(&text, STR("."));
    crypto_base64url_encode((struct str){(const char *)mac, sizeof mac}, &text);
    if (token_check(keys, buf_str(&text), NOW, &token, &error))
        check_content(&token);
    else if (error.code != ERROR_UNAUTHORIZED)
        abort();
    buf_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct keys keys = {.items = {{.id = "once", .token_key = "no secret at all"}}, .count = 1};
    struct token token;
    struct error error;

    if (token_check(&keys, text, NOW, &token, &error))
        abort(); /* nobody can make one without the key */
    check_signed(&keys, text);
    return 0;
}
