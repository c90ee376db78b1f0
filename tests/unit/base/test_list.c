#include "base/list.h"

#include "base/suites.h"

#include <stdarg.h>

#include <check.h>

struct item {
    int number;
    struct list link;
};

/* Walks both ways: -1 ends what is expected. */
static void assert_numbers(const struct list *head, ...)
{
    const struct list *node = head;
    va_list expected;
    int number, count = 0;

    va_start(expected, head);
    while ((number = va_arg(expected, int)) != -1) {
        ck_assert_ptr_eq(node->next->previous, node);
        node = node->next;
        ck_assert_ptr_ne(node, head);
        ck_assert_int_eq(OWNER_OF((struct list *)node, struct item, link)->number, number);
        count++;
    }
    va_end(expected);
    ck_assert_ptr_eq(node->next, head);
    ck_assert_ptr_eq(head->previous, node);
    ck_assert(list_is_empty(head) == (count == 0));
}

static void init(struct list *list, struct item *items, int count)
{
    list_init(list);
    for (int i = 0; i < count; i++) {
        items[i].number = i + 1;
        list_init(&items[i].link);
    }
}

START_TEST(test_list_appends_behind_and_prepends_before)
{
    struct list list;
    struct item items[4];

    init(&list, items, 4);
    assert_numbers(&list, -1);
    list_append(&list, &items[1].link);
    list_append(&list, &items[2].link);
    assert_numbers(&list, 2, 3, -1);
    list_prepend(&list, &items[0].link);
    assert_numbers(&list, 1, 2, 3, -1);
    list_append(&list, &items[3].link);
    assert_numbers(&list, 1, 2, 3, 4, -1);
}
END_TEST

START_TEST(test_list_prepend_to_an_empty_list)
{
    struct list list;
    struct item item;

    init(&list, &item, 1);
    list_prepend(&list, &item.link);
    assert_numbers(&list, 1, -1);
}
END_TEST

START_TEST(test_list_remove_twice_is_harmless)
{
    struct list list;
    struct item items[3];

    init(&list, items, 3);
    for (int i = 0; i < 3; i++)
        list_append(&list, &items[i].link);
    list_remove(&items[1].link);
    assert_numbers(&list, 1, 3, -1);
    list_remove(&items[1].link);
    assert_numbers(&list, 1, 3, -1);
    ck_assert(list_is_empty(&items[1].link));
    list_append(&list, &items[1].link);
    assert_numbers(&list, 1, 3, 2, -1);
}
END_TEST

START_TEST(test_list_for_each_safe_lets_nodes_go)
{
    struct list list, *node, *after;
    struct item items[4];
    int seen = 0;

    init(&list, items, 4);
    for (int i = 0; i < 4; i++)
        list_append(&list, &items[i].link);
    list_for_each_safe (node, after, &list) {
        struct item *item = OWNER_OF(node, struct item, link);

        seen = seen * 10 + item->number;
        if (item->number % 2 == 0)
            list_remove(node);
    }
    ck_assert_int_eq(seen, 1234);
    assert_numbers(&list, 1, 3, -1);
}
END_TEST

START_TEST(test_list_for_each_safe_of_nothing_does_nothing)
{
    struct list list, *node, *after;

    list_init(&list);
    list_for_each_safe (node, after, &list)
        ck_abort_msg("there is nothing");
}
END_TEST

START_TEST(test_list_move_all_keeps_the_order_and_empties_the_other)
{
    struct list to, from;
    struct item items[4];

    init(&to, items, 4);
    list_init(&from);
    list_move_all(&to, &from);
    assert_numbers(&to, -1);
    list_append(&from, &items[0].link);
    list_append(&from, &items[1].link);
    list_move_all(&to, &from);
    assert_numbers(&to, 1, 2, -1);
    assert_numbers(&from, -1);
    list_append(&from, &items[2].link);
    list_append(&from, &items[3].link);
    list_move_all(&to, &from);
    assert_numbers(&to, 1, 2, 3, 4, -1);
    assert_numbers(&from, -1);
    list_move_all(&to, &from);
    assert_numbers(&to, 1, 2, 3, 4, -1);
}
END_TEST

Suite *suite_list(void)
{
    Suite *suite = suite_create("list");
    TCase *tests = tcase_create("list");

    tcase_add_test(tests, test_list_appends_behind_and_prepends_before);
    tcase_add_test(tests, test_list_prepend_to_an_empty_list);
    tcase_add_test(tests, test_list_remove_twice_is_harmless);
    tcase_add_test(tests, test_list_for_each_safe_lets_nodes_go);
    tcase_add_test(tests, test_list_for_each_safe_of_nothing_does_nothing);
    tcase_add_test(tests, test_list_move_all_keeps_the_order_and_empties_the_other);
    suite_add_tcase(suite, tests);
    return suite;
}
