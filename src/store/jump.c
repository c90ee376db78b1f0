#include "store/jump.h"

#include "store/database.h"
#include "store/losses.h"
#include "store/mark.h"
#include "store/paths.h"

#include <fcntl.h>

enum { PIECE = 64 * 1024 };

/* Pages of which a sync has failed count as clean, and the next sync would succeed without them. */
static bool write_again(struct file *file, uint64_t from, uint64_t to, struct error *error)
{
    struct buf piece = {0};
    char *bytes = buf_reserve(&piece, PIECE);
    bool ok = bytes || buf_ok(&piece, error);

    for (uint64_t at = from; ok && at < to; at += PIECE) {
        size_t length = to - at < PIECE ? (size_t)(to - at) : PIECE;

        ok = file_read_at(file, bytes, length, at, error) &&
             file_write_at(file, (struct str){bytes, length}, at, error);
    }
    buf_clear(&piece);
    return ok;
}

static bool settle_file(struct file *file, uint64_t from, uint64_t to, struct error *error)
{
    return file_truncate(file, to, error) && write_again(file, from, to, error) &&
           file_sync(file, error);
}

static bool settle_files(struct database *database, const struct head *head,
                         const struct index_header *header, struct error *error)
{
    uint64_t synced = header->synced_count;
    struct index_entry entry = {0};

    return (synced == 0 || database_read_entries(database, synced - 1, 1, &entry, error)) &&
           settle_file(&database->data, entry.end, head->data_end, error) &&
           settle_file(&database->index, INDEX_HEADER_SIZE + synced * INDEX_ENTRY_SIZE,
                       INDEX_HEADER_SIZE + head->count * INDEX_ENTRY_SIZE, error);
}

bool jump_prepare(struct disk *disk, const struct batch *batch, struct error *error)
{
    const struct head *head = &batch->before;
    struct database database = {.head = *head};
    struct index_header header;
    char name[PATHS_SIZE];

    paths_put_data(name, batch->path, head->generation);
    bool ok = file_open(&database.data, disk, name, O_RDWR, error);
    paths_put_index(name, batch->path);
    ok = ok && file_open(&database.index, disk, name, O_RDWR, error) &&
         mark_read(&database.index, &header, error);
    if (ok && header.losses < disk->losses) {
        ok = settle_files(&database, head, &header, error);
        header.synced_count = head->count;
        header.losses = disk->losses;
        header.floor = head->last_counter + LOSSES_JUMP;
        ok = ok && mark_write(&database.index, &header, error);
    }
    database_close(&database);
    if (!ok && error->code == ERROR_NOT_FOUND)
        error->code = ERROR_DAMAGED; /* the collection is there, one of its files is not */
    return ok;
}
