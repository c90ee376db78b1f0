#include "store/revoked.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

/* The header, then records of one size: kind, id, before, expires, and a check of these, which also
 * covers where it stands. */
enum {
    HEADER_SIZE = 16,
    AT_VERSION = 8,
    VERSION = 1,
    AT_ID = 4,
    AT_BEFORE = AT_ID + REVOKED_ID_SIZE,
    AT_EXPIRES = AT_BEFORE + 8,
    AT_CRC = AT_EXPIRES + 8,
    RECORD_SIZE = AT_CRC + 4,
    READ_RECORDS = 256,
    SIZE_MOST = 64 << 20, /* more than a million records */
    TAKE_PAUSE_MS = 2,
    TAKE_TRIES = 500,
};

static const char name[] = ".revoked";
static const char magic[] = "CutOutRv";

static uint32_t crc_of(const unsigned char *bytes, uint64_t offset)
{
    unsigned char place[8];

    bytes_put_u64(place, offset);
    return crc32c_extend(crc32c_extend(0, (struct str){(const char *)place, sizeof place}),
                         (struct str){(const char *)bytes, AT_CRC});
}

static void put_record(unsigned char *to, const struct revoked_record *record, uint64_t offset)
{
    bytes_put_u32(to, record->kind);
    memcpy(to + AT_ID, record->id, REVOKED_ID_SIZE);
    bytes_put_u64(to + AT_BEFORE, (uint64_t)record->before);
    bytes_put_u64(to + AT_EXPIRES, (uint64_t)record->expires);
    bytes_put_u32(to + AT_CRC, crc_of(to, offset));
}

static bool get_record(const unsigned char *from, uint64_t offset, struct revoked_record *record)
{
    record->kind = bytes_get_u32(from);
    memcpy(record->id, from + AT_ID, REVOKED_ID_SIZE);
    record->before = (int64_t)bytes_get_u64(from + AT_BEFORE);
    record->expires = (int64_t)bytes_get_u64(from + AT_EXPIRES);
    return bytes_get_u32(from + AT_CRC) == crc_of(from, offset);
}

static void put_header(unsigned char to[HEADER_SIZE])
{
    memset(to, 0, HEADER_SIZE);
    memcpy(to, magic, sizeof magic - 1);
    bytes_put_u32(to + AT_VERSION, VERSION);
}

static bool complain(struct error *error, uint64_t offset)
{
    return error_set(error, ERROR_DAMAGED,
                     "%s: at byte %llu: is damaged: who was logged out might be let in again; put "
                     "a new key into the token_secret_file, then remove the list",
                     name, (unsigned long long)offset);
}

static bool check_header(struct file *file, struct error *error)
{
    unsigned char bytes[HEADER_SIZE], wanted[HEADER_SIZE];

    put_header(wanted);
    if (!file_read_at(file, bytes, sizeof bytes, 0, error))
        return false;
    return memcmp(bytes, wanted, sizeof bytes) == 0 || complain(error, 0);
}

/* From *offset to the end of what checks. */
static bool read_records(struct file *file, uint64_t *offset, revoked_take_fn *take, void *context,
                         struct error *error)
{
    unsigned char bytes[READ_RECORDS * RECORD_SIZE];
    struct revoked_record record;
    uint64_t size;

    if (!file_size(file, &size, error))
        return false;
    if (*offset == 0 && !check_header(file, error))
        return false;
    if (*offset == 0)
        *offset = HEADER_SIZE;
    while (size >= *offset + RECORD_SIZE) {
        size_t length = size - *offset < sizeof bytes ? (size_t)(size - *offset) : sizeof bytes;

        length -= length % RECORD_SIZE;
        if (!file_read_at(file, bytes, length, *offset, error))
            return false;
        for (size_t at = 0; at < length; at += RECORD_SIZE) {
            if (!get_record(bytes + at, *offset, &record))
                return size < *offset + 2 * RECORD_SIZE || complain(error, *offset);
            if (!take(context, &record, error))
                return false;
            *offset += RECORD_SIZE;
        }
    }
    return true;
}

bool revoked_read(struct disk *disk, uint64_t *offset, revoked_take_fn *take, void *context,
                  struct error *error)
{
    struct file file = {0};

    if (!file_open(&file, disk, name, O_RDONLY, error))
        return false;
    bool ok = read_records(&file, offset, take, context, error);
    file_close(&file);
    return ok;
}

/* --- Adding ---------------------------------------------------------------------------------- */

struct search {
    const struct revoked_record *wanted;
    bool is_there;
};

static bool compare(void *context, const struct revoked_record *record, struct error *error)
{
    struct search *search = context;

    (void)error;
    search->is_there |= record->kind == REVOKED_PROOF && search->wanted->kind == REVOKED_PROOF &&
                        memcmp(record->id, search->wanted->id, REVOKED_ID_SIZE) == 0;
    return true;
}

static bool write_record(struct file *file, uint64_t offset, const struct revoked_record *record,
                         struct error *error)
{
    unsigned char bytes[2 * RECORD_SIZE];
    size_t before = offset > HEADER_SIZE ? RECORD_SIZE : 0;

    if (before > 0 && !file_read_at(file, bytes, before, offset - before, error))
        return false;
    put_record(bytes + before, record, offset);
    return file_write_at(file, (struct str){(const char *)bytes, before + RECORD_SIZE},
                         offset - before, error) &&
           file_sync(file, error);
}

static bool add_locked(struct file *file, uint64_t offset, const struct revoked_record *record,
                       bool *is_there, struct error *error)
{
    struct search search = {.wanted = record};
    uint64_t size;

    if (!read_records(file, &offset, compare, &search, error))
        return false;
    *is_there = search.is_there;
    if (search.is_there)
        return true;
    if (!file_size(file, &size, error))
        return false;
    if (size > SIZE_MOST)
        return error_set(error, ERROR_BUSY,
                         "%s: has %llu bytes; a restart leaves out what has "
                         "expired",
                         name, (unsigned long long)size);
    return write_record(file, offset, record, error);
}

static bool lock_waiting(struct file *file, struct error *error)
{
    static const struct timespec pause = {.tv_nsec = TAKE_PAUSE_MS * 1000000L};

    for (unsigned i = 0; i < TAKE_TRIES; i++) {
        if (file_lock(file, error))
            return true;
        if (error->code != ERROR_BUSY)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

bool revoked_add(struct disk *disk, struct news *news, uint64_t offset,
                 const struct revoked_record *record, bool *is_there, struct error *error)
{
    struct file file = {0};

    *is_there = false;
    if (!file_open(&file, disk, name, O_RDWR, error))
        return false;
    bool ok = lock_waiting(&file, error) && add_locked(&file, offset, record, is_there, error);
    file_close(&file);
    if (news)
        (void)news_tell(news, name);
    return ok;
}

uint64_t revoked_news(const struct news *news)
{
    return news_read(news, name);
}

/* --- Beginning -------------------------------------------------------------------------------- */

struct sieve {
    int64_t now;
    struct buf kept;
};

static bool keep(void *context, const struct revoked_record *record, struct error *error)
{
    struct sieve *sieve = context;
    unsigned char bytes[RECORD_SIZE];

    if (record->expires > sieve->now) {
        put_record(bytes, record, sieve->kept.length);
        buf_append(&sieve->kept, (struct str){(const char *)bytes, sizeof bytes});
    }
    return buf_ok(&sieve->kept, error);
}

/* Written anew each time: who knows whether the last one's name is on the disk. */
bool revoked_begin(struct disk *disk, int64_t now, struct error *error)
{
    unsigned char header[HEADER_SIZE];
    struct sieve sieve = {.now = now};
    uint64_t offset = 0;

    put_header(header);
    buf_append(&sieve.kept, (struct str){(const char *)header, sizeof header});
    bool ok = revoked_read(disk, &offset, keep, &sieve, error) || error->code == ERROR_NOT_FOUND;
    ok = ok && buf_ok(&sieve.kept, error) &&
         disk_replace_file(disk, name, buf_str(&sieve.kept), true, error) &&
         disk_sync_directory(disk, ".", error);
    buf_clear(&sieve.kept);
    return ok;
}
