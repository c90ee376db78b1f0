/* Any body of a journal frame: what is taken for a batch or a deletion is written again as the same
 * bytes, and a batch's head adds up. */
#include "store/batch.h"

#include "base/bytes.h"
#include "store/collection.h"

#include <stdlib.h>
#include <string.h>

enum {
    AT_DATA_END = 64, /* see batch.c */
    AT_CRC = 80,
    AT_PATH_LENGTH = 88,
    AT_ENTRIES_LENGTH = 92,
    FIXED_SIZE = 100,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Makes the checksums of the entries right, or no input would ever get past them. */
static void mend(unsigned char *body, size_t size)
{
    struct str all = {(const char *)body, size};

    if (size < FIXED_SIZE)
        return;
    size_t entries_at = FIXED_SIZE + (size_t)bytes_get_u32(body + AT_PATH_LENGTH);
    size_t data_at = entries_at + bytes_get_u32(body + AT_ENTRIES_LENGTH);
    uint64_t data_end = bytes_get_u64(body + AT_DATA_END), start = data_end;
    uint32_t crc = bytes_get_u32(body + AT_CRC);
    for (size_t at = entries_at; at + INDEX_ENTRY_SIZE <= data_at && data_at <= size;
         at += INDEX_ENTRY_SIZE) {
        struct index_entry entry;

        index_read_entry(body + at, &entry);
        if (entry.end < start || entry.end - data_end > size - data_at)
            return;
        entry.crc = crc = index_entry_crc(
            crc, body + at,
            str_slice(all, data_at + (size_t)(start - data_end), (size_t)(entry.end - start)));
        index_write_entry(body + at, &entry);
        start = entry.end;
    }
}

static void check_batch(struct str body)
{
    struct buf again = {0};
    struct error error;
    struct batch batch;

    if (!batch_read_frame(&batch, body, &error)) {
        require(error.code == ERROR_DAMAGED && !batch.entries.data && !batch.data.data);
        return;
    }
    require(batch.after.count == batch.before.count + batch.entries.length / INDEX_ENTRY_SIZE);
    require(batch.after.data_end == batch.before.data_end + batch.data.length);
    require(batch.after.last_counter <= INDEX_COUNTER_MOST);
    batch_write_frame(&batch, &again);
    require(str_equals(buf_str(&again), body));
    buf_clear(&again);
    batch_clear(&batch);
}

static void check_deletion(struct str body)
{
    struct deletion deletion;
    struct buf again = {0};
    struct error error;

    if (!deletion_read_frame(&deletion, body, &error)) {
        require(error.code == ERROR_DAMAGED && !deletion.reason.data);
        return;
    }
    deletion_write_frame(&deletion, &again);
    require(str_equals(buf_str(&again), body));
    buf_clear(&again);
    deletion_clear(&deletion);
}

/* The first byte says whether checksums are mended. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned char *body = malloc(size);
    require(body);
    memcpy(body, data + 1, size - 1);
    if (data[0] & 1)
        mend(body, size - 1);
    check_batch((struct str){(const char *)body, size - 1});
    check_deletion((struct str){(const char *)body, size - 1});
    free(body);
    return 0;
}
