/* Nested page tables: guest-physical to host-physical, four levels, RAM only; what is not RAM faults and is emulated. */
#include "cpu/svm/svm.h"
#include "ground/ground.h"
#include "vm/vm.h"

/* A nested walk counts as a user access (APM vol. 2, 15.25.6), so U must be set. A and D set at once spare the CPU writes. */
#define NPT_TABLE (PTE_P | PTE_W | PTE_U)
#define NPT_LEAF (NPT_TABLE | PTE_A | PTE_D | PTE_PS)
#define ENTRIES 512

/* The table entry *e points to, made if there is none. NULL: no memory. */
static uint64_t *table_below(uint64_t *e)
{
    if (!(*e & PTE_P)) {
        uint64_t *t = ground_alloc(PAGE_SIZE);
        if (!t)
            return NULL;
        *e = hpa_of(t).v | NPT_TABLE;
    }
    return hpa_ptr(hpa(*e & PTE_ADDR));
}

/* RAM comes in chunks of 2 MiB from anywhere: larger pages would only fit by accident. */
static err_t map(uint64_t *root, uint64_t at, const hpa_t *chunk, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++, at += MEM_CHUNK) {
        uint64_t *pdpt = table_below(&root[at >> 39 & 511]);
        uint64_t *pd = pdpt ? table_below(&pdpt[at >> 30 & 511]) : NULL;

        if (!pd)
            return ERR_NOMEM;
        pd[at >> 21 & 511] = chunk[i].v | NPT_LEAF;
    }
    return OK;
}

static void tables_free(uint64_t *table, unsigned levels)
{
    for (unsigned i = 0; levels > 1 && i < ENTRIES; i++)
        if (table[i] & PTE_P)
            tables_free(hpa_ptr(hpa(table[i] & PTE_ADDR)), levels - 1);
    ground_free(table, PAGE_SIZE);
}

void npt_fini(struct vm *vm)
{
    tables_free(vm->hw, 3); /* the lowest level is never used: the leaves are 2 MiB */
    vm->hw = NULL;
}

err_t npt_init(struct vm *vm)
{
    uint64_t *root = vm->hw = ground_alloc(PAGE_SIZE);
    err_t e = ERR_NOMEM;

    if (!root)
        return e;
    e = map(root, 0, vm->low, vm->low_chunks);
    if (!e)
        e = map(root, MEM_HIGH_START, vm->high, vm->high_chunks);
    if (e)
        npt_fini(vm);
    return e;
}
