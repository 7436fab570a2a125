/* Intrusive doubly linked list: the link lives inside the item; nothing is allocated. */
#ifndef MANTA_BASE_LIST_H
#define MANTA_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next; /* a head points to itself while empty; an item in no list holds NULLs */
};

#define list_item(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))
#define LIST_EACH(pos, head) for (struct list *pos = (head)->next; pos != (head); pos = pos->next)
/* For each link; the loop's body may remove `pos`. */
#define LIST_EACH_SAFE(pos, nxt, head) \
    for (struct list *pos = (head)->next, *nxt = pos->next; pos != (head); pos = nxt, nxt = pos->next)

/* Makes an empty list. */
static inline void list_init(struct list *head)
{
    head->prev = head->next = head;
}

/* Returns whether the list has no item. */
static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

/* Returns whether the item is in a list; false for a zeroed item. */
static inline bool list_linked(const struct list *item)
{
    return item->next != NULL;
}

/* Inserts an item, which is in no list, before `at`. */
static inline void list_add_before(struct list *at, struct list *item)
{
    item->prev = at->prev;
    item->next = at;
    at->prev->next = item;
    at->prev = item;
}

/* Appends an item, which is in no list. */
static inline void list_push(struct list *head, struct list *item)
{
    list_add_before(head, item);
}

/* Inserts an item, which is in no list, at the beginning. */
static inline void list_push_front(struct list *head, struct list *item)
{
    list_add_before(head->next, item);
}

/* Moves all items of `from` to the end of `head`. */
static inline void list_append(struct list *head, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = head->prev;
    head->prev->next = from->next;
    from->prev->next = head;
    head->prev = from->prev;
    list_init(from);
}

/* Removes an item. An item in no list is allowed. */
static inline void list_remove(struct list *item)
{
    if (item->next == NULL)
        return;
    item->prev->next = item->next;
    item->next->prev = item->prev;
    item->prev = item->next = NULL;
}

#endif
