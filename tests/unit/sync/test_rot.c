/* Whatever becomes of the files of a collection, who asks for it gets what was written or an error;
 * nobody makes it worse; and its neighbours notice nothing. tests/unit/store/test_rot.c has the
 * same for a database alone; here it is what a request goes through. */
#include "suites.h"
#include "world.h"

#include "store/paths.h"
#include "sync/judge.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

enum { RECORDS = 100, SECTOR = 512, APPENDS_EVERY = 997 };

static const char other[] = "app.example/ann@example.org/other";

/* The first reads and so checks everything. */
static const char *const queries[] = {
    "",
    "include=a",
    "exclude=a&since=20",
    "client=x",
    "include=b&since=60&client=y",
    "limit=7",
    "since=97",
    "client=x&limit=3&since=41",
    "include=c&client=y",
};
enum { QUERIES = sizeof queries / sizeof *queries };

/* A file as it was, and what was done to it. */
struct victim {
    char name[PATHS_SIZE + 80];
    int fd;
    char *bytes;
    size_t length;
};

static struct world world;
static struct buf answers[QUERIES], others_answer, out;
static struct victim index_file, data_file, info_file;

static void post(const char *path, const char *query, const char *body)
{
    struct world_result result = world_post(&world, path, query, body);

    ck_assert_msg(result.outcome == APPEND_STORED, "%s", result.text);
}

/* Batches of one to four records of several types, by two clients and by nobody. */
static void fill(const char *path, unsigned salt)
{
    static const char *const types[] = {"\"type\":\"a\",", "\"type\":\"b\",", "",
                                        "\"type\":\"c\","};
    struct buf body = {0};
    unsigned made = 0;

    for (unsigned batch = 1; made < RECORDS; batch++) {
        char query[64];

        (void)snprintf(query, sizeof query, "since=%u", made);
        if (batch % 3)
            (void)snprintf(query, sizeof query, "since=%u&client=%c&seq=%u", made,
                           batch % 3 == 1 ? 'x' : 'y', batch);
        buf_reset(&body);
        buf_append_byte(&body, '[');
        for (unsigned i = 0; i <= batch % 4 && made < RECORDS; i++, made++)
            buf_append_format(&body, "%s{%s\"id\":%u,\"data\":\"%u\"}", i ? "," : "",
                              types[made % 4], made, made * salt);
        buf_append_byte(&body, ']');
        post(path, query, body.data);
    }
    buf_clear(&body);
}

/* As after a start of the server. */
static struct stream *find_fresh(const char *path)
{
    struct error error;
    struct stream *stream = streams_find(&world.streams, path, &error);

    ck_assert_ptr_nonnull(stream);
    stream->loaded = stream->damaged = false;
    clients_free(&stream->clients);
    return stream;
}

static enum error_code pull(const char *path, const char *query_text)
{
    struct stream *stream = find_fresh(path);
    struct query query = {0};
    struct pull pull = {.stream = stream, .query = &query, .limits = &world.limits};
    struct task task = {0};
    struct error error;
    enum step outcome;

    ck_assert(query_parse(&query, str_of(query_text), &error));
    do
        outcome = pull_run(&pull, &task);
    while (outcome == STEP_YIELD);
    buf_reset(&out);
    buf_append(&out, buf_str(&pull.body));
    pull_clear(&pull);
    query_clear(&query);
    stream_release(stream);
    return outcome == STEP_NEXT ? ERROR_NONE : task.error.code;
}

/* Returns whether it was noticed. */
static bool ask(unsigned i)
{
    enum error_code code = pull(world_notes, queries[i]);

    if (code == ERROR_NONE)
        ck_assert_msg(str_equals(buf_str(&out), buf_str(&answers[i])), "%s: %s", queries[i],
                      out.data);
    else
        ck_assert_msg(code == ERROR_DAMAGED, "%s: %s", queries[i], error_code_name(code));
    return code != ERROR_NONE;
}

static void refuse_append(void)
{
    struct world_result result = world_post(&world, world_notes, "since=100", "[{\"id\":1000}]");

    ck_assert_msg(result.outcome == APPEND_FAILED && result.code == ERROR_DAMAGED, "%s",
                  result.text);
}

static void assert_other_is_well(void)
{
    ck_assert_int_eq(pull(other, ""), ERROR_NONE);
    ck_assert(str_equals(buf_str(&out), buf_str(&others_answer)));
}

static void take_victim(struct victim *victim, const char *name)
{
    struct stat info;

    (void)snprintf(victim->name, sizeof victim->name, "%s/%s", world.directory, name);
    victim->fd = open(victim->name, O_RDWR | O_CLOEXEC);
    ck_assert_msg(victim->fd >= 0, "%s", victim->name);
    ck_assert_int_eq(fstat(victim->fd, &info), 0);
    victim->length = (size_t)info.st_size;
    victim->bytes = malloc(victim->length);
    ck_assert_int_eq(pread(victim->fd, victim->bytes, victim->length, 0), info.st_size);
}

static void put_back(const struct victim *victim)
{
    ck_assert_int_eq(ftruncate(victim->fd, (off_t)victim->length), 0);
    ck_assert_int_eq(pwrite(victim->fd, victim->bytes, victim->length, 0), (ssize_t)victim->length);
}

/* Byte for byte as the test has left it, no file more and none less. */
static void assert_untouched(const struct victim *victim)
{
    char *now = malloc(victim->length + 1);

    ck_assert_int_eq(pread(victim->fd, now, victim->length + 1, 0), (ssize_t)victim->length);
    ck_assert_mem_eq(now, victim->bytes, victim->length);
    free(now);
}

static void drop_victim(struct victim *victim)
{
    if (victim->bytes)
        close(victim->fd);
    free(victim->bytes);
    *victim = (struct victim){0};
}

static void setup(void)
{
    char name[PATHS_SIZE];

    world_open(&world);
    fill(world_notes, 7);
    fill(other, 13);
    world_restart(&world); /* makes a checkpoint */
    paths_put_index(name, world_notes);
    take_victim(&index_file, name);
    paths_put_data(name, world_notes, 1);
    take_victim(&data_file, name);
    paths_put_info(name, world_notes);
    take_victim(&info_file, name);
    for (unsigned i = 0; i < QUERIES; i++) {
        ck_assert_int_eq(pull(world_notes, queries[i]), ERROR_NONE);
        buf_append(&answers[i], buf_str(&out));
    }
    ck_assert_int_eq(pull(other, ""), ERROR_NONE);
    buf_append(&others_answer, buf_str(&out));
}

static void teardown(void)
{
    struct buf names = {0};
    struct error error;

    assert_other_is_well();
    ck_assert(disk_list(&world.disk, world_notes, &names, &error));
    ck_assert_uint_eq(names.length,
                      sizeof "collection.json" + sizeof "database.index" + sizeof "database.1");
    buf_clear(&names);
    for (unsigned i = 0; i < QUERIES; i++)
        buf_clear(&answers[i]);
    buf_clear(&others_answer);
    buf_clear(&out);
    drop_victim(&index_file);
    drop_victim(&data_file);
    drop_victim(&info_file);
    world_close(&world);
    world_remove(&world);
}

static void flip_every_bit(const struct victim *victim)
{
    for (size_t bit = 0; bit < 8 * victim->length; bit++) {
        char byte = (char)(victim->bytes[bit / 8] ^ 1 << bit % 8);

        ck_assert_int_eq(pwrite(victim->fd, &byte, 1, (off_t)(bit / 8)), 1);
        (void)ask(1 + (unsigned)bit % (QUERIES - 1));
        ck_assert_msg(ask(0), "%s: bit %zu", victim->name, bit);
        if (bit % APPENDS_EVERY == 0)
            refuse_append();
        ck_assert_int_eq(pwrite(victim->fd, &victim->bytes[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    assert_untouched(victim);
    ck_assert(!ask(0));
}

static struct victim *const victims[] = {&index_file, &data_file, &info_file};
enum { VICTIMS = sizeof victims / sizeof *victims };

START_TEST(test_rot_of_any_bit_is_noticed_by_whoever_reads_it)
{
    flip_every_bit(victims[_i]);
}
END_TEST

START_TEST(test_rot_that_cuts_a_file_anywhere_is_noticed_and_makes_nothing_worse)
{
    const struct victim *victim = victims[_i];
    struct stat info;

    for (size_t length = victim->length; length-- > 0;) {
        ck_assert_int_eq(ftruncate(victim->fd, (off_t)length), 0);
        for (unsigned i = 0; i < QUERIES; i++)
            ck_assert_msg(ask(i), "%s: byte %zu", victim->name, length);
        if (length % 251 == 0)
            refuse_append();
        ck_assert_int_eq(fstat(victim->fd, &info), 0);
        ck_assert_int_eq(info.st_size, (off_t)length);
    }
    put_back(victim);
    ck_assert(!ask(0));
}
END_TEST

START_TEST(test_rot_of_a_sector_is_noticed_by_whoever_reads_it)
{
    static const char zeros[SECTOR];
    const struct victim *victim = victims[_i];

    for (size_t at = 0; at < victim->length; at += SECTOR) {
        size_t length = victim->length - at < SECTOR ? victim->length - at : SECTOR;

        ck_assert_int_eq(pwrite(victim->fd, zeros, length, (off_t)at), (ssize_t)length);
        for (unsigned i = QUERIES; i-- > 1;)
            (void)ask(i);
        ck_assert_msg(ask(0), "%s: sector %zu", victim->name, at / SECTOR);
        refuse_append();
        put_back(victim);
    }
    assert_untouched(victim);
    ck_assert(!ask(0));
}
END_TEST

/* Index and data end together at the end of some batch: they agree, but a checkpoint knew more. */
START_TEST(test_rot_that_takes_whole_batches_is_noticed_below_a_checkpoint)
{
    size_t count = (index_file.length - INDEX_HEADER_SIZE) / INDEX_ENTRY_SIZE;

    while (--count > 0) {
        struct index_entry entry;
        size_t length = INDEX_HEADER_SIZE + count * INDEX_ENTRY_SIZE;

        index_read_entry((unsigned char *)index_file.bytes + length - INDEX_ENTRY_SIZE, &entry);
        if (!(entry.flags & INDEX_BATCH_END))
            continue;
        ck_assert_int_eq(ftruncate(index_file.fd, (off_t)length), 0);
        ck_assert_int_eq(ftruncate(data_file.fd, (off_t)entry.end), 0);
        ck_assert(ask(0));
        ck_assert(ask(1));
    }
    refuse_append();
    put_back(&index_file);
    put_back(&data_file);
}
END_TEST

/* The file of another collection, of the same kind and about as long. */
START_TEST(test_rot_of_a_file_of_another_collection_is_noticed)
{
    const struct victim *victim = victims[_i];
    char name[PATHS_SIZE], aside[sizeof victim->name + 8], strange[sizeof victim->name];

    if (_i == 0)
        paths_put_index(name, other);
    else if (_i == 1)
        paths_put_data(name, other, 1);
    else
        paths_put_info(name, other);
    (void)snprintf(strange, sizeof strange, "%s/%s", world.directory, name);
    (void)snprintf(aside, sizeof aside, "%s/aside", world.directory);
    ck_assert_int_eq(renameat2(AT_FDCWD, strange, AT_FDCWD, victim->name, RENAME_EXCHANGE), 0);
    for (unsigned i = 0; i < QUERIES; i++)
        ck_assert_msg(ask(i), "%s", queries[i]);
    refuse_append();
    ck_assert_int_eq(pull(other, ""), ERROR_DAMAGED);
    ck_assert_int_eq(renameat2(AT_FDCWD, strange, AT_FDCWD, victim->name, RENAME_EXCHANGE), 0);
    assert_untouched(victim);
}
END_TEST

/* Index and data of another collection fit each other, but not collection.json. */
START_TEST(test_rot_of_another_database_as_a_whole_is_noticed)
{
    char name[PATHS_SIZE], strange[2][PATHS_SIZE + 80];

    paths_put_index(name, other);
    (void)snprintf(strange[0], sizeof strange[0], "%s/%s", world.directory, name);
    paths_put_data(name, other, 1);
    (void)snprintf(strange[1], sizeof strange[1], "%s/%s", world.directory, name);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(
            renameat2(AT_FDCWD, strange[i], AT_FDCWD, victims[i]->name, RENAME_EXCHANGE), 0);
    ck_assert(ask(0));
    refuse_append();
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(
            renameat2(AT_FDCWD, strange[i], AT_FDCWD, victims[i]->name, RENAME_EXCHANGE), 0);
}
END_TEST

static void write_old(const char *name, const struct victim *victim)
{
    struct error error;

    ck_assert(disk_replace_file(&world.disk, name, (struct str){victim->bytes, victim->length},
                                false, &error));
}

/* The same collection was deleted and begun anew, with the same objects: then a file of the first
 * generation comes back in the place of one of the second. */
START_TEST(test_rot_of_a_file_of_an_earlier_generation_is_noticed)
{
    static const char path[] = "app.example/ann@example.org/again";
    static const char objects[] = "[{\"id\":1},{\"id\":2}]";
    struct victim old, fresh;
    char name[PATHS_SIZE], old_name[PATHS_SIZE];

    for (unsigned round = 0; round < 2; round++) {
        post(path, "", objects);
        if (_i == 0)
            paths_put_index(name, path);
        else if (_i == 1)
            paths_put_data(name, path, round + 1);
        else
            paths_put_info(name, path);
        take_victim(round ? &fresh : &old, name);
        if (round == 0) {
            memcpy(old_name, name, sizeof name);
            ck_assert_int_eq(world_delete(&world, path, "{}").outcome, APPEND_STORED);
        }
    }
    ck_assert_int_eq(pull(path, ""), ERROR_NONE);
    write_old(name, &old);
    ck_assert_int_eq(pull(path, ""), ERROR_DAMAGED);
    write_old(name, &fresh);
    ck_assert_int_eq(pull(path, ""), ERROR_NONE);
    drop_victim(&old);
    drop_victim(&fresh);
}
END_TEST

START_TEST(test_rot_of_why_a_collection_was_deleted_is_noticed)
{
    static const char path[] = "app.example/ann@example.org/gone";
    char name[PATHS_SIZE];
    struct victim victim;
    struct buf answer = {0};

    post(path, "", "[{\"id\":1}]");
    ck_assert_int_eq(world_delete(&world, path, "{\"why\":\"moved\"}").outcome, APPEND_STORED);
    paths_put_deleted(name, path);
    take_victim(&victim, name);
    ck_assert_int_eq(pull(path, ""), ERROR_NONE);
    buf_append(&answer, buf_str(&out));
    for (size_t bit = 0; bit < 8 * victim.length; bit++) {
        char byte = (char)(victim.bytes[bit / 8] ^ 1 << bit % 8);

        ck_assert_int_eq(pwrite(victim.fd, &byte, 1, (off_t)(bit / 8)), 1);
        ck_assert_msg(pull(path, "") == ERROR_DAMAGED, "bit %zu", bit);
        ck_assert_int_eq(pwrite(victim.fd, &victim.bytes[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    for (size_t length = victim.length; length-- > 0;) {
        ck_assert_int_eq(ftruncate(victim.fd, (off_t)length), 0);
        ck_assert_msg(pull(path, "") == ERROR_DAMAGED, "byte %zu", length);
    }
    ck_assert_int_eq(world_post(&world, path, "", "[{}]").code, ERROR_DAMAGED);
    put_back(&victim);
    ck_assert_int_eq(pull(path, ""), ERROR_NONE);
    ck_assert(str_equals(buf_str(&out), buf_str(&answer)));
    drop_victim(&victim);
    buf_clear(&answer);
}
END_TEST

/* --- What an append is judged by -------------------------------------------------------------- */

struct judged {
    const char *query, *body;
};

/* Repeated, refused and stored appends; the last says which objects it has not seen. */
static const struct judged judged[] = {
    {"client=x&seq=31&since=0", "[{\"id\":1}]"}, {"client=y&seq=5&since=0", "[{\"id\":1}]"},
    {"client=x&seq=2&since=0", "[{\"id\":1}]"},  {"since=60&include=a", "[{\"id\":1}]"},
    {"since=99&include=a", "[{\"id\":1}]"},
};
enum { JUDGED = sizeof judged / sizeof *judged };

static enum error_code judge(unsigned i, struct world_result *result)
{
    struct stream *stream = find_fresh(world_notes);
    struct query query = {0};
    struct objects objects;
    struct judge judge = {0};
    struct task task = {0};
    struct error error;
    enum step outcome;
    struct str body = str_of(judged[i].body);

    ck_assert(query_parse(&query, str_of(judged[i].query), &error));
    ck_assert(objects_open(&objects, &world.limits, body.length, &error));
    ck_assert(objects_feed(&objects, body, &error) && objects_finish(&objects, &error));
    struct append *append = append_new(APPEND_OBJECTS, &query, &objects);
    append->stream = stream;
    if (!stream_load(stream, &task.error))
        outcome = STEP_FAIL;
    else
        do
            outcome = judge_run(&judge, append, &task);
        while (outcome == STEP_YIELD);
    *result = (struct world_result){.outcome = append->outcome,
                                    .code = append->error.code,
                                    .first_counter = append->first_counter,
                                    .count = append->count,
                                    .client_seq = append->client_seq};
    judge_clear(&judge);
    append_free(&append);
    stream_release(stream);
    return outcome == STEP_FAIL ? task.error.code : ERROR_NONE;
}

START_TEST(test_rot_lets_no_append_pass_for_what_it_is_not)
{
    struct world_result right[JUDGED], result;

    for (unsigned i = 0; i < JUDGED; i++)
        ck_assert_int_eq(judge(i, &right[i]), ERROR_NONE);
    ck_assert_int_eq(right[0].outcome, APPEND_REPLAYED);
    ck_assert_int_eq(right[1].outcome, APPEND_REPLAYED);
    ck_assert_int_eq(right[2].code, ERROR_SEQ_OLD);
    ck_assert_int_eq(right[3].outcome, APPEND_CONFLICT);
    ck_assert_int_eq(right[4].outcome, APPEND_STORED);
    for (size_t bit = 0; bit < 8 * index_file.length; bit++) {
        char byte = (char)(index_file.bytes[bit / 8] ^ 1 << bit % 8);
        unsigned i = (unsigned)bit / 8 % JUDGED;

        ck_assert_int_eq(pwrite(index_file.fd, &byte, 1, (off_t)(bit / 8)), 1);
        enum error_code code = judge(i, &result);
        if (code == ERROR_NONE)
            ck_assert_msg(memcmp(&result, &right[i], sizeof result) == 0, "bit %zu: %s", bit,
                          judged[i].query);
        else
            ck_assert_int_eq(code, ERROR_DAMAGED);
        ck_assert_int_eq(pwrite(index_file.fd, &index_file.bytes[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
}
END_TEST

Suite *suite_rot(void)
{
    Suite *suite = suite_create("rot");
    TCase *tests = tcase_create("rot");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, test_rot_of_any_bit_is_noticed_by_whoever_reads_it, 0, VICTIMS);
    tcase_add_loop_test(
        tests, test_rot_that_cuts_a_file_anywhere_is_noticed_and_makes_nothing_worse, 0, VICTIMS);
    tcase_add_loop_test(tests, test_rot_of_a_sector_is_noticed_by_whoever_reads_it, 0, VICTIMS);
    tcase_add_test(tests, test_rot_that_takes_whole_batches_is_noticed_below_a_checkpoint);
    tcase_add_loop_test(tests, test_rot_of_a_file_of_another_collection_is_noticed, 0, VICTIMS);
    tcase_add_test(tests, test_rot_of_another_database_as_a_whole_is_noticed);
    tcase_add_loop_test(tests, test_rot_of_a_file_of_an_earlier_generation_is_noticed, 0, VICTIMS);
    tcase_add_test(tests, test_rot_of_why_a_collection_was_deleted_is_noticed);
    tcase_add_test(tests, test_rot_lets_no_append_pass_for_what_it_is_not);
    suite_add_tcase(suite, tests);
    return suite;
}
