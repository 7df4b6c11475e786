/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* util/list.h - intrusive doubly linked list. */
#pragma once

#include "util/cleanup.h"

#include <stdbool.h>

typedef struct List {
    struct List *next;
    struct List *prev;
} List;

static inline void list_init(List *head)
{
    head->next = head->prev = head;
}

static inline bool list_empty(const List *head)
{
    return head->next == head;
}

static inline void list_add_tail(List *head, List *item)
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}

/* Leaves @item an empty list of its own, so removing twice is harmless. */
static inline void list_del(List *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

/* Moves all of @from to the end of @to. */
static inline void list_splice(List *to, List *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    from->prev->next = to;
    to->prev->next = from->next;
    to->prev = from->prev;
    list_init(from);
}

#define list_for_each(pos, head)                                               \
    for (List *pos = (head)->next; pos != (head); pos = pos->next)

/* @pos may be removed in the body. */
#define list_for_each_safe(pos, head)                                          \
    for (List *pos = (head)->next, *pos##_next = pos->next; pos != (head);     \
         pos = pos##_next, pos##_next = pos->next)
