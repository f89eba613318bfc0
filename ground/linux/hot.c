/* The pages that a template's clones use. In the first clone the processor notes in the page tables what it reads and writes; when that one ends, it tells
 * the others, in memory that they share. Those that are made afterwards get copies of what will be written to, and KVM has met all of it, while they wait, so
 * that using it costs nothing any more. Which pages they are is a guess about the next clone, and nothing else: what a clone tells is
 * checked for size only. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include "ground/linux/guest.h"

#define PAGES_MAX 8192u /* got ahead at most */
#define RUNS_MAX 4096u

struct run {
    uint32_t page, count;
    uint32_t written;
};
static struct hot {
    uint32_t told; /* 1: by one that has begun to; 2: it is there. atomically */
    uint32_t n;
    struct run runs[RUNS_MAX];
} *hot;
static bool learning;

void hot_share(void)
{
    void *at = mmap(NULL, sizeof *hot, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    hot = at == MAP_FAILED ? NULL : at;
}

static void run_add(uint64_t page, bool written)
{
    struct run *last = hot->n ? &hot->runs[hot->n - 1] : NULL;

    if (last && page == last->page + last->count && last->written == written)
        last->count++;
    else if (hot->n < RUNS_MAX)
        hot->runs[hot->n++] = (struct run){ (uint32_t)page, 1, written };
}

void hot_tell(const struct app *g)
{
    const struct tables *t = &g->space.tables;
    uint32_t none = 0;

    if (!learning || !__atomic_compare_exchange_n(&hot->told, &none, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return;
    for (uint64_t at = 0, end; at < APP_TOP; at = end) {
        unsigned used = tables_used(t, at, &end);
        if (used)
            run_add(at / PAGE_SIZE, used & TABLES_WRITE && end == at + PAGE_SIZE); /* a large page is shared until it is written to */
    }
    __atomic_store_n(&hot->told, 2, __ATOMIC_SEQ_CST);
}

void hot_touch(struct app *g)
{
    static uint64_t list[PAGES_MAX];
    uint64_t n = 0;

    learning = hot && !__atomic_load_n(&hot->told, __ATOMIC_SEQ_CST);
    if (learning)
        tables_clean(&g->space.tables);
    if (!hot || __atomic_load_n(&hot->told, __ATOMIC_SEQ_CST) != 2)
        return;
    for (uint32_t i = 0; i < RUNS_MAX && i < hot->n; i++) {
        const struct run r = hot->runs[i];
        uint64_t at = r.page * (uint64_t)PAGE_SIZE, len = r.count * (uint64_t)PAGE_SIZE;
        if (r.count > PAGES_MAX - n || !space_mapped(&g->space, at, len))
            continue;
        if (r.written)
            (void)madvise(g->space.base + at, len, MADV_POPULATE_WRITE);
        for (; len; at += PAGE_SIZE, len -= PAGE_SIZE)
            list[n++] = at;
    }
    guest_cpu_touch(g, list, n);
}
