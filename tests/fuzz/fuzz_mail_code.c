/* Any text as what logs in by mail and as a link: it is refused, unless it is one that we made. And
 * any content, signed with our key, is refused or says who, for which site and until when; what its
 * link shows lets in, once. */
#include "auth/mail_code.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1000000 };

static const struct str key = STR_INIT("no secret at all, and too short.");

static void put_signed(struct str purpose, struct str content, struct buf *out)
{
    unsigned char mac[CRYPTO_HASH_SIZE];
    struct buf text = {0};
    struct error error;

    buf_append(&text, purpose);
    buf_append(&text, content);
    if (!crypto_hmac(key, buf_str(&text), mac, &error))
        abort();
    buf_clear(&text);
    buf_append(out, content);
    buf_append(out, STR("."));
    crypto_base64url_encode((struct str){(const char *)mac, sizeof mac}, out);
}

static void check_content(const struct mail_code *code)
{
    struct origin again;
    struct error error;

    if (!address_check_user(str_of(code->user)) ||
        !origin_parse(&again, str_of(code->audience.text), &error) ||
        strcmp(again.text, code->audience.text) != 0 || code->expires <= NOW ||
        strspn(code->digits, "0123456789") != MAIL_CODE_DIGITS)
        abort();
}

static void check_signed(const struct keys *keys, struct rate *tries, struct str payload)
{
    struct buf content = {0}, id = {0}, link = {0};
    struct mail_code code, again;
    struct error error;

    buf_append(&content, STR("once."));
    crypto_base64url_encode(payload, &content);
    put_signed(STR("link "), buf_str(&content), &link);
    put_signed(STR("id "), buf_str(&content), &id);
    if (mail_code_open(keys, buf_str(&link), NOW, &code, &error)) {
        check_content(&code);
        buf_append_byte(&id, ':');
        buf_append_text(&id, code.digits);
        if (!mail_code_check(keys, tries, buf_str(&id), &code.audience, NOW, &again, &error) ||
            strcmp(again.user, code.user) != 0 ||
            mail_code_check(keys, tries, buf_str(&id), &code.audience, NOW, &again, &error))
            abort();
    } else if (error.code != ERROR_UNAUTHORIZED) {
        abort();
    }
    buf_clear(&content);
    buf_clear(&id);
    buf_clear(&link);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct keys keys = {.items = {{.id = "once"}}, .count = 1};
    struct origin site;
    struct rate tries;
    struct mail_code code;
    struct error error;

    memcpy(keys.items[0].mail_key, key.data, sizeof keys.items[0].mail_key);
    if (!mail_code_open_tries(&tries, &error) || !origin_parse(&site, STR("https://a.b"), &error))
        abort();
    if (mail_code_check(&keys, &tries, text, &site, NOW, &code, &error) ||
        mail_code_open(&keys, text, NOW, &code, &error))
        abort(); /* nobody can make one without the key */
    check_signed(&keys, &tries, text);
    rate_close(&tries);
    return 0;
}
