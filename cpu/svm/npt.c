/* Nested page tables: guest-physical to host-physical, four levels, RAM only; what is not RAM faults and is emulated. */
#include "cpu/svm/svm.h"
#include "ground/ground.h"
#include "vm/vm.h"

/* A nested walk counts as a user access (APM vol. 2, 15.25.6), so U must be set. A and D set at once spare the CPU writes. */
#define NPT_TABLE (PTE_P | PTE_W | PTE_U)
#define NPT_LEAF (NPT_TABLE | PTE_A | PTE_D | PTE_PS)
#define ENTRIES 512
#define CHUNKS_PER_GIB 512

static uint64_t *table_new(void)
{
    return ground_alloc(PAGE_SIZE);
}

/* The table entry *e points to, made if there is none. NULL: no memory. */
static uint64_t *table_below(uint64_t *e)
{
    if (!(*e & PTE_P)) {
        uint64_t *t = table_new();
        if (!t)
            return NULL;
        *e = hpa_of(t).v | NPT_TABLE;
    }
    return hpa_ptr(hpa(*e & PTE_ADDR));
}

/* n chunks, contiguous in the machine, make a 1 GiB page. */
static bool makes_gib(const hpa_t *chunk, uint64_t n, uint64_t at)
{
    if (!svm_shared.has_1g_pages || n < CHUNKS_PER_GIB || at % GIB(1) || chunk[0].v % GIB(1))
        return false;
    for (unsigned i = 1; i < CHUNKS_PER_GIB; i++)
        if (chunk[i].v != chunk[0].v + i * MEM_CHUNK)
            return false;
    return true;
}

static err_t map(uint64_t *root, uint64_t at, const hpa_t *chunk, uint64_t n)
{
    while (n) {
        uint64_t *pdpt = table_below(&root[at >> 39 & 511]);
        if (!pdpt)
            return ERR_NOMEM;
        uint64_t *e = &pdpt[at >> 30 & 511], step = 1;
        if (makes_gib(chunk, n, at)) {
            *e = chunk->v | NPT_LEAF;
            step = CHUNKS_PER_GIB;
        } else {
            uint64_t *pd = table_below(e);
            if (!pd)
                return ERR_NOMEM;
            pd[at >> 21 & 511] = chunk->v | NPT_LEAF;
        }
        at += step * MEM_CHUNK;
        chunk += step;
        n -= step;
    }
    return OK;
}

static void tables_free(uint64_t *table, unsigned levels)
{
    for (unsigned i = 0; levels > 1 && i < ENTRIES; i++)
        if ((table[i] & PTE_P) && !(table[i] & PTE_PS))
            tables_free(hpa_ptr(hpa(table[i] & PTE_ADDR)), levels - 1);
    ground_free(table, PAGE_SIZE);
}

void npt_free(uint64_t *root)
{
    tables_free(root, 3); /* the lowest level is never used: the leaves are 2 MiB */
}

err_t npt_make(struct vm *vm, uint64_t **out)
{
    uint64_t *root = table_new();

    if (!root)
        return ERR_NOMEM;
    if (map(root, 0, vm->low, vm->low_chunks) || map(root, MEM_HIGH_START, vm->high, vm->high_chunks)) {
        npt_free(root);
        return ERR_NOMEM;
    }
    *out = root;
    return OK;
}
