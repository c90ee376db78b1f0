#include "store/losses.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <string.h>

static const char magic[] = "CutOutLs";
static const char name[] = ".losses";

enum { AT_NUMBER = 8, AT_CRC = 16, FILE_SIZE = 20 };

static uint32_t crc_of(const char *bytes)
{
    return crc32c_extend(0, (struct str){bytes, AT_CRC});
}

bool losses_read(struct disk *disk, struct error *error)
{
    struct buf content = {0};
    bool ok = disk_read_file(disk, name, FILE_SIZE, &content, error);

    disk->losses = 0;
    if (!ok) {
        buf_clear(&content);
        return error->code == ERROR_NOT_FOUND;
    }
    ok = content.length == FILE_SIZE && memcmp(content.data, magic, sizeof magic - 1) == 0 &&
         bytes_get_u32((const unsigned char *)content.data + AT_CRC) == crc_of(content.data);
    if (ok)
        disk->losses = bytes_get_u64((const unsigned char *)content.data + AT_NUMBER);
    buf_clear(&content);
    return ok || error_set(error, ERROR_DAMAGED,
                           "%s: is damaged; copy the data directory, then restore the file", name);
}

bool losses_add(struct disk *disk, struct error *error)
{
    unsigned char bytes[FILE_SIZE] = {0};
    const char *text = (const char *)bytes;

    memcpy(bytes, magic, sizeof magic - 1);
    bytes_put_u64(bytes + AT_NUMBER, disk->losses + 1);
    bytes_put_u32(bytes + AT_CRC, crc_of(text));
    return disk_replace_file(disk, name, (struct str){text, sizeof bytes}, true, error) &&
           disk_sync_directory(disk, ".", error);
}
