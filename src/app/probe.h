/* probe.h - what the disk and the kernel really do below one directory: the checks of the
 * self-test.
 *
 * Each check does what the server does, with the server's own code, and tells what came of it.
 * They run one after the other at start-up, before there is any thread: they block, and fork.
 *
 *     probe_open -> probe_checks[i].run ... -> probe_close */
#ifndef APP_PROBE_H
#define APP_PROBE_H

#include "base/error.h"

#include <stdint.h>

enum probe_verdict { PROBE_OK, PROBE_WARNING, PROBE_FAILED };

struct probe_finding {
    enum probe_verdict verdict;
    char text[240];
};

/* How long one journal_write of a group of so many appends took, microseconds. */
struct probe_latency {
    unsigned appends;
    unsigned samples;
    uint64_t median_us, p99_us, most_us;
    uint64_t appends_per_second;
};

enum { PROBE_GROUPS = 3 };

struct probe {
    const char *path;            /* of the directory that is tested */
    char scratch[4096];          /* made in it for the test */
    bool is_memory;              /* nothing there survives a restart of the machine */
    volatile const int *stopped; /* not 0: end soon */
    struct probe_latency latencies[PROBE_GROUPS];
};

struct probe_check {
    const char *name;
    void (*run)(struct probe *probe, struct probe_finding *finding);
    bool only_if_fit; /* takes seconds, and tells nothing of a place where others have failed */
};

extern const struct probe_check probe_checks[]; /* ends with a NULL name */

/* Makes the scratch directory. *stopped is looked at between the steps of long checks. */
MUST_CHECK bool probe_open(struct probe *probe, const char *path, volatile const int *stopped,
                           struct error *error);

/* Removes it with all that is in it. Harmless twice. */
MUST_CHECK bool probe_close(struct probe *probe, struct error *error);

/* What the kernel's f_type says (statfs(2)). */
struct probe_file_system {
    uint64_t magic;
    const char *name;
    bool is_remote, is_memory, is_layered;
};
const struct probe_file_system *probe_find_file_system(uint64_t magic); /* NULL: not known */

void probe_judge_file_system(uint64_t magic, struct probe_finding *finding);

/* Sorts the samples, which are not empty. */
void probe_sum_up(struct probe_latency *latency, uint64_t *samples_us);

/* Of a single append. */
void probe_judge_latency(const struct probe_latency *latency, bool is_memory,
                         struct probe_finding *finding);

#endif
