/* One-to-one page tables: the walker. Called by paging.c, before other CPUs run or under its lock. Tables are never
 * given back. AMD APM volume 2, 5.3. */
#include "base/str.h"
#include "ground/efi/machine.h"

#define ENTRIES 512u

static uint64_t level_size(unsigned level) { return (uint64_t)PAGE_SIZE << 9 * level; }
static uint64_t *table_at(uint64_t entry) { return hpa_ptr(hpa(entry & PTE_ADDR)); }

static MUST_USE err_t table_make(uint64_t *out)
{
    hpa_t at;
    err_t e = ground_pages_get(0, &at);

    if (e)
        return e;
    memset(hpa_ptr(at), 0, PAGE_SIZE);
    *out = at.v;
    return OK;
}

err_t pagetable_init(struct pagetable *t, bool has_1g)
{
    t->leaf = has_1g ? 2 : 1;
    return table_make(&t->root);
}

/* Puts a table below an entry that has none: empty, or cutting its large page into the next smaller ones. One store
 * makes the change, and it changes no translation. */
static MUST_USE err_t split(uint64_t *entry, unsigned level)
{
    uint64_t at;
    err_t e = table_make(&at);

    if (e)
        return e;
    for (unsigned i = 0; *entry && i < ENTRIES; i++) {
        uint64_t part = *entry + i * level_size(level - 1);
        table_at(at)[i] = level == 1 ? part & ~PTE_PS : part;
    }
    *(volatile uint64_t *)entry = at | PTE_P | PTE_W;
    return OK;
}

static err_t map_level(const struct pagetable *t, uint64_t *table, unsigned level, uint64_t start, uint64_t end,
                       uint64_t flags)
{
    uint64_t size = level_size(level);

    for (uint64_t next; start < end; start = next) {
        uint64_t *entry = &table[start / size % ENTRIES];
        bool is_table = level && *entry & PTE_P && !(*entry & PTE_PS);

        next = min_u64(align_down(start, size) + size, end);
        if (level == 0 || (level <= t->leaf && !is_table && next - start == size)) {
            *entry = flags ? start | flags | (level ? PTE_PS : 0) : 0;
            continue;
        }
        if (!is_table) {
            err_t e = split(entry, level);
            if (e)
                return e;
        }
        err_t e = map_level(t, table_at(*entry), level - 1, start, next, flags);
        if (e)
            return e;
    }
    return OK;
}

err_t pagetable_map(struct pagetable *t, uint64_t start, uint64_t end, uint64_t flags)
{
    return map_level(t, table_at(t->root), 3, start, end, flags);
}
