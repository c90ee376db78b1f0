#include "store/samples.h"

#include "store/record.h"

#include <string.h>

#include <check.h>

struct identity sample_identity(unsigned char byte)
{
    struct identity identity = {.created = SAMPLE_CREATED};

    memset(identity.id, byte, sizeof identity.id);
    memset(identity.secret, byte + 1, sizeof identity.secret);
    return identity;
}

struct head sample_head(const struct identity *identity, uint64_t last_counter)
{
    struct index_header header = {.generation = SAMPLE_GENERATION};

    memcpy(header.id, identity->id, sizeof header.id);
    return (struct head){.generation = SAMPLE_GENERATION,
                         .last_counter = last_counter,
                         .crc = index_first_crc(&header)};
}

void sample_begin(struct batch *batch, const struct head *head)
{
    struct identity identity = sample_identity(1);

    batch_begin(batch, SAMPLE_PATH, &identity, head, head->count == 0);
}

void sample_append(struct batch *batch, unsigned records, uint64_t seq)
{
    for (unsigned i = 0; i < records; i++) {
        struct str none = {0};
        struct batch_object object = {.text = STR("{}")};

        if (i % 2)
            object = (struct batch_object){
                .text = STR("{\"id\":\"x\",\"deleted\":true}"),
                .key = record_hash_key(batch->identity.secret, none, STR("sx")),
                .flags = INDEX_DELETED,
            };

        (void)batch_add_record(batch, &object);
    }
    if (seq > 0)
        batch_add_commit(batch, SAMPLE_CLIENT, seq);
    batch_end_append(batch);
}

void sample_apply(struct disk *disk, struct batch *batch, struct head *head)
{
    struct error error;
    bool undone;

    ck_assert(batch_ok(batch, &error));
    ck_assert_msg(database_apply(disk, batch, &undone, &error), "%s", error.message);
    *head = batch->after;
    batch_clear(batch);
}

struct head sample_fill(struct disk *disk, unsigned records, struct buf *text)
{
    struct identity identity = sample_identity(1);
    struct head head = sample_head(&identity, 0);

    for (unsigned round = 0; records > 0; round++) {
        unsigned some = round % 3 + 1;
        struct batch batch;

        if (some > records)
            some = records;
        sample_begin(&batch, &head);
        sample_append(&batch, some, round % 4 == 1 ? round : 0);
        if (text)
            buf_append(text, buf_str(&batch.data));
        sample_apply(disk, &batch, &head);
        records -= some;
    }
    return head;
}

void sample_add(struct disk *disk, struct head *head, unsigned records)
{
    struct batch batch;

    sample_begin(&batch, head);
    sample_append(&batch, records, 0);
    sample_apply(disk, &batch, head);
}
