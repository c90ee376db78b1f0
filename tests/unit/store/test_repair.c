/* repair.h: every sound record comes back, nothing is lost on the way, whenever the power goes. */
#include "store/repair.h"

#include "base/clock.h"
#include "store/collection.h"
#include "store/database.h"
#include "store/record.h"
#include "store/samples.h"
#include "store/shelf.h"
#include "store/suites.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

enum { RECORDS = 20, NOW = 1800000000 };

#define KEPT_IN SHELF_PATH "/repair-20270115-080000"

static struct simdisk whole; /* as it was before the damage */
static struct simdisk simdisk;
static struct disk *disk;
static struct repair repair;
static struct error error;
static struct buf said;
static size_t starts[RECORDS + 1]; /* of the records in the data */

static void note_line(void *context, const char *line)
{
    (void)context;
    buf_append_text(&said, line);
    buf_append_byte(&said, '\n');
}

static void begin_anew(void)
{
    simdisk_clear(&simdisk);
    simdisk_copy(&whole, &simdisk);
    disk = &simdisk.disk;
}

static void setup(void)
{
    clock_hold(NOW);
    simdisk_init(&whole);
    shelf_fill(&whole.disk, RECORDS);
    const struct buf *data = simdisk_find(&whole, SHELF_DATA);
    for (size_t i = 0, at = 0; i < RECORDS; i++) {
        at += str_find_byte(str_slice(buf_str(data), at, data->length), '\n') + 1;
        starts[i + 1] = at;
    }
    begin_anew();
}

static void teardown(void)
{
    ck_assert_uint_eq(simdisk.open_files, 0);
    ck_assert_uint_eq(simdisk.misuses, 0);
    simdisk_clear(&simdisk);
    simdisk_clear(&whole);
    buf_clear(&said);
    clock_hold(0);
}

static bool run_on(struct disk *where)
{
    buf_reset(&said);
    repair = (struct repair){.disk = where, .path = SHELF_PATH, .say = note_line};
    return repair_collection(&repair, &error);
}

static void run(void)
{
    ck_assert_msg(run_on(disk), "%s", error.message);
}

/* What a reader gets. */
static uint64_t read_all(struct disk *where, struct buf *text, struct collection *collection)
{
    struct database database;

    ck_assert_msg(collection_load(collection, where, SHELF_PATH, &error), "%s", error.message);
    ck_assert(database_open(&database, where, SHELF_PATH, &error));
    ck_assert_msg(database_read_records(&database, 0, (size_t)database.head.count, text, &error),
                  "%s", error.message);
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

/* All records but those of [lost, lost_end), in order, in a collection that is sound; with the old
 * id and counters if all are there, else a new id and a last counter that nobody has seen. */
static void assert_repaired_on(struct disk *where, unsigned lost, unsigned lost_end, bool new_id)
{
    struct collection collection;
    struct buf text = {0};
    struct identity old = sample_identity(1);
    uint64_t last = read_all(where, &text, &collection);
    struct str rest = buf_str(&text);
    bool has_new_id = memcmp(collection.identity.id, old.id, sizeof old.id) != 0;

    for (unsigned i = 0; i < RECORDS; i++) {
        if (i < lost || i >= lost_end)
            ck_assert_msg(take_object(&rest, i), "record %u is missing or changed", i);
    }
    ck_assert_uint_eq(rest.length, 0);
    ck_assert(has_new_id == new_id);
    if (new_id)
        ck_assert_uint_ge(last, REPAIR_JUMP + 1);
    else
        ck_assert_uint_eq(last, RECORDS);
    ck_assert_int_eq(collection.identity.created, SAMPLE_CREATED);
    collection_clear(&collection);
    buf_clear(&text);
    shelf_assert_sound(where);
}

static void assert_repaired(unsigned lost, unsigned lost_end)
{
    assert_repaired_on(disk, lost, lost_end, lost < lost_end);
}

/* Byte for byte what it was: records and their flags, and all commit entries. */
static void assert_same_entries(void)
{
    struct buf *now = simdisk_find(&simdisk, SHELF_INDEX);
    const struct buf *then = simdisk_find(&whole, SHELF_INDEX);

    ck_assert_uint_eq(now->length, then->length);
    for (size_t at = INDEX_HEADER_SIZE; at < now->length; at += INDEX_ENTRY_SIZE)
        ck_assert_mem_eq(now->data + at, then->data + at, INDEX_ENTRY_SIZE - 4);
}

static void flip(const char *name, size_t bit)
{
    struct buf *file = simdisk_find(&simdisk, name);

    file->data[bit / 8] = (char)(file->data[bit / 8] ^ 1 << bit % 8);
}

START_TEST(test_repair_leaves_what_is_sound_alone)
{
    run();
    ck_assert(repair.was_sound);
    ck_assert_str_eq(repair.kept_in, "");
    ck_assert(simdisk_equals(&simdisk, &whole));
}
END_TEST

START_TEST(test_repair_mends_any_flipped_bit_of_the_index)
{
    size_t bits = 8 * simdisk_find(&simdisk, SHELF_INDEX)->length;

    for (size_t bit = 0; bit < bits; bit++) {
        begin_anew();
        flip(SHELF_INDEX, bit);
        run();
        if (repair.has_new_id || repair.lost > 0)
            ck_abort_msg("bit %zu: %s", bit, said.data);
        assert_repaired(0, 0);
    }
}
END_TEST

/* The index is as it was, also in what records do not tell: whose appends they were. */
START_TEST(test_repair_keeps_appends_and_clients)
{
    size_t bits = 8 * simdisk_find(&simdisk, SHELF_INDEX)->length;
    unsigned same = 0, all = 0;

    for (size_t bit = 0; bit < bits; bit += 3) {
        begin_anew();
        flip(SHELF_INDEX, bit);
        run();
        const struct buf *now = simdisk_find(&simdisk, SHELF_INDEX);
        const struct buf *then = simdisk_find(&whole, SHELF_INDEX);
        all++;
        same += now->length == then->length;
    }
    /* Client and seq of a commit entry stand nowhere else. */
    ck_assert_uint_gt(same, all * 8 / 10);
    begin_anew();
    flip(SHELF_INDEX, 8 * (INDEX_HEADER_SIZE + 2 * INDEX_ENTRY_SIZE + 1));
    run();
    assert_same_entries();
}
END_TEST

/* The record with the flipped bit is lost, or proven in spite of it; no other is. */
START_TEST(test_repair_loses_no_record_behind_a_bad_one)
{
    size_t bits = 8 * simdisk_find(&simdisk, SHELF_DATA)->length;
    unsigned bad = 0;

    for (size_t bit = 0; bit < bits; bit++) {
        begin_anew();
        while (bit / 8 >= starts[bad + 1])
            bad++;
        flip(SHELF_DATA, bit);
        run();
        ck_assert_msg(repair.lost <= 1, "bit %zu: %s", bit, said.data);
        assert_repaired(bad, repair.lost > 0 ? bad + 1 : bad);
    }
}
END_TEST

START_TEST(test_repair_brings_back_all_records_of_a_cut_index)
{
    size_t length = simdisk_find(&simdisk, SHELF_INDEX)->length;

    for (size_t left = 0; left < length; left += 7) {
        begin_anew();
        simdisk_find(&simdisk, SHELF_INDEX)->length = left;
        run();
        assert_repaired_on(disk, 0, 0, true);
    }
}
END_TEST

START_TEST(test_repair_makes_a_lost_index_anew)
{
    ck_assert(disk_unlink(disk, SHELF_INDEX, &error));
    run();
    assert_repaired_on(disk, 0, 0, true);
    ck_assert_uint_eq(repair.kept, RECORDS);
}
END_TEST

START_TEST(test_repair_mends_collection_json)
{
    size_t bits = 8 * simdisk_find(&simdisk, SHELF_INFO)->length;

    for (size_t bit = 0; bit < bits; bit++) {
        begin_anew();
        flip(SHELF_INFO, bit);
        run();
        struct collection collection;
        struct buf text = {0};
        ck_assert_uint_eq(read_all(disk, &text, &collection), RECORDS);
        ck_assert(str_equals(buf_str(&text), buf_str(simdisk_find(&whole, SHELF_DATA))));
        ck_assert(!repair.has_new_id);
        collection_clear(&collection);
        buf_clear(&text);
        shelf_assert_sound(disk);
    }
    begin_anew();
    ck_assert(disk_unlink(disk, SHELF_INFO, &error));
    run();
    ck_assert_uint_eq(repair.kept, RECORDS);
    shelf_assert_sound(disk);
}
END_TEST

START_TEST(test_repair_saves_what_is_left_of_cut_data)
{
    size_t length = simdisk_find(&simdisk, SHELF_DATA)->length;
    unsigned whole_records = RECORDS;

    for (size_t left = length - 1; left >= starts[1]; left--) {
        begin_anew();
        simdisk_find(&simdisk, SHELF_DATA)->length = left;
        run();
        while (starts[whole_records] > left)
            whole_records--;
        /* Of the next one nothing but its end may be missing. */
        unsigned lost = whole_records + (starts[whole_records + 1] - left <= strlen(",\n"));
        assert_repaired(lost, RECORDS);
    }
}
END_TEST

START_TEST(test_repair_keeps_a_record_that_stands_behind_the_index)
{
    buf_append_text(simdisk_find(&simdisk, SHELF_DATA), "[21,{\"id\":\"late\"}],\n[22,{\"id");
    run();
    ck_assert_uint_eq(repair.kept, RECORDS + 1);
    ck_assert_uint_eq(repair.lost, 1);
    ck_assert_ptr_nonnull(strstr(said.data, "lost: bytes"));
    shelf_assert_sound(disk);
}
END_TEST

START_TEST(test_repair_drops_a_torn_tail_without_an_index)
{
    ck_assert(disk_unlink(disk, SHELF_INDEX, &error));
    simdisk_find(&simdisk, SHELF_DATA)->length = starts[RECORDS] - 4;
    run();
    assert_repaired(RECORDS - 1, RECORDS);
}
END_TEST

/* Sectors of zeros, in either file. */
START_TEST(test_repair_survives_a_lost_sector)
{
    const char *const names[] = {SHELF_INDEX, SHELF_DATA};

    for (unsigned f = 0; f < 2; f++) {
        size_t length = simdisk_find(&whole, names[f])->length;

        for (size_t at = 0; at < length; at += SIMDISK_SECTOR / 4) {
            begin_anew();
            size_t most = length - at < SIMDISK_SECTOR ? length - at : SIMDISK_SECTOR;
            memset(simdisk_find(&simdisk, names[f])->data + at, 0, most);
            run();
            if (f == 0)
                ck_assert_msg(repair.lost == 0 && repair.kept == RECORDS, "%zu: %s", at, said.data);
            unsigned first = 0, last = 0;
            for (unsigned i = 0; f == 1 && i < RECORDS; i++) {
                first = starts[i] <= at ? i : first;
                last = starts[i] < at + most ? i + 1 : last;
            }
            assert_repaired_on(disk, first, last, repair.has_new_id);
        }
    }
}
END_TEST

/* Without the index a wrong digit may let a record seem to stand far ahead. */
START_TEST(test_repair_drops_the_one_whose_counter_is_wrong)
{
    struct buf *data = simdisk_find(&simdisk, SHELF_DATA);

    ck_assert(disk_unlink(disk, SHELF_INDEX, &error));
    data->data[starts[4] + 1] = '9'; /* 5 */
    data->data[starts[14] + 1] = '0';
    run();
    ck_assert_uint_eq(repair.lost, 2);
    ck_assert_ptr_nonnull(strstr(said.data, "lost: counter 9"));
    shelf_assert_sound(disk);
}
END_TEST

START_TEST(test_repair_forgets_who_sent_what_is_not_there_as_a_whole)
{
    struct index_entry entry;
    const struct buf *index;
    unsigned commits = 0;

    for (unsigned i = 0; i < RECORDS; i++) { /* one of each append is damaged */
        if (i % 3 == 1)
            simdisk_find(&simdisk, SHELF_DATA)->data[starts[i] + 5] ^= 1;
    }
    run();
    index = simdisk_find(&simdisk, SHELF_INDEX);
    for (size_t at = INDEX_HEADER_SIZE; at < index->length; at += INDEX_ENTRY_SIZE) {
        index_read_entry((const unsigned char *)index->data + at, &entry);
        commits += !!(entry.flags & INDEX_COMMIT);
    }
    ck_assert_uint_eq(commits, 2); /* of appends of one record */
    shelf_assert_sound(disk);
}
END_TEST

static bool is_copy(const char *name)
{
    char kept[256];

    snprintf(kept, sizeof kept, "%s%s", KEPT_IN, strrchr(name, '/'));
    const struct buf *copy = simdisk_find(&simdisk, kept);
    return copy && str_equals(buf_str(copy), buf_str(simdisk_find(&whole, name)));
}

START_TEST(test_repair_keeps_what_it_replaces)
{
    flip(SHELF_DATA, 100);
    run();
    ck_assert_str_eq(repair.kept_in, strrchr(KEPT_IN, '/') + 1);
    ck_assert(is_copy(SHELF_INDEX));
    ck_assert(is_copy(SHELF_INFO));
    ck_assert(!is_copy(SHELF_DATA)); /* but damaged, as it was */
    ck_assert_ptr_nonnull(simdisk_find(&simdisk, KEPT_IN "/database.1"));
    ck_assert_ptr_null(simdisk_find(&simdisk, SHELF_DATA));
    ck_assert_ptr_nonnull(simdisk_find(&simdisk, SHELF_PATH "/database.2"));
    /* Twice in one second: neither copy is written over. */
    simdisk_find(&simdisk, SHELF_PATH "/database.2")->data[10] ^= 1;
    run();
    ck_assert_str_eq(repair.kept_in, "repair-20270115-080000-2");
    shelf_assert_sound(disk);
}
END_TEST

START_TEST(test_repair_clears_what_lies_about)
{
    ck_assert(disk_replace_file(disk, SHELF_PATH "/database.7", STR("x"), false, &error));
    ck_assert(disk_replace_file(disk, SHELF_PATH "/database.index.new", STR("x"), false, &error));
    ck_assert(disk_replace_file(disk, SHELF_PATH "/mine", STR("x"), false, &error));
    run();
    ck_assert(!repair.has_new_id);
    ck_assert_ptr_null(simdisk_find(&simdisk, SHELF_PATH "/database.7"));
    ck_assert_ptr_nonnull(simdisk_find(&simdisk, KEPT_IN "/database.7"));
    ck_assert_ptr_null(simdisk_find(&simdisk, SHELF_PATH "/database.index.new"));
    ck_assert_ptr_nonnull(simdisk_find(&simdisk, SHELF_PATH "/mine"));
    ck_assert_ptr_nonnull(simdisk_find(&simdisk, SHELF_DATA));
    ck_assert(disk_unlink(disk, SHELF_PATH "/mine", &error));
    assert_repaired(0, 0);
}
END_TEST

static void assert_refused(enum error_code code, const char *what)
{
    struct simdisk before;

    simdisk_copy(&simdisk, &before);
    ck_assert(!run_on(disk));
    ck_assert_msg(error.code == code && strstr(error.message, what), "%s", error.message);
    ck_assert(simdisk_equals(&simdisk, &before));
    simdisk_clear(&before);
}

START_TEST(test_repair_refuses_what_it_cannot_mend_and_changes_nothing)
{
    struct deletion deletion = {.path = SHELF_PATH, .last_counter = RECORDS, .generation = 1};
    bool undone;

    ck_assert(disk_make_directory(disk, ".journal", &error));
    ck_assert(disk_replace_file(disk, ".journal/0000000000000001", STR("x"), false, &error));
    assert_refused(ERROR_BUSY, "journal");
    begin_anew();
    ck_assert(disk_unlink(disk, SHELF_DATA, &error));
    assert_refused(ERROR_DAMAGED, "missing");
    ck_assert(disk_unlink(disk, SHELF_INDEX, &error));
    ck_assert(disk_unlink(disk, SHELF_INFO, &error));
    assert_refused(ERROR_NOT_FOUND, "no collection");
    begin_anew();
    simdisk_find(&simdisk, SHELF_DATA)->length = 3;
    assert_refused(ERROR_DAMAGED, "no sound record");
    begin_anew();
    memset(deletion.id, 1, sizeof deletion.id);
    buf_append_text(&deletion.reason, "{}");
    ck_assert(collection_delete(disk, &deletion, &undone, &error));
    flip(SHELF_DELETED, 100);
    assert_refused(ERROR_DAMAGED, "deleted.json");
    deletion_clear(&deletion);
}
END_TEST

/* --- Every power cut, every failing call -------------------------------------------------------
 */

static const struct {
    const char *name; /* NULL: the index is lost */
    size_t bit;
    unsigned lost;
    bool new_id;
} damages[] = {
    {SHELF_DATA, 8 * 40 + 3, 1, true},
    {SHELF_INDEX, 8 * 200 + 3, 0, false},
    {SHELF_INFO, 8 * 50, 0, false},
    {NULL, 0, 0, true},
};

static const struct simdisk *damaged;
static int current;
static unsigned long states;

/* Old or new; and what is not there yet is there when it is repaired again. */
static void judge(struct simdisk *after, void *context)
{
    (void)context;
    states++;
    if (!run_on(&after->disk))
        ck_abort_msg("state %lu: %s", states, error.message);
    unsigned lost = damages[current].lost;
    if (damages[current].name && strcmp(damages[current].name, SHELF_INFO) == 0)
        shelf_assert_sound(&after->disk);
    else
        assert_repaired_on(&after->disk, lost ? 0 : 0, lost, damages[current].new_id);
}

static void cut_power(struct simdisk *now, void *context)
{
    (void)context;
    struct repair running = repair;

    (void)simdisk_visit_crashes(now, 6, now->calls, judge, NULL);
    repair = running;
}

static void damage_whole(int i)
{
    current = i;
    if (damages[i].name)
        flip(damages[i].name, damages[i].bit);
    else
        ck_assert(disk_unlink(disk, SHELF_INDEX, &error));
}

START_TEST(test_repair_is_done_or_can_be_done_again_after_any_power_cut)
{
    struct simdisk copy;

    states = 0;
    damage_whole(_i);
    simdisk_copy(&simdisk, &copy);
    copy.changed = cut_power;
    struct repair first = {.disk = &copy.disk, .path = SHELF_PATH, .say = note_line};
    ck_assert_msg(repair_collection(&first, &error), "%s", error.message);
    copy.changed = NULL;
    /* What it said is on disk when it has said so. */
    (void)simdisk_visit_crashes(&copy, 6, 1, judge, NULL);
    ck_assert_uint_gt(states, 50);
    simdisk_clear(&copy);
}
END_TEST

static bool is_kept(const struct simdisk *after, const char *name)
{
    char kept[256];
    struct simdisk *disks[] = {(struct simdisk *)after};
    const struct buf *then = simdisk_find((struct simdisk *)damaged, name);

    if (!then)
        return true;
    const struct buf *now = simdisk_find(disks[0], name);
    if (now && str_equals(buf_str(now), buf_str(then)))
        return true;
    snprintf(kept, sizeof kept, "%s%s", KEPT_IN, strrchr(name, '/'));
    now = simdisk_find(disks[0], kept);
    return now && str_equals(buf_str(now), buf_str(then));
}

static void judge_kept(struct simdisk *after, void *context)
{
    (void)context;
    states++;
    ck_assert(is_kept(after, SHELF_INDEX));
    ck_assert(is_kept(after, SHELF_DATA));
    ck_assert(is_kept(after, SHELF_INFO));
}

static void cut_power_for_kept(struct simdisk *now, void *context)
{
    (void)simdisk_visit_crashes(now, 20, now->calls, judge_kept, context);
}

START_TEST(test_repair_has_what_was_there_or_its_copy_after_any_power_cut)
{
    struct simdisk before;

    states = 0;
    damage_whole(_i);
    simdisk_copy(&simdisk, &before);
    damaged = &before;
    begin_anew();
    simdisk_clear(&simdisk);
    simdisk_copy(&before, &simdisk);
    disk = &simdisk.disk;
    simdisk.changed = cut_power_for_kept;
    run();
    simdisk.changed = NULL;
    ck_assert_uint_gt(states, 50);
    simdisk_clear(&before);
}
END_TEST

START_TEST(test_repair_can_be_done_again_after_any_failing_call)
{
    unsigned calls;
    struct simdisk before;

    damage_whole(_i);
    simdisk_copy(&simdisk, &before);
    simdisk.calls = 0;
    run();
    calls = simdisk.calls;
    for (unsigned i = 1; i <= calls; i++) {
        struct simdisk copy;

        simdisk_copy(&before, &copy);
        copy.fail_at = i;
        copy.fail_with = ENOSPC;
        if (!run_on(&copy.disk))
            ck_assert_int_eq(error.code, ERROR_NO_SPACE);
        ck_assert_uint_eq(copy.open_files, 0);
        simdisk_calm(&copy);
        judge(&copy, NULL);
        simdisk_clear(&copy);
    }
    simdisk_clear(&before);
}
END_TEST

Suite *suite_repair(void)
{
    enum { DAMAGES = sizeof damages / sizeof *damages };
    Suite *suite = suite_create("repair");
    TCase *tests = tcase_create("repair");

    tcase_add_checked_fixture(tests, setup, teardown);
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
    tcase_add_test(tests, test_repair_survives_a_lost_sector);
    tcase_add_test(tests, test_repair_drops_the_one_whose_counter_is_wrong);
    tcase_add_test(tests, test_repair_forgets_who_sent_what_is_not_there_as_a_whole);
    tcase_add_test(tests, test_repair_keeps_what_it_replaces);
    tcase_add_test(tests, test_repair_clears_what_lies_about);
    tcase_add_test(tests, test_repair_refuses_what_it_cannot_mend_and_changes_nothing);
    tcase_add_loop_test(tests, test_repair_is_done_or_can_be_done_again_after_any_power_cut, 0,
                        DAMAGES);
    tcase_add_loop_test(tests, test_repair_has_what_was_there_or_its_copy_after_any_power_cut, 0,
                        DAMAGES);
    tcase_add_loop_test(tests, test_repair_can_be_done_again_after_any_failing_call, 0, DAMAGES);
    suite_add_tcase(suite, tests);
    return suite;
}
