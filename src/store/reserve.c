#include "store/reserve.h"

#include <fcntl.h>
#include <stdio.h>

enum { PIECE = 64 * 1024, RESERVE_NAME_SIZE = DISK_JOURNAL_SIZE + 16 };

/* Of several servers each has one. */
static const char *name_of(const struct disk *disk, char name[RESERVE_NAME_SIZE])
{
    (void)snprintf(name, RESERVE_NAME_SIZE, "%s/reserve", disk->journal);
    return disk->is_shared ? name : ".reserve";
}

/* What a crash has left of it may be shorter. */
static bool fill(struct file *file, struct error *error)
{
    static const char zeros[PIECE];
    uint64_t size;

    if (!file_size(file, &size, error))
        return false;
    for (; size < RESERVE_SIZE; size += PIECE) {
        if (!file_write_at(file, (struct str){zeros, sizeof zeros}, size, error))
            return false;
    }
    return true;
}

bool reserve_make(struct reserve *reserve, struct disk *disk, struct error *error)
{
    char place[RESERVE_NAME_SIZE];
    const char *name = name_of(disk, place);
    struct file file = {0};

    if (reserve->is_there)
        return true;
    reserve->is_there = file_open(&file, disk, name, O_RDWR | O_CREAT, error) && fill(&file, error);
    file_close(&file);
    if (!reserve->is_there)
        (void)disk->calls->unlink(disk, name);
    return reserve->is_there;
}

bool reserve_give_up(struct reserve *reserve, struct disk *disk)
{
    char place[RESERVE_NAME_SIZE];
    const char *name = name_of(disk, place);
    struct file file = {0};
    struct error error;

    reserve->is_there = false;
    if (!file_open(&file, disk, name, O_RDWR, &error))
        return false;
    file_close(&file);
    return disk_unlink(disk, name, &error);
}
