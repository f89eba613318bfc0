/* A guest's RAM: chunks of 2 MiB, found by index.
 *
 * All are the guest's from its start, but each is zeroed when it is first touched: zeroing gigabytes at once would hold up the
 * whole machine. FRESH in a chunk's entry says that it holds what its last owner left. Nothing but chunk_address() makes an
 * address of an entry, for this file and for the backend's page tables alike, so nobody can get at such a chunk. */
#include "vm/mem.h"
#include "base/str.h"
#include "ground/ground.h"
#include "vm/ram.h"
#include "vm/vm.h"

uint64_t mem_low_size(const struct vm *vm) { return vm->low_chunks << MEM_CHUNK_SHIFT; }
uint64_t mem_high_size(const struct vm *vm) { return vm->high_chunks << MEM_CHUNK_SHIFT; }

#define FRESH 1u /* an address is a multiple of MEM_CHUNK */

/* The entry of the chunk that holds `at`; NULL outside RAM. */
static hpa_t *chunk_of(const struct vm *vm, uint64_t at)
{
    uint64_t i = at >> MEM_CHUNK_SHIFT;

    if (i < vm->low_chunks)
        return &vm->low[i];
    i -= MEM_HIGH_START >> MEM_CHUNK_SHIFT; /* wraps to a huge number below 4 GiB */
    return i < vm->high_chunks ? &vm->high[i] : NULL;
}

static hpa_t chunk_address(struct vm *vm, hpa_t *chunk)
{
    if (!(__atomic_load_n(&chunk->v, __ATOMIC_ACQUIRE) & FRESH))
        return *chunk;
    lock_take(&vm->ram_lock);
    if (chunk->v & FRESH) { /* nobody was faster */
        memset(hpa_ptr(hpa(chunk->v & ~(uint64_t)FRESH)), 0, MEM_CHUNK);
        __atomic_store_n(&chunk->v, chunk->v & ~(uint64_t)FRESH, __ATOMIC_RELEASE);
    }
    lock_drop(&vm->ram_lock);
    return *chunk;
}

err_t mem_chunk(struct vm *vm, gpa_t at, hpa_t *out)
{
    hpa_t *chunk = chunk_of(vm, at.v);

    if (!chunk)
        return ERR_GUEST;
    *out = chunk_address(vm, chunk);
    return OK;
}

/* Host address of `at` and how many bytes of its chunk follow. */
static uint8_t *locate(struct vm *vm, uint64_t at, uint64_t *left)
{
    uint64_t off = at & (MEM_CHUNK - 1);
    hpa_t chunk;

    if (mem_chunk(vm, gpa(at), &chunk))
        return NULL;
    *left = MEM_CHUNK - off;
    return (uint8_t *)hpa_ptr(chunk) + off;
}

bool mem_holds(const struct vm *vm, gpa_t gpa, uint64_t n)
{
    uint64_t low = mem_low_size(vm), high = mem_high_size(vm), at = gpa.v;

    if (at < low)
        return n <= low - at;
    return at >= MEM_HIGH_START && at - MEM_HIGH_START < high && n <= high - (at - MEM_HIGH_START);
}

static err_t copy(struct vm *vm, uint64_t at, uint8_t *buf, uint64_t n, bool to_guest)
{
    uint64_t left, take;

    if (!n)
        return OK;
    if (!mem_holds(vm, gpa(at), n))
        return ERR_GUEST;
    for (; n; n -= take, at += take) {
        uint8_t *ram = locate(vm, at, &left);

        take = min_u64(n, left);
        memcpy(to_guest ? ram : buf, to_guest ? buf : ram, take);
        buf += take;
    }
    return OK;
}

err_t mem_read(struct vm *vm, gpa_t at, void *dst, size_t n)
{
    return copy(vm, at.v, dst, n, false);
}

err_t mem_write(struct vm *vm, gpa_t at, const void *src, size_t n)
{
    return copy(vm, at.v, (uint8_t *)(uintptr_t)src, n, true);
}

err_t mem_dma(struct vm *vm, gpa_t at, uint64_t len, hpa_t *out, uint64_t *run)
{
    uint64_t left;
    const uint8_t *p = locate(vm, at.v, &left), *next;

    if (!p || !len)
        return ERR_GUEST;
    *out = hpa_of(p);
    *run = min_u64(len, left);
    while (*run < len && (next = locate(vm, at.v + *run, &left)) == p + *run)
        *run += min_u64(len - *run, left);
    return OK;
}

static void chunks_put(hpa_t *list, uint64_t n)
{
    while (n--)
        ground_pages_put(hpa(list[n].v & ~(uint64_t)FRESH), PAGE_ORDER_2M);
}

static err_t chunks_get(hpa_t *list, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (ground_pages_get(PAGE_ORDER_2M, &list[i])) {
            chunks_put(list, i);
            return ERR_NOMEM;
        }
        list[i].v |= FRESH;
    }
    return OK;
}

err_t ram_get(struct vm *vm)
{
    uint64_t low = min_u64(vm->cfg.memory, MEM_LOW_END) >> MEM_CHUNK_SHIFT;
    uint64_t all = vm->cfg.memory >> MEM_CHUNK_SHIFT;

    vm->low = ground_alloc(all * sizeof vm->low[0]);
    if (!vm->low)
        return ERR_NOMEM;
    if (chunks_get(vm->low, all)) {
        ground_free(vm->low, all * sizeof vm->low[0]);
        vm->low = NULL;
        return ERR_NOMEM;
    }
    vm->high = vm->low + low;
    vm->low_chunks = low;
    vm->high_chunks = all - low;
    return OK;
}

void ram_put(struct vm *vm)
{
    uint64_t all = vm->low_chunks + vm->high_chunks;

    chunks_put(vm->low, all);
    ground_free(vm->low, all * sizeof vm->low[0]);
    vm->low = vm->high = NULL;
    vm->low_chunks = vm->high_chunks = 0;
}
