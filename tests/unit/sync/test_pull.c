/* Reading: docs/protocol.md, section 4, from the stream up. */
#include "suites.h"
#include "world.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <check.h>

static struct world world;
static struct buf out;

static void setup(void)
{
    world_open(&world);
}

static void teardown(void)
{
    buf_clear(&out);
    world_close(&world);
    world_remove(&world);
}

static const char *get(const char *query)
{
    return world_get(&world, world_notes, query, false, &out) ? out.data : "204";
}

static void post(const char *query, const char *body)
{
    struct world_result result = world_post(&world, world_notes, query, body);

    ck_assert_msg(result.outcome == APPEND_STORED, "%s", result.text);
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

START_TEST(test_pull_of_nothing_creates_nothing)
{
    ck_assert_str_eq(get(""), "{\"objects\":[]}");
    ck_assert_str_eq(get("collection_id=abc"), "{\"objects\":[],\"collection_changed\":true}");
    struct buf names = {0};
    struct error error;
    ck_assert(disk_list(&world.disk, ".", &names, &error));
    for (size_t at = 0; at < names.length; at += strlen(names.data + at) + 1)
        ck_assert_int_eq(names.data[at], '.');
    buf_clear(&names);
}
END_TEST

START_TEST(test_pull_gives_what_is_above_since_in_order)
{
    post("", "[{\"id\":1},{\"id\":2}]");
    post("since=2", "[{\"id\":3}]");
    ck_assert(has(get(""), "{\"objects\":[[1,{\"id\":1}],\n[2,{\"id\":2}],\n[3,{\"id\":3}]],"));
    ck_assert(has(get("since=1"), "{\"objects\":[[2,{\"id\":2}],\n[3,{\"id\":3}]],"));
    ck_assert(has(get("since=3"), "{\"objects\":[],\"collection_id\":\""));
    ck_assert(has(get("since=4"), "{\"objects\":[],\"collection_id\":\""));
}
END_TEST

START_TEST(test_pull_of_the_named_collection_with_nothing_newer_has_no_body)
{
    post("", "[{\"id\":1}]");
    ck_assert(!world_get_named(&world, world_notes, "since=1&collection_id=ID", &out));
    ck_assert(world_get_named(&world, world_notes, "since=0&collection_id=ID", &out));
    ck_assert_str_eq(out.data, "{\"objects\":[[1,{\"id\":1}]]}");
}
END_TEST

START_TEST(test_pull_of_another_collection_begins_from_0)
{
    char id[STREAM_ID_TEXT_SIZE], expected[160];

    post("", "[{\"id\":1}]");
    world_put_id(&world, world_notes, id);
    (void)snprintf(expected, sizeof expected,
                   "{\"objects\":[[1,{\"id\":1}]],\"collection_id\":\"%s\","
                   "\"collection_changed\":true}",
                   id);
    ck_assert_str_eq(get("since=1&collection_id=abc"), expected);
    /* The named one, but it ended before since: a backup was restored. */
    ck_assert(world_get_named(&world, world_notes, "since=2&collection_id=ID", &out));
    ck_assert_str_eq(out.data, expected);
}
END_TEST

START_TEST(test_pull_stops_at_limit_and_tells_how_many_are_left)
{
    post("client=a&seq=1", "[{\"id\":1},{\"id\":2}]");
    post("client=a&seq=2&since=2", "[{\"id\":3}]");
    post("since=3", "[{\"id\":4},{\"id\":5}]");
    ck_assert(has(get("limit=2"), "[2,{\"id\":2}]]"));
    ck_assert(has(out.data, "\"incomplete\":true,\"pending\":3"));
    ck_assert(has(get("limit=2&since=2"), "[4,{\"id\":4}]]"));
    ck_assert(has(out.data, "\"incomplete\":true,\"pending\":1"));
    ck_assert(has(get("limit=2&since=3"), "[5,{\"id\":5}]]"));
    ck_assert(!has(out.data, "incomplete"));
    ck_assert(has(get("limit=3"), "\"pending\":2"));
    ck_assert(has(get("limit=0"), "{\"objects\":[],"));
    ck_assert(has(out.data, "\"incomplete\":true,\"pending\":5"));
    ck_assert(!has(get("limit=5"), "incomplete"));
    ck_assert(!has(out.data, "until"));
}
END_TEST

START_TEST(test_pull_stops_at_the_limits_of_the_server_but_never_before_one_object)
{
    post("", "[{\"id\":1},{\"id\":2},{\"id\":3}]");
    world.limits.max_response_objects = 2;
    ck_assert(has(get(""), "\"pending\":1"));
    world.limits.max_response_objects = 100;
    world.limits.max_response_bytes = 1;
    ck_assert(has(get(""), "{\"objects\":[[1,{\"id\":1}]],"));
    ck_assert(has(out.data, "\"pending\":2"));
    world.limits.max_response_bytes = strlen("{\"objects\":[") + 2 * strlen("[1,{\"id\":1}],\n");
    ck_assert(has(get(""), "[2,{\"id\":2}]],"));
    ck_assert(has(out.data, "\"pending\":1"));
}
END_TEST

START_TEST(test_pull_with_a_filter_says_how_far_it_looked)
{
    post("", "[{\"id\":1,\"type\":\"a\"},{\"id\":2,\"type\":\"b\"},{\"id\":3},"
             "{\"id\":4,\"type\":\"a\"},{\"id\":5,\"type\":\"b\"}]");
    ck_assert(
        has(get("include=a"), "[[1,{\"id\":1,\"type\":\"a\"}],\n[4,{\"id\":4,\"type\":\"a\"}]]"));
    ck_assert(has(out.data, "\"until\":5"));
    ck_assert(has(get("include=b"), "[[2,{\"id\":2,\"type\":\"b\"}],\n[5,"));
    ck_assert(!has(out.data, "until"));
    ck_assert(has(get("exclude=a"), "[[2,{\"id\":2,\"type\":\"b\"}],\n[3,{\"id\":3}],\n[5,"));
    ck_assert(has(get("exclude=a&exclude=b"), "[[3,{\"id\":3}]]"));
    ck_assert(has(get("include=a&include=b&limit=3"), "\"pending\":1"));
    ck_assert(!has(out.data, "until"));
    ck_assert(!has(get("include=a&limit=2"), "incomplete"));
    ck_assert(has(out.data, "\"until\":5"));
    ck_assert(has(get("include=none"), "{\"objects\":[],"));
    ck_assert(has(out.data, "\"until\":5"));
    ck_assert(world_get_named(&world, world_notes, "since=4&include=a&collection_id=ID", &out));
    ck_assert_str_eq(out.data, "{\"objects\":[],\"until\":5}");
    ck_assert(!world_get_named(&world, world_notes, "since=5&include=a&collection_id=ID", &out));
}
END_TEST

START_TEST(test_pull_tells_a_client_which_objects_are_its_own)
{
    post("client=a&seq=1", "[{\"id\":1},{\"id\":2}]");
    post("client=b&seq=7&since=2", "[{\"id\":3}]");
    post("since=3", "[{\"id\":4}]");
    post("client=a&seq=2&since=4", "[{\"id\":5}]");
    ck_assert(has(get("client=a"), "\"client_seq\":2,\"mine\":[1,2,5]"));
    ck_assert(has(get("client=b"), "\"client_seq\":7,\"mine\":[3]"));
    ck_assert(has(get("client=c"), "\"client_seq\":0,\"mine\":[]"));
    ck_assert(has(get("client=a&since=1&limit=2"), "\"client_seq\":2,\"mine\":[2]"));
    ck_assert(has(get("client=a&limit=1"), "\"client_seq\":2,\"mine\":[1]"));
    ck_assert(has(get("client=a&since=5"), "\"client_seq\":2,\"mine\":[]"));
    world_restart(&world);
    ck_assert(has(get("client=a"), "\"client_seq\":2,\"mine\":[1,2,5]"));
}
END_TEST

START_TEST(test_pull_tells_whose_filtered_objects_are)
{
    post("client=a&seq=1", "[{\"id\":1,\"type\":\"x\"},{\"id\":2,\"type\":\"y\"}]");
    post("client=b&seq=1&since=2", "[{\"id\":3,\"type\":\"x\"}]");
    ck_assert(has(get("client=a&include=x"), "\"mine\":[1]"));
    ck_assert(has(get("client=b&include=x"), "\"mine\":[3]"));
    ck_assert(has(get("client=a&include=x&limit=1"), "\"mine\":[1]"));
    ck_assert(has(out.data, "\"pending\":1"));
}
END_TEST

START_TEST(test_pull_after_a_conflict_spells_it_both_ways)
{
    post("", "[{\"id\":1}]");
    ck_assert(world_get(&world, world_notes, "", true, &out));
    ck_assert(has(out.data, "[[1,{\"id\":1}]]"));
    ck_assert(has(out.data, "\"since_invalid\":true"));
    ck_assert(has(out.data, "\"invalid_since\":true"));
}
END_TEST

START_TEST(test_pull_pages_through_a_large_collection_without_gap_or_repeat)
{
    struct buf body = {0};
    uint64_t since = 0, pages = 0;

    for (unsigned batch = 0; batch < 5; batch++) {
        char query[64];

        buf_reset(&body);
        buf_append_byte(&body, '[');
        for (unsigned i = 0; i < 700; i++)
            buf_append_format(&body, "%s{\"id\":%u}", i ? "," : "", batch * 700 + i);
        buf_append_byte(&body, ']');
        (void)snprintf(query, sizeof query, "since=%u&client=a&seq=%u", batch * 700, batch + 1);
        post(query, body.data);
    }
    world.limits.max_response_bytes = 4096;
    for (bool more = true; more; pages++) {
        char query[64];

        (void)snprintf(query, sizeof query, "since=%llu&client=a", (unsigned long long)since);
        get(query);
        for (const char *at = strstr(out.data, "[["); at; at = strstr(at + 1, "\n[")) {
            unsigned long long counter, id;

            ck_assert_int_eq(sscanf(strchr(at + 1, '['), "[%llu,{\"id\":%llu}", &counter, &id), 2);
            ck_assert_uint_eq(counter, since + 1);
            ck_assert_uint_eq(id, since);
            since = counter;
        }
        more = has(out.data, "incomplete");
        ck_assert(!more || has(out.data, "\"pending\":"));
    }
    ck_assert_uint_eq(since, 3500);
    ck_assert_uint_gt(pages, 10);
    buf_clear(&body);
}
END_TEST

START_TEST(test_pull_never_serves_a_changed_byte)
{
    struct error error;
    struct file file = {0};
    char name[256];

    post("", "[{\"id\":1,\"data\":\"abc\"}]");
    (void)snprintf(name, sizeof name, "%s/database.1", world_notes);
    ck_assert(file_open(&file, &world.disk, name, O_RDWR, &error));
    ck_assert(file_write_at(&file, STR("X"), 20, &error));
    file_close(&file);
    struct stream *stream = streams_find(&world.streams, world_notes, &error);
    struct query query = {.limit = UINT64_MAX};
    struct pull pull = {.stream = stream, .query = &query, .limits = &world.limits};
    struct task task = {0};
    ck_assert_int_eq(pull_run(&pull, &task), STEP_FAIL);
    ck_assert_int_eq(task.error.code, ERROR_DAMAGED);
    ck_assert_ptr_nonnull(strstr(task.error.message, "database.1"));
    pull_clear(&pull);
    stream_release(stream);
}
END_TEST

Suite *suite_pull(void)
{
    Suite *suite = suite_create("pull");
    TCase *cases = tcase_create("pull");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_pull_of_nothing_creates_nothing);
    tcase_add_test(cases, test_pull_gives_what_is_above_since_in_order);
    tcase_add_test(cases, test_pull_of_the_named_collection_with_nothing_newer_has_no_body);
    tcase_add_test(cases, test_pull_of_another_collection_begins_from_0);
    tcase_add_test(cases, test_pull_stops_at_limit_and_tells_how_many_are_left);
    tcase_add_test(cases, test_pull_stops_at_the_limits_of_the_server_but_never_before_one_object);
    tcase_add_test(cases, test_pull_with_a_filter_says_how_far_it_looked);
    tcase_add_test(cases, test_pull_tells_a_client_which_objects_are_its_own);
    tcase_add_test(cases, test_pull_tells_whose_filtered_objects_are);
    tcase_add_test(cases, test_pull_after_a_conflict_spells_it_both_ways);
    tcase_add_test(cases, test_pull_pages_through_a_large_collection_without_gap_or_repeat);
    tcase_add_test(cases, test_pull_never_serves_a_changed_byte);
    suite_add_tcase(suite, cases);
    return suite;
}
