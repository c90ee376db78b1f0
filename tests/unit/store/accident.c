#include "store/accident.h"

#include "store/collection.h"
#include "store/jump.h"
#include "store/samples.h"

#include <check.h>

struct accident accident;

void accident_begin(void)
{
    simdisk_init(&accident.simdisk);
    accident.disk = &accident.simdisk.disk;
    accident.disk->boot = 1;
    accident.journal = (struct journal){0};
}

void accident_end(void)
{
    journal_close(&accident.journal);
    ck_assert_uint_eq(accident.simdisk.open_files, 0);
    ck_assert_uint_eq(accident.simdisk.misuses, 0);
    simdisk_clear(&accident.simdisk);
}

/* A server starts: after what has come to pass, replay. */
void accident_start(uint64_t boot)
{
    journal_close(&accident.journal);
    accident.disk->boot = boot;
    accident.disk->losses = 99; /* is read */
    ck_assert_msg(replay_run(accident.disk, &accident.report, &accident.error), "%s",
                  accident.error.message);
    ck_assert_msg(accident.report.refused == 0, "%s", accident.report.first_refusal.message);
    ck_assert(journal_open(&accident.journal, accident.disk, &accident.error));
}

struct head accident_load(bool *is_behind)
{
    struct collection collection;

    ck_assert_msg(collection_load(&collection, accident.disk, SAMPLE_PATH, &accident.error), "%s",
                  accident.error.message);
    ck_assert_int_eq(collection.state, COLLECTION_LIVE);
    struct head head = collection.head;
    *is_behind = collection.is_behind;
    collection_clear(&collection);
    return head;
}

void accident_assert_behind(bool expected)
{
    bool is_behind;

    (void)accident_load(&is_behind);
    ck_assert_int_eq(is_behind, expected);
}

/* What a writer does: one append of so many records, behind what is there. */
void accident_make_batch(struct batch *batch, unsigned records)
{
    struct head head = {0};
    struct identity identity = sample_identity(1);
    struct index_header header;
    bool is_behind = false;

    if (database_read_header(accident.disk, SAMPLE_PATH, &header, &accident.error))
        head = accident_load(&is_behind);
    else
        head = sample_head(&identity, 0);
    sample_begin(batch, &head);
    if (is_behind)
        batch_jump(batch);
    sample_append(batch, records, 0);
}

/* To the journal, ahead or not; and to the files, or not. */
struct head accident_append(unsigned records, bool is_ahead, bool applies)
{
    struct journal_group group = {0};
    struct buf body = {0};
    struct batch batch;
    bool undone;

    accident_make_batch(&batch, records);
    if (batch.jumps)
        ck_assert_msg(jump_prepare(accident.disk, &batch, &accident.error), "%s",
                      accident.error.message);
    batch_write_frame(&batch, &body);
    journal_group_add(&group, JOURNAL_BATCH, buf_str(&body));
    ck_assert(is_ahead ? journal_write_ahead(&accident.journal, &group, &accident.error)
                       : journal_write(&accident.journal, &group, &accident.error));
    if (applies)
        ck_assert_msg(database_apply(accident.disk, &batch, &undone, &accident.error), "%s",
                      accident.error.message);
    struct head after = batch.after;
    batch_clear(&batch);
    buf_clear(&body);
    journal_group_clear(&group);
    return after;
}

void accident_checkpoint(void)
{
    bool is_behind;
    struct head head = accident_load(&is_behind);

    ck_assert(journal_begin_segment(&accident.journal, &accident.error));
    ck_assert(
        collection_sync(accident.disk, SAMPLE_PATH, head.generation, head.count, &accident.error));
    ck_assert(journal_remove_before(accident.disk, ".journal", accident.journal.sequence,
                                    &accident.error));
}

void accident_lose(void)
{
    static uint64_t boot = 10;

    (void)accident_append(1, true, true);
    accident_start(++boot);
    ck_assert(accident.report.may_have_lost);
}

/* A collection of which the journal knows nothing since its checkpoint, but whose files got some of
 * what was lost. */
struct head accident_tear(void)
{
    bool is_behind;

    accident_start(1);
    (void)accident_append(3, false, true);
    (void)accident_append(2, false, true);
    accident_checkpoint();
    struct head head = accident_load(&is_behind);
    struct head more = head;
    sample_add(accident.disk, &more, 2);
    sample_add(accident.disk, &more, 1);
    ck_assert(losses_add(accident.disk, &accident.error));
    return head;
}
