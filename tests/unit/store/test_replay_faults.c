/* replay.h: after any power cut, and any failing call, every confirmed thing is there byte for
 * byte, and nothing twice. */
#include "simdisk.h"
#include "store/replay.h"
#include "story.h"

#include <errno.h>

#include <check.h>

Suite *suite_replay_faults(void);

static struct simdisk simdisk;
static struct story story;
static struct replay_report report;
static struct error error;
static char why[256];

static void begin(void)
{
    simdisk_init(&simdisk);
    story_init(&story, &simdisk);
}

static void end(void)
{
    story_clear(&story);
    ck_assert_uint_eq(simdisk.open_files, 0);
    ck_assert_uint_eq(simdisk.misuses, 0);
    simdisk_clear(&simdisk);
}

/* What a killed process leaves: all it wrote. */
static void kill_process(struct simdisk *left)
{
    simdisk_copy(&simdisk, left);
}

/* --- Every power cut -------------------------------------------------------------------------- */

struct cuts {
    unsigned first, second,
        third; /* states to look at: of the story, of its replay, of that one's */
    unsigned long states, lost;
};

static struct cuts cuts;

static void judge(struct simdisk *after)
{
    cuts.states++;
    if (!story_recovers(&story, after, why))
        cuts.lost++;
}

static void judge_third(struct simdisk *after, void *context)
{
    (void)context;
    judge(after);
}

static void cut_second_replay(struct simdisk *now, void *context)
{
    /* Not at every call: there are very many. */
    if ((now->calls + *(unsigned *)context) % 19 == 0)
        (void)simdisk_visit_crashes(now, cuts.third, now->calls, judge_third, context);
}

static void judge_second(struct simdisk *after, void *context)
{
    if (cuts.third > 0) {
        after->changed = cut_second_replay;
        after->context = context;
    }
    judge(after);
}

static void cut_first_replay(struct simdisk *now, void *context)
{
    if ((now->calls + *(unsigned *)context) % 7 == 0)
        (void)simdisk_visit_crashes(now, cuts.second, now->calls, judge_second, context);
}

static void judge_first(struct simdisk *after, void *context)
{
    unsigned *number = context;

    ++*number;
    if (cuts.second > 0) {
        after->changed = cut_first_replay;
        after->context = context;
    }
    judge(after);
}

static void cut_story(struct simdisk *now, void *context)
{
    (void)simdisk_visit_crashes(now, cuts.first, now->calls, judge_first, context);
}

static void tell_with_power_cuts(unsigned first, unsigned second, unsigned third)
{
    unsigned number = 0;

    cuts = (struct cuts){first, second, third, 0, 0};
    simdisk.changed = cut_story;
    simdisk.context = &number;
    story_tell(&story);
    simdisk.changed = NULL;
}

START_TEST(test_loses_nothing_confirmed_in_any_power_cut)
{
    tell_with_power_cuts(25, 0, 0);
    ck_assert_uint_gt(cuts.states, 3000);
    ck_assert_msg(cuts.lost == 0, "%lu of %lu: %s", cuts.lost, cuts.states, why);
}
END_TEST

START_TEST(test_loses_nothing_confirmed_in_a_power_cut_during_replay)
{
    tell_with_power_cuts(3, 3, 0);
    ck_assert_uint_gt(cuts.states, 4000);
    ck_assert_msg(cuts.lost == 0, "%lu of %lu: %s", cuts.lost, cuts.states, why);
}
END_TEST

START_TEST(test_loses_nothing_confirmed_in_two_power_cuts_during_replay)
{
    tell_with_power_cuts(2, 2, 2);
    ck_assert_uint_gt(cuts.states, 4000);
    ck_assert_msg(cuts.lost == 0, "%lu of %lu: %s", cuts.lost, cuts.states, why);
}
END_TEST

START_TEST(test_these_tests_notice_missing_syncs)
{
    simdisk.ignore_syncs = true;
    tell_with_power_cuts(10, 0, 0);
    ck_assert_uint_gt(cuts.lost, 0);
}
END_TEST

START_TEST(test_these_tests_notice_missing_syncs_of_directories)
{
    simdisk.ignore_directory_syncs = true;
    tell_with_power_cuts(10, 0, 0);
    ck_assert_uint_gt(cuts.lost, 0);
}
END_TEST

static void recover_without_syncs(struct simdisk *after, void *context)
{
    struct replay_report now;
    struct error cause;

    (void)context;
    after->ignore_syncs = true;
    if (replay_run(&after->disk, &now, &cause)) {
        after->ignore_syncs = false;
        (void)simdisk_visit_crashes(after, 10, 1, judge_third, NULL);
    }
}

START_TEST(test_these_tests_notice_missing_syncs_of_replay)
{
    cuts = (struct cuts){0};
    story_tell(&story);
    (void)simdisk_visit_crashes(&simdisk, 50, 1, recover_without_syncs, NULL);
    ck_assert_uint_gt(cuts.states, 400);
    ck_assert_uint_gt(cuts.lost, 0);
}
END_TEST

/* A group that was written, and the process killed before its sync. */
static void write_unsynced(const struct story_collection *collection)
{
    const struct batch_object object = {.text = STR("{\"id\":\"late\"}"), .key = 1};
    struct journal_group group = {0};
    struct buf body = {0};
    struct batch batch;

    batch_begin(&batch, collection->path, &collection->now.identity, &collection->now.head, false);
    (void)batch_add_record(&batch, &object);
    batch_end_append(&batch);
    batch_write_frame(&batch, &body);
    journal_group_add(&group, JOURNAL_BATCH, buf_str(&body));
    simdisk.ignore_syncs = true;
    ck_assert(journal_write(&story.journal, &group, &error));
    simdisk.ignore_syncs = false;
    journal_group_clear(&group);
    buf_clear(&body);
    batch_clear(&batch);
}

static void judge_late_batch(struct simdisk *after, void *context)
{
    const struct story_collection *collection = context;
    const struct head *head = &collection->now.head;
    struct collection found = {0};

    cuts.states++;
    if (!replay_run(&after->disk, &report, &error) || report.refused > 0 ||
        !collection_load(&found, &after->disk, collection->path, &error) ||
        found.head.count < head->count || found.head.count > head->count + 1)
        cuts.lost++;
    collection_clear(&found);
}

static void cut_replay_of_late_batch(struct simdisk *now, void *context)
{
    (void)simdisk_visit_crashes(now, 200, now->calls, judge_late_batch, context);
}

/* All frames but the late one are below the checkpoint. */
START_TEST(test_applies_no_frame_that_a_power_cut_could_take_back)
{
    struct story_collection *collection = &story.collections[0];

    cuts = (struct cuts){0};
    ck_assert(story_open(&story));
    story_append(&story, 0, 3);
    story_commit(&story, 0);
    ck_assert(collection_sync(&simdisk.disk, collection->path, collection->now.head.generation,
                              collection->now.head.count, &error));
    write_unsynced(collection);
    simdisk.changed = cut_replay_of_late_batch;
    simdisk.context = collection;
    ck_assert(replay_run(&simdisk.disk, &report, &error));
    simdisk.changed = NULL;
    ck_assert_uint_gt(cuts.states, 30);
    ck_assert_msg(cuts.lost == 0, "%lu of %lu", cuts.lost, cuts.states);
}
END_TEST

/* --- Every failing call ----------------------------------------------------------------------- */

static const struct {
    int errnum;
    bool from_then_on;
} failures[] = {{EIO, false}, {ENOSPC, false}, {EIO, true}, {ENOSPC, true}};

static void repeat_after_failing_call(unsigned call, int errnum, bool from_then_on, bool *is_last)
{
    struct simdisk left;

    kill_process(&left);
    left.fail_at = call;
    left.fail_with = errnum;
    left.fail_from_then_on = from_then_on;
    bool ok = replay_run(&left.disk, &report, &error);
    *is_last = left.calls < call;
    ck_assert_uint_eq(left.open_files, 0);
    ck_assert_uint_eq(report.refused, 0);
    ck_assert(ok || error.code == ERROR_IO || error.code == ERROR_NO_SPACE);
    cuts = (struct cuts){0};
    (void)simdisk_visit_crashes(&left, 4, call, judge_third, NULL);
    ck_assert_msg(cuts.lost == 0, "call %u, and a power cut: %s", call, why);
    simdisk_calm(&left);
    ck_assert_msg(story_recovers(&story, &left, why), "call %u: %s", call, why);
    simdisk_clear(&left);
}

START_TEST(test_can_be_repeated_after_any_failing_call)
{
    static void (*const tell[])(struct story *) = {story_tell, story_tell_with_checkpoint};

    for (unsigned i = 0; i < 2; i++) {
        bool is_last = false;

        end();
        begin();
        tell[i](&story);
        for (unsigned call = 1; !is_last; call++) {
            repeat_after_failing_call(call, failures[_i].errnum, failures[_i].from_then_on,
                                      &is_last);
            ck_assert_uint_lt(call, 1000);
        }
    }
}
END_TEST

START_TEST(test_recovers_from_a_story_in_which_any_call_fails)
{
    bool is_last = false;

    for (unsigned call = 1; !is_last; call++) {
        struct simdisk left;

        end();
        begin();
        simdisk.fail_at = call;
        simdisk.fail_with = failures[_i].errnum;
        simdisk.fail_from_then_on = failures[_i].from_then_on;
        story_tell(&story);
        is_last = simdisk.calls < call;
        kill_process(&left);
        ck_assert_msg(story_recovers(&story, &left, why), "call %u: %s", call, why);
        simdisk_clear(&left);
        cuts = (struct cuts){0};
        (void)simdisk_visit_crashes(&simdisk, 8, call, judge_third, NULL);
        ck_assert_msg(cuts.lost == 0, "call %u, and a power cut: %s", call, why);
        ck_assert_uint_lt(call, 1000);
    }
}
END_TEST

Suite *suite_replay_faults(void)
{
    enum { TIMEOUT = 20 };
    Suite *suite = suite_create("replay faults");
    TCase *faults = tcase_create("faults");

    tcase_set_timeout(faults, TIMEOUT);
    tcase_add_checked_fixture(faults, begin, end);
    tcase_add_test(faults, test_loses_nothing_confirmed_in_any_power_cut);
    tcase_add_test(faults, test_loses_nothing_confirmed_in_a_power_cut_during_replay);
    tcase_add_test(faults, test_loses_nothing_confirmed_in_two_power_cuts_during_replay);
    tcase_add_test(faults, test_applies_no_frame_that_a_power_cut_could_take_back);
    tcase_add_test(faults, test_these_tests_notice_missing_syncs);
    tcase_add_test(faults, test_these_tests_notice_missing_syncs_of_directories);
    tcase_add_test(faults, test_these_tests_notice_missing_syncs_of_replay);
    tcase_add_loop_test(faults, test_can_be_repeated_after_any_failing_call, 0, 4);
    tcase_add_loop_test(faults, test_recovers_from_a_story_in_which_any_call_fails, 0, 4);
    suite_add_tcase(suite, faults);
    return suite;
}
