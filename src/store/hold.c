#include "store/hold.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "store/database.h"
#include "store/paths.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

enum {
    /* The note. */
    AT_COUNT = 8,
    AT_COMMITS = 16,
    AT_DATA_END = 24,
    AT_LAST_COUNTER = 32,
    AT_LAST_CRC = 40,
    AT_SET = 44,
    AT_CRC = 48,
    NOTE_SIZE = 52,
    LOAD_TRIES = 20,
    TAKE_TRIES = 2000,
    TAKE_PAUSE_MS = 2,
};

static uint32_t note_crc(const unsigned char *bytes)
{
    return crc32c_extend(0, (struct str){(const char *)bytes, AT_CRC});
}

static void encode_note(unsigned char to[NOTE_SIZE], const struct head *head)
{
    bytes_put_u64(to, head->generation);
    bytes_put_u64(to + AT_COUNT, head->count);
    bytes_put_u64(to + AT_COMMITS, head->commits);
    bytes_put_u64(to + AT_DATA_END, head->data_end);
    bytes_put_u64(to + AT_LAST_COUNTER, head->last_counter);
    bytes_put_u32(to + AT_LAST_CRC, head->crc);
    bytes_put_u32(to + AT_SET, 1);
    bytes_put_u32(to + AT_CRC, note_crc(to));
}

/* A note that is torn was never finished, and so what it was to announce had not begun. */
static bool read_note(struct file *lock, bool *is_set, struct head *head, struct error *error)
{
    unsigned char bytes[NOTE_SIZE];
    uint64_t size;

    *is_set = false;
    if (!file_size(lock, &size, error))
        return false;
    if (size < sizeof bytes)
        return true;
    if (!file_read_at(lock, bytes, sizeof bytes, 0, error))
        return false;
    *is_set =
        bytes_get_u32(bytes + AT_SET) == 1 && bytes_get_u32(bytes + AT_CRC) == note_crc(bytes);
    *head = (struct head){
        .generation = bytes_get_u64(bytes),
        .count = bytes_get_u64(bytes + AT_COUNT),
        .commits = bytes_get_u64(bytes + AT_COMMITS),
        .data_end = bytes_get_u64(bytes + AT_DATA_END),
        .last_counter = bytes_get_u64(bytes + AT_LAST_COUNTER),
        .crc = bytes_get_u32(bytes + AT_LAST_CRC),
    };
    return true;
}

bool hold_take(struct hold *hold, struct disk *disk, const char *path, struct error *error)
{
    char name[PATHS_SIZE];

    *hold = (struct hold){.lock.fd = -1};
    paths_put_lock(name, path);
    bool ok = file_open(&hold->lock, disk, name, O_RDWR, error) && file_lock(&hold->lock, error) &&
              read_note(&hold->lock, &hold->has_note, &hold->note, error);
    if (!ok)
        hold_release(hold);
    return ok;
}

void hold_release(struct hold *hold)
{
    if (hold->lock.disk)
        file_close(&hold->lock);
    hold->lock.disk = NULL;
}

bool hold_make(struct disk *disk, const char *path, struct error *error)
{
    struct file file = {0};
    char name[PATHS_SIZE];

    if (!collection_make_directories(disk, path, error))
        return false;
    paths_put_lock(name, path);
    bool ok = file_open(&file, disk, name, O_RDWR | O_CREAT, error);
    file_close(&file);
    return ok;
}

static bool take_or_make(struct hold *hold, struct disk *disk, const char *path,
                         struct error *error)
{
    if (hold_take(hold, disk, path, error))
        return true;
    return error->code == ERROR_NOT_FOUND && hold_make(disk, path, error) &&
           hold_take(hold, disk, path, error);
}

bool hold_take_waiting(struct hold *hold, struct disk *disk, struct news *news, const char *path,
                       struct error *error)
{
    static const struct timespec pause = {.tv_nsec = TAKE_PAUSE_MS * 1000000L};
    bool ok = take_or_make(hold, disk, path, error);

    for (unsigned i = 0; !ok && error->code == ERROR_BUSY && i < TAKE_TRIES; i++) {
        (void)nanosleep(&pause, NULL);
        ok = take_or_make(hold, disk, path, error);
    }
    if (ok && !hold_settle(hold, news, path, error)) {
        hold_release(hold);
        ok = false;
    }
    return ok;
}

bool hold_note(struct hold *hold, const struct head *before, struct error *error)
{
    unsigned char bytes[NOTE_SIZE];

    encode_note(bytes, before);
    return file_write_at(&hold->lock, (struct str){(const char *)bytes, sizeof bytes}, 0, error);
}

bool hold_forget(struct hold *hold, struct error *error)
{
    static const char zeros[NOTE_SIZE - AT_SET];

    return file_write_at(&hold->lock, (struct str){zeros, sizeof zeros}, AT_SET, error);
}

/* Without its index a collection is not there: it was being deleted, or made. Nobody else would
 * ever remove what is left of it: the next one has another generation, and the journal that tells
 * of this one is not replayed. A deleted.json that cannot be read is for others to report. */
static bool remove_rest(struct disk *disk, const char *path, const struct head *note,
                        struct error *error)
{
    struct collection deleted;
    char name[PATHS_SIZE];

    if (!collection_load_deleted(&deleted, disk, path, error))
        return error->code == ERROR_DAMAGED;
    paths_put_data(name, path, deleted.head.generation);
    collection_clear(&deleted);
    if (!disk_unlink(disk, name, error))
        return false;
    paths_put_data(name, path, note->generation);
    if (!disk_unlink(disk, name, error))
        return false;
    paths_put_info(name, path);
    return disk_unlink(disk, name, error);
}

/* A batch that is complete stays: somebody may have read it. So does a collection whose index is
 * there: who was deleting it has told nobody. */
static bool remove_half(struct disk *disk, const char *path, const struct head *note,
                        struct error *error)
{
    struct index_header header;
    struct database database;
    struct error cause;

    if (database_open(&database, disk, path, error)) {
        database_close(&database);
        return collection_revive(disk, path, error);
    }
    if (error->code != ERROR_DAMAGED && error->code != ERROR_NOT_FOUND)
        return false;
    if (database_read_header(disk, path, &header, &cause))
        return (header.generation != note->generation || database_cut(disk, path, note, error)) &&
               collection_revive(disk, path, error);
    return cause.code != ERROR_NOT_FOUND || remove_rest(disk, path, note, error);
}

bool hold_settle(struct hold *hold, struct news *news, const char *path, struct error *error)
{
    struct disk *disk = hold->lock.disk;

    if (!hold->has_note)
        return true;
    if (!remove_half(disk, path, &hold->note, error))
        return false;
    news_tell(news, path);
    hold->has_note = false;
    return hold_forget(hold, error);
}

bool hold_sync(struct disk *disk, struct news *news, const char *path, uint64_t generation,
               uint64_t count, struct error *error)
{
    struct hold hold;

    if (!hold_take_waiting(&hold, disk, news, path, error))
        return false;
    bool ok = collection_sync(disk, path, generation, count, error);
    hold_release(&hold);
    return ok;
}

/* The note of the one who holds it now, if there is one. */
static bool look_at_note(struct disk *disk, const char *path, bool *is_set, struct head *head,
                         struct error *error)
{
    struct file lock = {0};
    char name[PATHS_SIZE];

    *is_set = false;
    paths_put_lock(name, path);
    if (!file_open(&lock, disk, name, O_RDONLY, error))
        return error->code == ERROR_NOT_FOUND;
    bool ok = read_note(&lock, is_set, head, error);
    file_close(&lock);
    return ok;
}

/* The index is looked for first, then deleted.json. Between the two another process may have begun
 * the collection anew, and neither was found: so it is absent only if it is so twice. */
static bool load_twice_if_absent(struct collection *collection, struct disk *disk, const char *path,
                                 struct error *error)
{
    if (!collection_load(collection, disk, path, error))
        return false;
    return collection->state != COLLECTION_ABSENT || collection_load(collection, disk, path, error);
}

/* The files are looked at one after the other, while another process may be at work: what does not
 * agree is damage only if it stays so, and nobody says that he is writing. The note is looked at
 * last: without one nobody had begun to write when the files were looked at, or has told. */
bool hold_load(struct collection *collection, struct disk *disk, const char *path,
               bool *is_being_written, struct error *error)
{
    struct error cause;
    struct head head;

    *is_being_written = false;
    for (unsigned i = 0; i < LOAD_TRIES; i++) {
        bool is_loaded = load_twice_if_absent(collection, disk, path, &cause);

        if (!is_loaded && cause.code != ERROR_DAMAGED) {
            *error = cause;
            return false;
        }
        if (!look_at_note(disk, path, is_being_written, &head, error)) {
            collection_clear(collection);
            return false;
        }
        if (is_loaded ||
            (*is_being_written && collection_load_at(collection, disk, path, &head, error)))
            return true;
    }
    *error = cause;
    return false;
}
