/* torture.c - cuts the power at thousands of moments of a recorded run, and recovers.
 *
 *     torture [-n STATES] [-s SEED] [-k STATE] [-j JOBS] [-w SYNC] [-f SYNC] [-a] [-d DIRECTORY]
 * [-o DIRECTORY] TRACE
 *
 *  -n  how many states (2000)
 *  -s  which (1); -k: this one alone
 *  -j  processes that share the work (1)
 *  -w  syncs of this kind do nothing, which has to be noticed; "torture list" names the kinds
 *  -f  half of the states are close to syncs of this kind; -w does that, too
 *  -a  goes on after a state has failed, and says how many did
 *  -d  first check that the trace leads to this directory, in which the recorded server worked
 *  -o  write the state that failed there, as it was before the recovery
 *
 * A state is a record of the trace at which the power goes, and what of the changes not yet synced
 * has reached the disk (volume.h). The store recovers it (replay_run); then the oracle (oracle.h)
 * has to find what clients had been told. Then it is tried again, but the power goes once more, on
 * the way or at the end of the recovery: of the same state, and what is recovered after that must
 * be the same; or after the server was only killed at that record, and all it wrote is still in the
 * kernel's memory.
 *
 * Ends with 0: all well; 1: something was lost; 2: it could not be tried. */
#include "oracle.h"
#include "walk.h"

#include "store/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STATES = 2000,
    SECTOR = 512,
    PAGE = 4096,
    CLOSE = 32, /* records */
    VERY_CLOSE = 4,
    KEEPING_IN = 16, /* one state in so many keeps all, like kill -9, and one drops all */
    POWER_CUTS = 3,  /* of each state: one, one more, one after a kill */
    FAILED = 1,
    UNUSABLE = 2,
};

struct moment {
    size_t record, state;
};

/* Between the processes. */
struct shared {
    size_t failures;
    uint64_t power_cuts;
    uint64_t digests[]; /* of each state */
};

struct torture {
    size_t states, only; /* only: SIZE_MAX for all */
    uint64_t seed;
    unsigned jobs;
    bool tries_all;
    enum sync_kind left_out, close_to; /* SYNC_OTHER: none */
    const char *directory, *save_to;
    struct trace trace;
    struct oracle *oracle;
    struct moment *moments;
    struct shared *shared;
};

/* --- Which states ---------------------------------------------------------------------------- */

/* Where something is about to be promised, or has just been: most mistakes are there. */
static bool is_close_to_a_promise(const struct trace *trace, size_t record)
{
    const char *bytes;
    size_t length;

    if (record < trace->count) {
        uint32_t next = trace_get(trace, record, &bytes, &length).kind;

        if (next == TRACE_SYNC_END || next == TRACE_UNLINK)
            return true;
    }
    if (record == 0)
        return false;
    uint32_t before = trace_get(trace, record - 1, &bytes, &length).kind;
    return before == TRACE_STORED || before == TRACE_DELETED || before == TRACE_UNLINK ||
           before == TRACE_RENAME;
}

/* Syncs by kind, so that rare kinds are looked at as often as others. */
struct syncs {
    size_t *records[SYNC_KIND_COUNT]; /* where they begin */
    size_t count[SYNC_KIND_COUNT];
};

static void find_syncs(const struct trace *trace, struct syncs *syncs)
{
    struct walk walk;

    *syncs = (struct syncs){0};
    walk_open(&walk, trace, SYNC_OTHER);
    for (size_t i = 0; i < trace->count && walk_to(&walk, i); i++) {
        enum sync_kind kind = walk_sync_kind(&walk);

        if (kind == SYNC_KIND_COUNT)
            continue;
        size_t size = (syncs->count[kind] + 1) * sizeof(size_t);
        syncs->records[kind] = realloc(syncs->records[kind], size);
        if (!syncs->records[kind])
            abort();
        syncs->records[kind][syncs->count[kind]++] = i;
    }
    walk_close(&walk);
}

static void clear_syncs(struct syncs *syncs)
{
    for (unsigned kind = 0; kind < SYNC_KIND_COUNT; kind++)
        free(syncs->records[kind]);
}

/* What relies on a sync, and so shows first that it is missing: mostly what comes behind it. */
static enum sync_kind find_dependent(enum sync_kind kind)
{
    if (kind == SYNC_SEGMENT_HEADER)
        return SYNC_JOURNAL_BEGUN;
    return kind == SYNC_INDEX ? SYNC_INDEX_MARK : kind;
}

/* Around a sync: what has to be there before it, and what may be there after it. */
static size_t find_close_to_a_sync(const struct syncs *syncs, size_t kind, struct chance *chance,
                                   size_t count)
{
    size_t i = chance_below(chance, syncs->count[kind]);
    size_t record = syncs->count[kind] > 0 ? syncs->records[kind][i] : count;

    size_t close = chance_below(chance, 2) == 0 ? CLOSE : VERY_CLOSE;

    record += chance_below(chance, 3 * close);
    record = record < close ? 0 : record - close;
    return record < count ? record : count;
}

static struct chance chance_of(const struct torture *torture, size_t state)
{
    return (struct chance){chance_mix(torture->seed) ^ chance_mix(~(uint64_t)state)};
}

static int compare_moments(const void *a, const void *b)
{
    const struct moment *left = a, *right = b;

    return left->record < right->record ? -1 : left->record > right->record;
}

static size_t choose_record(const struct torture *torture, const struct syncs *syncs, size_t state)
{
    struct chance chance = chance_of(torture, state);
    size_t count = torture->trace.count, record = chance_below(&chance, count + 1);

    if (torture->close_to != SYNC_OTHER && state % 2 == 0)
        return find_close_to_a_sync(syncs, torture->close_to, &chance, count);
    if (state % 3 == 0)
        return find_close_to_a_sync(syncs, chance_below(&chance, SYNC_KIND_COUNT), &chance, count);
    while (state % 3 == 1 && record < count && !is_close_to_a_promise(&torture->trace, record))
        record++;
    return record;
}

/* A third of them anywhere, a third close to a promise, a third close to a sync; if a kind of sync
 * was asked for, half of all close to one of these. */
static void choose_moments(struct torture *torture)
{
    struct syncs syncs;

    find_syncs(&torture->trace, &syncs);
    torture->moments = calloc(torture->states, sizeof *torture->moments);
    if (!torture->moments)
        abort();
    for (size_t i = 0; i < torture->states; i++)
        torture->moments[i] = (struct moment){choose_record(torture, &syncs, i), i};
    clear_syncs(&syncs);
    qsort(torture->moments, torture->states, sizeof *torture->moments, compare_moments);
}

static struct cut choose_cut(struct chance *chance)
{
    static const unsigned chances[][2] = {{2, 2}, {6, 1}, {1, 6}, {0, 0}};
    size_t kind = chance_below(chance, KEEPING_IN), i = chance_below(chance, 4);

    return (struct cut){
        .kind = kind == 0   ? CUT_KEEPS_ALL
                : kind == 1 ? CUT_DROPS_ALL
                            : CUT_BY_CHANCE,
        .lost = chances[i][0],
        .kept = chances[i][1],
        .sector = chance_below(chance, 3) == 0 ? PAGE : SECTOR,
        .shows_stale = chance_below(chance, 2) == 0,
        .chance = {chance_next(chance)},
    };
}

/* --- A state --------------------------------------------------------------------------------- */

static void copy_volume(const struct volume *volume, struct volume *copy)
{
    struct cut cut = {.kind = CUT_KEEPS_ALL};

    volume_crash(volume, &cut, copy);
}

/* What a start of the server does before it serves, and then what the clients find. */
static bool recover(struct torture *torture, struct volume *volume, size_t now, uint64_t *changes,
                    uint64_t *digest, struct error *error)
{
    struct replay_report report;
    struct volume_disk disk;

    volume_disk_init(&disk, volume, torture->left_out, UINT64_MAX);
    if (!replay_run(&disk.disk, &report, error))
        return false;
    *changes = disk.changes;
    if (report.refused > 0) {
        *error = report.first_refusal;
        return false;
    }
    return oracle_check(torture->oracle, now, &disk.disk, digest, error);
}

/* A recovery that the power does not let finish, or just so. */
static void recover_in_part(struct torture *torture, struct volume *volume, uint64_t changes)
{
    struct replay_report report;
    struct volume_disk disk;
    struct error error;

    volume_disk_init(&disk, volume, torture->left_out, changes);
    (void)!replay_run(&disk.disk, &report, &error);
}

static bool try_once(struct torture *torture, const struct volume *after, size_t now,
                     uint64_t *changes, uint64_t *digest, struct error *error)
{
    struct volume volume;

    copy_volume(after, &volume);
    bool ok = recover(torture, &volume, now, changes, digest, error);
    volume_clear(&volume);
    return ok;
}

/* After how many changes the power goes: at the end, close to the end, or anywhere. */
static uint64_t choose_end(struct chance *chance, uint64_t changes)
{
    size_t kind = chance_below(chance, 8);
    uint64_t left = kind < 2 ? 0 : kind < 4 ? VERY_CLOSE : kind < 5 ? CLOSE : changes;

    left = chance_below(chance, left + 1);
    return left < changes ? changes - left : 0;
}

/* before: what the recovery that is cut short begins with. */
static bool try_again(struct torture *torture, struct volume *before, size_t now,
                      struct chance *chance, uint64_t changes, uint64_t *digest,
                      struct error *error)
{
    struct cut cut = choose_cut(chance);
    struct volume after;

    recover_in_part(torture, before, choose_end(chance, changes));
    volume_crash(before, &cut, &after);
    bool ok = recover(torture, &after, now, &changes, digest, error);
    volume_clear(&after);
    return ok;
}

static bool try_twice(struct torture *torture, const struct volume *after, size_t now,
                      struct chance *chance, uint64_t changes, uint64_t digest, struct error *error)
{
    struct volume before;
    uint64_t digest_again;

    copy_volume(after, &before);
    bool ok = try_again(torture, &before, now, chance, changes, &digest_again, error);
    volume_clear(&before);
    return ok && (digest == digest_again ||
                  error_set(error, ERROR_DAMAGED, "recovering again leads elsewhere"));
}

static bool try_killed(struct torture *torture, const struct walk *walk, struct chance *chance,
                       uint64_t changes, struct error *error)
{
    struct volume before;
    uint64_t digest;

    volume_copy(&walk->volume, &before);
    bool ok = try_again(torture, &before, walk->next, chance, changes, &digest, error);
    volume_clear(&before);
    return ok;
}

static void report_failure(const struct torture *torture, const struct moment *moment,
                           const struct volume *after, const char *when, const struct error *error)
{
    (void)printf("SEED=%llu STATE=%zu of %zu: the power goes at record %zu of %zu%s: %s\n",
                 (unsigned long long)torture->seed, moment->state, torture->states, moment->record,
                 torture->trace.count, when, error->message);
    if (torture->save_to && volume_save(after, torture->save_to))
        (void)printf("what was on the disk then: %s\n", torture->save_to);
    (void)fflush(stdout);
}

static bool try_state(struct torture *torture, const struct walk *walk, const struct moment *moment)
{
    struct chance chance = chance_of(torture, ~moment->state);
    struct cut cut;
    struct volume after;
    struct error error;
    uint64_t changes, digest;
    const char *when = "";

    cut = choose_cut(&chance);
    volume_crash(&walk->volume, &cut, &after);
    bool ok = try_once(torture, &after, moment->record, &changes, &digest, &error);
    if (ok) {
        when = ", and again in the recovery";
        ok = try_twice(torture, &after, moment->record, &chance, changes, digest, &error);
    }
    if (ok) {
        when = " in the recovery of a server killed there";
        ok = try_killed(torture, walk, &chance, changes, &error);
    }
    if (!ok && __atomic_fetch_add(&torture->shared->failures, 1, __ATOMIC_SEQ_CST) == 0)
        report_failure(torture, moment, &after, when, &error);
    volume_clear(&after);
    torture->shared->digests[moment->state] = chance_mix(cut.digest) ^ moment->record;
    (void)__atomic_add_fetch(&torture->shared->power_cuts, POWER_CUTS, __ATOMIC_RELAXED);
    return ok;
}

/* --- All of them ----------------------------------------------------------------------------- */

static int run_share(struct torture *torture, unsigned job)
{
    struct walk walk;
    int result = 0;

    walk_open(&walk, &torture->trace, torture->left_out);
    for (size_t i = 0; i < torture->states && result != UNUSABLE; i++) {
        const struct moment *moment = &torture->moments[i];

        if (!torture->tries_all && __atomic_load_n(&torture->shared->failures, __ATOMIC_RELAXED))
            break;
        if (torture->only != SIZE_MAX ? moment->state != torture->only
                                      : moment->state % torture->jobs != job)
            continue;
        if (!walk_to(&walk, moment->record))
            result = UNUSABLE;
        else if (!try_state(torture, &walk, moment))
            result = FAILED;
    }
    walk_close(&walk);
    return result;
}

static int run_all(struct torture *torture)
{
    int worst = 0, status;

    for (unsigned job = 0; job < torture->jobs; job++) {
        pid_t child = fork();

        if (child < 0)
            return UNUSABLE;
        if (child == 0)
            _exit(run_share(torture, job));
    }
    while (wait(&status) > 0) {
        int result = WIFEXITED(status) ? WEXITSTATUS(status) : UNUSABLE;

        if (result > worst)
            worst = result;
    }
    return worst;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left, right;

    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right;
}

static void print_figures(struct torture *torture)
{
    uint64_t *digests = torture->shared->digests;
    size_t distinct = 0;

    qsort(digests, torture->states, sizeof *digests, compare_numbers);
    for (size_t i = 0; i < torture->states; i++)
        distinct += i == 0 || digests[i] != digests[i - 1];
    (void)printf("%zu records, %zu acknowledged objects, %zu acknowledged deletions\n"
                 "%zu states, %zu of them distinct, %llu power cuts: nothing lost\n",
                 torture->trace.count, oracle_objects(torture->oracle),
                 oracle_deletions(torture->oracle), torture->states, distinct,
                 (unsigned long long)torture->shared->power_cuts);
}

/* Was everything recorded? */
static bool check_end(struct torture *torture)
{
    struct walk walk;

    walk_open(&walk, &torture->trace, SYNC_OTHER);
    bool ok = walk_to(&walk, torture->trace.count) &&
              (!torture->directory || volume_check_directory(&walk.volume, torture->directory));
    for (unsigned kind = SYNC_OTHER + 1; ok && torture->directory && kind < SYNC_KIND_COUNT; kind++)
        (void)printf("%s%llu %s", kind > SYNC_OTHER + 1 ? ", " : "syncs: ",
                     (unsigned long long)walk.syncs_of_kind[kind], volume_sync_names[kind]);
    if (ok && torture->directory)
        (void)printf("\n");
    walk_close(&walk);
    return ok;
}

static enum sync_kind find_kind(const char *name)
{
    unsigned kind = SYNC_KIND_COUNT - 1;

    while (kind > SYNC_OTHER && strcmp(name, volume_sync_names[kind]) != 0)
        kind--;
    return (enum sync_kind)kind;
}

static int list_kinds(void)
{
    for (unsigned kind = SYNC_OTHER + 1; kind < SYNC_KIND_COUNT; kind++)
        (void)printf("%s\n", volume_sync_names[kind]);
    return 0;
}

static bool choose_kind(struct torture *torture, int option, const char *name)
{
    enum sync_kind kind = find_kind(name);

    torture->close_to = find_dependent(kind);
    if (option == 'w')
        torture->left_out = kind;
    return kind != SYNC_OTHER;
}

static bool read_options(struct torture *torture, int argc, char **argv)
{
    int option;

    *torture = (struct torture){.states = STATES, .only = SIZE_MAX, .seed = 1, .jobs = 1};
    while ((option = getopt(argc, argv, "n:s:k:j:w:f:ad:o:")) != -1) {
        if (option == 'n')
            torture->states = strtoul(optarg, NULL, 10);
        else if (option == 's')
            torture->seed = strtoull(optarg, NULL, 10);
        else if (option == 'k')
            torture->only = strtoul(optarg, NULL, 10);
        else if (option == 'j')
            torture->jobs = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'a')
            torture->tries_all = true;
        else if (option == 'd')
            torture->directory = optarg;
        else if (option == 'o')
            torture->save_to = optarg;
        else if ((option != 'w' && option != 'f') || !choose_kind(torture, option, optarg))
            return false;
    }
    if (torture->only != SIZE_MAX)
        torture->states = torture->only + 1;
    return optind == argc - 1 && torture->jobs > 0 && trace_open(&torture->trace, argv[optind]);
}

static bool share_memory(struct torture *torture)
{
    size_t size = sizeof *torture->shared + torture->states * sizeof(uint64_t);

    torture->shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return torture->shared != MAP_FAILED;
}

int main(int argc, char **argv)
{
    struct torture torture;
    int result = UNUSABLE;

    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return list_kinds();
    if (!read_options(&torture, argc, argv) || !share_memory(&torture))
        return UNUSABLE;
    torture.oracle = oracle_open(&torture.trace);
    if (torture.oracle && check_end(&torture)) {
        choose_moments(&torture);
        (void)fflush(stdout);
        result = torture.only != SIZE_MAX ? run_share(&torture, 0) : run_all(&torture);
        if (result == 0 && torture.only == SIZE_MAX)
            print_figures(&torture);
        else if (torture.tries_all)
            (void)printf("%zu of %zu states failed\n", torture.shared->failures, torture.states);
    }
    oracle_close(torture.oracle);
    free(torture.moments);
    trace_close(&torture.trace);
    return result;
}
