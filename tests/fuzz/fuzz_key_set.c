/* Any text as an issuer's keys, and as its metadata: no more keys than there may be, and no key
 * that would take the signature of nobody. */
#include "auth/key_set.h"
#include "auth/oidc_issuer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct str token = STR("eyJhbGciOiJSUzI1NiJ9.e30.c2ln");
    struct key_set set = {0};
    char url[OIDC_URL_SIZE];
    struct error error;

    (void)!key_set_read(&set, text, &error);
    if (set.count > KEY_SET_MOST || key_set_check(&set, KEY_RS256, "", token))
        abort();
    key_set_clear(&set);
    if (oidc_issuer_read_metadata(text, STR("https://i"), url, &error) &&
        !str_starts_with(str_of(url), STR("https://")))
        abort();
    return 0;
}
