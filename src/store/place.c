#include "store/place.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

void place_put_directory(char out[DISK_JOURNAL_SIZE], unsigned number)
{
    if (number == 0)
        (void)snprintf(out, DISK_JOURNAL_SIZE, ".journal");
    else
        (void)snprintf(out, DISK_JOURNAL_SIZE, ".journal/%u", number);
}

static bool lock_place(struct place *place, struct disk *disk, unsigned number, int flags,
                       struct error *error)
{
    char name[DISK_JOURNAL_SIZE + sizeof "/lock"];

    *place = (struct place){.number = number, .lock.fd = -1};
    place_put_directory(place->directory, number);
    (void)snprintf(name, sizeof name, "%s/lock", place->directory);
    bool ok = file_open(&place->lock, disk, name, flags, error) && file_lock(&place->lock, error);
    if (!ok)
        place_release(place);
    return ok;
}

/* The directory is on disk before a journal is in it. */
static bool make_place(struct disk *disk, unsigned number, struct error *error)
{
    char directory[DISK_JOURNAL_SIZE];

    place_put_directory(directory, number);
    return disk_make_directory(disk, directory, error) &&
           disk_sync_directory(disk, ".journal", error);
}

bool place_take(struct place *place, struct disk *disk, struct error *error)
{
    if (!disk_make_directory(disk, ".journal", error) || !disk_sync_directory(disk, ".", error))
        return false;
    for (unsigned number = 1; number <= PLACES_MOST; number++) {
        if (!make_place(disk, number, error))
            return false;
        if (lock_place(place, disk, number, O_RDWR | O_CREAT, error)) {
            memcpy(disk->journal, place->directory, sizeof disk->journal);
            return true;
        }
        if (error->code != ERROR_BUSY)
            return false;
    }
    return error_set(error, ERROR_BUSY, "%d servers use this data directory already", PLACES_MOST);
}

bool place_try(struct place *place, struct disk *disk, unsigned number, struct error *error)
{
    return lock_place(place, disk, number, O_RDWR, error);
}

void place_release(struct place *place)
{
    if (place->lock.disk)
        file_close(&place->lock);
    place->number = 0;
}

bool place_list(struct disk *disk, uint64_t *numbers, struct error *error)
{
    struct buf names = {0};
    struct str rest, name;
    uint64_t number;
    bool ok = disk_list(disk, ".journal", &names, error);

    *numbers = 0;
    rest = buf_str(&names);
    while (ok && str_split(&rest, '\0', &name)) {
        if (str_parse_u64(name, PLACES_MOST, &number) && number > 0)
            *numbers |= UINT64_C(1) << number;
    }
    buf_clear(&names);
    return ok;
}
