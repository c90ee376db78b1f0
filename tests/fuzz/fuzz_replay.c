/* fuzz_replay.c - any bytes as a segment of the journal: replay may refuse them, never crash.
 *
 * The first byte says what becomes of the rest. Bytes as they are seldom pass a checksum; so they
 * are also taken for the body of one good frame, which is where parsing begins. */
#include "store/journal.h"
#include "store/replay.h"

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OPEN_DIRECTORIES = 8 };

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static bool write_raw(struct disk *disk, struct str bytes, struct error *error)
{
    return disk_make_directory(disk, ".journal", error) &&
           disk_replace_file(disk, ".journal/0000000000000001", bytes, false, error);
}

static bool write_frame(struct disk *disk, enum journal_kind kind, struct str body,
                        struct error *error)
{
    struct journal_group group = {0};
    struct journal journal = {0};

    journal_group_add(&group, kind, body);
    bool ok = journal_open(&journal, disk, error) && journal_write(&journal, &group, error);
    journal_close(&journal);
    journal_group_clear(&group);
    return ok;
}

static void replay(struct disk *disk, uint8_t kind, struct str bytes)
{
    struct replay_report report;
    struct error error;
    bool ok = kind >= JOURNAL_BATCH && kind <= JOURNAL_CANCEL
                  ? write_frame(disk, (enum journal_kind)kind, bytes, &error)
                  : write_raw(disk, bytes, &error);

    if (!ok)
        abort(); /* that is not what is fuzzed */
    if (!replay_run(disk, &report, &error) && error.code == ERROR_NONE)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *shared = "/dev/shm";
    char path[64];
    struct disk disk;
    struct error error = {0};

    if (size == 0)
        return 0;
    (void)snprintf(path, sizeof path, "%s/fuzz_replay-XXXXXX",
                   access(shared, W_OK) == 0 ? shared : "/tmp");
    if (!mkdtemp(path) || !disk_open(&disk, path, &error))
        abort();
    replay(&disk, data[0], (struct str){(const char *)data + 1, size - 1});
    disk_close(&disk);
    (void)nftw(path, remove_one, OPEN_DIRECTORIES, FTW_DEPTH | FTW_PHYS);
    return 0;
}
