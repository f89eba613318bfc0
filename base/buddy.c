#include "base/buddy.h"
#include "base/panic.h"
#include "base/str.h"

#define RUN_MAX BIT64(BUDDY_ORDER_MAX)

static uint64_t words(uint64_t bits) { return (bits + 63) / 64; }

static bool order_test(const struct buddy_order *o, uint64_t n) { return o->level[0][n / 64] >> n % 64 & 1; }
static bool order_any(const struct buddy_order *o) { return o->level[o->top][0]; }

static void order_set(struct buddy_order *o, uint64_t n)
{
    for (unsigned i = 0; i <= o->top; i++, n /= 64) {
        uint64_t *word = &o->level[i][n / 64];
        bool was_empty = !*word;

        *word |= BIT64(n % 64);
        if (!was_empty)
            return;
    }
}

static void order_clear(struct buddy_order *o, uint64_t n)
{
    for (unsigned i = 0; i <= o->top; i++, n /= 64) {
        uint64_t *word = &o->level[i][n / 64];

        *word &= ~BIT64(n % 64);
        if (*word)
            return;
    }
}

/* The lowest set bit; there is one. */
static uint64_t order_first(const struct buddy_order *o)
{
    uint64_t n = 0;

    for (unsigned i = o->top + 1; i--;)
        n = n * 64 + (unsigned)__builtin_ctzll(o->level[i][n]);
    return n;
}

/* Lays the bitmaps of one order out from *meta on, or only counts their words if o is NULL. */
static uint64_t order_layout(struct buddy_order *o, uint64_t bits, uint64_t *meta)
{
    uint64_t used = 0;

    for (unsigned i = 0;; i++) {
        uint64_t n = words(bits);

        if (o) {
            ASSERT(i < BUDDY_LEVELS);
            o->level[i] = meta + used;
            o->top = i;
        }
        used += n;
        if (n == 1)
            return used;
        bits = n;
    }
}

/* The same for all orders, lowest first. */
static uint64_t layout(struct buddy *b, uint64_t pages, uint64_t *meta)
{
    uint64_t used = 0;

    for (unsigned k = 0; k <= BUDDY_ORDER_MAX; k++)
        used += order_layout(b ? &b->order[k] : NULL, (pages >> k) + 1, b ? meta + used : NULL);
    return used;
}

uint64_t buddy_meta_bytes(uint64_t first, uint64_t pages) { return layout(NULL, pages + first % RUN_MAX, NULL) * 8; }

void buddy_init(struct buddy *b, uint64_t first, uint64_t pages, void *meta)
{
    b->pages = pages + first % RUN_MAX;
    b->first = first - first % RUN_MAX;
    b->free = 0;
    memset(meta, 0, (size_t)(layout(b, b->pages, meta) * 8));
}

err_t buddy_get(struct buddy *b, unsigned order, uint64_t *page)
{
    unsigned k = order;

    while (k <= BUDDY_ORDER_MAX && !order_any(&b->order[k]))
        k++;
    if (k > BUDDY_ORDER_MAX)
        return ERR_NOMEM;

    uint64_t n = order_first(&b->order[k]);
    order_clear(&b->order[k], n);
    while (k > order) { /* keep the lower half, free the upper */
        k--;
        n *= 2;
        order_set(&b->order[k], n + 1);
    }
    b->free -= BIT64(order);
    *page = b->first + (n << order);
    return OK;
}

void buddy_put(struct buddy *b, uint64_t page, unsigned order)
{
    uint64_t at = page - b->first;

    ASSERT(order <= BUDDY_ORDER_MAX && at % BIT64(order) == 0);
    ASSERT(page >= b->first && at < b->pages && BIT64(order) <= b->pages - at);
    for (unsigned k = 0; k <= BUDDY_ORDER_MAX; k++)
        if (order_test(&b->order[k], at >> k) && (k >= order || at % BIT64(k) == 0))
            panic("buddy: page 0x%" PRIx64 " order %u is already free", page, order);

    uint64_t n = at >> order;
    b->free += BIT64(order);
    while (order < BUDDY_ORDER_MAX && order_test(&b->order[order], n ^ 1)) {
        order_clear(&b->order[order], n ^ 1);
        n /= 2;
        order++;
    }
    order_set(&b->order[order], n);
}

void buddy_add(struct buddy *b, uint64_t page, uint64_t pages)
{
    while (pages) {
        unsigned order = 0;

        while (order < BUDDY_ORDER_MAX && (page - b->first) % BIT64(order + 1) == 0 && BIT64(order + 1) <= pages)
            order++;
        buddy_put(b, page, order);
        page += BIT64(order);
        pages -= BIT64(order);
    }
}
