#include "sync/blobs.h"

#include "sync/suites.h"
#include "sync/upload.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <check.h>

#define POST_P "[{\"id\":\"p\",\"blob\":{\"content_type\":\"a/b\",\"data\":\"Zm9v\"}}]"

static struct world world;

static void set_up(void)
{
    world_open(&world);
}

static void tear_down(void)
{
    world_close(&world);
    world_remove(&world);
}

/* "" if there is no such blob. */
static void read_blob(const char *name, struct buf *content)
{
    struct error error;
    struct stream *stream = streams_find(&world.streams, world_notes, &error);
    struct blob blob;

    buf_reset(content);
    ck_assert(stream_load(stream, &error));
    if (blobs_open(stream, str_of(name), &blob, &error))
        ck_assert_msg(blob_read(&blob, content, &error), "%s", error.message);
    else
        ck_assert_int_eq(error.code, ERROR_NOT_FOUND);
    blob_close(&blob);
    stream_release(stream);
}

static void assert_content(const char *name, const char *expected)
{
    struct buf content = {0};

    read_blob(name, &content);
    ck_assert_str_eq(content.data ? content.data : "", expected);
    buf_clear(&content);
}

static size_t count_objects(void)
{
    struct buf out = {0};
    size_t count = 0;

    (void)world_get(&world, world_notes, "", false, &out);
    for (const char *at = out.data; (at = strstr(at, "\"id\":")) != NULL; at++)
        count++;
    buf_clear(&out);
    return count;
}

START_TEST(test_blob_is_stored_apart_and_its_object_has_the_address)
{
    struct world_result result = world_post(&world, world_notes, "", POST_P);
    struct buf out = {0};
    char expected[300];

    ck_assert_int_eq(result.outcome, APPEND_STORED);
    assert_content(result.blob, "foo");
    (void)snprintf(expected, sizeof expected,
                   "{\"id\":\"p\",\"blob\":{\"content_type\":\"a/b\",\"href\":\"/%s/+static/%s\"}}",
                   world_notes, result.blob);
    (void)world_get(&world, world_notes, "", false, &out);
    ck_assert_msg(strstr(out.data, expected) != NULL, "%s", out.data);
    buf_clear(&out);
}
END_TEST

START_TEST(test_blob_may_not_be_larger_than_the_limit)
{
    world.limits.max_blob_bytes = 2;
    struct world_result result = world_post(&world, world_notes, "", POST_P);
    ck_assert_int_eq(result.code, ERROR_TOO_LARGE);
    ck_assert_msg(strstr(result.text, "max_blob_bytes") != NULL, "%s", result.text);
    world.limits.max_blob_bytes = 3;
    result = world_post(&world, world_notes, "", POST_P);
    ck_assert_int_eq(result.outcome, APPEND_STORED);
}
END_TEST

/* --- Trouble --------------------------------------------------------------------------------- */

static const struct disk_calls *real;
static uint64_t groups_at_rename;
static bool is_placed;

static int fail_blob_rename(struct disk *disk, const char *from, const char *to)
{
    return strstr(to, "/blobs/") ? -ENOSPC : real->rename(disk, from, to);
}

static int fail_blob_open(struct disk *disk, const char *name, int flags)
{
    return strstr(name, "/blobs/new-") ? -EMFILE : real->open(disk, name, flags);
}

static int fail_directory_sync(struct disk *disk, const char *name)
{
    return strstr(name, "/blobs") ? -EIO : real->sync_directory(disk, name);
}

static int fail_lock(struct disk *disk, int fd)
{
    (void)disk, (void)fd;
    return -EIO;
}

static int note_blob_rename(struct disk *disk, const char *from, const char *to)
{
    int result = real->rename(disk, from, to);

    if (strstr(to, "/blobs/")) {
        is_placed = true;
        groups_at_rename = world.committer.stats.groups;
    }
    return result;
}

START_TEST(test_without_its_blob_an_object_is_not_stored)
{
    struct disk_calls calls = world.calls;
    struct world_result result;

    real = &calls;
    (void)world_post(&world, world_notes, "", "[{\"id\":\"first\"}]");
    if (_i == 0)
        world.calls.rename = fail_blob_rename;
    else if (_i == 1)
        world.calls.open = fail_blob_open;
    else if (_i == 2)
        world.calls.sync_directory = fail_directory_sync;
    else
        world.calls.lock = fail_lock;
    result = world_post(&world, world_notes, "since=1", POST_P);
    ck_assert_int_eq(result.outcome, APPEND_FAILED);
    ck_assert_uint_eq(count_objects(), 1);
    world.calls = calls;
    result = world_post(&world, world_notes, "since=1", POST_P);
    ck_assert_int_eq(result.outcome, APPEND_STORED);
    assert_content(result.blob, "foo");
}
END_TEST

START_TEST(test_blob_is_in_its_place_before_the_journal_has_its_object)
{
    struct disk_calls calls = world.calls;

    real = &calls;
    is_placed = false;
    world.calls.rename = note_blob_rename;
    (void)world_post(&world, world_notes, "", POST_P);
    world.calls = calls;
    ck_assert(is_placed);
    ck_assert_uint_eq(groups_at_rename, 0);
    ck_assert_uint_eq(world.committer.stats.groups, 1);
}
END_TEST

START_TEST(test_href_of_a_blob_that_went_meanwhile_is_refused)
{
    struct world_result result = world_post(&world, world_notes, "", POST_P);
    char body[400], full[PATHS_SIZE];
    struct error error;

    paths_put_blob(full, world_notes, result.blob);
    ck_assert(disk_unlink(&world.disk, full, &error));
    (void)snprintf(body, sizeof body,
                   "[{\"id\":\"x\"},{\"id\":\"p\",\"blob\":{\"content_type\":\"a/b\",\"href\":"
                   "\"/%s/+static/%s\"}}]",
                   world_notes, result.blob);
    result = world_post(&world, world_notes, "since=1", body);
    ck_assert_int_eq(result.code, ERROR_BAD_OBJECTS);
    ck_assert_msg(strstr(result.text, "[{\"index\":1,\"id\":\"p\",\"code\":\"bad_blob\"") != NULL,
                  "%s", result.text);
    ck_assert_uint_eq(count_objects(), 1);
}
END_TEST

/* --- Removing -------------------------------------------------------------------------------- */

START_TEST(test_blob_goes_with_its_object)
{
    struct world_result result = world_post(&world, world_notes, "", POST_P);

    (void)world_post(&world, world_notes, "since=1", "[{\"id\":\"p\",\"deleted\":true}]");
    (void)world_post(&world, world_notes, "since=2", "[{\"id\":\"after\"}]");
    assert_content(result.blob, "");
}
END_TEST

START_TEST(test_blob_stays_when_its_object_could_not_be_deleted)
{
    struct world_result result = world_post(&world, world_notes, "", POST_P);

    (void)world_post(&world, world_notes, "since=1", "[{\"id\":\"q\",\"deleted\":true}]");
    (void)world_post(&world, world_notes, "since=0", "[{\"id\":\"p\",\"deleted\":true}]");
    (void)world_post(&world, world_notes, "since=2", "[{\"id\":\"after\"}]");
    assert_content(result.blob, "foo");
}
END_TEST

START_TEST(test_blobs_of_objects_without_id_stay_when_others_are_deleted)
{
    struct world_result result = world_post(
        &world, world_notes, "", "[{\"blob\":{\"content_type\":\"a/b\",\"data\":\"Zm9v\"}}]");

    (void)world_post(&world, world_notes, "since=1",
                     "[{\"deleted\":true},{\"id\":\"p\",\"deleted\":true},"
                     "{\"id\":\"p\",\"blob\":{\"content_type\":\"a/b\",\"data\":\"Zm9v\"}}]");
    (void)world_post(&world, world_notes, "since=4", "[{\"id\":\"after\"}]");
    assert_content(result.blob, "foo");
}
END_TEST

START_TEST(test_blobs_go_with_their_collection_and_are_not_seen_in_the_next)
{
    struct world_result old = world_post(&world, world_notes, "", POST_P);
    struct world_result next;

    (void)world_delete(&world, world_notes, "{}");
    assert_content(old.blob, "");
    next = world_post(&world, world_notes, "", POST_P);
    assert_content(old.blob, "");
    assert_content(next.blob, "foo");
}
END_TEST

START_TEST(test_blobs_are_there_after_a_restart)
{
    struct world_result result = world_post(&world, world_notes, "", POST_P);

    world_restart(&world);
    assert_content(result.blob, "foo");
}
END_TEST

/* --- Uploads --------------------------------------------------------------------------------- */

struct uploader {
    struct task task;
    struct stream *stream;
    struct upload *upload;
    unsigned pieces;
    bool is_cancelled;
};

static enum step write_pieces(struct task *task)
{
    struct uploader *uploader = OWNER_OF(task, struct uploader, task);

    if (uploader->upload->error.code != ERROR_NONE || uploader->pieces == 3)
        return STEP_NEXT;
    uploader->pieces++;
    return upload_write(uploader->upload, STR("foo"), task) == STEP_WAIT ? STEP_AGAIN : STEP_FAIL;
}

static enum step finish_upload(struct task *task)
{
    struct uploader *uploader = OWNER_OF(task, struct uploader, task);

    if (uploader->upload->error.code != ERROR_NONE)
        return STEP_DONE;
    return upload_finish(uploader->upload, uploader->stream, 4711, task);
}

static void stop(struct task *task)
{
    loop_stop(task->loop);
}

static const struct step_entry uploader_steps[] = {STEP(write_pieces), STEP(finish_upload), {0}};
static const struct task_kind uploader_kind = {"upload", uploader_steps, stop};

static void start_upload(struct uploader *uploader)
{
    struct error error;

    (void)world_post(&world, world_notes, "", "[{\"id\":\"first\"}]");
    *uploader = (struct uploader){.stream = streams_find(&world.streams, world_notes, &error)};
    ck_assert(stream_load(uploader->stream, &error));
    uploader->upload = upload_new(uploader->stream, STR("a/b"));
    ck_assert_ptr_nonnull(uploader->upload);
    task_start(&uploader->task, &world.loop, &uploader_kind);
}

static void end_upload(struct uploader *uploader)
{
    upload_free(uploader->upload);
    stream_release(uploader->stream);
}

START_TEST(test_upload_writes_pieces_into_a_blob)
{
    struct uploader uploader;
    char name[BLOB_NAME_SIZE];

    start_upload(&uploader);
    world_run_task(&world, &uploader.task);
    ck_assert_int_eq(uploader.upload->error.code, ERROR_NONE);
    ck_assert_uint_eq(uploader.upload->id.key, 4711);
    blob_put_name(&uploader.upload->id, name);
    end_upload(&uploader);
    assert_content(name, "foofoofoo");
}
END_TEST

static size_t count_files(void)
{
    struct buf list = {0};
    struct error error;
    size_t count = 0;
    char directory[PATHS_SIZE];

    paths_put_blobs(directory, world_notes);
    ck_assert(disk_list(&world.disk, directory, &list, &error));
    for (size_t i = 0; i < list.length; i++)
        count += list.data[i] == '\0';
    buf_clear(&list);
    return count;
}

START_TEST(test_upload_that_is_given_up_leaves_nothing)
{
    struct uploader uploader;

    start_upload(&uploader);
    task_cancel(&uploader.task); /* a helper writes the first piece */
    end_upload(&uploader);
    offload_close(&world.helpers);
    ck_assert_uint_eq(count_files(), 0);
}
END_TEST

START_TEST(test_upload_that_fails_leaves_nothing)
{
    struct disk_calls calls = world.calls;
    struct uploader uploader;

    real = &calls;
    world.calls.rename = fail_blob_rename;
    start_upload(&uploader);
    world_run_task(&world, &uploader.task);
    ck_assert_int_eq(uploader.upload->error.code, ERROR_NO_SPACE);
    end_upload(&uploader);
    offload_close(&world.helpers);
    ck_assert_uint_eq(count_files(), 0);
}
END_TEST

Suite *suite_blobs(void)
{
    Suite *suite = suite_create("blobs");
    TCase *tests = tcase_create("blobs");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, test_blob_is_stored_apart_and_its_object_has_the_address);
    tcase_add_test(tests, test_blob_may_not_be_larger_than_the_limit);
    tcase_add_loop_test(tests, test_without_its_blob_an_object_is_not_stored, 0, 4);
    tcase_add_test(tests, test_blob_is_in_its_place_before_the_journal_has_its_object);
    tcase_add_test(tests, test_href_of_a_blob_that_went_meanwhile_is_refused);
    tcase_add_test(tests, test_blob_goes_with_its_object);
    tcase_add_test(tests, test_blob_stays_when_its_object_could_not_be_deleted);
    tcase_add_test(tests, test_blobs_of_objects_without_id_stay_when_others_are_deleted);
    tcase_add_test(tests, test_blobs_go_with_their_collection_and_are_not_seen_in_the_next);
    tcase_add_test(tests, test_blobs_are_there_after_a_restart);
    tcase_add_test(tests, test_upload_writes_pieces_into_a_blob);
    tcase_add_test(tests, test_upload_that_is_given_up_leaves_nothing);
    tcase_add_test(tests, test_upload_that_fails_leaves_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
