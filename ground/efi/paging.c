/* What is mapped where, and how: all memory one to one, writable and not executable; our image as its section headers
 * say; page 0, guard pages and whatever lies above 4 GiB and is not memory: not at all. Below 4 GiB, what is not memory
 * is mapped uncached. ground_mmio_map() adds the rest on demand. `lock` guards `tables` from when other CPUs run. */
#include "arch/x86/cpu.h"
#include "arch/x86/lock.h"
#include "base/bytes.h"
#include "ground/efi/launch.h"
#include "ground/efi/machine.h"

#define MEMORY (PTE_P | PTE_W | PTE_A | PTE_D)
#define UNCACHED (MEMORY | PTE_NX | PTE_PCD | PTE_PWT) /* PAT entry 3 */
#define WRITE_COMBINING (MEMORY | PTE_NX | PTE_PWT)    /* PAT entry 1 */
/* Entry 1 is write-combining instead of write-through; the others as after reset: WB, WC, UC-, UC, twice. */
#define PAT_VALUE 0x0007010600070106ull

/* PE/COFF specification, 3 and 4 */
#define PE_OFFSET_AT 0x3C
#define SECTION_BYTES 40u
#define SECTION_EXECUTE BIT(29)
#define SECTION_WRITE BIT(31)

static struct lock lock;
static uint64_t tables, firmware, root5; /* addresses of top tables */
static uint64_t top;                     /* of the table for the last 512 GiB, in all of them */
static const struct memmap *map;

static void must(err_t e)
{
    if (e)
        panic("paging: %s", err_text(e));
}

/* W^X for ourselves: headers and constants read-only, code read-only and executable, data as data. */
static void map_image(void)
{
    const uint8_t *pe = __ImageBase + get_le32(__ImageBase + PE_OFFSET_AT);
    unsigned n = get_le16(pe + 6);
    const uint8_t *section = pe + 24 + get_le16(pe + 20);
    uint64_t base = (uintptr_t)__ImageBase;

    must(pagetable_map(tables, base, base + align_up(get_le32(pe + 24 + 60), PAGE_SIZE), PTE_P | PTE_A | PTE_NX));
    for (; n--; section += SECTION_BYTES) {
        uint64_t start = base + get_le32(section + 12), end = align_up(start + get_le32(section + 8), PAGE_SIZE);
        uint32_t what = get_le32(section + 36);
        uint64_t flags =
            PTE_P | PTE_A | (what & SECTION_WRITE ? PTE_W | PTE_D : 0) | (what & SECTION_EXECUTE ? 0 : PTE_NX);

        if (start % PAGE_SIZE || (what & SECTION_WRITE && what & SECTION_EXECUTE))
            panic("paging: section %.8s cannot be protected", (const char *)section);
        must(pagetable_map(tables, start, end, flags));
    }
}

static void map_all(uint64_t *root, uint64_t no_execute)
{
    must(pagetable_make(root));
    ((uint64_t *)hpa_ptr(hpa(*root)))[511] = top | PTE_P | PTE_W;
    must(pagetable_map(*root, 0, GIB(4), UNCACHED));
    for (unsigned i = 0; i < map->count; i++) {
        uint64_t start = map->range[i].start;

        if (map->range[i].kind == MEM_DEVICE)
            continue;
        while (i + 1 < map->count && map->range[i + 1].kind != MEM_DEVICE && map->range[i + 1].start == map->range[i].end)
            i++; /* together they fill large pages, whatever each of them is for */
        must(pagetable_map(*root, start, map->range[i].end, MEMORY | no_execute));
    }
}

void paging_init(const struct memmap *m, const struct launch_screen *screen)
{
    uint64_t screen_bytes = align_up((uint64_t)screen->pitch * screen->height + screen->base % PAGE_SIZE, PAGE_SIZE);
    uint64_t screen_at = align_down(screen->base, PAGE_SIZE);

    map = m;
    if (!(cpu_id(0x80000001, 0).edx >> 20 & 1))
        panic("paging: this CPU has no NX bit");
    must(pagetable_make(&top));
    map_all(&tables, PTE_NX);
    map_all(&firmware, 0);
    map_image();
    if (screen->base && !memmap_has_memory(m, screen_at, screen_at + screen_bytes))
        must(pagetable_map(tables, screen_at, screen_at + screen_bytes, WRITE_COMBINING));
    must(pagetable_map(tables, 0, PAGE_SIZE, 0));
    must(pagetable_make(&root5));
    *(uint64_t *)hpa_ptr(hpa(root5)) = tables | PTE_P | PTE_W;
}

hpa_t ground_top_table(void) { return hpa(top); }
uint64_t paging_root(void) { return tables; }
uint64_t paging_root5(void) { return root5; }
uint64_t paging_firmware_root(void) { return firmware; }

void paging_unmap(uint64_t page)
{
    must(pagetable_map(tables, page, page + PAGE_SIZE, 0));
    cpu_invlpg(page);
}

void paging_trampoline(uint64_t page, bool on)
{
    must(pagetable_map(tables, page, page + PAGE_SIZE, on ? PTE_P | PTE_A : MEMORY | PTE_NX));
    cpu_invlpg(page);
}

void paging_cpu_init(void)
{
    __asm__ volatile("wbinvd" ::: "memory"); /* nothing cached under the types of before */
    cpu_wrmsr(MSR_PAT, PAT_VALUE);
    cpu_write_cr3(cpu_read_cr3());
}

void ground_mmio_map(hpa_t at, uint64_t len)
{
    uint64_t start = align_down(at.v, PAGE_SIZE), end = align_up(at.v + len, PAGE_SIZE);

    if (end <= start || end > MEM_END || memmap_has_memory(map, start, end)) {
        ground_log("paging: 0x%" PRIx64 " + 0x%" PRIx64 " cannot be a device's registers", at.v, len);
        return;
    }
    if (end <= GIB(4))
        return; /* mapped from the beginning */
    lock_take(&lock);
    must(pagetable_map(tables, max_u64(start, GIB(4)), end, UNCACHED)); /* new, or as before: nothing to flush */
    lock_drop(&lock);
}
