#pragma once
/* Intrusive doubly linked circular list. A node that is on no list points to itself. */
#include "base/types.h"

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(name) { &(name), &(name) }

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }

static inline void list_insert_before(struct list *at, struct list *n)
{
    n->prev = at->prev;
    n->next = at;
    at->prev->next = n;
    at->prev = n;
}
static inline void list_push_back(struct list *head, struct list *n) { list_insert_before(head, n); }

/* Safe to call on a node that is on no list. */
static inline void list_remove(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}

/* NULL when empty. */
static inline struct list *list_pop_front(struct list *head)
{
    struct list *n = head->next;

    if (n == head)
        return NULL;
    list_remove(n);
    return n;
}

/* The body must not remove any node but the current one, and then only with `next` saved by list_each_safe. */
#define list_each(n, head) for (struct list *n = (head)->next; n != (head); n = n->next)
#define list_each_safe(n, tmp, head) \
    for (struct list *n = (head)->next, *tmp = n->next; n != (head); n = tmp, tmp = n->next)
