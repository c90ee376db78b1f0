/* Any text as an ID token: what is taken has all that a login needs, and any payload that names a
 * user names one that an address can have. */
#include "auth/id_token.h"

#include "base/crypto.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1000000, AGE = 600 };

static void check_token(const struct id_token *token)
{
    struct error error;

    if (!token->issuer[0] || !token->subject[0] || token->audiences.count == 0 ||
        token->audiences.count > MEMBERS_TEXTS_MOST || token->signed_length == 0 ||
        (token->algorithm != KEY_RS256 && token->algorithm != KEY_ES256))
        abort();
    if (id_token_check(token, NOW, AGE, (struct str){0}, &error) &&
        (token->expires <= NOW - ID_TOKEN_SKEW_S || token->issued > NOW + ID_TOKEN_SKEW_S))
        abort();
    (void)id_token_client(token);
    for (int has_email = 0; has_email < 2; has_email++) {
        struct buf user = {0};

        if (id_token_name_user(token, has_email, &user, &error) &&
            !address_check_user(buf_str(&user)))
            abort();
        buf_clear(&user);
    }
}

static void check_text(struct str text)
{
    struct id_token token = {0};
    struct error error = {0};

    if (id_token_read(&token, text, &error))
        check_token(&token);
    else if (error.code != ERROR_UNAUTHORIZED)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    size_t end = str_find_byte(text, '\n');
    struct buf coded = {0};

    check_text(text);
    crypto_base64url_encode(str_slice(text, 0, end), &coded);
    buf_append_byte(&coded, '.');
    crypto_base64url_encode(str_slice(text, end + 1, size), &coded);
    buf_append(&coded, STR(".c2ln"));
    check_text(buf_str(&coded));
    buf_clear(&coded);
    return 0;
}
