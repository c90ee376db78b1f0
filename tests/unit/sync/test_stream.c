/* Streams as a cache of what is known, and the listing of a user's buckets. */
#include "suites.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

static struct world world;

static void setup(void)
{
    world_open(&world);
}

static void teardown(void)
{
    world_close(&world);
    world_remove(&world);
}

START_TEST(test_stream_is_one_for_an_address)
{
    struct error error;
    struct stream *a = streams_find(&world.streams, "d.example/u@x.org/a", &error);
    struct stream *again = streams_find(&world.streams, "d.example/u@x.org/a", &error);
    struct stream *b = streams_find(&world.streams, "d.example/u@x.org/b", &error);

    ck_assert_ptr_eq(a, again);
    ck_assert_ptr_ne(a, b);
    ck_assert_uint_eq(world.streams.count, 2);
    stream_release(a);
    ck_assert_uint_eq(world.streams.idle_count, 0);
    stream_release(again);
    stream_release(b);
    ck_assert_uint_eq(world.streams.idle_count, 2);
    stream_release(NULL);
}
END_TEST

START_TEST(test_stream_cache_is_bounded_and_drops_the_longest_unused)
{
    struct error error;

    world.limits.cached_collections = 3;
    for (int i = 0; i < 10; i++) {
        char path[64];

        (void)snprintf(path, sizeof path, "d.example/u@x.org/%d", i);
        stream_release(streams_find(&world.streams, path, &error));
    }
    ck_assert_uint_eq(world.streams.count, 3);
    uint64_t misses = world.streams.misses;
    struct stream *kept = streams_find(&world.streams, "d.example/u@x.org/9", &error);
    ck_assert(stream_load(kept, &error));
    ck_assert(stream_load(kept, &error));
    ck_assert_uint_eq(world.streams.misses, misses + 1);
    ck_assert_uint_eq(world.streams.hits, 1);
    stream_release(kept);
}
END_TEST

static unsigned opened;
static int (*good_open)(struct disk *, const char *, int);

static int count_open(struct disk *disk, const char *name, int flags)
{
    opened++;
    return good_open(disk, name, flags);
}

START_TEST(test_stream_answers_an_up_to_date_poll_without_opening_a_file)
{
    struct buf out = {0};

    ck_assert_int_eq(world_post(&world, world_notes, "", "[{}]").outcome, APPEND_STORED);
    good_open = world.calls.open;
    world.calls.open = count_open;
    opened = 0;
    ck_assert(!world_get_named(&world, world_notes, "since=1&collection_id=ID", &out));
    ck_assert_uint_eq(opened, 0);
    ck_assert(world_get(&world, world_notes, "", false, &out));
    ck_assert_uint_eq(opened, 2);
    buf_clear(&out);
}
END_TEST

START_TEST(test_stream_does_not_remember_a_failure_to_load)
{
    struct error error;
    char good[256], away[256];
    struct buf out = {0};

    ck_assert_int_eq(world_post(&world, world_notes, "", "[{}]").outcome, APPEND_STORED);
    world_restart(&world);
    (void)snprintf(good, sizeof good, "%s/database.1", world_notes);
    (void)snprintf(away, sizeof away, "%s/away", world_notes);
    ck_assert_int_eq(world.calls.rename(&world.disk, good, away), 0);
    struct stream *stream = streams_find(&world.streams, world_notes, &error);
    ck_assert(!stream_load(stream, &error));
    ck_assert_int_eq(error.code, ERROR_DAMAGED);
    struct world_result result = world_post(&world, world_notes, "since=1", "[{}]");
    ck_assert_int_eq(result.code, ERROR_DAMAGED);
    ck_assert_int_eq(world.calls.rename(&world.disk, away, good), 0);
    ck_assert(stream_load(stream, &error));
    stream_release(stream);
    ck_assert(world_get(&world, world_notes, "", false, &out));
    buf_clear(&out);
}
END_TEST

static struct buf list(const char *user)
{
    struct address address = {0};
    struct listing listing = {.streams = &world.streams, .address = &address};
    struct task task = {0};
    struct buf body;

    (void)snprintf(address.path, sizeof address.path, "%s", user);
    while (listing_run(&listing, &task) == STEP_YIELD)
        ;
    ck_assert_int_eq(task.error.code, ERROR_NONE);
    body = listing.body;
    listing.body = (struct buf){0};
    listing_clear(&listing);
    return body;
}

START_TEST(test_listing_names_live_buckets_sorted_with_their_figures)
{
    char id[STREAM_ID_TEXT_SIZE], part[160];

    world_post(&world, "d.example/u@x.org/b", "", "[{},{}]");
    world_post(&world, "d.example/u@x.org/a%2Fsub%20x", "client=c&seq=1", "[{\"id\":1}]");
    world_post(&world, "d.example/u@x.org/gone", "", "[{}]");
    world_delete(&world, "d.example/u@x.org/gone", "{}");
    world_post(&world, "d.example/v@x.org/other", "", "[{}]");
    struct buf body = list("d.example/u@x.org");
    world_put_id(&world, "d.example/u@x.org/a%2Fsub%20x", id);
    (void)snprintf(part, sizeof part,
                   "{\"buckets\":[{\"bucket\":\"a/sub x\",\"collection_id\":\"%s\",\"counter\":1,"
                   "\"objects\":1,\"bytes\":14,\"last_change\":",
                   id);
    ck_assert_msg(strstr(body.data, part) == body.data, "%s", body.data);
    ck_assert_ptr_nonnull(strstr(body.data, "{\"bucket\":\"b\","));
    ck_assert_ptr_nonnull(strstr(body.data, "\"objects\":2,"));
    ck_assert_ptr_null(strstr(body.data, "gone"));
    ck_assert_ptr_null(strstr(body.data, "other"));
    buf_clear(&body);
}
END_TEST

START_TEST(test_listing_of_a_stranger_is_empty_and_of_many_is_whole)
{
    struct buf body = list("d.example/nobody@x.org");

    ck_assert_str_eq(body.data, "{\"buckets\":[]}");
    buf_clear(&body);
    for (int i = 0; i < 40; i++) {
        char path[64];

        (void)snprintf(path, sizeof path, "d.example/u@x.org/%02d", i);
        world_post(&world, path, "", "[{}]");
    }
    body = list("d.example/u@x.org");
    unsigned found = 0;
    for (const char *at = strstr(body.data, "\"bucket\""); at; at = strstr(at + 1, "\"bucket\""))
        found++;
    ck_assert_uint_eq(found, 40);
    buf_clear(&body);
}
END_TEST

Suite *suite_stream(void)
{
    Suite *suite = suite_create("stream");
    TCase *cases = tcase_create("stream");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_stream_is_one_for_an_address);
    tcase_add_test(cases, test_stream_cache_is_bounded_and_drops_the_longest_unused);
    tcase_add_test(cases, test_stream_answers_an_up_to_date_poll_without_opening_a_file);
    tcase_add_test(cases, test_stream_does_not_remember_a_failure_to_load);
    tcase_add_test(cases, test_listing_names_live_buckets_sorted_with_their_figures);
    tcase_add_test(cases, test_listing_of_a_stranger_is_empty_and_of_many_is_whole);
    suite_add_tcase(suite, cases);
    return suite;
}
