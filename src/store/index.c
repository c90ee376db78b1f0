#include "store/index.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <string.h>

static const char magic[] = "CutOutIx";

enum {
    VERSION = 1,
    AT_VERSION = 8,
    AT_SIZE = 12,
    AT_GENERATION = 16,
    AT_ID = 24,
    AT_LOSSES = 40,
    AT_MARK_LOSSES = 8,
    AT_MARK_FLOOR = 16,
    AT_HEADER_CRC = INDEX_MARKS_AT - 4,
    AT_MARK_CRC = INDEX_MARK_SIZE - 4,
    AT_END = 8,
    AT_KEY = 16,
    AT_TYPE = 24,
    AT_EXPIRES = 28,
    AT_FLAGS = 32,
    AT_CRC = 36,
    FLAG_BITS = 8,
};

static struct str bytes_of(const unsigned char *bytes, size_t length)
{
    return (struct str){(const char *)bytes, length};
}

void index_write_header(unsigned char to[INDEX_HEADER_SIZE], const struct index_header *header)
{
    memset(to, 0, INDEX_HEADER_SIZE);
    memcpy(to, magic, sizeof magic - 1);
    bytes_put_u32(to + AT_VERSION, VERSION);
    bytes_put_u32(to + AT_SIZE, INDEX_HEADER_SIZE);
    bytes_put_u64(to + AT_GENERATION, header->generation);
    memcpy(to + AT_ID, header->id, INDEX_ID_SIZE);
    bytes_put_u64(to + AT_LOSSES, header->losses);
    bytes_put_u32(to + AT_HEADER_CRC, crc32c_extend(0, bytes_of(to, AT_HEADER_CRC)));
    if (header->synced_count > 0)
        index_write_mark(to + INDEX_MARKS_AT, header);
}

void index_write_mark(unsigned char to[INDEX_MARK_SIZE], const struct index_header *header)
{
    memset(to, 0, INDEX_MARK_SIZE);
    bytes_put_u64(to, header->synced_count);
    bytes_put_u64(to + AT_MARK_LOSSES, header->losses);
    bytes_put_u64(to + AT_MARK_FLOOR, header->floor);
    bytes_put_u32(to + AT_MARK_CRC,
                  crc32c_extend(index_first_crc(header), bytes_of(to, AT_MARK_CRC)));
}

struct mark {
    uint64_t count, losses, floor;
    bool is_good; /* or zero */
};

static struct mark read_mark(const unsigned char *from, const struct index_header *header)
{
    static const unsigned char none[INDEX_MARK_SIZE];
    struct mark mark = {.is_good = memcmp(from, none, sizeof none) == 0};

    if (mark.is_good || bytes_get_u32(from + AT_MARK_CRC) !=
                            crc32c_extend(index_first_crc(header), bytes_of(from, AT_MARK_CRC)))
        return mark;
    return (struct mark){
        .count = bytes_get_u64(from),
        .losses = bytes_get_u64(from + AT_MARK_LOSSES),
        .floor = bytes_get_u64(from + AT_MARK_FLOOR),
        .is_good = true,
    };
}

static bool counts_before(const struct mark *mark, const struct mark *other)
{
    return mark->count > other->count ||
           (mark->count == other->count && mark->floor > other->floor);
}

static void read_marks(const unsigned char *from, struct index_header *header)
{
    const struct mark marks[] = {read_mark(from, header),
                                 read_mark(from + INDEX_MARK_SIZE, header)};
    bool is_second = counts_before(&marks[1], &marks[0]);
    bool is_first = counts_before(&marks[0], &marks[1]);
    const struct mark *larger = &marks[is_second ? 1 : 0];

    header->synced_count = larger->count;
    header->floor = larger->floor;
    if (larger->losses > header->losses)
        header->losses = larger->losses;
    header->mark = is_first || (!is_second && marks[0].is_good);
    header->is_torn = !marks[0].is_good || !marks[1].is_good;
}

bool index_read_header(const unsigned char from[INDEX_HEADER_SIZE], struct index_header *header,
                       struct error *error)
{
    if (memcmp(from, magic, sizeof magic - 1) != 0)
        return error_set(error, ERROR_DAMAGED, "is no index: the first bytes are wrong");
    if (bytes_get_u32(from + AT_HEADER_CRC) != crc32c_extend(0, bytes_of(from, AT_HEADER_CRC)))
        return error_set(error, ERROR_DAMAGED, "the header does not match its checksum");
    if (bytes_get_u32(from + AT_VERSION) != VERSION ||
        bytes_get_u32(from + AT_SIZE) != INDEX_HEADER_SIZE)
        return error_set(error, ERROR_DAMAGED,
                         "has version %u, this server knows version %d: upgrade the server",
                         bytes_get_u32(from + AT_VERSION), VERSION);
    header->generation = bytes_get_u64(from + AT_GENERATION);
    memcpy(header->id, from + AT_ID, INDEX_ID_SIZE);
    header->losses = bytes_get_u64(from + AT_LOSSES);
    read_marks(from + INDEX_MARKS_AT, header);
    return true;
}

bool index_is_foreign(const unsigned char from[INDEX_HEADER_SIZE])
{
    struct index_header header;
    struct error error;

    return memcmp(from, magic, sizeof magic - 1) == 0 &&
           bytes_get_u32(from + AT_HEADER_CRC) == crc32c_extend(0, bytes_of(from, AT_HEADER_CRC)) &&
           !index_read_header(from, &header, &error);
}

void index_write_entry(unsigned char to[INDEX_ENTRY_SIZE], const struct index_entry *entry)
{
    bytes_put_u64(to, entry->counter);
    bytes_put_u64(to + AT_END, entry->end);
    bytes_put_u64(to + AT_KEY, entry->key);
    bytes_put_u32(to + AT_TYPE, entry->type);
    bytes_put_u32(to + AT_EXPIRES, entry->expires);
    bytes_put_u32(to + AT_FLAGS, entry->flags | entry->commits << FLAG_BITS);
    bytes_put_u32(to + AT_CRC, entry->crc);
}

void index_read_entry(const unsigned char from[INDEX_ENTRY_SIZE], struct index_entry *entry)
{
    uint32_t flags = bytes_get_u32(from + AT_FLAGS);

    entry->counter = bytes_get_u64(from);
    entry->end = bytes_get_u64(from + AT_END);
    entry->key = bytes_get_u64(from + AT_KEY);
    entry->type = bytes_get_u32(from + AT_TYPE);
    entry->expires = bytes_get_u32(from + AT_EXPIRES);
    entry->flags = (uint8_t)flags;
    entry->commits = flags >> FLAG_BITS;
    entry->crc = bytes_get_u32(from + AT_CRC);
}

uint32_t index_first_crc(const struct index_header *header)
{
    unsigned char generation[8];

    bytes_put_u64(generation, header->generation);
    return crc32c_extend(crc32c_extend(0, bytes_of(header->id, INDEX_ID_SIZE)),
                         bytes_of(generation, sizeof generation));
}

uint32_t index_entry_crc(uint32_t previous_crc, const unsigned char encoded[INDEX_ENTRY_SIZE],
                         struct str record)
{
    unsigned char previous[4];
    uint32_t crc;

    bytes_put_u32(previous, previous_crc);
    crc = crc32c_extend(0, bytes_of(previous, sizeof previous));
    crc = crc32c_extend(crc, bytes_of(encoded, AT_CRC));
    return crc32c_extend(crc, record);
}
