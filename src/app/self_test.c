#include "app/self_test.h"

#include "app/probe.h"
#include "base/buf.h"
#include "base/json_write.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

static volatile int stopped; /* by a signal; there is nothing else that a handler can reach */

static void stop(int number)
{
    stopped = number;
}

static const char *const verdicts[] = {
    [PROBE_OK] = "ok", [PROBE_WARNING] = "warning", [PROBE_FAILED] = "failed"};

static void say_finding(const char *name, const struct probe_finding *finding)
{
    (void)printf("  %-8s %-16s %s\n", verdicts[finding->verdict], name, finding->text);
    (void)fflush(stdout); /* the next check may take a while */
}

static void say_rates(const struct probe *probe)
{
    (void)printf("Appends of 500 bytes that this disk can make durable in a second:\n");
    for (size_t i = 0; i < PROBE_GROUPS; i++)
        (void)printf("  %8" PRIu64 " for %u client%s at once\n",
                     probe->latencies[i].appends_per_second, probe->latencies[i].appends,
                     probe->latencies[i].appends == 1 ? "" : "s");
}

static void put_finding(const char *name, const struct probe_finding *finding, bool is_first,
                        struct buf *out)
{
    buf_append(out, is_first ? STR("{") : STR(",{"));
    json_write_string_member(out, "name", str_of(name));
    json_write_string_member(out, "verdict", str_of(verdicts[finding->verdict]));
    json_write_string_member(out, "text", str_of(finding->text));
    buf_append_byte(out, '}');
}

static void put_latency(const struct probe_latency *latency, bool is_first, struct buf *out)
{
    buf_append(out, is_first ? STR("{") : STR(",{"));
    json_write_u64_member(out, "appends", latency->appends);
    json_write_u64_member(out, "samples", latency->samples);
    json_write_u64_member(out, "median_us", latency->median_us);
    json_write_u64_member(out, "p99_us", latency->p99_us);
    json_write_u64_member(out, "max_us", latency->most_us);
    json_write_u64_member(out, "appends_per_second", latency->appends_per_second);
    buf_append_byte(out, '}');
}

/* The worst verdict. */
static enum probe_verdict run_checks(struct probe *probe, struct buf *json)
{
    enum probe_verdict worst = PROBE_OK;

    for (const struct probe_check *check = probe_checks; check->name && !stopped; check++) {
        struct probe_finding finding = {.verdict = PROBE_FAILED};

        if (check->only_if_fit && worst == PROBE_FAILED)
            continue;
        check->run(probe, &finding);
        if (json)
            put_finding(check->name, &finding, check == probe_checks, json);
        else
            say_finding(check->name, &finding);
        if (finding.verdict > worst)
            worst = finding.verdict;
    }
    return worst;
}

static bool print_json(const struct probe *probe, const char *directory, struct buf *checks,
                       enum probe_verdict worst, struct error *error)
{
    struct buf out = {0};

    buf_append_byte(&out, '{');
    json_write_string_member(&out, "directory", str_of(directory));
    json_write_string_member(&out, "verdict", str_of(verdicts[worst]));
    buf_append(&out, STR(",\"checks\":["));
    buf_append(&out, buf_str(checks));
    buf_append(&out, STR("],\"syncs\":["));
    for (size_t i = 0; i < PROBE_GROUPS; i++)
        put_latency(&probe->latencies[i], i == 0, &out);
    buf_append(&out, STR("]}"));
    bool ok = buf_ok(checks, error) && buf_ok(&out, error);
    if (ok)
        (void)puts(buf_str(&out).data);
    buf_clear(&out);
    return ok;
}

static void say_end(const struct probe *probe, const char *directory, enum probe_verdict worst)
{
    static const char *const ends[] = {
        [PROBE_OK] = "is fit for a data directory",
        [PROBE_WARNING] = "can be a data directory; mind the warnings",
        [PROBE_FAILED] = "is not fit for a data directory",
    };

    if (probe->latencies[PROBE_GROUPS - 1].appends_per_second > 0)
        say_rates(probe);
    (void)printf("%s %s.\n", directory, ends[worst]);
}

int self_test_run(const char *directory, bool as_json)
{
    const struct sigaction action = {.sa_handler = stop};
    struct buf checks = {0};
    struct probe probe;
    struct error error = {0};

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
    /* Who reads may have gone; what was made is removed all the same. */
    (void)signal(SIGPIPE, SIG_IGN);
    if (!probe_open(&probe, directory, &stopped, &error)) {
        (void)fprintf(stderr, "cutoutd: %s\n", error.message);
        return 1;
    }
    if (!as_json)
        (void)printf("Testing %s\n", directory);
    enum probe_verdict worst = run_checks(&probe, as_json ? &checks : NULL);
    bool ok = probe_close(&probe, &error);
    if (ok && stopped)
        ok = error_set(&error, ERROR_CANCELLED, "the self-test was stopped by signal %d", stopped);
    else if (ok && as_json)
        ok = print_json(&probe, directory, &checks, worst, &error);
    else if (ok)
        say_end(&probe, directory, worst);
    buf_clear(&checks);
    if (ok && (fflush(stdout) != 0 || ferror(stdout)))
        ok = error_set_errno(&error, errno, "cannot print what was found");
    if (!ok)
        (void)fprintf(stderr, "cutoutd: %s\n", error.message);
    return ok && worst != PROBE_FAILED ? 0 : 1;
}
