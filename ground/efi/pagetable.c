/* One-to-one page tables of 2 MiB and 4 KiB pages: the walker. Called by paging.c, before other CPUs run or under its
 * lock. Tables are never given back. AMD APM volume 2, 5.3. */
#include "base/str.h"
#include "ground/efi/machine.h"

#define ENTRIES 512u

static uint64_t level_size(unsigned level) { return (uint64_t)PAGE_SIZE << 9 * level; }
static uint64_t *table_at(uint64_t entry) { return hpa_ptr(hpa(entry & PTE_ADDR)); }

err_t pagetable_make(uint64_t *root)
{
    hpa_t at;
    err_t e = ground_pages_get(0, &at);

    if (e)
        return e;
    memset(hpa_ptr(at), 0, PAGE_SIZE);
    *root = at.v;
    return OK;
}

/* Puts a table below an entry that has none: empty, or cutting its large page into small ones. One store makes the
 * change, and it changes no translation. */
static MUST_USE err_t split(uint64_t *entry)
{
    uint64_t at;
    err_t e = pagetable_make(&at);

    if (e)
        return e;
    for (unsigned i = 0; *entry && i < ENTRIES; i++)
        table_at(at)[i] = (*entry & ~PTE_PS) + i * PAGE_SIZE;
    *(volatile uint64_t *)entry = at | PTE_P | PTE_W;
    return OK;
}

static err_t map_level(uint64_t *table, unsigned level, uint64_t start, uint64_t end, uint64_t flags)
{
    uint64_t size = level_size(level);
    err_t e = OK;

    for (uint64_t next; !e && start < end; start = next) {
        uint64_t *entry = &table[start / size % ENTRIES];
        bool is_table = level && *entry & PTE_P && !(*entry & PTE_PS);

        next = min_u64(align_down(start, size) + size, end);
        if (level == 0 || (level == 1 && !is_table && next - start == size)) {
            *entry = flags ? start | flags | (level ? PTE_PS : 0) : 0;
            continue;
        }
        if (!is_table)
            e = split(entry);
        if (!e)
            e = map_level(table_at(*entry), level - 1, start, next, flags);
    }
    return e;
}

err_t pagetable_map(uint64_t root, uint64_t start, uint64_t end, uint64_t flags)
{
    return map_level(table_at(root), 3, start, end, flags);
}
