#include "http/metrics.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { US_PER_S = 1000000, US_PER_MS = 1000 };

/* Upper bounds of the latency buckets, microseconds and as seconds; the last one takes the rest. */
static const struct {
    uint64_t us;
    const char *seconds;
} bounds[HTTP_LATENCY_BUCKETS] = {
    {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"}, {1000, "0.001"},
    {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"}, {25000, "0.025"},
    {100000, "0.1"},  {500000, "0.5"},  {2000000, "2"},  {UINT64_MAX, "+Inf"},
};

static void note_latency(struct http_stats *stats, uint64_t duration_us)
{
    size_t i = 0;

    while (duration_us > bounds[i].us)
        i++;
    stats->latency[i]++;
    stats->latency_us_total += duration_us;
}

void metrics_note_request(const struct request *request, size_t bytes_out, uint64_t duration_us)
{
    struct http_stats *stats = &request->http->stats;
    const struct append *append = request->append_wait.append;
    unsigned status_class = (unsigned)request->reply.status / 100;

    stats->requests[status_class < HTTP_STATUS_CLASSES ? status_class : 0]++;
    stats->bytes_out += bytes_out;
    stats->objects_out += request->objects_out;
    if (append && append->outcome == APPEND_STORED)
        stats->objects_in += append->count;
    /* One that waits for news takes as long as there are none; that tells nothing of the server. */
    if (request->query.wait_ms == 0)
        note_latency(stats, duration_us);
}

/* Where a figure is: a member of one of these, or what a function says. */
enum source { SOURCE_HTTP, SOURCE_STREAMS, SOURCE_COMMITTER, SOURCE_LOOP, SOURCE_FUNCTION };

enum unit { UNIT_ONE, UNIT_US }; /* microseconds are shown as seconds */

struct metric {
    const char *name, *kind, *help;
    enum source source;
    enum unit unit;
    size_t offset, size;
    void (*print)(const struct http *http, const char *name, struct buf *out);
};

#define MEMBER(source_name, type, member)                                                          \
    .source = (source_name), .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

static void print_value(const char *name, const char *labels, uint64_t value, struct buf *out)
{
    buf_append_format(out, "%s%s %" PRIu64 "\n", name, labels, value);
}

static void print_seconds(const char *name, uint64_t us, struct buf *out)
{
    buf_append_format(out, "%s %" PRIu64 ".%06" PRIu64 "\n", name, us / US_PER_S, us % US_PER_S);
}

static void print_build(const struct http *http, const char *name, struct buf *out)
{
    buf_append_format(out, "%s{version=\"%s\"} 1\n", name, http->services.settings->version);
}

static void print_uptime(const struct http *http, const char *name, struct buf *out)
{
    print_value(name, "", (clock_monotonic_ms() - http->services.started_ms) / 1000, out);
}

static void print_ready(const struct http *http, const char *name, struct buf *out)
{
    print_value(name, "", !http->services.not_ready(http->services.context), out);
}

static void print_classes(const struct http *http, const char *name, struct buf *out)
{
    static const char *const labels[HTTP_STATUS_CLASSES] = {"{class=\"other\"}", "{class=\"1xx\"}",
                                                            "{class=\"2xx\"}",   "{class=\"3xx\"}",
                                                            "{class=\"4xx\"}",   "{class=\"5xx\"}"};

    for (size_t i = 0; i < HTTP_STATUS_CLASSES; i++)
        print_value(name, labels[i], http->stats.requests[i], out);
}

static void print_latency(const struct http *http, const char *name, struct buf *out)
{
    uint64_t count = 0;

    for (size_t i = 0; i < HTTP_LATENCY_BUCKETS; i++) {
        count += http->stats.latency[i];
        buf_append_format(out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name, bounds[i].seconds,
                          count);
    }
    buf_append_text(out, name);
    print_seconds("_sum", http->stats.latency_us_total, out);
    buf_append_text(out, name);
    print_value("_count", "", count, out);
}

/* Seconds without needless zeros, as labels are mostly written. */
static void put_bound(uint64_t us, struct buf *out)
{
    char text[32];
    int length =
        snprintf(text, sizeof text, "%" PRIu64 ".%06" PRIu64, us / US_PER_S, us % US_PER_S);

    if (us == UINT64_MAX) {
        buf_append(out, STR("+Inf"));
        return;
    }
    while (text[length - 1] == '0')
        length--;
    length -= text[length - 1] == '.';
    buf_append(out, (struct str){text, (size_t)length});
}

static void print_syncs(const struct http *http, const char *name, struct buf *out)
{
    const struct journal_syncs *syncs = &http->services.committer->told.syncs;
    uint64_t count = 0;

    for (size_t i = 0; i < JOURNAL_SYNC_BUCKETS; i++) {
        count += syncs->counts[i];
        buf_append_format(out, "%s_bucket{le=\"", name);
        put_bound(journal_sync_bounds_us[i], out);
        buf_append_format(out, "\"} %" PRIu64 "\n", count);
    }
    buf_append_text(out, name);
    print_seconds("_sum", syncs->us_total, out);
    buf_append_text(out, name);
    print_value("_count", "", count, out);
}

/* The mode alone: a time in a label would begin a new series. */
static void print_durability(const struct http *http, const char *name, struct buf *out)
{
    struct str text = str_of(http->services.settings->durability);
    struct str mode = str_slice(text, 0, str_find_byte(text, ' '));

    buf_append_format(out, "%s{mode=\"%.*s\"} 1\n", name, STR_ARG(mode));
}

static void print_unsynced_age(const struct http *http, const char *name, struct buf *out)
{
    print_seconds(name, committer_unsynced_ms(http->services.committer) * US_PER_MS, out);
}

static void print_checkpoint_age(const struct http *http, const char *name, struct buf *out)
{
    uint64_t last_ms = http->services.committer->stats.last_checkpoint_ms;

    print_value(name, "", (clock_monotonic_ms() - last_ms) / 1000, out);
}

static void print_log_lost(const struct http *http, const char *name, struct buf *out)
{
    (void)http;
    print_value(name, "", log_lost(), out);
}

#define FROM(function) .source = SOURCE_FUNCTION, .print = (function)

static const struct metric metrics[] = {
    {"cutout_build_info", "gauge", "Which version this is.", FROM(print_build)},
    {"cutout_uptime_seconds", "gauge", "Time since the start.", FROM(print_uptime)},
    {"cutout_ready", "gauge", "1: take traffic, as /ready says.", FROM(print_ready)},
    {"cutout_connections_accepted_total", "counter", "Connections of clients.",
     MEMBER(SOURCE_HTTP, struct http, connection_count)},
    {"cutout_connections_refused_total", "counter", "Times that max_connections was reached.",
     MEMBER(SOURCE_HTTP, struct http, stats.refused_connections)},
    {"cutout_connections_refused_by_address_total", "counter",
     "Connections beyond max_connections_per_address.",
     MEMBER(SOURCE_HTTP, struct http, stats.refused_neighbors)},
    {"cutout_bad_proxy_headers_total", "counter",
     "Connections of proxies that did not begin with a header of the PROXY protocol.",
     MEMBER(SOURCE_HTTP, struct http, stats.bad_proxy_headers)},
    {"cutout_accept_failures_total", "counter", "Connections that could not be accepted.",
     MEMBER(SOURCE_HTTP, struct http, stats.accept_failures)},
    {"cutout_connections_open", "gauge", "Connections of clients at this moment.",
     MEMBER(SOURCE_HTTP, struct http, open_count)},
    {"cutout_connections_given_way_total", "counter",
     "Idle connections closed since there were max_connections.",
     MEMBER(SOURCE_HTTP, struct http, stats.made_room)},
    {"cutout_requests_shed_total", "counter", "Answered 503 at once, for want of memory.",
     MEMBER(SOURCE_HTTP, struct http, stats.shed)},
    {"cutout_request_body_memory_bytes", "gauge", "Reserved for bodies of requests.",
     MEMBER(SOURCE_HTTP, struct http, body_memory)},
    {"cutout_answer_memory_bytes", "gauge", "Of answers that were not taken yet.",
     MEMBER(SOURCE_HTTP, struct http, unsent_memory)},
    {"cutout_slow_readers_total", "counter", "Connections closed since answers were not read.",
     MEMBER(SOURCE_HTTP, struct http, stats.slow_readers)},
    {"cutout_requests_total", "counter", "Answers by class of status.", FROM(print_classes)},
    {"cutout_requests_under_way", "gauge", "Requests without an answer yet, held ones included.",
     MEMBER(SOURCE_HTTP, struct http, request_count)},
    {"cutout_request_duration_seconds", "histogram",
     "From the complete request to its answer; without those that wait for news.",
     FROM(print_latency)},
    {"cutout_received_body_bytes_total", "counter", "Bodies of appends.",
     MEMBER(SOURCE_HTTP, struct http, stats.bytes_in)},
    {"cutout_sent_body_bytes_total", "counter", "Bodies of answers.",
     MEMBER(SOURCE_HTTP, struct http, stats.bytes_out)},
    {"cutout_objects_stored_total", "counter", "Objects appended.",
     MEMBER(SOURCE_HTTP, struct http, stats.objects_in)},
    {"cutout_objects_sent_total", "counter", "Objects in answers to reads.",
     MEMBER(SOURCE_HTTP, struct http, stats.objects_out)},
    {"cutout_logins_refused_total", "counter", "Assertions that were not good.",
     MEMBER(SOURCE_HTTP, struct http, stats.refused_logins)},
    {"cutout_mails_sent_total", "counter", "Codes that the mail server took.",
     MEMBER(SOURCE_HTTP, struct http, stats.mails_sent)},
    {"cutout_mails_refused_total", "counter",
     "Codes that it refused because of whom they were for.",
     MEMBER(SOURCE_HTTP, struct http, stats.mails_refused)},
    {"cutout_mails_failed_total", "counter", "Codes that it could not be given.",
     MEMBER(SOURCE_HTTP, struct http, stats.mails_failed)},
    {"cutout_tasks", "gauge", "Tasks under way: requests, writers, the checkpoint.",
     MEMBER(SOURCE_LOOP, struct loop, task_count)},
    {"cutout_collections_known", "gauge", "Collections in memory, in use or remembered.",
     MEMBER(SOURCE_STREAMS, struct streams, count)},
    {"cutout_collections_idle", "gauge", "Of these, remembered only.",
     MEMBER(SOURCE_STREAMS, struct streams, idle_count)},
    {"cutout_collection_hits_total", "counter", "Requests that found their collection in memory.",
     MEMBER(SOURCE_STREAMS, struct streams, hits)},
    {"cutout_collection_misses_total", "counter", "Requests that had to open files for it.",
     MEMBER(SOURCE_STREAMS, struct streams, misses)},
    {"cutout_writers", "gauge", "Collections being written.",
     MEMBER(SOURCE_STREAMS, struct streams, writers)},
    {"cutout_journal_sound", "gauge", "0 after the journal could not be written, until it can.",
     MEMBER(SOURCE_COMMITTER, struct committer, sound)},
    {"cutout_journal_groups_total", "counter", "Groups of commits, each with one sync.",
     MEMBER(SOURCE_COMMITTER, struct committer, stats.groups)},
    {"cutout_journal_failed_groups_total", "counter", "Groups that could not be written.",
     MEMBER(SOURCE_COMMITTER, struct committer, stats.failed_groups)},
    {"cutout_journal_commits_total", "counter", "Commits in these groups.",
     MEMBER(SOURCE_COMMITTER, struct committer, stats.commits)},
    {"cutout_journal_bytes_total", "counter", "Bytes written to the journal.",
     MEMBER(SOURCE_COMMITTER, struct committer, stats.bytes)},
    {"cutout_journal_group_seconds_total", "counter", "Time to write, sync and apply groups.",
     MEMBER(SOURCE_COMMITTER, struct committer, stats.group_us_total), .unit = UNIT_US},
    {"cutout_journal_group_max_seconds", "gauge", "The longest of these times.",
     MEMBER(SOURCE_COMMITTER, struct committer, stats.group_us_most), .unit = UNIT_US},
    {"cutout_durability", "gauge", "Which durability is in force.", FROM(print_durability)},
    {"cutout_journal_sync_seconds", "histogram", "How long the journal's syncs took.",
     FROM(print_syncs)},
    {"cutout_journal_failed_syncs_total", "counter", "Syncs of the journal that failed.",
     MEMBER(SOURCE_COMMITTER, struct committer, told.syncs.failed)},
    {"cutout_journal_segment", "gauge", "Sequence of the segment that is being written.",
     MEMBER(SOURCE_COMMITTER, struct committer, told.sequence)},
    {"cutout_journal_unsynced_bytes", "gauge", "Bytes in the journal that are not synced yet.",
     MEMBER(SOURCE_COMMITTER, struct committer, told.bytes_ahead)},
    {"cutout_journal_unsynced_seconds", "gauge", "How long the oldest of them have been there.",
     FROM(print_unsynced_age)},
    {"cutout_journal_segment_bytes", "gauge", "Bytes in the journal since the last checkpoint.",
     MEMBER(SOURCE_COMMITTER, struct committer, segment_bytes)},
    {"cutout_collections_dirty", "gauge", "Collections that wait for the next checkpoint.",
     MEMBER(SOURCE_COMMITTER, struct committer, dirty.count)},
    {"cutout_checkpoints_total", "counter", "Checkpoints.",
     MEMBER(SOURCE_COMMITTER, struct committer, stats.checkpoints)},
    {"cutout_checkpoints_failed_total", "counter", "Checkpoints that will be tried again.",
     MEMBER(SOURCE_COMMITTER, struct committer, stats.failed_checkpoints)},
    {"cutout_checkpoint_age_seconds", "gauge", "Time since the last checkpoint.",
     FROM(print_checkpoint_age)},
    {"cutout_log_lines_lost_total", "counter", "Lines that could not be written to the log.",
     FROM(print_log_lost)},
};

static const void *place_of(const struct http *http, enum source source)
{
    switch (source) {
    case SOURCE_STREAMS:
        return http->services.streams;
    case SOURCE_COMMITTER:
        return http->services.committer;
    case SOURCE_LOOP:
        return http->services.loop;
    case SOURCE_HTTP:
    case SOURCE_FUNCTION:
    default:
        return http;
    }
}

static uint64_t read_member(const struct metric *metric, const void *place)
{
    const char *from = (const char *)place + metric->offset;
    uint64_t number = 0;
    unsigned small = 0;

    if (metric->size == sizeof(bool))
        return *(const bool *)from;
    if (metric->size == sizeof small) {
        memcpy(&small, from, sizeof small);
        return small;
    }
    assert(metric->size == sizeof number);
    memcpy(&number, from, sizeof number);
    return number;
}

void metrics_print(const struct http *http, struct buf *out)
{
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        const struct metric *metric = &metrics[i];

        buf_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                          metric->name, metric->kind);
        if (metric->print) {
            metric->print(http, metric->name, out);
            continue;
        }
        uint64_t number = read_member(metric, place_of(http, metric->source));
        if (metric->unit == UNIT_US)
            print_seconds(metric->name, number, out);
        else
            print_value(metric->name, "", number, out);
    }
}
