/* Whatever comes as base64: what is taken has one spelling in each alphabet, with and without
 * padding, and what we write is read back. */
#include "base/base64.h"
#include "base/crypto.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In the URL alphabet, without padding. */
static void put_plain(struct str text, struct buf *out)
{
    while (text.length > 0 && text.data[text.length - 1] == '=')
        text.length--;
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.data[i];

        buf_append_byte(out, byte == '+' ? '-' : byte == '/' ? '_' : byte);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct buf bytes = {0}, plain = {0}, again = {0};

    if (base64_decode(text, &bytes)) {
        put_plain(text, &plain);
        crypto_base64url_encode(buf_str(&bytes), &again);
        if (!str_equals(buf_str(&plain), buf_str(&again)))
            abort();
    }
    buf_reset(&plain);
    buf_reset(&again);
    crypto_base64url_encode(text, &plain);
    if (!base64_decode(buf_str(&plain), &again) || !str_equals(buf_str(&again), text))
        abort();
    buf_clear(&bytes);
    buf_clear(&plain);
    buf_clear(&again);
    return 0;
}
