#pragma once
/* Buddy allocator over one span of page frames. Which runs are free is kept in bitmaps, one per order, each with
 * summary levels above it (one bit says "some bit in the 64 below is set"): about 2.1 bits per page, and the pages
 * themselves are never touched. The lowest run of the smallest order that fits is given out, so the same calls give the
 * same answers. No locking: the owner's lock guards it. */
#include "base/err.h"

#define BUDDY_ORDER_MAX 18 /* 1 GiB of 4 KiB pages */
#define BUDDY_LEVELS 7     /* 64^7 bits: 2^42 pages */

struct buddy_order {
    uint64_t *level[BUDDY_LEVELS]; /* [0]: one bit per run; [top]: one word */
    unsigned top;
};

struct buddy {
    uint64_t first, pages; /* the span; first is a multiple of the largest run */
    uint64_t free;         /* pages */
    struct buddy_order order[BUDDY_ORDER_MAX + 1];
};

/* Bytes of metadata for a span that ends `pages` behind a `first` rounded down to the largest run. */
uint64_t buddy_meta_bytes(uint64_t first, uint64_t pages);
/* The span [first, first + pages), nothing of it free. meta: 8-byte aligned, buddy_meta_bytes() long, kept; it is
 * cleared here. */
void buddy_init(struct buddy *, uint64_t first, uint64_t pages, void *meta);
/* Makes any run of pages inside the span free for the first time. */
void buddy_add(struct buddy *, uint64_t page, uint64_t pages);
/* 2^order pages, aligned to their size. ERR_NOMEM. */
MUST_USE err_t buddy_get(struct buddy *, unsigned order, uint64_t *page);
/* Panics on a run outside the span, not aligned, or with a page already free as far as that is cheap to see. */
void buddy_put(struct buddy *, uint64_t page, unsigned order);
