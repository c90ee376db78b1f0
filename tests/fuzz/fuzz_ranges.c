/* Whatever stands in a Range header: parts lie within what there is, and are not more than it. */
#include "http/ranges.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ranges ranges;
    uint64_t length = 0, total = 0;

    if (size < sizeof length)
        return 0;
    memcpy(&length, data, sizeof length);
    length >>= data[0] % 64;
    struct str header = {(const char *)data + sizeof length, size - sizeof length};
    if (ranges_parse(&ranges, header, length) != RANGES_SOME)
        return 0;
    if (ranges.count == 0 || ranges.count > RANGES_MOST)
        abort();
    for (size_t i = 0; i < ranges.count; i++) {
        if (ranges.parts[i].length == 0 || ranges.parts[i].start >= length ||
            ranges.parts[i].length > length - ranges.parts[i].start)
            abort();
        total += ranges.parts[i].length;
    }
    if (total > length)
        abort();
    return 0;
}
