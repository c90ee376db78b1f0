#include "store/samples.h"
#include "store/suites.h"

#include "store/heir.h"
#include "store/hold.h"
#include "store/journal.h"
#include "store/paths.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>

/* On a real disk, which two servers have opened: the news are a mapped file. */
static char root[64];
static struct disk one, two;
static struct place place_one, place_two;
static struct news news_one, news_two;
static struct head head;
static struct collection collection;
static struct hold hold, other;
static struct error error;

static void setup(void)
{
    (void)snprintf(root, sizeof root, "/tmp/cutout-hold-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    ck_assert_msg(disk_open_shared(&one, root, &error), "%s", error.message);
    ck_assert(one.is_first && disk_admit(&one, &error));
    ck_assert_msg(disk_open_shared(&two, root, &error), "%s", error.message);
    ck_assert(!two.is_first);
    ck_assert(place_take(&place_one, &one, &error) && place_take(&place_two, &two, &error));
    ck_assert_msg(news_open(&news_one, &one, &place_one, &error), "%s", error.message);
    ck_assert_msg(news_open(&news_two, &two, &place_two, &error), "%s", error.message);
    head = sample_fill(&one, 5, NULL);
    ck_assert(hold_make(&one, SAMPLE_PATH, &error));
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static void teardown(void)
{
    collection_clear(&collection);
    hold_release(&hold);
    hold_release(&other);
    news_close(&news_one);
    news_close(&news_two);
    news_close(&news_two);
    place_release(&place_one);
    place_release(&place_two);
    disk_close(&one);
    disk_close(&two);
    ck_assert_int_eq(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static bool is_being_written;

static void load_as_reader(const struct head *expected)
{
    collection_clear(&collection);
    ck_assert_msg(hold_load(&collection, &two, SAMPLE_PATH, &is_being_written, &error), "%s",
                  error.message);
    ck_assert_int_eq(collection.state, COLLECTION_LIVE);
    ck_assert_uint_eq(collection.head.count, expected->count);
    ck_assert_uint_eq(collection.head.crc, expected->crc);
}

static void put_name(char name[PATHS_SIZE], bool index)
{
    if (index)
        paths_put_index(name, SAMPLE_PATH);
    else
        paths_put_data(name, SAMPLE_PATH, SAMPLE_GENERATION);
}

/* As far as a server came that was killed: so many bytes of data, then of the index. */
static struct head write_part(size_t data, size_t entries)
{
    struct file file;
    struct batch batch;
    char name[PATHS_SIZE];

    sample_begin(&batch, &head);
    sample_append(&batch, 3, 9);
    put_name(name, false);
    ck_assert(file_open(&file, &one, name, O_RDWR, &error));
    ck_assert(
        file_write_at(&file, str_slice(buf_str(&batch.data), 0, data), head.data_end, &error));
    file_close(&file);
    put_name(name, true);
    ck_assert(file_open(&file, &one, name, O_RDWR, &error));
    ck_assert(file_write_at(&file, str_slice(buf_str(&batch.entries), 0, entries),
                            INDEX_HEADER_SIZE + head.count * INDEX_ENTRY_SIZE, &error));
    file_close(&file);
    struct head after = batch.after;
    batch_clear(&batch);
    return after;
}

START_TEST(test_hold_is_for_one)
{
    ck_assert(hold_take(&hold, &one, SAMPLE_PATH, &error));
    ck_assert(!hold.has_note);
    ck_assert(!hold_take(&other, &two, SAMPLE_PATH, &error));
    ck_assert_int_eq(error.code, ERROR_BUSY);
    load_as_reader(&head); /* who opens and closes the file beside it */
    ck_assert(!hold_take(&other, &two, SAMPLE_PATH, &error));
    hold_release(&hold);
    ck_assert(hold_take(&other, &two, SAMPLE_PATH, &error));
    ck_assert(!hold_take(&hold, &one, "a.org/u@b.org/new", &error));
    ck_assert_int_eq(error.code, ERROR_NOT_FOUND);
    ck_assert(hold_take_waiting(&hold, &one, &news_one, "a.org/u@b.org/new", &error));
}
END_TEST

/* Data whole and index in part; data in part; and each with every kind of end. */
START_TEST(test_hold_takes_back_what_is_half_done)
{
    static const size_t parts[][2] = {{1, 0},     {20, 0},    {1000, 0},   {1000, 1},
                                      {1000, 40}, {1000, 79}, {1000, 120}, {1000, 159}};

    ck_assert(hold_take(&hold, &one, SAMPLE_PATH, &error));
    ck_assert(hold_note(&hold, &head, &error));
    (void)write_part(parts[_i][0], parts[_i][1]);
    hold_release(&hold);   /* it died */
    load_as_reader(&head); /* nothing of it is seen */
    uint64_t before = news_read(&news_two, SAMPLE_PATH);
    ck_assert(hold_take(&other, &two, SAMPLE_PATH, &error));
    ck_assert(other.has_note);
    ck_assert_uint_eq(other.note.count, head.count);
    ck_assert_msg(hold_settle(&other, &news_two, SAMPLE_PATH, &error), "%s", error.message);
    ck_assert_uint_ne(news_read(&news_one, SAMPLE_PATH), before);
    hold_release(&other);
    ck_assert(collection_load(&collection, &two, SAMPLE_PATH, &error)); /* without any note */
    ck_assert_uint_eq(collection.head.crc, head.crc);
    ck_assert(hold_take(&other, &two, SAMPLE_PATH, &error));
    ck_assert(!other.has_note);
}
END_TEST

static void make_file(const char *name)
{
    struct file file;

    ck_assert(file_open(&file, &one, name, O_RDWR | O_CREAT, &error));
    ck_assert(file_write_at(&file, STR("left"), 0, &error));
    file_close(&file);
}

static bool is_there(const char *name)
{
    struct file file;
    bool ok = file_open(&file, &one, name, O_RDONLY, &error);

    ck_assert(ok || error.code == ERROR_NOT_FOUND);
    file_close(&file);
    return ok;
}

static void delete_sample(void)
{
    struct identity identity = sample_identity(1);
    struct deletion deletion = {
        .path = SAMPLE_PATH, .generation = SAMPLE_GENERATION, .last_counter = head.last_counter};
    bool undone;

    memcpy(deletion.id, identity.id, INDEX_ID_SIZE);
    buf_append_text(&deletion.reason, "{}");
    ck_assert_msg(collection_delete(&one, &deletion, &undone, &error), "%s", error.message);
    deletion_clear(&deletion);
}

/* Who is killed between two unlinks leaves the data of what was deleted. Nobody else knows of them.
 */
START_TEST(test_hold_ends_a_deletion_that_was_begun)
{
    static const struct head nothing;
    char data[PATHS_SIZE], info[PATHS_SIZE];

    ck_assert(hold_take(&hold, &one, SAMPLE_PATH, &error) && hold_note(&hold, &nothing, &error));
    delete_sample();
    put_name(data, false);
    paths_put_info(info, SAMPLE_PATH);
    make_file(info);
    if (_i == 0)
        make_file(data);
    hold_release(&hold);
    ck_assert(hold_take(&other, &two, SAMPLE_PATH, &error) && other.has_note);
    ck_assert_msg(hold_settle(&other, &news_two, SAMPLE_PATH, &error), "%s", error.message);
    ck_assert(!is_there(data) && !is_there(info));
    ck_assert(collection_load(&collection, &two, SAMPLE_PATH, &error));
    ck_assert_int_eq(collection.state, COLLECTION_DELETED);
    ck_assert_uint_eq(collection.head.last_counter, head.last_counter);
}
END_TEST

/* The index comes last: without it the first batch of a collection is not there. */
START_TEST(test_hold_removes_a_first_batch_that_is_half_done)
{
    const struct head before = {.generation = SAMPLE_GENERATION + 1};
    char data[PATHS_SIZE], info[PATHS_SIZE];

    delete_sample();
    ck_assert(hold_take(&hold, &one, SAMPLE_PATH, &error) && hold_note(&hold, &before, &error));
    paths_put_data(data, SAMPLE_PATH, before.generation);
    paths_put_info(info, SAMPLE_PATH);
    make_file(info);
    make_file(data);
    hold_release(&hold);
    ck_assert(hold_take(&other, &two, SAMPLE_PATH, &error) && other.has_note);
    ck_assert_msg(hold_settle(&other, &news_two, SAMPLE_PATH, &error), "%s", error.message);
    ck_assert(!is_there(data) && !is_there(info));
    ck_assert(collection_load(&collection, &two, SAMPLE_PATH, &error));
    ck_assert_int_eq(collection.state, COLLECTION_DELETED);
}
END_TEST

START_TEST(test_hold_keeps_what_is_complete)
{
    ck_assert(hold_take(&hold, &one, SAMPLE_PATH, &error));
    ck_assert(hold_note(&hold, &head, &error));
    struct head after = write_part(1000, 1000);
    hold_release(&hold);
    load_as_reader(&after);
    ck_assert(hold_take_waiting(&other, &two, &news_two, SAMPLE_PATH, &error));
    hold_release(&other);
    load_as_reader(&after);
}
END_TEST

/* However far he has got: who remembers what he has seen then would never hear of the rest. */
START_TEST(test_hold_tells_readers_that_somebody_writes)
{
    load_as_reader(&head);
    ck_assert(!is_being_written);
    ck_assert(hold_take(&hold, &one, SAMPLE_PATH, &error));
    load_as_reader(&head);
    ck_assert(!is_being_written);
    ck_assert(hold_note(&hold, &head, &error));
    load_as_reader(&head);
    ck_assert(is_being_written);
    (void)write_part(20, 0);
    load_as_reader(&head);
    ck_assert(is_being_written);
    struct head after = write_part(1000, 1000);
    load_as_reader(&after);
    ck_assert(is_being_written);
    ck_assert(hold_forget(&hold, &error));
    load_as_reader(&after);
    ck_assert(!is_being_written);
}
END_TEST

static struct disk_calls calls;
static int (*really_open)(struct disk *disk, const char *name, int flags);

/* Between the look for the index and that for deleted.json another server begins the collection. */
static int begin_and_open(struct disk *disk, const char *name, int flags)
{
    char deleted[PATHS_SIZE];

    paths_put_deleted(deleted, SAMPLE_PATH);
    if (strcmp(name, deleted) == 0) {
        calls.open = really_open;
        head = sample_fill(&one, 5, NULL);
    }
    return really_open(disk, name, flags);
}

static unsigned synced;

static int note_sync(struct disk *disk, const char *name)
{
    char deleted[PATHS_SIZE];

    paths_put_deleted(deleted, SAMPLE_PATH);
    ck_assert(!is_there(deleted)); /* it has gone before */
    synced++;
    return one.calls->sync_directory(disk, name);
}

/* Who goes on with it would be forgotten if a power cut left that file, and not the index. */
START_TEST(test_hold_takes_back_a_deletion_that_has_not_ended)
{
    static const struct head nothing;
    char deleted[PATHS_SIZE];

    paths_put_deleted(deleted, SAMPLE_PATH);
    make_file(deleted);
    ck_assert(hold_take(&hold, &one, SAMPLE_PATH, &error));
    ck_assert(hold_note(&hold, _i == 0 ? &nothing : &head, &error));
    if (_i > 0)
        (void)write_part(20, 0);
    hold_release(&hold);
    calls = *two.calls;
    calls.sync_directory = note_sync;
    two.calls = &calls;
    synced = 0;
    ck_assert(hold_take_waiting(&hold, &two, &news_two, SAMPLE_PATH, &error));
    ck_assert_uint_eq(synced, 1);
    load_as_reader(&head);
}
END_TEST

START_TEST(test_hold_does_not_take_what_is_begun_anew_for_absent)
{
    calls = *two.calls;
    really_open = calls.open;
    delete_sample();
    calls.open = begin_and_open;
    two.calls = &calls;
    load_as_reader(&head);
    ck_assert(calls.open == really_open);
    ck_assert(hold_load(&collection, &two, "a.org/u@b.org/none", &is_being_written, &error));
    ck_assert_int_eq(collection.state, COLLECTION_ABSENT);
}
END_TEST

START_TEST(test_hold_does_not_excuse_damage)
{
    (void)write_part(20, 0); /* without a note */
    ck_assert(!hold_load(&collection, &two, SAMPLE_PATH, &is_being_written, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
    ck_assert(hold_take_waiting(&hold, &one, &news_one, SAMPLE_PATH, &error));
    ck_assert(!hold_load(&collection, &two, SAMPLE_PATH, &is_being_written,
                         &error)); /* nothing was cut */
}
END_TEST

START_TEST(test_hold_forgets_a_note)
{
    ck_assert(hold_take(&hold, &one, SAMPLE_PATH, &error));
    ck_assert(hold_note(&hold, &head, &error) && hold_forget(&hold, &error));
    hold_release(&hold);
    ck_assert(hold_take(&hold, &one, SAMPLE_PATH, &error));
    ck_assert(!hold.has_note);
}
END_TEST

START_TEST(test_hold_takes_a_torn_note_for_none)
{
    char name[PATHS_SIZE];
    struct file file;

    ck_assert(hold_take(&hold, &one, SAMPLE_PATH, &error));
    ck_assert(hold_note(&hold, &head, &error));
    hold_release(&hold);
    paths_put_lock(name, SAMPLE_PATH);
    ck_assert(file_open(&file, &one, name, O_RDWR, &error));
    for (uint64_t at = 0; at < 48; at += 5) {
        unsigned char byte;

        ck_assert(file_read_at(&file, &byte, 1, at, &error));
        byte ^= 0x40;
        ck_assert(file_write_at(&file, (struct str){(const char *)&byte, 1}, at, &error));
        ck_assert(hold_take(&hold, &one, SAMPLE_PATH, &error));
        ck_assert_msg(!hold.has_note, "byte %llu", (unsigned long long)at);
        hold_release(&hold);
        byte ^= 0x40;
        ck_assert(file_write_at(&file, (struct str){(const char *)&byte, 1}, at, &error));
    }
    file_close(&file);
}
END_TEST

START_TEST(test_news_are_heard_by_all)
{
    uint64_t before = news_read(&news_two, SAMPLE_PATH);

    ck_assert_uint_eq(news_tell(&news_one, SAMPLE_PATH), before);
    ck_assert_uint_eq(news_read(&news_two, SAMPLE_PATH), before + 1);
    ck_assert_uint_eq(news_read(&news_one, SAMPLE_PATH), before + 1);
    ck_assert_uint_eq(news_read(&news_two, "a.org/u@b.org/other"), 0);
}
END_TEST

static bool has_datagram(const struct news *news)
{
    char byte;

    return recv(news->socket_fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0;
}

START_TEST(test_news_wake_who_waits_and_only_once)
{
    char byte;

    news_wake_others(&news_one);
    ck_assert(!has_datagram(&news_two)); /* nobody waits */
    news_wait(&news_two);
    news_wake_others(&news_one);
    ck_assert(has_datagram(&news_two));
    news_wait(&news_two);
    ck_assert(!has_datagram(&news_two));
    news_wake_others(&news_two);
    ck_assert(!has_datagram(&news_two)); /* not by oneself */
    news_wake_others(&news_one);
    news_wake_others(&news_one);
    ck_assert_int_ge(recv(news_two.socket_fd, &byte, 1, 0), 0);
    ck_assert(!has_datagram(&news_two));
    news_close(&news_two); /* a server that is gone */
    news_wake_others(&news_one);
}
END_TEST

START_TEST(test_heir_settles_what_one_left_who_died)
{
    struct journal_group group = {0};
    struct journal journal;
    struct batch batch;
    struct buf body = {0};
    unsigned settled;

    ck_assert_msg(journal_open(&journal, &one, &error), "%s", error.message);
    sample_begin(&batch, &head);
    sample_append(&batch, 2, 0);
    batch_write_frame(&batch, &body);
    journal_group_add(&group, JOURNAL_BATCH, buf_str(&body));
    ck_assert(journal_write(&journal, &group, &error));
    ck_assert(hold_take(&hold, &one, SAMPLE_PATH, &error) && hold_note(&hold, &head, &error));
    (void)write_part(20, 0);
    ck_assert(heir_settle_all(&two, &news_two, &settled, &error)); /* it lives */
    ck_assert_uint_eq(settled, 0);
    hold_release(&hold);
    journal_close(&journal);
    place_release(&place_one);
    ck_assert_msg(heir_settle_all(&two, &news_two, &settled, &error), "%s", error.message);
    ck_assert_uint_eq(settled, 1);
    load_as_reader(&head);
    ck_assert(heir_settle_all(&two, &news_two, &settled, &error));
    ck_assert_uint_eq(settled, 0);
    journal_group_clear(&group);
    batch_clear(&batch);
    buf_clear(&body);
}
END_TEST

Suite *suite_hold(void)
{
    Suite *suite = suite_create("hold");
    TCase *tests = tcase_create("hold");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_hold_is_for_one);
    tcase_add_loop_test(tests, test_hold_takes_back_what_is_half_done, 0, 8);
    tcase_add_loop_test(tests, test_hold_ends_a_deletion_that_was_begun, 0, 2);
    tcase_add_test(tests, test_hold_removes_a_first_batch_that_is_half_done);
    tcase_add_test(tests, test_hold_keeps_what_is_complete);
    tcase_add_test(tests, test_hold_tells_readers_that_somebody_writes);
    tcase_add_loop_test(tests, test_hold_takes_back_a_deletion_that_has_not_ended, 0, 2);
    tcase_add_test(tests, test_hold_does_not_take_what_is_begun_anew_for_absent);
    tcase_add_test(tests, test_hold_does_not_excuse_damage);
    tcase_add_test(tests, test_hold_forgets_a_note);
    tcase_add_test(tests, test_hold_takes_a_torn_note_for_none);
    tcase_add_test(tests, test_news_are_heard_by_all);
    tcase_add_test(tests, test_news_wake_who_waits_and_only_once);
    tcase_add_test(tests, test_heir_settles_what_one_left_who_died);
    suite_add_tcase(suite, tests);
    return suite;
}
