/* collection.json and deleted.json: what is not as it was written is refused. */
#include "store/collection.h"

#include "base/crc32c.h"
#include "simdisk.h"
#include "store/database.h"
#include "store/paths.h"
#include "store/samples.h"
#include "store/suites.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

static struct simdisk simdisk;
static struct disk *disk;
static struct error error;
static struct collection collection;

static void setup(void)
{
    simdisk_init(&simdisk);
    disk = &simdisk.disk;
}

static void teardown(void)
{
    collection_clear(&collection);
    ck_assert_uint_eq(simdisk.open_files, 0);
    simdisk_clear(&simdisk);
}

static struct buf *find_file(void (*put_name)(char *, const char *))
{
    char name[PATHS_SIZE];

    put_name(name, SAMPLE_PATH);
    return simdisk_find(&simdisk, name);
}

static void refuse_to_load(const char *file)
{
    collection_clear(&collection);
    ck_assert(!collection_load(&collection, disk, SAMPLE_PATH, &error));
    ck_assert_msg(error.code == ERROR_DAMAGED, "%s", error.message);
    ck_assert_msg(strstr(error.message, file), "%s", error.message);
}

static void rot_every_bit(struct buf *file, const char *name)
{
    for (size_t bit = 0; bit < 8 * file->length; bit++) {
        file->data[bit / 8] = (char)(file->data[bit / 8] ^ 1 << bit % 8);
        refuse_to_load(name);
        file->data[bit / 8] = (char)(file->data[bit / 8] ^ 1 << bit % 8);
    }
}

static void cut_every_byte(struct buf *file, const char *name)
{
    size_t length = file->length;

    while (file->length > 0) {
        file->length--;
        /* Its last byte is a line break that nothing depends on. */
        if (file->length + 1 < length || strstr(name, "deleted"))
            refuse_to_load(name);
    }
    file->length = length;
}

START_TEST(test_collection_refuses_rotten_info)
{
    struct buf *file;

    (void)sample_fill(disk, 1, NULL);
    file = find_file(paths_put_info);
    cut_every_byte(file, "collection.json");
    file->length--; /* likewise */
    rot_every_bit(file, "collection.json");
}
END_TEST

START_TEST(test_collection_refuses_rotten_reasons)
{
    struct deletion deletion = {.path = SAMPLE_PATH, .last_counter = 7, .generation = 1};

    buf_append(&deletion.reason, STR("{\"reason\":\"x\"}"));
    ck_assert(collection_delete(disk, &deletion, &(bool){0}, &error));
    deletion_clear(&deletion);
    cut_every_byte(find_file(paths_put_deleted), "deleted.json");
    rot_every_bit(find_file(paths_put_deleted), "deleted.json");
}
END_TEST

START_TEST(test_collection_refuses_the_info_of_another)
{
    struct identity identity = sample_identity(2);
    struct head head = sample_head(&identity, 0);
    struct batch batch;
    bool undone;

    (void)sample_fill(disk, 1, NULL);
    struct buf *info = find_file(paths_put_info);
    char *old = buf_copy_text(buf_str(info));
    batch_begin(&batch, SAMPLE_PATH, &identity, &head, true);
    sample_append(&batch, 1, 0);
    ck_assert(database_apply(disk, &batch, &undone, &error));
    info = find_file(paths_put_info);
    buf_reset(info);
    buf_append_text(info, old);
    refuse_to_load("another collection");
    free(old);
    batch_clear(&batch);
}
END_TEST

START_TEST(test_collection_without_info_is_damaged)
{
    char name[PATHS_SIZE];

    (void)sample_fill(disk, 1, NULL);
    paths_put_info(name, SAMPLE_PATH);
    ck_assert(disk_unlink(disk, name, &error));
    refuse_to_load("collection.json");
}
END_TEST

#define ID     "\"id\":\"01010101010101010101010101010101\","
#define SECRET "\"secret\":\"02020202020202020202020202020202\","

static const struct {
    const char *line, *said; /* NULL: is taken */
} infos[] = {
    {"{\"format\":1," ID SECRET "\"created\":1700000000,\"path\":\"x\"", NULL},
    {"{\"format\":1," ID SECRET "\"created\":1700000000", NULL},
    {"{\"created\":1700000000," SECRET ID "\"new\":null,\"format\":1", NULL},
    {"{\"format\":2," ID SECRET "\"created\":1700000000", "upgrade"},
    {"{" ID SECRET "\"created\":1700000000", "missing"},
    {"{\"format\":\"1\"," ID SECRET "\"created\":1700000000", "missing"},
    {"{\"format\":1," SECRET "\"created\":1700000000", "missing"},
    {"{\"format\":1," ID "\"created\":1700000000", "missing"},
    {"{\"format\":1," ID SECRET "\"x\":1", "missing"},
    {"{\"format\":1," ID SECRET "\"created\":-1", "missing"},
    {"{\"format\":1," ID SECRET "\"created\":1.5", "missing"},
    {"{\"format\":1," ID SECRET "\"created\":9007199254740992", "missing"},
    {"{\"format\":1," ID SECRET "\"created\":null", "missing"},
    {"{\"format\":1," ID "\"secret\":\"02\",\"created\":1", "missing"},
    {"{\"format\":1," ID "\"secret\":\"0202020202020202020202020202020g\",\"created\":1",
     "missing"},
    {"{\"format\":1," ID "\"secret\":2,\"created\":1", "missing"},
    {"{\"format\":1," ID SECRET "\"created\":{\"created\":1}", "collection.json"},
    {"{\"format\":1," ID SECRET "\"created\":1,", "collection.json"},
    {"[1", "collection.json"},
};

/* With a good checksum, so that it is not that which refuses. */
START_TEST(test_collection_takes_sound_info_only)
{
    struct head head = sample_fill(disk, 1, NULL);
    struct buf *file = find_file(paths_put_info);
    struct identity identity = sample_identity(1);
    const char *said = infos[_i].said;

    buf_reset(file);
    buf_append_text(file, infos[_i].line);
    buf_append_format(file, ",\"crc\":%lu}\n",
                      (unsigned long)crc32c_extend(0, str_of(infos[_i].line)));
    if (said) {
        refuse_to_load(said);
    } else {
        ck_assert_msg(collection_load(&collection, disk, SAMPLE_PATH, &error), "%s", error.message);
        ck_assert_uint_eq(collection.head.count, head.count);
        ck_assert_int_eq(collection.identity.created, SAMPLE_CREATED);
        ck_assert_mem_eq(collection.identity.secret, identity.secret, SIPHASH_KEY_SIZE);
    }
}
END_TEST

Suite *suite_collection_info(void)
{
    Suite *suite = suite_create("collection_info");
    TCase *tests = tcase_create("collection_info");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_collection_refuses_rotten_info);
    tcase_add_test(tests, test_collection_refuses_rotten_reasons);
    tcase_add_test(tests, test_collection_refuses_the_info_of_another);
    tcase_add_test(tests, test_collection_without_info_is_damaged);
    tcase_add_loop_test(tests, test_collection_takes_sound_info_only, 0,
                        sizeof infos / sizeof *infos);
    suite_add_tcase(suite, tests);
    return suite;
}
