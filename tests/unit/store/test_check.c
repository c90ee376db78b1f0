/* check.h: whatever docs/file-format.md promises is looked at; nothing else is complained of. */
#include "store/check.h"

#include "store/collection.h"
#include "store/index.h"
#include "store/journal.h"
#include "store/samples.h"
#include "store/shelf.h"
#include "store/suites.h"
#include "story.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <check.h>

enum { RECORDS = 20 };

static struct simdisk simdisk;
static struct disk *disk;
static struct error error;

static void setup(void)
{
    simdisk_init(&simdisk);
    disk = &simdisk.disk;
    shelf_fill(disk, RECORDS);
}

static void teardown(void)
{
    ck_assert_uint_eq(simdisk.open_files, 0);
    ck_assert_uint_eq(simdisk.misuses, 0);
    simdisk_clear(&simdisk);
}

static bool is_noticed(void)
{
    struct shelf_report report;

    simdisk.file_count = 0; /* nothing is open: the table of descriptors need not grow for ever */
    shelf_check(disk, &report);
    ck_assert_uint_eq(report.check.unsettled, 0);
    return report.check.findings > 0;
}

static void put_file(const char *name, const char *text)
{
    struct file file = {0};

    ck_assert(file_open(&file, disk, name, O_WRONLY | O_CREAT | O_TRUNC, &error));
    ck_assert(file_write_at(&file, str_of(text), 0, &error));
    file_close(&file);
}

static void delete_shelf(void)
{
    struct deletion deletion = {.path = SHELF_PATH, .last_counter = RECORDS, .generation = 1};
    bool undone;

    memset(deletion.id, 1, sizeof deletion.id);
    buf_append_text(&deletion.reason, "{\"reason\":\"moved\"}");
    ck_assert(collection_delete(disk, &deletion, &undone, &error));
    deletion_clear(&deletion);
}

START_TEST(test_check_finds_nothing_in_what_is_sound)
{
    struct shelf_report report;

    shelf_assert_sound(disk);
    shelf_check(disk, &report);
    ck_assert_uint_eq(report.check.collections, 1);
    ck_assert_uint_eq(report.check.records, RECORDS);
    ck_assert_uint_gt(report.check.bytes, simdisk_find(&simdisk, SHELF_DATA)->length);
    delete_shelf();
    shelf_assert_sound(disk);
}
END_TEST

/* --- Rot ------------------------------------------------------------------------------------- */

static const char *const files[] = {SHELF_INDEX, SHELF_DATA, SHELF_INFO, SHELF_DELETED};

static struct buf *choose_file(int i)
{
    if (strcmp(files[i], SHELF_DELETED) == 0)
        delete_shelf();
    ck_assert(!is_noticed());
    return simdisk_find(&simdisk, files[i]);
}

START_TEST(test_check_notices_any_flipped_bit)
{
    struct buf *file = choose_file(_i);

    for (size_t bit = 0; bit < 8 * file->length; bit++) {
        file->data[bit / 8] = (char)(file->data[bit / 8] ^ 1 << bit % 8);
        ck_assert_msg(is_noticed(), "%s: bit %zu", files[_i], bit);
        file->data[bit / 8] = (char)(file->data[bit / 8] ^ 1 << bit % 8);
    }
    ck_assert(!is_noticed());
}
END_TEST

START_TEST(test_check_notices_any_cut)
{
    struct buf *file = choose_file(_i);

    while (file->length > 0) {
        file->length--;
        ck_assert_msg(is_noticed(), "%s: cut to %zu bytes", files[_i], file->length);
    }
}
END_TEST

START_TEST(test_check_notices_a_byte_too_many)
{
    buf_append_byte(choose_file(_i), '\n');
    ck_assert(is_noticed());
}
END_TEST

START_TEST(test_check_notices_a_missing_file)
{
    if (strcmp(files[_i], SHELF_DELETED) == 0) /* then there is nothing at all */
        return;
    ck_assert(disk_unlink(disk, files[_i], &error));
    ck_assert(is_noticed());
}
END_TEST

START_TEST(test_check_names_file_and_offset)
{
    struct buf *index = simdisk_find(&simdisk, SHELF_INDEX);
    struct buf *data = simdisk_find(&simdisk, SHELF_DATA);

    data->data[data->length - 5] ^= 1;
    shelf_assert_finding(disk, SHELF_INDEX, index->length - INDEX_ENTRY_SIZE, "checksum");
    data->data[data->length - 5] ^= 1;
    buf_append_text(data, "[21,");
    shelf_assert_finding(disk, SHELF_DATA, data->length - 4, "4 bytes that are in no index");
    index->data[3] ^= 1;
    shelf_assert_finding(disk, SHELF_INDEX, 0, "is no index");
    index->data[3] ^= 1;
    data->length -= 4;
    /* One bad entry, and at most the next, which goes on from its end and its checksum. */
    struct shelf_report report;
    for (size_t at = 0; at < INDEX_ENTRY_SIZE; at++) {
        char *byte = index->data + INDEX_HEADER_SIZE + 5 * INDEX_ENTRY_SIZE + at;
        *byte ^= 0x10;
        shelf_check(disk, &report);
        ck_assert_uint_ge(report.check.findings, 1);
        bool is_chained = (at >= 8 && at < 16) || at >= INDEX_ENTRY_SIZE - 4;
        ck_assert_uint_le(report.check.findings, is_chained ? 2 : 1);
        *byte ^= 0x10;
    }
}
END_TEST

/* --- What has the right checksum and is wrong all the same -------------------------------------
 */

static const struct {
    const char *text; /* NULL: the hashes or flags are wrong */
    const char *what;
} wrong_records[] = {
    {"{\"id\":\"a\", \"data\":1}", "white space"},
    {"{\"id\":\"a\"", "bad JSON"},
    {"{\"id\":\"\xff\"}", "bad JSON"},
    {"{\"id\":1.5}", "the id is none"},
    {"{\"id\":1,\"id\":2}", "twice"},
    {"{\"type\":5}", "the type is none"},
    {"{\"deleted\":false}", "deleted"},
    {"{\"expires\":\"soon\"}", "expires"},
    {"[1]", "no counter with an object"},
    {"{},{}", "no counter with an object"},
    {"{}],\n[99,{}", "bad JSON"},
};

START_TEST(test_check_reads_what_the_records_say)
{
    uint64_t end = simdisk_find(&simdisk, SHELF_DATA)->length;
    struct batch_object object = {.text = str_of(wrong_records[_i].text)};

    shelf_add(disk, &object);
    shelf_assert_finding(disk, SHELF_DATA, end, wrong_records[_i].what);
}
END_TEST

static const struct batch_object wrong_entries[] = {
    {.text = STR_INIT("{\"id\":1}"), .key = 5},
    {.text = STR_INIT("{\"type\":\"a\"}"), .type = 5},
    {.text = STR_INIT("{\"data\":1}"), .key = 5},
    {.text = STR_INIT("{\"data\":1}"), .expires = 5},
    {.text = STR_INIT("{\"expires\":6}"), .expires = 5},
    {.text = STR_INIT("{\"data\":1}"), .flags = INDEX_DELETED},
    {.text = STR_INIT("{\"deleted\":true}")},
    {.text = STR_INIT("{\"data\":1}"), .flags = INDEX_BLOB},
    {.text = STR_INIT("{\"data\":1}"), .flags = 16},
};

START_TEST(test_check_holds_entries_against_their_records)
{
    uint64_t end = simdisk_find(&simdisk, SHELF_INDEX)->length;

    shelf_add(disk, &wrong_entries[_i]);
    shelf_assert_finding(disk, SHELF_INDEX, end, "entry");
}
END_TEST

static struct index_entry read_last(const struct buf *index)
{
    struct index_entry entry;

    index_read_entry((const unsigned char *)index->data + index->length - INDEX_ENTRY_SIZE, &entry);
    return entry;
}

/* Appends this to the index, with the right checksum. record: what it brings. */
static void add_entry(struct index_entry entry, const char *record)
{
    struct buf *index = simdisk_find(&simdisk, SHELF_INDEX);
    uint32_t before = read_last(index).crc;
    unsigned char bytes[INDEX_ENTRY_SIZE];

    buf_append_text(simdisk_find(&simdisk, SHELF_DATA), record);
    index_write_entry(bytes, &entry);
    entry.crc = index_entry_crc(before, bytes, str_of(record));
    index_write_entry(bytes, &entry);
    buf_append(index, (struct str){(const char *)bytes, sizeof bytes});
}

#define GOOD_RECORD "[30,{}],\n"

static const struct {
    uint64_t counter, seq;
    size_t end; /* beyond the one before */
    int commits;
    uint8_t flags;
    const char *record, *what;
} wrong_order[] = {
    {30, 0, 9, 1, INDEX_BATCH_END, GOOD_RECORD, "commit entries before it"},
    {30, 0, 9, 0, 0, GOOD_RECORD, "has no end"},
    {31, 0, 9, 0, INDEX_BATCH_END, GOOD_RECORD, "says counter 30"},
    {20, 0, 9, 0, INDEX_BATCH_END, "[20,{}],\n", "counter 20 after 20"},
    {20, 9, 0, 0, INDEX_BATCH_END | INDEX_COMMIT, "", "does not end an append"},
    {20, 0, 0, 0, INDEX_BATCH_END | INDEX_COMMIT, "", "does not end an append"},
    {21, 9, 0, 0, INDEX_BATCH_END | INDEX_COMMIT, "", "of its own"},
    {21, 0, 0, 0, INDEX_BATCH_END, "", "where it begins"},
    {30, 0, 10, 0, INDEX_BATCH_END, GOOD_RECORD, "the data has"},
};

START_TEST(test_check_notices_what_is_out_of_order)
{
    const struct buf *index = simdisk_find(&simdisk, SHELF_INDEX);
    struct index_entry last = read_last(index);
    uint64_t at = index->length;
    unsigned commits = last.commits + !!(last.flags & INDEX_COMMIT);

    add_entry((struct index_entry){.counter = wrong_order[_i].counter,
                                   .end = last.end + wrong_order[_i].end,
                                   .type = (uint32_t)wrong_order[_i].seq,
                                   .commits = commits + (unsigned)wrong_order[_i].commits,
                                   .flags = wrong_order[_i].flags},
              wrong_order[_i].record);
    const char *file = strstr(wrong_order[_i].what, "says") ? SHELF_DATA : SHELF_INDEX;
    shelf_assert_finding(disk, file, strcmp(file, SHELF_DATA) == 0 ? last.end : at,
                         wrong_order[_i].what);
}
END_TEST

static void change_header(void (*change)(unsigned char *bytes, struct index_header *header))
{
    unsigned char *bytes = (unsigned char *)simdisk_find(&simdisk, SHELF_INDEX)->data;
    struct index_header header;

    ck_assert(index_read_header(bytes, &header, &error));
    change(bytes, &header);
}

static void vouch_for_more(unsigned char *bytes, struct index_header *header)
{
    header->synced_count += 5;
    index_write_header(bytes, header);
}

START_TEST(test_check_notices_that_entries_are_missing)
{
    uint64_t end = simdisk_find(&simdisk, SHELF_INDEX)->length;

    change_header(vouch_for_more);
    shelf_assert_finding(disk, SHELF_INDEX, end, "vouched for");
}
END_TEST

/* --- What lies about ---------------------------------------------------------------------------
 */

static const struct {
    const char *name, *what;
} litter[] = {
    {SHELF_PATH "/database.2", "another generation"},
    {SHELF_PATH "/database.01", "no file of a collection"},
    {SHELF_PATH "/database.index.new", "no file of a collection"},
    {SHELF_PATH "/x", "no file of a collection"},
    {SHELF_DELETED, "begun anew"},
    {"a.org/u@b.org/file", "where directories stand"},
    {"a.org/file", "where directories stand"},
    {"file", "where directories stand"},
    {".file", "its name is none of ours"},
    {"a.org/b c", "its name is none of ours"},
    {"a.org/u@b.org/..x y", "its name is none of ours"},
};

START_TEST(test_check_notices_strange_files)
{
    put_file(litter[_i].name, "x");
    shelf_assert_finding(disk, litter[_i].name, FINDING_NO_OFFSET, litter[_i].what);
}
END_TEST

START_TEST(test_check_leaves_what_repairs_kept_alone)
{
    ck_assert(disk_make_directory(disk, SHELF_PATH "/repair-20261123-120000", &error));
    ck_assert(disk_make_directory(disk, "lost+found", &error));
    put_file(".lock", "");
    shelf_assert_sound(disk);
}
END_TEST

START_TEST(test_check_notices_what_deletions_left)
{
    delete_shelf();
    put_file(SHELF_DATA, "");
    shelf_assert_finding(disk, SHELF_DATA, FINDING_NO_OFFSET, "left over");
    ck_assert(disk_unlink(disk, SHELF_DATA, &error));
    put_file(SHELF_INFO, "");
    shelf_assert_finding(disk, SHELF_INFO, FINDING_NO_OFFSET, "left over");
    ck_assert(disk_unlink(disk, SHELF_DELETED, &error));
    shelf_assert_finding(disk, SHELF_PATH, FINDING_NO_OFFSET, "alone");
}
END_TEST

START_TEST(test_check_notices_a_collection_of_another_place)
{
    struct identity identity;

    ck_assert(collection_read_info(disk, SHELF_PATH, &identity, &error));
    ck_assert(disk_make_directory(disk, "a.org/u@b.org/other", &error));
    ck_assert(collection_write_info(disk, "a.org/u@b.org/other", &identity, false, &error));
    const struct buf *other = simdisk_find(&simdisk, "a.org/u@b.org/other/collection.json");
    struct buf *info = simdisk_find(&simdisk, SHELF_INFO);
    buf_reset(info);
    buf_append(info, buf_str(other));
    ck_assert(disk_unlink(disk, "a.org/u@b.org/other/collection.json", &error));
    shelf_assert_finding(disk, SHELF_INFO, 0, "where it stands");
    identity.id[0] ^= 1;
    ck_assert(collection_write_info(disk, SHELF_PATH, &identity, false, &error));
    shelf_assert_finding(disk, SHELF_INFO, FINDING_NO_OFFSET, "not that of the index");
}
END_TEST

START_TEST(test_check_goes_on_where_a_file_cannot_be_read)
{
    struct shelf_report report;
    unsigned calls;

    simdisk.calls = 0;
    shelf_check(disk, &report);
    calls = simdisk.calls;
    for (unsigned i = 1; i <= calls; i++) {
        simdisk.calls = 0;
        simdisk.fail_at = i;
        simdisk.fail_with = EIO;
        simdisk.fail_from_then_on = false;
        shelf_check(disk, &report);
        ck_assert_uint_le(report.check.unreadable, 1);
        ck_assert_uint_eq(report.check.findings, report.check.unreadable);
        simdisk.calls = 0;
        simdisk.fail_from_then_on = true;
        shelf_check(disk, &report);
        ck_assert_uint_ge(report.check.unreadable, 1);
        ck_assert_uint_eq(report.check.findings, report.check.unreadable);
        ck_assert_ptr_nonnull(strstr(report.first.what, "nput/output error"));
    }
    simdisk_calm(&simdisk);
    shelf_assert_sound(disk);
}
END_TEST

/* --- The journal, and servers that live or died ------------------------------------------------
 */

START_TEST(test_check_notices_a_damaged_journal)
{
    struct story story;
    struct shelf_report report;

    story_init(&story, &simdisk);
    ck_assert(story_open(&story));
    for (unsigned i = 0; i < 4; i++) {
        story_append(&story, 0, 2);
        story_commit(&story, 0);
    }
    shelf_assert_sound(disk);
    simdisk_find(&simdisk, ".journal/0000000000000001")->data[100] ^= 1;
    shelf_assert_finding(disk, ".journal/0000000000000001", JOURNAL_HEADER_SIZE,
                         "damaged in a part that was on disk");
    simdisk_find(&simdisk, ".journal/0000000000000001")->data[100] ^= 1;
    put_file(".journal/refused-0000000000000001", "x");
    shelf_assert_finding(disk, ".journal/refused-0000000000000001", FINDING_NO_OFFSET,
                         "did not fit");
    ck_assert(disk_unlink(disk, ".journal/refused-0000000000000001", &error));
    put_file(".journal/x", "x");
    shelf_assert_finding(disk, ".journal/x", FINDING_NO_OFFSET, "no segment");
    shelf_check(disk, &report);
    ck_assert_uint_eq(report.check.findings, 1);
    story_clear(&story);
}
END_TEST

static unsigned states, unsettled;

static void assert_nothing_found(struct simdisk *now)
{
    struct shelf_report report;

    states++;
    shelf_check(&now->disk, &report);
    unsettled += report.check.unsettled > 0;
    ck_assert_msg(report.check.findings == 0, "state %u: %s: at %llu: %s", states,
                  report.first.file, (unsigned long long)report.first.offset, report.first.what);
}

static void look_beside(struct simdisk *now, void *context)
{
    struct simdisk copy;

    (void)context;
    simdisk_copy(now, &copy);
    assert_nothing_found(&copy);
    simdisk_clear(&copy);
}

static const size_t write_sizes[] = {0, 64, 500};

START_TEST(test_check_takes_no_write_under_way_for_damage)
{
    struct story story;

    states = unsettled = 0;
    story_init(&story, &simdisk);
    simdisk.write_most = write_sizes[_i];
    simdisk.changed = look_beside;
    story_tell(&story);
    simdisk.changed = NULL;
    simdisk.write_most = 0;
    ck_assert_uint_gt(states, 100);
    ck_assert_uint_gt(unsettled, 10);
    story_clear(&story);
}
END_TEST

static void look_after(struct simdisk *after, void *context)
{
    struct story *story = context;
    char why[256];

    assert_nothing_found(after);
    ck_assert_msg(story_recovers(story, after, why), "%s", why);
}

static void cut_power(struct simdisk *now, void *context)
{
    (void)simdisk_visit_crashes(now, 4, now->calls, look_after, context);
}

START_TEST(test_check_takes_no_power_cut_for_damage)
{
    struct story story;

    states = unsettled = 0;
    story_init(&story, &simdisk);
    simdisk.changed = cut_power;
    simdisk.context = &story;
    story_tell(&story);
    simdisk.changed = NULL;
    ck_assert_uint_gt(states, 300);
    ck_assert_uint_gt(unsettled, 100);
    story_clear(&story);
}
END_TEST

/* Frames of what a checkpoint vouches for may still be in the journal; nobody writes them again. */
START_TEST(test_check_takes_damage_for_damage_when_the_journal_has_it_below_a_checkpoint)
{
    struct story story;

    story_init(&story, &simdisk);
    ck_assert(story_open(&story));
    story_append(&story, 0, 3);
    story_commit(&story, 0);
    const struct story_collection *collection = &story.collections[0];
    const struct head *head = &collection->now.head;
    ck_assert(collection_sync(disk, collection->path, head->generation, head->count, &error));
    char name[256];
    snprintf(name, sizeof name, "%s/database.1", collection->path);
    simdisk_find(&simdisk, name)->data[4] ^= 1;
    snprintf(name, sizeof name, "%s/database.index", collection->path);
    shelf_assert_finding(disk, name, INDEX_HEADER_SIZE, "checksum");
    story_clear(&story);
}
END_TEST

/* A disk on which what was half written is whole as soon as somebody has read the journal, which
 * knows nothing of it any more: a checkpoint came between. */
static const struct disk_calls *real_calls;
static unsigned looks_left;

static int list_and_heal(struct disk *where, const char *name, struct buf *names)
{
    if (strcmp(name, ".journal") == 0 && looks_left > 0 && --looks_left == 0)
        simdisk_find(&simdisk, SHELF_DATA)->data[4] ^= 1;
    return real_calls->list(where, name, names);
}

START_TEST(test_check_looks_again_before_it_calls_it_damage)
{
    struct disk_calls calls = *disk->calls;

    real_calls = disk->calls;
    calls.list = list_and_heal;
    disk->calls = &calls;
    for (unsigned looks = 1; looks <= 2; looks++) {
        looks_left = looks + 2; /* the journal itself is checked first */
        simdisk_find(&simdisk, SHELF_DATA)->data[4] ^= 1;
        shelf_assert_sound(disk);
        ck_assert_uint_eq(looks_left, 0);
    }
    disk->calls = real_calls;
}
END_TEST

START_TEST(test_check_takes_damage_below_a_checkpoint_for_damage_also_beside_a_server)
{
    struct story story;

    story_init(&story, &simdisk);
    story_tell_with_checkpoint(&story);
    const char *path = story.collections[0].path;
    char name[256];
    snprintf(name, sizeof name, "%s/database.1", path);
    simdisk_find(&simdisk, name)->data[4] ^= 1;
    snprintf(name, sizeof name, "%s/database.index", path);
    shelf_assert_finding(disk, name, INDEX_HEADER_SIZE, "checksum");
    story_clear(&story);
}
END_TEST

Suite *suite_check(void)
{
    enum { FILES = sizeof files / sizeof *files };
    Suite *suite = suite_create("check");
    TCase *tests = tcase_create("check");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_check_finds_nothing_in_what_is_sound);
    tcase_add_loop_test(tests, test_check_notices_any_flipped_bit, 0, FILES);
    tcase_add_loop_test(tests, test_check_notices_any_cut, 0, FILES);
    tcase_add_loop_test(tests, test_check_notices_a_byte_too_many, 0, FILES);
    tcase_add_loop_test(tests, test_check_notices_a_missing_file, 0, FILES);
    tcase_add_test(tests, test_check_names_file_and_offset);
    tcase_add_loop_test(tests, test_check_reads_what_the_records_say, 0,
                        sizeof wrong_records / sizeof *wrong_records);
    tcase_add_loop_test(tests, test_check_holds_entries_against_their_records, 0,
                        sizeof wrong_entries / sizeof *wrong_entries);
    tcase_add_loop_test(tests, test_check_notices_what_is_out_of_order, 0,
                        sizeof wrong_order / sizeof *wrong_order);
    tcase_add_test(tests, test_check_notices_that_entries_are_missing);
    tcase_add_loop_test(tests, test_check_notices_strange_files, 0, sizeof litter / sizeof *litter);
    tcase_add_test(tests, test_check_leaves_what_repairs_kept_alone);
    tcase_add_test(tests, test_check_notices_what_deletions_left);
    tcase_add_test(tests, test_check_notices_a_collection_of_another_place);
    tcase_add_test(tests, test_check_goes_on_where_a_file_cannot_be_read);
    tcase_add_test(tests, test_check_notices_a_damaged_journal);
    tcase_add_loop_test(tests, test_check_takes_no_write_under_way_for_damage, 0,
                        sizeof write_sizes / sizeof *write_sizes);
    tcase_add_test(tests, test_check_takes_no_power_cut_for_damage);
    tcase_add_test(tests,
                   test_check_takes_damage_below_a_checkpoint_for_damage_also_beside_a_server);
    tcase_add_test(tests,
                   test_check_takes_damage_for_damage_when_the_journal_has_it_below_a_checkpoint);
    tcase_add_test(tests, test_check_looks_again_before_it_calls_it_damage);
    suite_add_tcase(suite, tests);
    return suite;
}
