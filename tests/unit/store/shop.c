#include "store/shop.h"

#include "base/clock.h"
#include "store/database.h"
#include "store/samples.h"

#include <string.h>

#include <check.h>

struct shop shop;

static void note_line(void *context, const char *line)
{
    (void)context;
    buf_append_text(&shop.said, line);
    buf_append_byte(&shop.said, '\n');
}

void shop_begin_anew(void)
{
    simdisk_clear(&shop.simdisk);
    simdisk_copy(&shop.whole, &shop.simdisk);
    shop.disk = &shop.simdisk.disk;
}

void shop_open(void)
{
    clock_hold(SHOP_NOW);
    simdisk_init(&shop.whole);
    shelf_fill(&shop.whole.disk, SHOP_RECORDS);
    const struct buf *data = simdisk_find(&shop.whole, SHELF_DATA);
    for (size_t i = 0, at = 0; i < SHOP_RECORDS; i++) {
        at += str_find_byte(str_slice(buf_str(data), at, data->length), '\n') + 1;
        shop.starts[i + 1] = at;
    }
    shop_begin_anew();
}

void shop_close(void)
{
    ck_assert_uint_eq(shop.simdisk.open_files, 0);
    ck_assert_uint_eq(shop.simdisk.misuses, 0);
    simdisk_clear(&shop.simdisk);
    simdisk_clear(&shop.whole);
    buf_clear(&shop.said);
    clock_hold(0);
}

bool shop_run_on(struct disk *where)
{
    buf_reset(&shop.said);
    shop.repair = (struct repair){.disk = where, .path = SHELF_PATH, .say = note_line};
    return repair_collection(&shop.repair, &shop.error);
}

void shop_run(void)
{
    ck_assert_msg(shop_run_on(shop.disk), "%s", shop.error.message);
}

uint64_t shop_read_all(struct disk *where, struct buf *text, struct collection *collection)
{
    struct database database;

    ck_assert_msg(collection_load(collection, where, SHELF_PATH, &shop.error), "%s",
                  shop.error.message);
    ck_assert(database_open(&database, where, SHELF_PATH, &shop.error));
    ck_assert_msg(
        database_read_records(&database, 0, (size_t)database.head.count, text, &shop.error), "%s",
        shop.error.message);
    database_close(&database);
    return collection->head.last_counter;
}

/* Object i is the next in the text, whatever its counter. */
static bool take_object(struct str *text, unsigned i)
{
    struct buf object = {0};
    struct str line = str_slice(*text, 0, str_find_byte(*text, '\n') + 1);
    size_t comma = str_find_byte(line, ',');

    shelf_put_object(&object, i);
    bool is_it = str_equals(str_slice(line, comma + 1, line.length - comma - 1 - strlen("],\n")),
                            buf_str(&object));
    buf_clear(&object);
    if (is_it)
        *text = str_slice(*text, line.length, text->length);
    return is_it;
}

void shop_assert_repaired_on(struct disk *where, unsigned lost, unsigned lost_end, bool new_id)
{
    struct collection collection;
    struct buf text = {0};
    struct identity old = sample_identity(1);
    uint64_t last = shop_read_all(where, &text, &collection);
    struct str rest = buf_str(&text);
    bool has_new_id = memcmp(collection.identity.id, old.id, sizeof old.id) != 0;

    for (unsigned i = 0; i < SHOP_RECORDS; i++) {
        if (i < lost || i >= lost_end)
            ck_assert_msg(take_object(&rest, i), "record %u is missing or changed", i);
    }
    ck_assert_uint_eq(rest.length, 0);
    ck_assert(has_new_id == new_id);
    if (new_id)
        ck_assert_uint_ge(last, REPAIR_JUMP + 1);
    else
        ck_assert_uint_eq(last, SHOP_RECORDS);
    ck_assert_int_eq(collection.identity.created, SAMPLE_CREATED);
    collection_clear(&collection);
    buf_clear(&text);
    shelf_assert_sound(where);
}

void shop_assert_repaired(unsigned lost, unsigned lost_end)
{
    shop_assert_repaired_on(shop.disk, lost, lost_end, lost < lost_end);
}

void shop_flip(const char *name, size_t bit)
{
    struct buf *file = simdisk_find(&shop.simdisk, name);

    file->data[bit / 8] = (char)(file->data[bit / 8] ^ 1 << bit % 8);
}
