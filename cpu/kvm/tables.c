#include "cpu/kvm/tables.h"
#include "arch/x86/reg.h"
#include "base/str.h"

#define BLOCK MIB(2)
#define ENTRIES 512u
/* bits that are free for software */
#define ONCE_LARGE BIT64(10) /* in an entry of the second level: it has been a 2 MiB page */
#define KEPT BIT64(11)       /* no rights, but the page exists and counts */

static uint64_t *page_at(const struct tables *t, uint64_t entry)
{
    return (uint64_t *)(void *)(t->mem + ((entry & PTE_ADDR) - t->gpa));
}

/* tables_need() was asked before: there is room. The arena is zero where it has not been used. */
static uint64_t page_new(struct tables *t)
{
    uint64_t at = t->gpa + t->used;

    t->used += PAGE_SIZE;
    return at;
}

static uint64_t page_copy(struct tables *t, uint64_t entry)
{
    uint64_t at = page_new(t);

    memcpy(page_at(t, at), page_at(t, entry), PAGE_SIZE);
    return at;
}

#define UPPER (PTE_P | PTE_W | PTE_U | PTE_A)

static uint64_t leaf(uint64_t addr, unsigned rights)
{
    if (!rights)
        return 0;
    if (rights & TABLES_KEPT)
        return KEPT;
    return addr | PTE_P | PTE_U | PTE_A | PTE_D | (rights & TABLES_WRITE ? PTE_W : 0) |
           (rights & TABLES_EXEC ? 0 : PTE_NX);
}

static bool leaf_used(uint64_t e)
{
    return e & (PTE_P | KEPT);
}

static unsigned leaf_rights(uint64_t e)
{
    return e & KEPT ? TABLES_KEPT : !(e & PTE_P) ? 0 : TABLES_READ | (e & PTE_W ? TABLES_WRITE : 0) | (e & PTE_NX ? 0 : TABLES_EXEC);
}

err_t tables_init(struct tables *t, uint64_t skip)
{
    uint64_t gib = t->gpa >> 30, at;
    uint64_t *pdpt, *pd;

    if (skip > BLOCK || t->size < skip + 3 * PAGE_SIZE || gib >= ENTRIES || t->gpa < t->top)
        return ERR_FULL;
    t->used = align_up(skip, PAGE_SIZE);
    t->pages = 0;
    t->root = page_new(t);
    at = page_new(t);
    page_at(t, t->root)[0] = at | UPPER;
    pdpt = page_at(t, at);
    at = page_new(t);
    pdpt[gib] = at | (UPPER & ~PTE_U);
    pd = page_at(t, at);
    pd[t->gpa >> 21 & (ENTRIES - 1)] = align_down(t->gpa, BLOCK) | PTE_P | PTE_W | PTE_A | PTE_D | PTE_PS | PTE_NX;
    return OK;
}

uint64_t tables_need(const struct tables *, uint64_t addr, uint64_t len)
{
    uint64_t blocks = ((addr + len - 1) >> 21) - (addr >> 21) + 1;
    uint64_t gibs = ((addr + len - 1) >> 30) - (addr >> 30) + 1;

    /* whole blocks inside take a page each only if they have been used before; count them all. A split takes three more, at both
     * ends and wherever a large page is met */
    return (blocks * 4 + gibs) * PAGE_SIZE;
}

/* Fresh copies of the three upper levels on the way to addr; the old ones stay as they are for CPUs that still use them. */
static uint64_t *path_copy(struct tables *t, uint64_t addr)
{
    uint64_t root = page_copy(t, t->root);
    uint64_t *pml4 = page_at(t, root), *pdpt;

    pml4[0] = page_copy(t, pml4[0]) | UPPER;
    pdpt = page_at(t, pml4[0]);
    pdpt[addr >> 30] = page_copy(t, pdpt[addr >> 30]) | UPPER;
    t->root = root;
    return &page_at(t, pdpt[addr >> 30])[addr >> 21 & (ENTRIES - 1)];
}

/* The table of 4 KiB pages that entry leads to, made if there is none. */
static uint64_t *block_table(struct tables *t, uint64_t addr, uint64_t *entry)
{
    uint64_t old = *entry, *table;
    uint64_t at;

    if (old & PTE_P && !(old & PTE_PS))
        return page_at(t, old);
    at = page_new(t);
    table = page_at(t, at);
    if (leaf_used(old))
        for (unsigned i = 0; i < ENTRIES; i++)
            table[i] = leaf(align_down(addr, BLOCK) + i * (uint64_t)PAGE_SIZE, leaf_rights(old));
    if (old)
        entry = path_copy(t, addr);
    *entry = at | UPPER;
    return table;
}

static uint64_t *block_entry(struct tables *t, uint64_t addr, bool make)
{
    uint64_t *pdpt = page_at(t, page_at(t, t->root)[0]);

    if (!(pdpt[addr >> 30] & PTE_P)) {
        if (!make)
            return NULL;
        pdpt[addr >> 30] = page_new(t) | UPPER;
    }
    return &page_at(t, pdpt[addr >> 30])[addr >> 21 & (ENTRIES - 1)];
}

static void block_set(struct tables *t, uint64_t addr, uint64_t end, unsigned rights, bool fresh)
{
    uint64_t *entry = block_entry(t, addr, rights != 0), *table;
    bool whole = end - addr == BLOCK;

    if (!entry || (!rights && !leaf_used(*entry)))
        return;
    if (whole && ((*entry & PTE_PS) || (!*entry && fresh))) {
        t->pages -= leaf_used(*entry) ? ENTRIES : 0;
        t->pages += rights ? ENTRIES : 0;
        *entry = (rights ? leaf(addr, rights) | PTE_PS : 0) | ONCE_LARGE;
        return;
    }
    table = block_table(t, addr, entry);
    for (; addr < end; addr += PAGE_SIZE) {
        uint64_t *e = &table[addr >> 12 & (ENTRIES - 1)];
        t->pages -= leaf_used(*e);
        *e = rights ? leaf(addr, rights) : *e & (PTE_A | PTE_D); /* tables_used() */
        t->pages += leaf_used(*e);
    }
}

err_t tables_set(struct tables *t, uint64_t addr, uint64_t len, unsigned rights, bool fresh)
{
    uint64_t end = addr + len, next;

    if (t->used + tables_need(t, addr, len) > t->size)
        return ERR_FULL;
    for (; addr < end; addr = next) {
        next = min_u64(end, align_down(addr, BLOCK) + BLOCK);
        block_set(t, addr, next, rights, fresh);
    }
    return OK;
}

/* The lowest entry for addr there is; what it says goes up to *end. */
static uint64_t *leaf_at(const struct tables *t, uint64_t addr, uint64_t *end)
{
    uint64_t *e = &page_at(t, page_at(t, t->root)[0])[addr >> 30];

    *end = align_down(addr, GIB(1)) + GIB(1);
    if (!(*e & PTE_P))
        return e;
    e = &page_at(t, *e)[addr >> 21 & (ENTRIES - 1)];
    *end = align_down(addr, BLOCK) + BLOCK;
    if (!(*e & PTE_P) || *e & PTE_PS)
        return e;
    *end = align_down(addr, PAGE_SIZE) + PAGE_SIZE;
    return &page_at(t, *e)[addr >> 12 & (ENTRIES - 1)];
}

bool tables_get(const struct tables *t, uint64_t addr, unsigned *rights, uint64_t *end)
{
    *rights = leaf_rights(*leaf_at(t, addr, end));
    return *rights != 0;
}

void tables_clean(struct tables *t)
{
    for (uint64_t at = 0, end; at < t->top; at = end)
        *leaf_at(t, at, &end) &= ~(PTE_A | PTE_D);
}

unsigned tables_used(const struct tables *t, uint64_t addr, uint64_t *end)
{
    uint64_t e = *leaf_at(t, addr, end);

    return (e & PTE_A ? TABLES_READ : 0) | (e & PTE_D ? TABLES_WRITE : 0);
}
