/* losses.h: what is a loss, who is behind one, and what one leaves in the files. */
#include "store/losses.h"

#include "store/accident.h"
#include "store/check.h"
#include "store/collection.h"
#include "store/samples.h"
#include "store/suites.h"

#include <string.h>

#include <check.h>

/* --- When is it a loss? ----------------------------------------------------------------------- */

START_TEST(test_losses_are_none_without_the_file_and_are_counted_for_good)
{
    ck_assert(losses_read(accident.disk, &accident.error));
    ck_assert_uint_eq(accident.disk->losses, 0);
    ck_assert(losses_add(accident.disk, &accident.error));
    ck_assert_uint_eq(accident.disk->losses, 0);
    ck_assert(losses_read(accident.disk, &accident.error));
    ck_assert_uint_eq(accident.disk->losses, 1);
    ck_assert(losses_add(accident.disk, &accident.error) &&
              losses_read(accident.disk, &accident.error));
    ck_assert_uint_eq(accident.disk->losses, 2);
}
END_TEST

static void assert_counted(struct simdisk *after, void *context)
{
    (void)context;
    ck_assert(losses_read(&after->disk, &accident.error));
    ck_assert_uint_eq(after->disk.losses, 1);
}

START_TEST(test_losses_that_are_counted_survive_a_power_cut)
{
    ck_assert(losses_add(accident.disk, &accident.error));
    (void)simdisk_visit_crashes(&accident.simdisk, 10, 1, assert_counted, NULL);
}
END_TEST

START_TEST(test_losses_are_not_taken_from_a_damaged_file)
{
    ck_assert(losses_add(accident.disk, &accident.error));
    struct buf *bytes = simdisk_find(&accident.simdisk, ".losses");
    bytes->data[_i] ^= 1;
    ck_assert(!losses_read(accident.disk, &accident.error));
    ck_assert_int_eq(accident.error.code, ERROR_DAMAGED);
    bytes->data[_i] ^= 1;
    bytes->length--;
    ck_assert(!losses_read(accident.disk, &accident.error));
    ck_assert(!replay_run(accident.disk, &accident.report, &accident.error));
}
END_TEST

START_TEST(test_no_loss_if_the_machine_was_up_all_the_time)
{
    accident_start(1);
    (void)accident_append(3, false, true);
    struct head head = accident_append(2, true, true);
    accident_start(1);
    ck_assert(!accident.report.may_have_lost);
    ck_assert_uint_eq(accident.disk->losses, 0);
    bool is_behind;
    ck_assert_uint_eq(accident_load(&is_behind).last_counter, head.last_counter);
    ck_assert(!is_behind);
    ck_assert_uint_eq(accident_append(1, true, true).last_counter, head.last_counter + 1);
}
END_TEST

START_TEST(test_loss_if_the_machine_was_down)
{
    accident_start(1);
    (void)accident_append(3, false, true);
    (void)accident_append(2, true, true);
    accident_start(2);
    ck_assert(accident.report.may_have_lost);
    ck_assert_uint_eq(accident.disk->losses, 1);
    accident_start(2);
    ck_assert(!accident.report.may_have_lost);
    ck_assert_uint_eq(accident.disk->losses, 1);
}
END_TEST

START_TEST(test_loss_if_nobody_knows_whether_the_machine_was_down)
{
    accident_start(0);
    (void)accident_append(3, false, true);
    (void)accident_append(2, true, true);
    accident_start(0);
    ck_assert(accident.report.may_have_lost);
}
END_TEST

START_TEST(test_loss_if_the_end_is_torn_though_the_machine_was_up)
{
    accident_start(1);
    (void)accident_append(3, false, true);
    (void)accident_append(2, true, true);
    struct buf *bytes = simdisk_find(&accident.simdisk, ".journal/0000000000000002");
    bytes->length--;
    accident_start(1);
    ck_assert(accident.report.may_have_lost);
}
END_TEST

START_TEST(test_no_loss_of_what_was_never_ahead)
{
    accident_start(1);
    (void)accident_append(3, false, true);
    (void)accident_append(2, false, true);
    accident_start(2);
    ck_assert(!accident.report.may_have_lost);
    accident_assert_behind(false);
}
END_TEST

START_TEST(test_no_loss_behind_a_segment_that_another_follows)
{
    accident_start(1);
    (void)accident_append(3, false, true);
    (void)accident_append(2, true, true);
    ck_assert(journal_begin_segment(&accident.journal, &accident.error));
    accident_start(2);
    ck_assert(!accident.report.may_have_lost);
    accident_start(2);
    (void)accident_append(2, true, true);
    accident_checkpoint();
    accident_start(3);
    ck_assert(!accident.report.may_have_lost);
    accident_assert_behind(false);
}
END_TEST

/* --- Who jumps -------------------------------------------------------------------------------- */
START_TEST(test_collection_jumps_once_after_a_loss)
{
    accident_start(1);
    (void)accident_append(3, false, true);
    accident_lose();
    accident_assert_behind(true);
    ck_assert_uint_eq(accident_append(2, false, true).last_counter, 4 + LOSSES_JUMP + 2);
    accident_assert_behind(false); /* though no checkpoint says so */
    accident_checkpoint();
    accident_assert_behind(false);
    struct index_header header;
    ck_assert(database_read_header(accident.disk, SAMPLE_PATH, &header, &accident.error));
    ck_assert_uint_eq(header.losses, 1);
    ck_assert_uint_eq(accident_append(1, true, true).last_counter, 4 + LOSSES_JUMP + 3);
}
END_TEST

START_TEST(test_collection_that_has_jumped_is_known_after_a_kill)
{
    accident_start(1);
    (void)accident_append(3, false, true);
    accident_lose();
    uint64_t last = accident_append(2, false, false).last_counter;
    accident_start(accident.disk->boot);
    ck_assert(!accident.report.may_have_lost);
    accident_assert_behind(false);
    ck_assert_uint_eq(accident_append(1, true, true).last_counter, last + 1);
}
END_TEST

/* The jump in the journal is because of the loss before. */
START_TEST(test_collection_jumps_for_each_loss)
{
    accident_start(1);
    (void)accident_append(3, false, true);
    accident_lose();
    uint64_t last = accident_append(2, false, true).last_counter;
    accident_lose();
    accident_assert_behind(true);
    last += 1;
    ck_assert_uint_eq(accident_append(1, false, true).last_counter, last + LOSSES_JUMP + 1);
    accident_checkpoint();
    accident_lose();
    accident_assert_behind(true);
}
END_TEST

START_TEST(test_collection_made_after_a_loss_is_not_behind)
{
    accident_start(1);
    ck_assert(losses_add(accident.disk, &accident.error));
    accident_start(1);
    (void)accident_append(3, false, true);
    accident_assert_behind(false);
    accident_checkpoint();
    accident_assert_behind(false);
    (void)accident_append(1, true, true);
    accident_start(2);
    accident_assert_behind(true);
}
END_TEST

START_TEST(test_sync_without_a_jump_leaves_a_collection_behind)
{
    accident_start(1);
    (void)accident_append(3, false, true);
    accident_lose();
    bool is_behind;
    struct head head = accident_load(&is_behind);
    sample_add(accident.disk, &head, 2);
    ck_assert(
        collection_sync(accident.disk, SAMPLE_PATH, head.generation, head.count, &accident.error));
    accident_assert_behind(true);
}
END_TEST

/* --- What a loss leaves in the files ---------------------------------------------------------- */
/* Is read up to there, and goes on there, with a jump and without a trace of the rest. */
static void assert_goes_on_at(const struct head *head, unsigned records)
{
    struct check check = {.disk = accident.disk};
    struct database database;
    struct buf text = {0};
    bool is_behind;

    accident_start(1);
    struct head found = accident_load(&is_behind);
    ck_assert(is_behind);
    ck_assert_uint_eq(found.count, head->count + records);
    ck_assert(check_all(&check, &accident.error));
    ck_assert_uint_eq(check.findings, 0);
    ck_assert(database_reopen(&database, accident.disk, SAMPLE_PATH, &found, &accident.error));
    ck_assert(database_read_records(&database, 0, found.count, &text, &accident.error));
    database_close(&database);
    buf_clear(&text);
    (void)accident_append(1, false, true);
    struct head after = accident_load(&is_behind);
    ck_assert(!is_behind);
    ck_assert_uint_eq(after.count, found.count + 1);
    ck_assert_uint_eq(after.last_counter, found.last_counter + LOSSES_JUMP + 1);
    ck_assert(check_all(&check, &accident.error));
    ck_assert_uint_eq(check.findings, 0);
}

START_TEST(test_loss_that_left_whole_batches_is_no_damage)
{
    struct head head = accident_tear();

    assert_goes_on_at(&head, 3);
}
END_TEST

START_TEST(test_loss_that_took_an_end_of_the_data_is_no_damage)
{
    struct head head = accident_tear();

    simdisk_find(&accident.simdisk, ACCIDENT_DATA)->length -= 1;
    assert_goes_on_at(&head, 2);
}
END_TEST

START_TEST(test_loss_that_took_an_end_of_the_index_is_no_damage)
{
    struct head head = accident_tear();

    simdisk_find(&accident.simdisk, ACCIDENT_INDEX)->length -= INDEX_ENTRY_SIZE + 3;
    assert_goes_on_at(&head, 0); /* that the first batch ended is not there */
}
END_TEST

START_TEST(test_loss_that_left_holes_is_no_damage)
{
    struct head head = accident_tear();

    memset(simdisk_find(&accident.simdisk, ACCIDENT_DATA)->data + head.data_end, 0, 4);
    assert_goes_on_at(&head, 0);
}
END_TEST

START_TEST(test_loss_that_took_all_but_what_is_vouched_for_is_no_damage)
{
    struct head head = accident_tear();

    simdisk_find(&accident.simdisk, ACCIDENT_INDEX)->length =
        INDEX_HEADER_SIZE + head.count * INDEX_ENTRY_SIZE;
    assert_goes_on_at(&head, 0);
}
END_TEST

START_TEST(test_index_that_ends_below_the_mark_is_damage_also_after_a_loss)
{
    struct collection collection;
    struct head head = accident_tear();

    simdisk_find(&accident.simdisk, ACCIDENT_INDEX)->length =
        INDEX_HEADER_SIZE + (head.count - 1) * INDEX_ENTRY_SIZE;
    accident_start(1);
    ck_assert(!collection_load(&collection, accident.disk, SAMPLE_PATH, &accident.error));
    ck_assert_int_eq(accident.error.code, ERROR_DAMAGED);
    ck_assert_ptr_nonnull(strstr(accident.error.message, "ends before what is known"));
}
END_TEST

START_TEST(test_damage_below_the_mark_is_damage_also_after_a_loss)
{
    struct collection collection;
    struct head head = accident_tear();

    simdisk_find(&accident.simdisk, ACCIDENT_DATA)->length = head.data_end - 1;
    accident_start(1);
    ck_assert(!collection_load(&collection, accident.disk, SAMPLE_PATH, &accident.error));
    ck_assert_int_eq(accident.error.code, ERROR_DAMAGED);
}
END_TEST

START_TEST(test_damage_behind_a_jump_is_damage)
{
    struct collection collection;

    accident_tear();
    accident_start(1);
    (void)accident_append(1, false, true);
    simdisk_find(&accident.simdisk, ACCIDENT_DATA)->length -= 1;
    ck_assert(!collection_load(&collection, accident.disk, SAMPLE_PATH, &accident.error));
    ck_assert_int_eq(accident.error.code, ERROR_DAMAGED);
}
END_TEST

START_TEST(test_torn_end_without_a_loss_is_damage)
{
    struct collection collection;

    accident_tear();
    simdisk_find(&accident.simdisk, ACCIDENT_DATA)->length -= 1;
    accident.disk->losses = 0;
    ck_assert(!collection_load(&collection, accident.disk, SAMPLE_PATH, &accident.error));
    ck_assert_int_eq(accident.error.code, ERROR_DAMAGED);
}
END_TEST

Suite *suite_losses(void)
{
    Suite *suite = suite_create("losses");
    TCase *cases = tcase_create("losses");

    tcase_add_checked_fixture(cases, accident_begin, accident_end);
    tcase_add_test(cases, test_loss_that_left_whole_batches_is_no_damage);
    tcase_add_test(cases, test_loss_that_took_an_end_of_the_data_is_no_damage);
    tcase_add_test(cases, test_loss_that_took_an_end_of_the_index_is_no_damage);
    tcase_add_test(cases, test_loss_that_left_holes_is_no_damage);
    tcase_add_test(cases, test_loss_that_took_all_but_what_is_vouched_for_is_no_damage);
    tcase_add_test(cases, test_index_that_ends_below_the_mark_is_damage_also_after_a_loss);
    tcase_add_test(cases, test_damage_below_the_mark_is_damage_also_after_a_loss);
    tcase_add_test(cases, test_damage_behind_a_jump_is_damage);
    tcase_add_test(cases, test_torn_end_without_a_loss_is_damage);
    tcase_add_test(cases, test_losses_are_none_without_the_file_and_are_counted_for_good);
    tcase_add_test(cases, test_losses_that_are_counted_survive_a_power_cut);
    tcase_add_loop_test(cases, test_losses_are_not_taken_from_a_damaged_file, 0, 20);
    tcase_add_test(cases, test_no_loss_if_the_machine_was_up_all_the_time);
    tcase_add_test(cases, test_loss_if_the_machine_was_down);
    tcase_add_test(cases, test_loss_if_nobody_knows_whether_the_machine_was_down);
    tcase_add_test(cases, test_loss_if_the_end_is_torn_though_the_machine_was_up);
    tcase_add_test(cases, test_no_loss_of_what_was_never_ahead);
    tcase_add_test(cases, test_no_loss_behind_a_segment_that_another_follows);
    tcase_add_test(cases, test_collection_jumps_once_after_a_loss);
    tcase_add_test(cases, test_collection_that_has_jumped_is_known_after_a_kill);
    tcase_add_test(cases, test_collection_jumps_for_each_loss);
    tcase_add_test(cases, test_collection_made_after_a_loss_is_not_behind);
    tcase_add_test(cases, test_sync_without_a_jump_leaves_a_collection_behind);
    suite_add_tcase(suite, cases);
    return suite;
}
