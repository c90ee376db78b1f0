#include "world.h"

#include "store/replay.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

const char world_notes[] = "app.example/ann@example.org/notes";

static void start(struct world *world)
{
    struct replay_report report;
    struct error error;

    ck_assert_msg(disk_open(&world->disk, world->directory, &error), "%s", error.message);
    world->calls = *world->disk.calls;
    world->disk.calls = &world->calls;
    ck_assert_msg(replay_run(&world->disk, &report, &error), "%s", error.message);
    ck_assert_uint_eq(report.refused, 0);
    ck_assert(loop_open(&world->loop, &error));
    ck_assert(offload_open(&world->helpers, &world->loop, 2, &error));
    ck_assert_msg(committer_open(&world->committer, &world->loop, &world->disk, NULL, &error), "%s",
                  error.message);
    ck_assert(streams_open(&world->streams, &world->loop, &world->disk, &world->helpers,
                           &world->committer, NULL, &world->limits, &error));
}

void world_open(struct world *world)
{
    *world = (struct world){.limits = {
                                .max_post_bytes = 1 << 20,
                                .max_post_objects = 1000,
                                .max_object_bytes = 1 << 16,
                                .max_blob_bytes = 1 << 12,
                                .max_response_bytes = 1 << 20,
                                .max_response_objects = 10000,
                                .json_max_depth = 32,
                                .cached_collections = 100,
                                .journal_bytes = 1 << 20,
                                .checkpoint_interval_ms = 60000,
                            }};
    (void)snprintf(world->directory, sizeof world->directory, "/tmp/cutout-unit-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(world->directory));
    start(world);
}

static void stop_without_writers(void *context)
{
    struct world *world = context;

    if (world->streams.writers == 0)
        loop_stop(&world->loop);
}

/* Who was answered does not wait for what the writer does about blobs after that. */
void world_finish_writers(struct world *world)
{
    struct error error;

    world->loop.turn_context = world;
    world->loop.turn_ended = stop_without_writers;
    if (world->streams.writers > 0)
        ck_assert(loop_run(&world->loop, &error));
}

void world_close(struct world *world)
{
    struct error error;

    world_finish_writers(world);
    offload_close(&world->helpers);
    (void)committer_close(&world->committer, &error);
    streams_close(&world->streams);
    loop_close(&world->loop);
    disk_close(&world->disk);
}

void world_restart(struct world *world)
{
    world_close(world);
    start(world);
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *where)
{
    (void)info;
    (void)flag;
    (void)where;
    return remove(path);
}

void world_remove(struct world *world)
{
    (void)nftw(world->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A task that stops the loop when it ends. */
struct stopper {
    struct task task;
    struct world *world;
    struct stream *stream;
    struct append *append;
    struct append_wait wait;
    struct pull pull;
    struct query query;
    struct error error;
    bool ended;
};

static struct stopper *stopper_of(struct task *task)
{
    return OWNER_OF(task, struct stopper, task);
}

static void stop_loop(struct task *task)
{
    struct stopper *stopper = stopper_of(task);

    stopper->ended = true;
    stopper->error = task->error;
    loop_stop(task->loop);
}

static void run(struct world *world, struct stopper *stopper, const struct task_kind *kind)
{
    struct error error;

    stopper->world = world;
    task_start(&stopper->task, &world->loop, kind);
    while (!stopper->ended)
        ck_assert(loop_run(&world->loop, &error));
}

void world_run_task(struct world *world, struct task *task)
{
    struct error error;

    while (task_is_under_way(task))
        ck_assert(loop_run(&world->loop, &error));
}

static enum step queue(struct task *task)
{
    struct stopper *stopper = stopper_of(task);

    return append_start(&stopper->wait, stopper->append, stopper->stream, task);
}

static const struct step_entry append_steps[] = {STEP(queue), {0}};
static const struct task_kind append_kind = {"post", append_steps, stop_loop};

static struct world_result finish(struct world *world, const char *path, struct append *append)
{
    struct stopper stopper = {.append = append};
    struct world_result result = {0};
    struct error error;

    stopper.stream = streams_find(&world->streams, path, &error);
    ck_assert_ptr_nonnull(stopper.stream);
    run(world, &stopper, &append_kind);
    append = stopper.wait.append;
    ck_assert_ptr_nonnull(append);
    result.outcome = append->outcome;
    result.first_counter = append->first_counter;
    result.count = append->count;
    result.client_seq = append->client_seq;
    stream_put_id(append->id, result.id);
    if (append->objects.blobs.count > 0)
        blob_put_name(&append->objects.blobs.items[0].id, result.blob);
    if (append->outcome == APPEND_FAILED) {
        result.code = append->error.code;
        (void)snprintf(result.text, sizeof result.text, "%s%s", append->error.message,
                       append->objects.errors.data ? append->objects.errors.data : "");
    }
    append_free(&append);
    stream_release(stopper.stream);
    return result;
}

static bool read_body(struct world *world, const char *body, struct objects *objects,
                      struct error *error)
{
    struct str text = str_of(body);

    return objects_open(objects, &world->limits, text.length, error) &&
           objects_feed(objects, text, error) && objects_finish(objects, error);
}

struct world_result world_post(struct world *world, const char *path, const char *query_text,
                               const char *body)
{
    struct query query = {0};
    struct objects objects;
    struct error error = {0};

    ck_assert_msg(query_parse(&query, str_of(query_text), &error), "%s", error.message);
    if (!read_body(world, body, &objects, &error) ||
        !object_blobs_find_hrefs(&objects, path, STR(""), &error)) {
        struct world_result result = {.outcome = APPEND_FAILED, .code = error.code};

        (void)snprintf(result.text, sizeof result.text, "%s%s", error.message,
                       objects.errors.data ? objects.errors.data : "");
        objects_clear(&objects);
        query_clear(&query);
        return result;
    }
    buf_append_format(&objects.blobs.prefix, "/%s/+static/", path);
    return finish(world, path, append_new(APPEND_OBJECTS, &query, &objects));
}

struct world_result world_delete(struct world *world, const char *path, const char *reason)
{
    struct query query = {0};
    struct objects objects = {0};
    struct append *append = append_new(APPEND_DELETION, &query, &objects);

    ck_assert_ptr_nonnull(append);
    buf_append_text(&append->reason, reason);
    return finish(world, path, append);
}

static enum step pull(struct task *task)
{
    return pull_run(&stopper_of(task)->pull, task);
}

static const struct step_entry pull_steps[] = {STEP(pull), {0}};
static const struct task_kind pull_kind = {"get", pull_steps, stop_loop};

bool world_get(struct world *world, const char *path, const char *query_text, bool conflict,
               struct buf *out)
{
    struct stopper stopper = {0};
    struct error error;

    ck_assert_msg(query_parse(&stopper.query, str_of(query_text), &error), "%s", error.message);
    stopper.stream = streams_find(&world->streams, path, &error);
    stopper.pull = (struct pull){.stream = stopper.stream,
                                 .query = &stopper.query,
                                 .limits = &world->limits,
                                 .conflict = conflict};
    run(world, &stopper, &pull_kind);
    ck_assert_msg(stopper.error.code == ERROR_NONE, "%s", stopper.error.message);
    bool has_body = !stopper.pull.nothing;
    buf_reset(out);
    buf_append(out, buf_str(&stopper.pull.body));
    pull_clear(&stopper.pull);
    query_clear(&stopper.query);
    stream_release(stopper.stream);
    return has_body;
}

void world_put_id(struct world *world, const char *path, char out[STREAM_ID_TEXT_SIZE])
{
    struct error error;
    struct stream *stream = streams_find(&world->streams, path, &error);

    ck_assert(stream && stream_load(stream, &error));
    stream_put_id(stream->collection.identity.id, out);
    stream_release(stream);
}

bool world_get_named(struct world *world, const char *path, const char *query, struct buf *out)
{
    const char *mark = strstr(query, "ID");
    char id[STREAM_ID_TEXT_SIZE], text[512];

    world_put_id(world, path, id);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - query), query, id, mark + 2);
    return world_get(world, path, text, false, out);
}
