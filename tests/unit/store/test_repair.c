/* repair.h: every sound record comes back, nothing is lost on the way, whenever the power goes. */
#include "store/repair.h"

#include "store/collection.h"
#include "store/database.h"
#include "store/mark.h"
#include "store/samples.h"
#include "store/shop.h"
#include "store/suites.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <check.h>

enum { RECORDS = SHOP_RECORDS };

/* Byte for byte what it was: records and their flags, and all commit entries. */
static void assert_same_entries(void)
{
    struct buf *now = simdisk_find(&shop.simdisk, SHELF_INDEX);
    const struct buf *then = simdisk_find(&shop.whole, SHELF_INDEX);

    ck_assert_uint_eq(now->length, then->length);
    for (size_t at = INDEX_HEADER_SIZE; at < now->length; at += INDEX_ENTRY_SIZE)
        ck_assert_mem_eq(now->data + at, then->data + at, INDEX_ENTRY_SIZE - 4);
}

START_TEST(test_repair_leaves_what_is_sound_alone)
{
    shop_run();
    ck_assert(shop.repair.was_sound);
    ck_assert_str_eq(shop.repair.kept_in, "");
    ck_assert(simdisk_equals(&shop.simdisk, &shop.whole));
}
END_TEST

START_TEST(test_repair_mends_any_flipped_bit_of_the_index)
{
    size_t bits = 8 * simdisk_find(&shop.simdisk, SHELF_INDEX)->length;

    for (size_t bit = 0; bit < bits; bit++) {
        shop_begin_anew();
        shop_flip(SHELF_INDEX, bit);
        shop_run();
        if (shop.repair.has_new_id || shop.repair.lost > 0)
            ck_abort_msg("bit %zu: %s", bit, shop.said.data);
        shop_assert_repaired(0, 0);
    }
}
END_TEST

/* The index is as it was, also in what records do not tell: whose appends they were. */
START_TEST(test_repair_keeps_appends_and_clients)
{
    size_t bits = 8 * simdisk_find(&shop.simdisk, SHELF_INDEX)->length;
    unsigned same = 0, all = 0;

    for (size_t bit = 0; bit < bits; bit += 3) {
        shop_begin_anew();
        shop_flip(SHELF_INDEX, bit);
        shop_run();
        const struct buf *now = simdisk_find(&shop.simdisk, SHELF_INDEX);
        const struct buf *then = simdisk_find(&shop.whole, SHELF_INDEX);
        all++;
        same += now->length == then->length;
    }
    /* Client and seq of a commit entry stand nowhere else. */
    ck_assert_uint_gt(same, all * 8 / 10);
    shop_begin_anew();
    shop_flip(SHELF_INDEX, 8 * (INDEX_HEADER_SIZE + 2 * INDEX_ENTRY_SIZE + 1));
    shop_run();
    assert_same_entries();
}
END_TEST

/* The record with the flipped bit is lost, or proven in spite of it; no other is. */
START_TEST(test_repair_loses_no_record_behind_a_bad_one)
{
    size_t bits = 8 * simdisk_find(&shop.simdisk, SHELF_DATA)->length;
    unsigned bad = 0;

    for (size_t bit = 0; bit < bits; bit++) {
        shop_begin_anew();
        while (bit / 8 >= shop.starts[bad + 1])
            bad++;
        shop_flip(SHELF_DATA, bit);
        shop_run();
        ck_assert_msg(shop.repair.lost <= 1, "bit %zu: %s", bit, shop.said.data);
        shop_assert_repaired(bad, shop.repair.lost > 0 ? bad + 1 : bad);
    }
}
END_TEST

START_TEST(test_repair_brings_back_all_records_of_a_cut_index)
{
    size_t length = simdisk_find(&shop.simdisk, SHELF_INDEX)->length;

    for (size_t left = 0; left < length; left += 7) {
        shop_begin_anew();
        simdisk_find(&shop.simdisk, SHELF_INDEX)->length = left;
        shop_run();
        shop_assert_repaired_on(shop.disk, 0, 0, true);
    }
}
END_TEST

START_TEST(test_repair_makes_a_lost_index_anew)
{
    ck_assert(disk_unlink(shop.disk, SHELF_INDEX, &shop.error));
    shop_run();
    shop_assert_repaired_on(shop.disk, 0, 0, true);
    ck_assert_uint_eq(shop.repair.kept, RECORDS);
}
END_TEST

START_TEST(test_repair_mends_collection_json)
{
    size_t bits = 8 * simdisk_find(&shop.simdisk, SHELF_INFO)->length;

    for (size_t bit = 0; bit < bits; bit++) {
        shop_begin_anew();
        shop_flip(SHELF_INFO, bit);
        shop_run();
        struct collection collection;
        struct buf text = {0};
        ck_assert_uint_eq(shop_read_all(shop.disk, &text, &collection), RECORDS);
        ck_assert(str_equals(buf_str(&text), buf_str(simdisk_find(&shop.whole, SHELF_DATA))));
        ck_assert(!shop.repair.has_new_id);
        collection_clear(&collection);
        buf_clear(&text);
        shelf_assert_sound(shop.disk);
    }
    shop_begin_anew();
    ck_assert(disk_unlink(shop.disk, SHELF_INFO, &shop.error));
    shop_run();
    ck_assert_uint_eq(shop.repair.kept, RECORDS);
    shelf_assert_sound(shop.disk);
}
END_TEST

START_TEST(test_repair_saves_what_is_left_of_cut_data)
{
    size_t length = simdisk_find(&shop.simdisk, SHELF_DATA)->length;
    unsigned whole_records = RECORDS;

    for (size_t left = length - 1; left >= shop.starts[1]; left--) {
        shop_begin_anew();
        simdisk_find(&shop.simdisk, SHELF_DATA)->length = left;
        shop_run();
        while (shop.starts[whole_records] > left)
            whole_records--;
        /* Of the next one nothing but its end may be missing. */
        unsigned lost = whole_records + (shop.starts[whole_records + 1] - left <= strlen(",\n"));
        shop_assert_repaired(lost, RECORDS);
    }
}
END_TEST

START_TEST(test_repair_keeps_a_record_that_stands_behind_the_index)
{
    buf_append_text(simdisk_find(&shop.simdisk, SHELF_DATA), "[21,{\"id\":\"late\"}],\n[22,{\"id");
    shop_run();
    ck_assert_uint_eq(shop.repair.kept, RECORDS + 1);
    ck_assert_uint_eq(shop.repair.lost, 1);
    ck_assert_ptr_nonnull(strstr(shop.said.data, "lost: bytes"));
    shelf_assert_sound(shop.disk);
}
END_TEST

START_TEST(test_repair_drops_a_torn_tail_without_an_index)
{
    ck_assert(disk_unlink(shop.disk, SHELF_INDEX, &shop.error));
    simdisk_find(&shop.simdisk, SHELF_DATA)->length = shop.starts[RECORDS] - 4;
    shop_run();
    shop_assert_repaired(RECORDS - 1, RECORDS);
}
END_TEST

START_TEST(test_repair_notices_that_a_line_is_not_there)
{
    for (unsigned i = 0; i < RECORDS; i++) {
        shop_begin_anew();
        struct buf *data = simdisk_find(&shop.simdisk, SHELF_DATA);
        size_t from = shop.starts[i], to = shop.starts[i + 1];

        memmove(data->data + from, data->data + to, data->length - to);
        data->length -= to - from;
        shop_run();
        ck_assert_uint_eq(shop.repair.lost, 1);
        ck_assert_ptr_nonnull(strstr(shop.said.data, "not in the data file"));
        shop_assert_repaired(i, i + 1);
    }
}
END_TEST

/* Sectors of zeros, in either file. */
START_TEST(test_repair_survives_a_lost_sector)
{
    const char *const names[] = {SHELF_INDEX, SHELF_DATA};

    for (unsigned f = 0; f < 2; f++) {
        size_t length = simdisk_find(&shop.whole, names[f])->length;

        for (size_t at = 0; at < length; at += SIMDISK_SECTOR / 4) {
            shop_begin_anew();
            size_t most = length - at < SIMDISK_SECTOR ? length - at : SIMDISK_SECTOR;
            memset(simdisk_find(&shop.simdisk, names[f])->data + at, 0, most);
            shop_run();
            if (f == 0)
                ck_assert_msg(shop.repair.lost == 0 && shop.repair.kept == RECORDS, "%zu: %s", at,
                              shop.said.data);
            unsigned first = 0, last = 0;
            for (unsigned i = 0; f == 1 && i < RECORDS; i++) {
                first = shop.starts[i] <= at ? i : first;
                last = shop.starts[i] < at + most ? i + 1 : last;
            }
            shop_assert_repaired_on(shop.disk, first, last, shop.repair.has_new_id);
        }
    }
}
END_TEST

/* Without the index a wrong digit may let a record seem to stand far ahead. */
START_TEST(test_repair_drops_the_one_whose_counter_is_wrong)
{
    struct buf *data = simdisk_find(&shop.simdisk, SHELF_DATA);

    ck_assert(disk_unlink(shop.disk, SHELF_INDEX, &shop.error));
    data->data[shop.starts[4] + 1] = '9'; /* 5 */
    data->data[shop.starts[14] + 1] = '0';
    shop_run();
    ck_assert_uint_eq(shop.repair.lost, 2);
    ck_assert_ptr_nonnull(strstr(shop.said.data, "lost: counter 9"));
    shelf_assert_sound(shop.disk);
}
END_TEST

START_TEST(test_repair_forgets_who_sent_what_is_not_there_as_a_whole)
{
    struct index_entry entry;
    const struct buf *index;
    unsigned commits = 0;

    for (unsigned i = 0; i < RECORDS; i++) { /* one of each append is damaged */
        if (i % 3 == 1)
            simdisk_find(&shop.simdisk, SHELF_DATA)->data[shop.starts[i] + 5] ^= 1;
    }
    shop_run();
    index = simdisk_find(&shop.simdisk, SHELF_INDEX);
    for (size_t at = INDEX_HEADER_SIZE; at < index->length; at += INDEX_ENTRY_SIZE) {
        index_read_entry((const unsigned char *)index->data + at, &entry);
        commits += !!(entry.flags & INDEX_COMMIT);
    }
    ck_assert_uint_eq(commits, 2); /* of appends of one record */
    shelf_assert_sound(shop.disk);
}
END_TEST

static bool is_copy(const char *name)
{
    char kept[256];

    snprintf(kept, sizeof kept, "%s%s", SHOP_KEPT_IN, strrchr(name, '/'));
    const struct buf *copy = simdisk_find(&shop.simdisk, kept);
    return copy && str_equals(buf_str(copy), buf_str(simdisk_find(&shop.whole, name)));
}

START_TEST(test_repair_keeps_what_it_replaces)
{
    shop_flip(SHELF_DATA, 100);
    shop_run();
    ck_assert_str_eq(shop.repair.kept_in, strrchr(SHOP_KEPT_IN, '/') + 1);
    ck_assert(is_copy(SHELF_INDEX));
    ck_assert(is_copy(SHELF_INFO));
    ck_assert(!is_copy(SHELF_DATA)); /* but damaged, as it was */
    ck_assert_ptr_nonnull(simdisk_find(&shop.simdisk, SHOP_KEPT_IN "/database.1"));
    ck_assert_ptr_null(simdisk_find(&shop.simdisk, SHELF_DATA));
    ck_assert_ptr_nonnull(simdisk_find(&shop.simdisk, SHELF_PATH "/database.2"));
    /* Twice in one second: neither copy is written over. */
    simdisk_find(&shop.simdisk, SHELF_PATH "/database.2")->data[10] ^= 1;
    shop_run();
    ck_assert_str_eq(shop.repair.kept_in, "repair-20270115-080000-2");
    shelf_assert_sound(shop.disk);
}
END_TEST

START_TEST(test_repair_clears_what_lies_about)
{
    ck_assert(disk_replace_file(shop.disk, SHELF_PATH "/database.7", STR("x"), false, &shop.error));
    ck_assert(disk_replace_file(shop.disk, SHELF_PATH "/database.index.new", STR("x"), false,
                                &shop.error));
    ck_assert(disk_replace_file(shop.disk, SHELF_PATH "/mine", STR("x"), false, &shop.error));
    shop_run();
    ck_assert(!shop.repair.has_new_id);
    ck_assert_ptr_null(simdisk_find(&shop.simdisk, SHELF_PATH "/database.7"));
    ck_assert_ptr_nonnull(simdisk_find(&shop.simdisk, SHOP_KEPT_IN "/database.7"));
    ck_assert_ptr_null(simdisk_find(&shop.simdisk, SHELF_PATH "/database.index.new"));
    ck_assert_ptr_nonnull(simdisk_find(&shop.simdisk, SHELF_PATH "/mine"));
    ck_assert_ptr_nonnull(simdisk_find(&shop.simdisk, SHELF_DATA));
    ck_assert(disk_unlink(shop.disk, SHELF_PATH "/mine", &shop.error));
    shop_assert_repaired(0, 0);
}
END_TEST

static void assert_refused(enum error_code code, const char *what)
{
    struct simdisk before;

    simdisk_copy(&shop.simdisk, &before);
    ck_assert(!shop_run_on(shop.disk));
    ck_assert_msg(shop.error.code == code && strstr(shop.error.message, what), "%s",
                  shop.error.message);
    ck_assert(simdisk_equals(&shop.simdisk, &before));
    simdisk_clear(&before);
}

START_TEST(test_repair_refuses_what_it_cannot_mend_and_changes_nothing)
{
    struct deletion deletion = {.path = SHELF_PATH, .last_counter = RECORDS, .generation = 1};
    bool undone;

    ck_assert(disk_make_directory(shop.disk, ".journal", &shop.error));
    ck_assert(
        disk_replace_file(shop.disk, ".journal/0000000000000001", STR("x"), false, &shop.error));
    assert_refused(ERROR_BUSY, "journal");
    shop_begin_anew();
    ck_assert(disk_unlink(shop.disk, SHELF_DATA, &shop.error));
    assert_refused(ERROR_DAMAGED, "missing");
    ck_assert(disk_unlink(shop.disk, SHELF_INDEX, &shop.error));
    ck_assert(disk_unlink(shop.disk, SHELF_INFO, &shop.error));
    assert_refused(ERROR_NOT_FOUND, "no collection");
    shop_begin_anew();
    simdisk_find(&shop.simdisk, SHELF_DATA)->length = 3;
    assert_refused(ERROR_DAMAGED, "no sound record");
    shop_begin_anew();
    memset(deletion.id, 1, sizeof deletion.id);
    buf_append_text(&deletion.reason, "{}");
    ck_assert(collection_delete(shop.disk, &deletion, &undone, &shop.error));
    shop_flip(SHELF_DELETED, 100);
    assert_refused(ERROR_DAMAGED, "deleted.json");
    deletion_clear(&deletion);
}
END_TEST

static struct index_header read_header(void)
{
    struct index_header header;

    ck_assert(database_read_header(shop.disk, SHELF_PATH, &header, &shop.error));
    return header;
}

START_TEST(test_repair_knows_that_what_is_behind_a_loss_may_have_lost_more)
{
    shop.disk->losses = 1;
    shop_flip(SHELF_INDEX, 8 * (INDEX_HEADER_SIZE + 1));
    shop_run();
    shop_assert_repaired_on(shop.disk, 0, 0, true);
    ck_assert_uint_eq(read_header().losses, 1);
}
END_TEST

START_TEST(test_repair_goes_on_above_the_floor)
{
    struct index_header header = read_header();
    struct collection collection;
    struct file index = {0};
    struct buf text = {0};

    header.floor = 3 * REPAIR_JUMP;
    ck_assert(file_open(&index, shop.disk, SHELF_INDEX, O_RDWR, &shop.error));
    ck_assert(mark_write(&index, &header, &shop.error));
    file_close(&index);
    shop_flip(SHELF_INDEX, 8 * (INDEX_HEADER_SIZE + 1));
    shop_run();
    ck_assert(shop.repair.has_new_id);
    ck_assert_uint_gt(shop_read_all(shop.disk, &text, &collection), header.floor);
    collection_clear(&collection);
    buf_clear(&text);
}
END_TEST

Suite *suite_repair(void)
{
    Suite *suite = suite_create("repair");
    TCase *tests = tcase_create("repair");

    tcase_add_checked_fixture(tests, shop_open, shop_close);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_repair_leaves_what_is_sound_alone);
    tcase_add_test(tests, test_repair_mends_any_flipped_bit_of_the_index);
    tcase_add_test(tests, test_repair_keeps_appends_and_clients);
    tcase_add_test(tests, test_repair_loses_no_record_behind_a_bad_one);
    tcase_add_test(tests, test_repair_brings_back_all_records_of_a_cut_index);
    tcase_add_test(tests, test_repair_makes_a_lost_index_anew);
    tcase_add_test(tests, test_repair_mends_collection_json);
    tcase_add_test(tests, test_repair_saves_what_is_left_of_cut_data);
    tcase_add_test(tests, test_repair_keeps_a_record_that_stands_behind_the_index);
    tcase_add_test(tests, test_repair_drops_a_torn_tail_without_an_index);
    tcase_add_test(tests, test_repair_notices_that_a_line_is_not_there);
    tcase_add_test(tests, test_repair_survives_a_lost_sector);
    tcase_add_test(tests, test_repair_drops_the_one_whose_counter_is_wrong);
    tcase_add_test(tests, test_repair_forgets_who_sent_what_is_not_there_as_a_whole);
    tcase_add_test(tests, test_repair_keeps_what_it_replaces);
    tcase_add_test(tests, test_repair_clears_what_lies_about);
    tcase_add_test(tests, test_repair_knows_that_what_is_behind_a_loss_may_have_lost_more);
    tcase_add_test(tests, test_repair_goes_on_above_the_floor);
    tcase_add_test(tests, test_repair_refuses_what_it_cannot_mend_and_changes_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
