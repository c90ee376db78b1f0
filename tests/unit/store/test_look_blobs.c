#include "store/look_blobs.h"

#include "simdisk.h"
#include "store/collection.h"
#include "store/repair.h"
#include "store/samples.h"
#include "store/shelf.h"
#include "store/suites.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <check.h>

enum { RECORDS = 6 };

static const char content[] = "a picture";

static struct simdisk simdisk;
static struct disk *disk;
static struct error error;
static char file[PATHS_SIZE]; /* of the blob, below the data directory */

/* The object p, as its text has it. */
static void add_text(const char *text)
{
    struct identity identity = sample_identity(1);
    struct batch_object object = shelf_describe(str_of(text), identity.secret);

    shelf_add(disk, &object);
}

static void add_blob(uint64_t key, uint64_t generation, char name[BLOB_NAME_SIZE])
{
    struct identity identity = sample_identity(1);
    struct blob_writing writing;
    unsigned char hash[CRYPTO_HASH_SIZE];
    struct blob_id id;

    ck_assert_msg(blob_begin(&writing, disk, SHELF_PATH, &error), "%s", error.message);
    ck_assert(blob_extend(&writing, str_of(content), &error));
    ck_assert(blob_seal(&writing, STR("image/png"), hash, &error));
    ck_assert(blob_make_id(&id, identity.secret, generation, key, STR("image/png"), hash, &error));
    blob_put_name(&id, name);
    ck_assert(blob_place(&writing, SHELF_PATH, name, &error));
    blob_drop(&writing);
    paths_put_blob(file, SHELF_PATH, name);
}

static uint64_t key_of_p(void)
{
    struct identity identity = sample_identity(1);

    return record_hash_key(identity.secret, (struct str){0}, STR("sp"));
}

static void add_object_with_blob(void)
{
    char name[BLOB_NAME_SIZE], text[400];

    add_blob(key_of_p(), 1, name);
    (void)snprintf(
        text, sizeof text,
        "{\"id\":\"p\",\"blob\":{\"content_type\":\"image/png\",\"href\":\"http://x/a/+static/"
        "%s\"}}",
        name);
    add_text(text);
}

static void set_up(void)
{
    simdisk_init(&simdisk);
    disk = &simdisk.disk;
    shelf_fill(disk, RECORDS);
    add_object_with_blob();
}

static void tear_down(void)
{
    ck_assert_uint_eq(simdisk.misuses, 0);
    ck_assert_uint_eq(simdisk.open_files, 0);
    simdisk_clear(&simdisk);
}

START_TEST(test_check_reads_blobs)
{
    struct shelf_report report;

    shelf_assert_sound(disk);
    shelf_check(disk, &report);
    ck_assert_uint_eq(report.check.blobs, 1);
}
END_TEST

START_TEST(test_check_names_a_blob_that_is_missing)
{
    ck_assert(disk_unlink(disk, file, &error));
    shelf_assert_finding(disk, file, FINDING_NO_OFFSET, "not there");
}
END_TEST

START_TEST(test_check_names_a_blob_with_any_flipped_bit)
{
    struct buf *bytes = simdisk_find(&simdisk, file);

    for (size_t bit = 0; bit < 8 * bytes->length; bit++) {
        bytes->data[bit / 8] = (char)(bytes->data[bit / 8] ^ 1 << bit % 8);
        shelf_assert_finding(disk, file, FINDING_NO_OFFSET, "");
        bytes->data[bit / 8] = (char)(bytes->data[bit / 8] ^ 1 << bit % 8);
    }
    shelf_assert_sound(disk);
}
END_TEST

START_TEST(test_check_asks_for_blobs_of_newest_versions_only)
{
    ck_assert(disk_unlink(disk, file, &error));
    add_text("{\"id\":\"p\",\"data\":\"no picture any more\"}");
    shelf_assert_sound(disk);
}
END_TEST

START_TEST(test_check_tells_of_a_blob_whose_object_is_deleted)
{
    add_text("{\"id\":\"p\",\"deleted\":true}");
    shelf_assert_finding(disk, file, FINDING_NO_OFFSET, "deleted");
    ck_assert(disk_unlink(disk, file, &error));
    shelf_assert_sound(disk);
}
END_TEST

START_TEST(test_check_tells_of_what_is_no_blob)
{
    struct file stranger;

    ck_assert(file_open(&stranger, disk, SHELF_PATH "/blobs/readme.txt", O_RDWR | O_CREAT, &error));
    file_close(&stranger);
    shelf_assert_finding(disk, SHELF_PATH "/blobs/readme.txt", FINDING_NO_OFFSET, "no blob");
}
END_TEST

START_TEST(test_check_lets_blobs_be_that_are_being_written_or_have_no_object_yet)
{
    struct blob_writing writing;
    char name[BLOB_NAME_SIZE];

    add_blob(4711, 1, name);
    ck_assert(blob_begin(&writing, disk, SHELF_PATH, &error));
    shelf_assert_sound(disk);
    blob_drop(&writing);
}
END_TEST

START_TEST(test_check_tells_of_blobs_of_a_deleted_collection_and_not_of_the_next)
{
    struct deletion deletion = {.path = SHELF_PATH, .last_counter = 9, .generation = 1};
    struct identity identity = sample_identity(1);
    char name[BLOB_NAME_SIZE], old[PATHS_SIZE];
    bool undone;

    memcpy(deletion.id, identity.id, sizeof deletion.id);
    buf_append_text(&deletion.reason, "{}");
    ck_assert(collection_delete(disk, &deletion, &undone, &error));
    deletion_clear(&deletion);
    memcpy(old, file, sizeof old);
    shelf_assert_finding(disk, old, FINDING_NO_OFFSET, "left over");
    ck_assert(disk_unlink(disk, old, &error));
    add_blob(key_of_p(), 2, name);
    shelf_assert_sound(disk);
}
END_TEST

START_TEST(test_repair_makes_no_records_anew_for_a_lost_blob)
{
    struct repair repair = {.disk = disk, .path = SHELF_PATH};
    struct collection collection;

    ck_assert(disk_unlink(disk, file, &error));
    ck_assert_msg(repair_collection(&repair, &error), "%s", error.message);
    ck_assert(!repair.has_new_id);
    ck_assert_str_eq(repair.kept_in, "");
    ck_assert(collection_load(&collection, disk, SHELF_PATH, &error));
    ck_assert_uint_eq(collection.head.generation, 1);
    collection_clear(&collection);
    shelf_assert_finding(disk, file, FINDING_NO_OFFSET, "not there");
}
END_TEST

Suite *suite_look_blobs(void)
{
    Suite *suite = suite_create("look_blobs");
    TCase *tests = tcase_create("look_blobs");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, test_check_reads_blobs);
    tcase_add_test(tests, test_check_names_a_blob_that_is_missing);
    tcase_add_test(tests, test_check_names_a_blob_with_any_flipped_bit);
    tcase_add_test(tests, test_check_asks_for_blobs_of_newest_versions_only);
    tcase_add_test(tests, test_check_tells_of_a_blob_whose_object_is_deleted);
    tcase_add_test(tests, test_check_tells_of_what_is_no_blob);
    tcase_add_test(tests, test_check_lets_blobs_be_that_are_being_written_or_have_no_object_yet);
    tcase_add_test(tests, test_check_tells_of_blobs_of_a_deleted_collection_and_not_of_the_next);
    tcase_add_test(tests, test_repair_makes_no_records_anew_for_a_lost_blob);
    suite_add_tcase(suite, tests);
    return suite;
}
