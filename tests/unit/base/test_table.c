#include "base/table.h"

#include "base/suites.h"

#include <stdio.h>

#include <check.h>

enum { MANY = 1000 };

struct entry {
    struct table_node node;
    char name[16];
};

static struct entry entries[MANY];

static void init(struct table *table)
{
    struct error error;

    ck_assert(table_init(table, &error));
}

static void insert(struct table *table, int number)
{
    struct entry *entry = &entries[number];

    (void)snprintf(entry->name, sizeof entry->name, "key %d", number);
    entry->node.key = str_of(entry->name);
    table_insert(table, &entry->node);
}

static struct table_node *find(const struct table *table, int number)
{
    char name[16]; /* not the memory of the entry: what counts are the bytes */

    (void)snprintf(name, sizeof name, "key %d", number);
    return table_find(table, str_of(name));
}

START_TEST(test_table_finds_what_was_inserted_and_nothing_else)
{
    struct table table;

    init(&table);
    ck_assert_ptr_null(find(&table, 0));
    insert(&table, 0);
    insert(&table, 1);
    ck_assert_ptr_eq(find(&table, 0), &entries[0].node);
    ck_assert_ptr_eq(find(&table, 1), &entries[1].node);
    ck_assert_ptr_null(find(&table, 2));
    ck_assert_ptr_null(table_find(&table, STR("key")));
    ck_assert_uint_eq(table.count, 2);
    table_clear(&table);
}
END_TEST

START_TEST(test_table_finds_keys_with_any_bytes)
{
    struct table table;
    struct table_node nodes[3] = {
        {.key = STR_INIT("")}, {.key = STR_INIT("\0")}, {.key = STR_INIT("\0\0")}};

    init(&table);
    for (int i = 0; i < 3; i++)
        table_insert(&table, &nodes[i]);
    ck_assert_ptr_eq(table_find(&table, (struct str){NULL, 0}), &nodes[0]);
    ck_assert_ptr_eq(table_find(&table, STR("\0")), &nodes[1]);
    ck_assert_ptr_eq(table_find(&table, STR("\0\0")), &nodes[2]);
    table_clear(&table);
}
END_TEST

START_TEST(test_table_keeps_every_entry_while_it_grows)
{
    struct table table;

    init(&table);
    for (int i = 0; i < MANY; i++) {
        insert(&table, i);
        ck_assert_uint_eq(table.count, (size_t)i + 1);
        ck_assert_uint_ge(table.chain_count, table.count);
        ck_assert_uint_eq(table.chain_count & (table.chain_count - 1), 0);
    }
    for (int i = 0; i < MANY; i++)
        ck_assert_ptr_eq(find(&table, i), &entries[i].node);
    table_clear(&table);
}
END_TEST

START_TEST(test_table_removes_one_and_leaves_its_neighbours)
{
    struct table table;

    init(&table);
    for (int i = 0; i < MANY; i++)
        insert(&table, i);
    for (int i = 0; i < MANY; i += 2)
        table_remove(&table, &entries[i].node);
    ck_assert_uint_eq(table.count, MANY / 2);
    for (int i = 0; i < MANY; i++)
        ck_assert_ptr_eq(find(&table, i), i % 2 ? &entries[i].node : NULL);
    insert(&table, 0);
    ck_assert_ptr_eq(find(&table, 0), &entries[0].node);
    table_clear(&table);
}
END_TEST

/* The same place in a chain, the same hash: only the bytes tell them apart. */
START_TEST(test_table_tells_keys_of_one_hash_apart)
{
    struct table table;
    struct table_node a = {.key = STR_INIT("a")}, b = {.key = STR_INIT("b")};

    init(&table);
    table_insert(&table, &a);
    b.hash = a.hash;
    a.next = &b;
    table.count++;
    b.key = STR("a");
    a.key = STR("b");
    ck_assert_ptr_eq(table_find(&table, STR("a")), &b);
    table_remove(&table, &b);
    ck_assert_ptr_null(table_find(&table, STR("a")));
    table_clear(&table);
}
END_TEST

/* Strangers choose keys: what collides here must not collide elsewhere. */
START_TEST(test_table_hashes_differently_each_time)
{
    struct table one, other;

    init(&one);
    init(&other);
    ck_assert_mem_ne(one.key, other.key, SIPHASH_KEY_SIZE);
    insert(&one, 0);
    uint64_t hash = entries[0].node.hash;
    insert(&other, 0);
    ck_assert_uint_ne(hash, entries[0].node.hash);
    table_clear(&one);
    table_clear(&other);
}
END_TEST

START_TEST(test_table_all_zero_is_empty_and_clears_twice)
{
    struct table table = {0};

    ck_assert_ptr_null(table_find(&table, STR("x")));
    table_clear(&table);
    init(&table);
    insert(&table, 0);
    table_clear(&table);
    ck_assert_ptr_null(find(&table, 0));
    ck_assert_uint_eq(table.count, 0);
    ck_assert_ptr_null(table.chains);
    table_clear(&table);
}
END_TEST

Suite *suite_table(void)
{
    Suite *suite = suite_create("table");
    TCase *tests = tcase_create("table");

    tcase_add_test(tests, test_table_finds_what_was_inserted_and_nothing_else);
    tcase_add_test(tests, test_table_finds_keys_with_any_bytes);
    tcase_add_test(tests, test_table_keeps_every_entry_while_it_grows);
    tcase_add_test(tests, test_table_removes_one_and_leaves_its_neighbours);
    tcase_add_test(tests, test_table_tells_keys_of_one_hash_apart);
    tcase_add_test(tests, test_table_hashes_differently_each_time);
    tcase_add_test(tests, test_table_all_zero_is_empty_and_clears_twice);
    suite_add_tcase(suite, tests);
    return suite;
}
