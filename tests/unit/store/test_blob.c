#include "store/blob.h"

#include "simdisk.h"
#include "store/suites.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#define PATH "a.org/u@b.org/notes"

enum { KEY = 0xabc, GENERATION = 3, CALLS_MOST = 100, STATES_MOST = 200 };

static const unsigned char secret[SIPHASH_KEY_SIZE] = "0123456789abcde";
static const char picture[] = "not really a picture, but long enough to be cut and flipped";

static struct simdisk simdisk;
static struct disk *disk;
static struct error error;

static void set_up(void)
{
    simdisk_init(&simdisk);
    disk = &simdisk.disk;
}

static void tear_down(void)
{
    ck_assert_uint_eq(simdisk.misuses, 0);
    ck_assert_uint_eq(simdisk.open_files, 0);
    simdisk_clear(&simdisk);
}

static void make_name(uint64_t generation, uint64_t key, const char *content, const char *type,
                      char name[BLOB_NAME_SIZE])
{
    unsigned char hash[CRYPTO_HASH_SIZE];
    struct blob_id id;

    ck_assert(crypto_sha256(str_of(content), hash, &error));
    ck_assert(blob_make_id(&id, secret, generation, key, str_of(type), hash, &error));
    blob_put_name(&id, name);
}

/* In two pieces. */
static bool write_blob(struct disk *where, const char *content, const char *type, const char *name)
{
    struct blob_writing writing = {0};
    unsigned char hash[CRYPTO_HASH_SIZE], right[CRYPTO_HASH_SIZE];
    struct str text = str_of(content);
    bool ok = blob_begin(&writing, where, PATH, &error) &&
              blob_extend(&writing, str_slice(text, 0, 5), &error) &&
              blob_extend(&writing, str_slice(text, 5, text.length), &error) &&
              blob_seal(&writing, str_of(type), hash, &error) &&
              blob_place(&writing, PATH, name, &error);

    if (ok) {
        struct error cause;

        ck_assert(crypto_sha256(text, right, &cause));
        ck_assert_mem_eq(hash, right, sizeof right);
    }
    blob_drop(&writing);
    blob_drop(&writing);
    return ok;
}

static void keep(const char *content, uint64_t generation, uint64_t key, char name[BLOB_NAME_SIZE])
{
    make_name(generation, key, content, "image/png", name);
    ck_assert_msg(write_blob(disk, content, "image/png", name), "%s", error.message);
}

static bool is_there(struct disk *where, const char *name)
{
    struct error cause;
    struct blob blob;

    if (!blob_open(&blob, where, PATH, str_of(name), &cause)) {
        ck_assert_int_eq(cause.code, ERROR_NOT_FOUND);
        return false;
    }
    blob_close(&blob);
    return true;
}

/* Whole, or not there. */
static bool is_whole(struct disk *where, const char *name, const char *content)
{
    struct buf bytes = {0};
    struct blob blob;

    if (!blob_open(&blob, where, PATH, str_of(name), &error)) {
        ck_assert_msg(error.code == ERROR_NOT_FOUND, "%s", error.message);
        return false;
    }
    ck_assert_msg(blob_read(&blob, &bytes, &error), "%s", error.message);
    ck_assert_str_eq(bytes.data, content);
    ck_assert_str_eq(blob.content_type, "image/png");
    ck_assert_msg(blob_verify(&blob, str_of(name), secret, &error), "%s", error.message);
    blob_close(&blob);
    buf_clear(&bytes);
    return true;
}

static struct buf *find_file(const char *name)
{
    char full[PATHS_SIZE];

    paths_put_blob(full, PATH, name);
    return simdisk_find(&simdisk, full);
}

static bool is_sound(const char *name)
{
    struct blob blob;

    if (!blob_open(&blob, disk, PATH, str_of(name), &error))
        return false;
    bool ok = blob_verify(&blob, str_of(name), secret, &error);
    blob_close(&blob);
    return ok;
}

/* --- Names and types ------------------------------------------------------------------------- */

START_TEST(test_name_is_read_as_it_was_written)
{
    struct blob_id id = {.generation = 12, .key = 0x0123456789abcdef}, again;
    char name[BLOB_NAME_SIZE];

    memset(id.hash, 0xe5, sizeof id.hash);
    blob_put_name(&id, name);
    ck_assert_str_eq(name, "12-0123456789abcdef-e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5");
    ck_assert(blob_parse_name(str_of(name), &again));
    ck_assert_mem_eq(&id, &again, sizeof id);
}
END_TEST

START_TEST(test_name_of_any_other_form_is_none)
{
    static const char *const bad[] = {
        "",
        "1",
        "..",
        "1-0123456789abcdef",
        "01-0123456789abcdef-e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5",
        "1-0123456789ABCDEF-e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5",
        "1-123456789abcdef-e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5",
        "1-0123456789abcdef-e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e",
        "1-0123456789abcdef-e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e",
        "1-0123456789abcdef-e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5/",
        "1-0123456789abcdef-e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5g5",
        "9007199254740992-0123456789abcdef-e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5",
    };
    struct blob_id id;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!blob_parse_name(str_of(bad[i]), &id), "%s", bad[i]);
    ck_assert(!blob_parse_name((struct str){0}, &id));
}
END_TEST

START_TEST(test_name_depends_on_object_content_type_and_secret)
{
    static const unsigned char other[SIPHASH_KEY_SIZE] = "0123456789abcdf";
    char name[5][BLOB_NAME_SIZE];
    unsigned char hash[CRYPTO_HASH_SIZE];
    struct blob_id id;

    make_name(1, 1, "a", "x/y", name[0]);
    make_name(1, 2, "a", "x/y", name[1]);
    make_name(1, 1, "b", "x/y", name[2]);
    make_name(1, 1, "a", "x/z", name[3]);
    ck_assert(crypto_sha256(STR("a"), hash, &error));
    ck_assert(blob_make_id(&id, other, 1, 1, STR("x/y"), hash, &error));
    blob_put_name(&id, name[4]);
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < i; j++) /* the hash, not only the key before it */
            ck_assert_str_ne(strrchr(name[i], '-'), strrchr(name[j], '-'));
    }
}
END_TEST

START_TEST(test_types_that_may_stand_in_a_header)
{
    static const char *const good[] = {
        "image/png",
        "text/plain; charset=utf-8",
        "a/b;c=\"d e\"",
        "application/x.y+z",
    };
    static const char *const bad[] = {
        "",      "image",  "/png",     "image/",       "image/png;", "image/png\r\nX: y", "a b/c",
        "a/b;c", "a/b;c=", "a/b;c=\"", "a/b;c=\"\\\"", "a/b, c/d",   "a/b;c=\"\x80\"",    "a//b",
    };
    char longest[BLOB_TYPE_MOST + 2];

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(blob_check_type(str_of(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!blob_check_type(str_of(bad[i])), "%s", bad[i]);
    memset(longest, 'a', sizeof longest);
    longest[3] = '/';
    ck_assert(blob_check_type((struct str){longest, BLOB_TYPE_MOST}));
    ck_assert(!blob_check_type((struct str){longest, BLOB_TYPE_MOST + 1}));
}
END_TEST

/* --- Writing and reading --------------------------------------------------------------------- */

START_TEST(test_blob_gives_back_what_was_written)
{
    char name[BLOB_NAME_SIZE];

    keep(picture, GENERATION, KEY, name);
    ck_assert(is_whole(disk, name, picture));
    keep(picture, GENERATION, KEY, name); /* again: the same */
    ck_assert(is_whole(disk, name, picture));
    keep("", GENERATION, KEY, name);
    ck_assert(is_whole(disk, name, ""));
}
END_TEST

START_TEST(test_blob_that_is_not_there_is_not_found)
{
    char name[BLOB_NAME_SIZE];

    make_name(1, 1, "x", "a/b", name);
    ck_assert(!is_there(disk, name));
    ck_assert(!is_there(disk, "../collection.json"));
}
END_TEST

START_TEST(test_blob_with_any_flipped_bit_is_damaged)
{
    char name[BLOB_NAME_SIZE];

    keep(picture, GENERATION, KEY, name);
    struct buf *file = find_file(name);
    for (size_t bit = 0; bit < 8 * file->length; bit++) {
        file->data[bit / 8] = (char)(file->data[bit / 8] ^ 1 << bit % 8);
        ck_assert_msg(!is_sound(name), "bit %zu", bit);
        ck_assert_int_eq(error.code, ERROR_DAMAGED);
        file->data[bit / 8] = (char)(file->data[bit / 8] ^ 1 << bit % 8);
    }
    ck_assert(is_sound(name));
}
END_TEST

START_TEST(test_small_blob_is_checked_when_it_is_read)
{
    char name[BLOB_NAME_SIZE];
    struct buf bytes = {0};
    struct blob blob;

    keep(picture, GENERATION, KEY, name);
    find_file(name)->data[7] ^= 4;
    ck_assert(blob_open(&blob, disk, PATH, str_of(name), &error));
    ck_assert(!blob_read(&blob, &bytes, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
    blob_close(&blob);
    buf_clear(&bytes);
}
END_TEST

START_TEST(test_blob_that_was_cut_or_has_grown_is_damaged)
{
    char name[BLOB_NAME_SIZE];

    keep(picture, GENERATION, KEY, name);
    struct buf *file = find_file(name);
    buf_append_byte(file, 'x');
    ck_assert(!is_sound(name));
    for (file->length--; file->length > 0;) {
        file->length--;
        ck_assert_msg(!is_sound(name), "cut to %zu bytes", file->length);
    }
}
END_TEST

START_TEST(test_blob_under_the_name_of_another_is_damaged)
{
    char name[BLOB_NAME_SIZE], other[BLOB_NAME_SIZE], from[PATHS_SIZE], to[PATHS_SIZE];

    keep(picture, GENERATION, KEY, name);
    make_name(GENERATION, KEY, "another", "image/png", other);
    paths_put_blob(from, PATH, name);
    paths_put_blob(to, PATH, other);
    ck_assert(disk_rename(disk, from, to, &error));
    ck_assert(!is_sound(other));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
}
END_TEST

/* --- Trouble --------------------------------------------------------------------------------- */

START_TEST(test_blob_is_whole_or_not_there_whatever_call_fails)
{
    static const int errnums[] = {EIO, ENOSPC};
    char name[BLOB_NAME_SIZE];
    unsigned call;

    make_name(GENERATION, KEY, picture, "image/png", name);
    for (call = 1; call < CALLS_MOST; call++) {
        simdisk_clear(&simdisk);
        set_up();
        simdisk.fail_at = call;
        simdisk.fail_with = errnums[_i];
        bool ok = write_blob(disk, picture, "image/png", name);
        if (ok && simdisk.calls < call)
            break;
        ck_assert_msg(!ok, "call %u", call);
        simdisk_calm(&simdisk);
        (void)is_whole(disk, name, picture);
        ck_assert_uint_eq(simdisk.open_files, 0);
        ck_assert_msg(write_blob(disk, picture, "image/png", name), "%s", error.message);
        ck_assert(is_whole(disk, name, picture));
    }
    ck_assert_uint_gt(call, 10);
    ck_assert_uint_lt(call, CALLS_MOST);
}
END_TEST

struct promise {
    const char *name;
    bool done;
    unsigned seen;
};

static void check_state(struct simdisk *after, void *context)
{
    struct promise *promise = context;
    bool is_kept = is_whole(&after->disk, promise->name, picture);

    ck_assert(is_kept || !promise->done);
    promise->seen++;
}

static void cut_power(struct simdisk *where, void *context)
{
    (void)simdisk_visit_crashes(where, STATES_MOST, 1, check_state, context);
}

START_TEST(test_blob_is_whole_or_not_there_after_a_power_cut_and_there_once_placed)
{
    char name[BLOB_NAME_SIZE];
    struct promise promise = {.name = name};

    make_name(GENERATION, KEY, picture, "image/png", name);
    simdisk.changed = cut_power;
    simdisk.context = &promise;
    ck_assert(write_blob(disk, picture, "image/png", name));
    simdisk.changed = NULL;
    promise.done = true;
    cut_power(&simdisk, &promise);
    ck_assert_uint_gt(promise.seen, 10);
}
END_TEST

static size_t count_temporary(void)
{
    struct buf list = {0};
    struct str name;
    size_t count = 0;

    ck_assert(disk_list(disk, PATH "/blobs", &list, &error));
    struct str rest = buf_str(&list);
    while (str_split(&rest, '\0', &name))
        count += blob_is_temporary(name);
    buf_clear(&list);
    return count;
}

START_TEST(test_next_blob_removes_what_a_crash_has_left_and_nothing_that_is_being_written)
{
    struct blob_writing abandoned, other;
    char name[BLOB_NAME_SIZE];

    ck_assert(blob_begin(&abandoned, disk, PATH, &error));
    ck_assert(blob_extend(&abandoned, STR("half of it"), &error));
    ck_assert_uint_eq(count_temporary(), 1);
    ck_assert(blob_begin(&other, disk, PATH, &error));
    ck_assert_uint_eq(count_temporary(), 2);
    crypto_digest_clear(&abandoned.digest);
    file_close(&abandoned.file); /* so a process goes */
    keep(picture, GENERATION, KEY, name);
    ck_assert_uint_eq(count_temporary(), 1);
    blob_drop(&other);
    ck_assert_uint_eq(count_temporary(), 0);
}
END_TEST

/* What another writer does in the moment between our making of a file and our lock. */
enum { THEY_REMOVE_IT, THEY_HOLD_IT, THEFTS };

static struct disk_calls good_calls, stealing_calls;
static unsigned thefts_left;
static int theft;

static int lock_after_theft(struct disk *of, int fd)
{
    struct buf list = {0};
    struct str name;

    if (thefts_left == 0)
        return good_calls.lock(of, fd);
    thefts_left--;
    if (theft == THEY_HOLD_IT)
        return -EAGAIN;
    ck_assert(disk_list(of, PATH "/blobs", &list, &error));
    struct str rest = buf_str(&list);
    while (str_split(&rest, '\0', &name)) {
        char full[PATHS_SIZE];

        paths_put_blob(full, PATH, name.data);
        if (blob_is_temporary(name))
            ck_assert(disk_unlink(of, full, &error));
    }
    buf_clear(&list);
    return good_calls.lock(of, fd);
}

static void steal(unsigned count)
{
    good_calls = *disk->calls;
    stealing_calls = good_calls;
    stealing_calls.lock = lock_after_theft;
    disk->calls = &stealing_calls;
    thefts_left = count;
}

START_TEST(test_blob_whose_new_file_is_taken_for_a_leftover_gets_another)
{
    char name[BLOB_NAME_SIZE];

    theft = _i;
    make_name(GENERATION, KEY, picture, "image/png", name);
    steal(3);
    ck_assert_msg(write_blob(disk, picture, "image/png", name), "%s", error.message);
    ck_assert_uint_eq(thefts_left, 0);
    disk->calls = &good_calls;
    ck_assert(is_whole(disk, name, picture));
}
END_TEST

START_TEST(test_blob_whose_new_files_are_taken_again_and_again_is_to_be_tried_later)
{
    struct blob_writing writing;

    theft = _i;
    steal(1000);
    ck_assert(!blob_begin(&writing, disk, PATH, &error));
    ck_assert_int_eq(error.code, ERROR_BUSY);
    ck_assert_uint_gt(thefts_left, 900);
    blob_drop(&writing);
    disk->calls = &good_calls;
    ck_assert_uint_eq(simdisk.open_files, 0);
}
END_TEST

START_TEST(test_blob_whose_file_was_taken_away_is_to_be_tried_again)
{
    struct blob_writing writing;
    unsigned char hash[CRYPTO_HASH_SIZE];
    char name[BLOB_NAME_SIZE];

    make_name(GENERATION, KEY, "x", "image/png", name);
    ck_assert(blob_begin(&writing, disk, PATH, &error));
    ck_assert(blob_extend(&writing, STR("x"), &error));
    ck_assert(blob_seal(&writing, STR("image/png"), hash, &error));
    ck_assert(disk_unlink(disk, writing.temporary, &error));
    ck_assert(!blob_place(&writing, PATH, name, &error));
    ck_assert_int_eq(error.code, ERROR_BUSY);
    blob_drop(&writing);
}
END_TEST

/* --- Removing -------------------------------------------------------------------------------- */

START_TEST(test_blobs_of_objects_are_removed_and_no_others)
{
    static const uint64_t keys[] = {7, 9};
    char name[4][BLOB_NAME_SIZE];

    ck_assert(blob_remove_objects(disk, PATH, keys, 2, &error)); /* without any */
    keep("a", 1, 7, name[0]);
    keep("b", 2, 7, name[1]);
    keep("c", 1, 8, name[2]);
    keep("d", 1, 9, name[3]);
    ck_assert(blob_remove_objects(disk, PATH, keys, 2, &error));
    ck_assert(!is_there(disk, name[0]));
    ck_assert(!is_there(disk, name[1]));
    ck_assert(is_there(disk, name[2]));
    ck_assert(!is_there(disk, name[3]));
}
END_TEST

START_TEST(test_blobs_of_a_deleted_collection_are_removed_and_not_those_of_the_next)
{
    char name[3][BLOB_NAME_SIZE];

    keep("a", 1, 7, name[0]);
    keep("b", 2, 7, name[1]);
    keep("c", 3, 7, name[2]);
    ck_assert(blob_remove_generations(disk, PATH, 0, &error));
    ck_assert(is_there(disk, name[0]));
    ck_assert(blob_remove_generations(disk, PATH, 2, &error));
    ck_assert(!is_there(disk, name[0]));
    ck_assert(!is_there(disk, name[1]));
    ck_assert(is_there(disk, name[2]));
}
END_TEST

START_TEST(test_blob_that_cannot_be_removed_keeps_no_other)
{
    static const uint64_t keys[] = {7};
    char name[2][BLOB_NAME_SIZE];

    keep("a", 1, 7, name[0]);
    keep("b", 1, 7, name[1]);
    simdisk_calm(&simdisk);
    simdisk.fail_at = 2; /* after listing them */
    simdisk.fail_with = EIO;
    ck_assert(!blob_remove_objects(disk, PATH, keys, 1, &error));
    ck_assert_int_eq(error.code, ERROR_IO);
    ck_assert_int_eq(is_there(disk, name[0]) + is_there(disk, name[1]), 1);
}
END_TEST

START_TEST(test_who_reads_a_blob_goes_on_when_it_is_removed)
{
    static const uint64_t keys[] = {KEY};
    char name[BLOB_NAME_SIZE];
    struct buf bytes = {0};
    struct blob blob;

    keep(picture, GENERATION, KEY, name);
    ck_assert(blob_open(&blob, disk, PATH, str_of(name), &error));
    ck_assert(blob_remove_objects(disk, PATH, keys, 1, &error));
    ck_assert_msg(blob_read(&blob, &bytes, &error), "%s", error.message);
    ck_assert_str_eq(bytes.data, picture);
    blob_close(&blob);
    buf_clear(&bytes);
}
END_TEST

Suite *suite_blob(void)
{
    Suite *suite = suite_create("blob");
    TCase *names = tcase_create("names"), *files = tcase_create("files");

    tcase_add_test(names, test_name_is_read_as_it_was_written);
    tcase_add_test(names, test_name_of_any_other_form_is_none);
    tcase_add_test(names, test_name_depends_on_object_content_type_and_secret);
    tcase_add_test(names, test_types_that_may_stand_in_a_header);
    tcase_add_checked_fixture(files, set_up, tear_down);
    tcase_add_test(files, test_blob_gives_back_what_was_written);
    tcase_add_test(files, test_blob_that_is_not_there_is_not_found);
    tcase_add_test(files, test_blob_with_any_flipped_bit_is_damaged);
    tcase_add_test(files, test_small_blob_is_checked_when_it_is_read);
    tcase_add_test(files, test_blob_that_was_cut_or_has_grown_is_damaged);
    tcase_add_test(files, test_blob_under_the_name_of_another_is_damaged);
    tcase_add_loop_test(files, test_blob_is_whole_or_not_there_whatever_call_fails, 0, 2);
    tcase_add_test(files, test_blob_is_whole_or_not_there_after_a_power_cut_and_there_once_placed);
    tcase_add_test(files,
                   test_next_blob_removes_what_a_crash_has_left_and_nothing_that_is_being_written);
    tcase_add_loop_test(files, test_blob_whose_new_file_is_taken_for_a_leftover_gets_another, 0,
                        THEFTS);
    tcase_add_loop_test(
        files, test_blob_whose_new_files_are_taken_again_and_again_is_to_be_tried_later, 0, THEFTS);
    tcase_add_test(files, test_blob_whose_file_was_taken_away_is_to_be_tried_again);
    tcase_add_test(files, test_blobs_of_objects_are_removed_and_no_others);
    tcase_add_test(files, test_blobs_of_a_deleted_collection_are_removed_and_not_those_of_the_next);
    tcase_add_test(files, test_blob_that_cannot_be_removed_keeps_no_other);
    tcase_add_test(files, test_who_reads_a_blob_goes_on_when_it_is_removed);
    suite_add_tcase(suite, names);
    suite_add_tcase(suite, files);
    return suite;
}
