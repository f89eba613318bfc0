/* Nested page tables: guest-physical to host-physical, four levels, RAM only; what is not RAM faults and is emulated. The
 * tables are there from the start, a chunk of RAM is put in when the guest first touches it: vm/mem.c zeroes it then. */
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

/* The entry for 2 MiB: RAM comes in chunks from anywhere, larger pages would only fit by accident. NULL: no memory. */
static uint64_t *leaf_of(struct vm *vm, uint64_t at)
{
    uint64_t *root = vm->hw, *pdpt = table_below(&root[at >> 39 & 511]);
    uint64_t *pd = pdpt ? table_below(&pdpt[at >> 30 & 511]) : NULL;

    return pd ? &pd[at >> 21 & 511] : NULL;
}

static err_t tables_make(struct vm *vm, uint64_t at, uint64_t size)
{
    for (uint64_t end = at + size; at < end; at += GIB(1))
        if (!leaf_of(vm, at))
            return ERR_NOMEM;
    return OK;
}

bool npt_map(struct vm *vm, gpa_t at)
{
    hpa_t chunk;

    if (mem_chunk(vm, at, &chunk))
        return false;
    /* another vCPU may do the same now, with the same result; an absent entry is in no TLB */
    __atomic_store_n(leaf_of(vm, at.v), chunk.v | NPT_LEAF, __ATOMIC_RELEASE);
    return true;
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
    vm->hw = ground_alloc(PAGE_SIZE);
    if (!vm->hw)
        return ERR_NOMEM;
    err_t e = tables_make(vm, 0, mem_low_size(vm));
    if (!e)
        e = tables_make(vm, MEM_HIGH_START, mem_high_size(vm));
    if (e)
        npt_fini(vm);
    return e;
}
