/* list.h - doubly linked lists whose links are members of what they link.
 *
 * A list owns nothing. A node on no list points to itself (list_init), so taking it off twice is
 * harmless. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* The struct of `type` whose member `member` pointer points to. */
#define OWNER_OF(pointer, type, member)                                                            \
    ((type *)((char *)(1 ? (pointer) : &((type *)0)->member) - offsetof(type, member)))

struct list {
    struct list *next, *previous;
};

/* node may be taken off its list inside the loop. */
#define list_for_each_safe(node, after, head)                                                      \
    for ((node) = (head)->next, (after) = (node)->next; (node) != (head);                          \
         (node) = (after), (after) = (node)->next)

static inline void list_init(struct list *list)
{
    list->next = list->previous = list;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_append(struct list *head, struct list *node)
{
    node->previous = head->previous;
    node->next = head;
    head->previous->next = node;
    head->previous = node;
}

static inline void list_prepend(struct list *head, struct list *node)
{
    list_append(head->next, node);
}

static inline void list_remove(struct list *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
    list_init(node);
}

/* Moves all of from behind all of to. */
static inline void list_move_all(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    list_init(from);
}

#endif
