/* The simulated disk: what other tests find with it is worth what it promises. */
#include "simdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <check.h>

Suite *suite_simdisk(void);

static struct simdisk simdisk;
static struct disk *disk;
static struct error error;

static void begin(void)
{
    simdisk_init(&simdisk);
    disk = &simdisk.disk;
}

static void end(void)
{
    ck_assert_uint_eq(simdisk.open_files, 0);
    ck_assert_uint_eq(simdisk.misuses, 0);
    simdisk_clear(&simdisk);
}

static void open_file(struct file *file, const char *name)
{
    ck_assert(file_open(file, disk, name, O_RDWR | O_CREAT, &error));
}

static void write_text(struct file *file, const char *text, uint64_t offset)
{
    ck_assert(file_write_at(file, str_of(text), offset, &error));
}

/* A durable file with this content. */
static void save_file(const char *name, const char *text)
{
    struct file file;

    open_file(&file, name);
    write_text(&file, text, 0);
    ck_assert(file_sync(&file, &error));
    ck_assert(disk_sync_directory(disk, ".", &error));
    file_close(&file);
}

/* Which of a few contents a file has had after power cuts. */
struct contents {
    const char *name;
    char found[16][64]; /* "" for an empty file, "-" for none */
    unsigned count;
};

static void note_content(struct simdisk *after, void *context)
{
    struct contents *contents = context;
    const struct buf *bytes = simdisk_find(after, contents->name);
    char text[64] = "-";

    if (bytes) {
        ck_assert_uint_lt(bytes->length, sizeof text);
        memset(text, 0, sizeof text);
        for (size_t i = 0; i < bytes->length; i++)
            text[i] = bytes->data[i] ? bytes->data[i] : '0';
    }
    for (unsigned i = 0; i < contents->count; i++) {
        if (strcmp(contents->found[i], text) == 0)
            return;
    }
    ck_assert_uint_lt(contents->count, 16);
    strcpy(contents->found[contents->count++], text);
}

static unsigned cut_power(struct contents *contents, const char *name)
{
    *contents = (struct contents){.name = name};
    return simdisk_visit_crashes(&simdisk, 1000, 1, note_content, contents);
}

static void assert_only(const struct contents *contents, const char *content)
{
    ck_assert_uint_eq(contents->count, 1);
    ck_assert_str_eq(contents->found[0], content);
}

static bool has(const struct contents *contents, const char *content)
{
    for (unsigned i = 0; i < contents->count; i++) {
        if (strcmp(contents->found[i], content) == 0)
            return true;
    }
    return false;
}

START_TEST(test_reads_back_what_was_written)
{
    struct buf content = {0};
    struct file file;

    open_file(&file, "a");
    write_text(&file, "hello", 0);
    write_text(&file, "y!", 4);
    file_close(&file);
    ck_assert(disk_read_file(disk, "a", 100, &content, &error));
    ck_assert_str_eq(content.data, "helly!");
    buf_clear(&content);
}
END_TEST

START_TEST(test_fills_gaps_with_zeros)
{
    char bytes[4];
    struct file file;

    open_file(&file, "a");
    write_text(&file, "x", 3);
    ck_assert(file_read_at(&file, bytes, 4, 0, &error));
    ck_assert_mem_eq(bytes, "\0\0\0x", 4);
    ck_assert(file_truncate(&file, 1, &error));
    ck_assert(file_truncate(&file, 4, &error));
    ck_assert(file_read_at(&file, bytes, 4, 0, &error));
    ck_assert_mem_eq(bytes, "\0\0\0\0", 4);
    file_close(&file);
}
END_TEST

START_TEST(test_has_names_like_a_file_system)
{
    struct buf names = {0};
    struct file file;

    ck_assert(!file_open(&file, disk, "d/a", O_RDWR | O_CREAT, &error));
    ck_assert_int_eq(error.code, ERROR_NOT_FOUND);
    ck_assert(disk_make_directory(disk, "d", &error));
    ck_assert_int_eq(disk->calls->make_directory(disk, "d"), -EEXIST);
    open_file(&file, "d/a");
    file_close(&file);
    ck_assert_int_eq(disk->calls->open(disk, "d/a", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    ck_assert_int_eq(disk->calls->open(disk, "d", O_RDONLY), -EISDIR);
    ck_assert_int_eq(disk->calls->open(disk, "d/b", O_RDONLY), -ENOENT);
    ck_assert_int_eq(disk->calls->rename(disk, "d/b", "d/c"), -ENOENT);
    ck_assert_int_eq(disk->calls->rename(disk, "d/a", "d/b"), 0);
    ck_assert_int_eq(disk->calls->unlink(disk, "d"), -EISDIR);
    ck_assert(disk_list(disk, "d", &names, &error));
    ck_assert_uint_eq(names.length, 2);
    ck_assert_mem_eq(names.data, "b\0", 2);
    ck_assert_int_eq(disk->calls->unlink(disk, "d/b"), 0);
    ck_assert_int_eq(disk->calls->unlink(disk, "d/b"), -ENOENT);
    buf_clear(&names);
}
END_TEST

START_TEST(test_keeps_an_unlinked_file_for_those_who_have_it_open)
{
    struct file file;
    char byte;

    open_file(&file, "a");
    write_text(&file, "x", 0);
    ck_assert(disk_unlink(disk, "a", &error));
    ck_assert(file_read_at(&file, &byte, 1, 0, &error));
    ck_assert_int_eq(byte, 'x');
    file_close(&file);
}
END_TEST

START_TEST(test_locks_a_file_once)
{
    struct file first, second;

    open_file(&first, "a");
    open_file(&second, "a");
    ck_assert_int_eq(disk->calls->lock(disk, first.fd), 0);
    ck_assert_int_eq(disk->calls->lock(disk, second.fd), -EAGAIN);
    file_close(&first);
    ck_assert_int_eq(disk->calls->lock(disk, second.fd), 0);
    file_close(&second);
}
END_TEST

START_TEST(test_counts_misused_descriptors)
{
    int fd = disk->calls->open(disk, "a", O_RDWR | O_CREAT);
    int reader = disk->calls->open(disk, "a", O_RDONLY);

    ck_assert_int_eq(disk->calls->write_at(disk, reader, "x", 1, 0), -EBADF);
    ck_assert_int_eq(disk->calls->close(disk, reader), 0);
    ck_assert_int_eq(disk->calls->close(disk, reader), -EBADF);
    ck_assert_int_eq(disk->calls->sync(disk, reader), -EBADF);
    ck_assert_uint_eq(simdisk.misuses, 3);
    ck_assert_uint_eq(simdisk.open_files, 1);
    ck_assert_int_eq(disk->calls->close(disk, fd), 0);
    simdisk.misuses = 0;
}
END_TEST

START_TEST(test_fails_the_chosen_call_once)
{
    struct file file;

    open_file(&file, "a");
    simdisk.fail_at = simdisk.calls + 2;
    simdisk.fail_with = ENOSPC;
    write_text(&file, "one", 0);
    ck_assert(!file_write_at(&file, STR("four"), 0, &error));
    ck_assert_int_eq(error.code, ERROR_NO_SPACE);
    write_text(&file, "x", 0);
    file_close(&file);
    /* Half of it was written before it failed. */
    ck_assert_str_eq(simdisk_find(&simdisk, "a")->data, "xoe");
}
END_TEST

START_TEST(test_fails_from_a_call_on)
{
    struct file file;

    open_file(&file, "a");
    simdisk.fail_at = simdisk.calls + 1;
    simdisk.fail_with = EIO;
    simdisk.fail_from_then_on = true;
    ck_assert(!file_sync(&file, &error));
    ck_assert(!disk_make_directory(disk, "d", &error));
    ck_assert(!file_truncate(&file, 0, &error));
    file_close(&file);
    simdisk_calm(&simdisk);
    ck_assert(disk_make_directory(disk, "d", &error));
}
END_TEST

START_TEST(test_writes_no_more_than_it_may_at_once)
{
    struct file file;

    simdisk.write_most = 2;
    open_file(&file, "a");
    ck_assert_int_eq(disk->calls->write_at(disk, file.fd, "hello", 5, 0), 2);
    write_text(&file, "hello", 0);
    ck_assert_str_eq(simdisk_find(&simdisk, "a")->data, "hello");
    file_close(&file);
}
END_TEST

START_TEST(test_saves_what_was_synced)
{
    struct contents contents;

    save_file("a", "safe");
    ck_assert_uint_eq(cut_power(&contents, "a"), 1);
    assert_only(&contents, "safe");
}
END_TEST

START_TEST(test_may_lose_bytes_until_a_sync)
{
    struct contents contents;
    struct file file;

    save_file("a", "old");
    open_file(&file, "a");
    write_text(&file, "newer", 0);
    cut_power(&contents, "a");
    /* Bytes and length come to disk on their own. */
    ck_assert(has(&contents, "old") && has(&contents, "newer") && has(&contents, "old00"));
    ck_assert_uint_eq(contents.count, 3);
    ck_assert(file_sync(&file, &error));
    cut_power(&contents, "a");
    assert_only(&contents, "newer");
    file_close(&file);
}
END_TEST

static void note_sectors(struct simdisk *after, void *context)
{
    const struct buf *bytes = simdisk_find(after, "a");
    unsigned *found = context, set = 0;

    for (unsigned i = 0; i < 3; i++) {
        const char *sector = bytes->data + SIMDISK_SECTOR * i;

        ck_assert(sector[0] == sector[SIMDISK_SECTOR - 1]);
        set |= (sector[0] == 'n' ? 1u : 0u) << i;
    }
    *found |= 1u << set;
}

START_TEST(test_may_save_any_subset_of_the_sectors_written)
{
    char text[3 * SIMDISK_SECTOR + 1] = {0};
    struct file file;
    unsigned found = 0;

    memset(text, 'o', sizeof text - 1);
    save_file("a", text);
    memset(text, 'n', sizeof text - 1);
    open_file(&file, "a");
    write_text(&file, text, 0);
    ck_assert_uint_eq(simdisk_visit_crashes(&simdisk, 1000, 1, note_sectors, &found), 8);
    ck_assert_uint_eq(found, 0xff);
    file_close(&file);
}
END_TEST

START_TEST(test_may_lose_a_truncation_until_a_sync)
{
    struct contents contents;
    struct file file;

    save_file("a", "longer");
    open_file(&file, "a");
    ck_assert(file_truncate(&file, 4, &error));
    cut_power(&contents, "a");
    ck_assert(has(&contents, "longer") && has(&contents, "long") && contents.count == 2);
    ck_assert(file_sync(&file, &error));
    cut_power(&contents, "a");
    assert_only(&contents, "long");
    file_close(&file);
}
END_TEST

START_TEST(test_may_lose_a_name_until_its_directory_is_synced)
{
    struct contents contents;
    struct file file;

    open_file(&file, "a");
    write_text(&file, "x", 0);
    ck_assert(file_sync(&file, &error));
    file_close(&file);
    cut_power(&contents, "a");
    ck_assert(has(&contents, "-") && has(&contents, "x"));
    ck_assert(disk_sync_directory(disk, ".", &error));
    cut_power(&contents, "a");
    assert_only(&contents, "x");
}
END_TEST

START_TEST(test_loses_what_is_in_a_lost_directory)
{
    struct contents contents;
    struct file file;

    ck_assert(disk_make_directory(disk, "d", &error));
    open_file(&file, "d/a");
    write_text(&file, "x", 0);
    ck_assert(file_sync(&file, &error) && disk_sync_directory(disk, "d", &error));
    file_close(&file);
    cut_power(&contents, "d/a");
    ck_assert(has(&contents, "-") && has(&contents, "x") && contents.count == 2);
}
END_TEST

START_TEST(test_saves_changes_of_names_in_their_order)
{
    struct contents first, second;

    save_file("a", "one");
    save_file("b", "two");
    ck_assert(disk_unlink(disk, "a", &error) && disk_unlink(disk, "b", &error));
    ck_assert_uint_eq(cut_power(&first, "a"), 3);
    cut_power(&second, "b");
    ck_assert_uint_eq(first.count, 2);
    ck_assert_uint_eq(second.count, 2);
    /* States are numbered by how many of the changes came through. */
    ck_assert_str_eq(first.found[0], "one");
    ck_assert_str_eq(first.found[1], "-");
    ck_assert_str_eq(second.found[0], "two");
}
END_TEST

START_TEST(test_renames_in_one_step)
{
    struct contents contents;

    save_file("a", "old");
    save_file("a.new", "new");
    ck_assert_int_eq(disk->calls->rename(disk, "a.new", "a"), 0);
    cut_power(&contents, "a");
    ck_assert(has(&contents, "old") && has(&contents, "new") && contents.count == 2);
}
END_TEST

START_TEST(test_saves_nothing_by_a_sync_after_one_that_failed)
{
    struct contents contents;
    struct file file;

    save_file("a", "old");
    open_file(&file, "a");
    write_text(&file, "new", 0);
    simdisk.fail_at = simdisk.calls + 1;
    simdisk.fail_with = EIO;
    ck_assert(!file_sync(&file, &error));
    ck_assert(file_sync(&file, &error));
    cut_power(&contents, "a");
    ck_assert(has(&contents, "old") && has(&contents, "new"));
    /* Written again, it is. */
    write_text(&file, "new", 0);
    ck_assert(file_sync(&file, &error));
    cut_power(&contents, "a");
    assert_only(&contents, "new");
    file_close(&file);
}
END_TEST

START_TEST(test_saves_no_name_by_a_sync_after_one_that_failed)
{
    struct contents contents;
    struct file file;

    open_file(&file, "a");
    file_close(&file);
    simdisk.fail_at = simdisk.calls + 1;
    simdisk.fail_with = EIO;
    ck_assert(!disk_sync_directory(disk, ".", &error));
    ck_assert(disk_sync_directory(disk, ".", &error));
    cut_power(&contents, "a");
    ck_assert(has(&contents, "-") && has(&contents, ""));
}
END_TEST

START_TEST(test_ignores_syncs_if_told_to)
{
    struct contents contents;

    simdisk.ignore_syncs = true;
    save_file("a", "x");
    cut_power(&contents, "a");
    ck_assert(has(&contents, ""));
    simdisk.ignore_syncs = false;
    simdisk.ignore_directory_syncs = true;
    save_file("b", "x");
    cut_power(&contents, "b");
    ck_assert(has(&contents, "-"));
}
END_TEST

static void count_visit(struct simdisk *after, void *context)
{
    unsigned *counts = context;
    const struct buf *bytes = simdisk_find(after, "a");

    counts[0]++;
    counts[1] += !bytes || bytes->length == 0;
    counts[2] += simdisk_equals(after, &simdisk);
}

START_TEST(test_samples_what_is_too_much_to_visit)
{
    char text[40 * SIMDISK_SECTOR + 1] = {0};
    unsigned counts[3] = {0}, again[3] = {0};
    struct file file;

    memset(text, 'x', sizeof text - 1);
    open_file(&file, "a");
    write_text(&file, text, 0);
    file_close(&file);
    ck_assert_uint_eq(simdisk_visit_crashes(&simdisk, 50, 7, count_visit, counts), 50);
    ck_assert_uint_eq(counts[0], 50);
    ck_assert_uint_ge(counts[1], 1);
    ck_assert_uint_ge(counts[2], 1);
    simdisk_visit_crashes(&simdisk, 50, 7, count_visit, again);
    ck_assert_mem_eq(counts, again, sizeof counts);
}
END_TEST

START_TEST(test_copies_what_is_seen)
{
    struct simdisk copy;
    struct file file;

    ck_assert(disk_make_directory(disk, "d", &error));
    open_file(&file, "d/a");
    write_text(&file, "x", 5);
    simdisk_copy(&simdisk, &copy);
    ck_assert(simdisk_equals(&simdisk, &copy));
    write_text(&file, "y", 5);
    ck_assert(!simdisk_equals(&simdisk, &copy));
    file_close(&file);
    ck_assert_uint_eq(copy.open_files, 0);
    simdisk_clear(&copy);
}
END_TEST

static void count_change(struct simdisk *changed, void *context)
{
    unsigned *count = context;

    ck_assert_ptr_eq(changed, &simdisk);
    ++*count;
}

START_TEST(test_tells_of_each_change)
{
    struct file file;
    unsigned count = 0;
    char byte;

    simdisk.changed = count_change;
    simdisk.context = &count;
    open_file(&file, "a");
    write_text(&file, "x", 0);
    ck_assert(file_read_at(&file, &byte, 1, 0, &error));
    ck_assert(file_sync(&file, &error) && disk_sync_directory(disk, ".", &error));
    ck_assert(file_truncate(&file, 0, &error));
    file_close(&file);
    ck_assert(disk_unlink(disk, "a", &error) && disk_make_directory(disk, "d", &error));
    ck_assert_uint_eq(count, 7);
    ck_assert_uint_eq(simdisk.calls, 8);
}
END_TEST

static void add_calls(TCase *calls)
{
    tcase_add_checked_fixture(calls, begin, end);
    tcase_add_test(calls, test_reads_back_what_was_written);
    tcase_add_test(calls, test_fills_gaps_with_zeros);
    tcase_add_test(calls, test_has_names_like_a_file_system);
    tcase_add_test(calls, test_keeps_an_unlinked_file_for_those_who_have_it_open);
    tcase_add_test(calls, test_locks_a_file_once);
    tcase_add_test(calls, test_counts_misused_descriptors);
    tcase_add_test(calls, test_fails_the_chosen_call_once);
    tcase_add_test(calls, test_fails_from_a_call_on);
    tcase_add_test(calls, test_writes_no_more_than_it_may_at_once);
    tcase_add_test(calls, test_copies_what_is_seen);
    tcase_add_test(calls, test_tells_of_each_change);
}

static void add_power_cuts(TCase *cuts)
{
    tcase_add_checked_fixture(cuts, begin, end);
    tcase_add_test(cuts, test_saves_what_was_synced);
    tcase_add_test(cuts, test_may_lose_bytes_until_a_sync);
    tcase_add_test(cuts, test_may_save_any_subset_of_the_sectors_written);
    tcase_add_test(cuts, test_may_lose_a_truncation_until_a_sync);
    tcase_add_test(cuts, test_may_lose_a_name_until_its_directory_is_synced);
    tcase_add_test(cuts, test_loses_what_is_in_a_lost_directory);
    tcase_add_test(cuts, test_saves_changes_of_names_in_their_order);
    tcase_add_test(cuts, test_renames_in_one_step);
    tcase_add_test(cuts, test_saves_nothing_by_a_sync_after_one_that_failed);
    tcase_add_test(cuts, test_saves_no_name_by_a_sync_after_one_that_failed);
    tcase_add_test(cuts, test_ignores_syncs_if_told_to);
    tcase_add_test(cuts, test_samples_what_is_too_much_to_visit);
}

Suite *suite_simdisk(void)
{
    Suite *suite = suite_create("simdisk");
    TCase *calls = tcase_create("calls"), *cuts = tcase_create("power cuts");

    add_calls(calls);
    add_power_cuts(cuts);
    suite_add_tcase(suite, calls);
    suite_add_tcase(suite, cuts);
    return suite;
}
