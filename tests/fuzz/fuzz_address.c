/* Any path: what is taken is safe as directory names, and is taken as the same once more. */
#include "base/address.h"

#include "base/percent.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_names(struct str path)
{
    struct str name;

    while (str_split(&path, '/', &name)) {
        if (name.length == 0 || name.length > ADDRESS_NAME_MOST || str_equals(name, STR(".")) ||
            str_equals(name, STR("..")))
            abort();
    }
}

/* A path that must mean the same collection. */
static void write_path(const struct address *address, struct buf *out)
{
    struct str rest = str_of(address->bucket), segment;

    buf_append_byte(out, '/');
    percent_encode(str_of(address->domain), out);
    buf_append_byte(out, '/');
    percent_encode(str_of(address->user), out);
    while (address->bucket[0] && str_split(&rest, '/', &segment)) {
        buf_append_byte(out, '/');
        percent_encode(segment, out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str path = {(const char *)data, size};
    struct address address, again;
    struct buf written = {0};
    struct error error;

    if (!address_parse(&address, path, &error))
        return 0;
    check_names(str_of(address.path));
    write_path(&address, &written);
    if (!address_is_meant(path) || !address_parse(&again, buf_str(&written), &error) ||
        strcmp(address.path, again.path) != 0 || strcmp(address.bucket, again.bucket) != 0)
        abort();
    buf_clear(&written);
    return 0;
}
