/* Any origin: what is taken is canonical, is taken as the same once more, and its host is one that
 * an address can have. */
#include "auth/origin.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct origin origin, again;
    struct error error;

    if (!origin_parse(&origin, text, &error))
        return 0;
    if (!address_check_domain(str_of(origin.host)) || origin.port == 0 || origin.port > 65535 ||
        strlen(origin.text) > size ||
        !str_starts_with(text, str_slice(str_of(origin.text), 0, 7)) ||
        !strstr(origin.text, origin.host))
        abort();
    if (!origin_parse(&again, str_of(origin.text), &error) ||
        strcmp(again.text, origin.text) != 0 || again.port != origin.port ||
        again.secure != origin.secure)
        abort();
    return 0;
}
