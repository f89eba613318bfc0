/* Page tables that change under the running program, code that rewrites itself, device memory where RAM was a moment ago,
 * operands and instructions across page boundaries. Arguments: n, rounds (2,000); hole, two pages where nobody
 * answers. */
#include "test/guest/guest.h"

const char guest_name[] = "paging";

static uint64_t hole;

static void map(uint64_t va, uint64_t pa) { map_page(va, pa | PTE_P | PTE_W); }
static volatile uint64_t *at(uint64_t va) { return (volatile uint64_t *)(uintptr_t)va; }

/* One address, by turns on different RAM pages and where nobody answers. */
static void remapping(uint64_t rounds)
{
    uint64_t *page[4];

    for (unsigned i = 0; i < 4; i++) {
        page[i] = page_get();
        page[i][0] = page[i][511] = i + 100;
    }
    for (uint64_t i = 0; i < rounds; i++) {
        unsigned k = rnd() % 5;

        map(SCRATCH_VA, k < 4 ? (uintptr_t)page[k] : hole);
        if (*at(SCRATCH_VA) != (k < 4 ? k + 100 : UINT64_MAX))
            fail("round %" PRIu64 ": read %" PRIx64 " from page %u", i, *at(SCRATCH_VA), k);
        *at(SCRATCH_VA) = k < 4 ? k + 100 : 7;
    }
    for (unsigned i = 0; i < 4; i++)
        CHECK(page[i][0] == i + 100);
}

static void read_at(uint64_t va, uint64_t b)
{
    (void)b;
    (void)*at(va);
}
static void write_at(uint64_t va, uint64_t b) { *at(va) = b; }

static void faults(void)
{
    map_page(SCRATCH_VA, 0);
    CHECK(try_call(read_at, SCRATCH_VA, 0) == VEC_PF && try_error == 0 && try_cr2 == SCRATCH_VA);
    map_page(SCRATCH_VA, hole | PTE_P); /* read-only, no RAM: still a page fault, not a device access */
    CHECK(try_call(write_at, SCRATCH_VA, 0) == VEC_PF && try_error == 3);
    CHECK(try_call(read_at, SCRATCH_VA, 0) == -1);
    map(SCRATCH_VA, hole);
    map_page(SCRATCH_VA + PAGE_SIZE, 0);
    CHECK(try_call(read_at, SCRATCH_VA + 0xFFC, 0) == VEC_PF && try_cr2 == SCRATCH_VA + 0x1000);
    map_page(SCRATCH_VA + PAGE_SIZE, hole | PTE_P);
    CHECK(try_call(write_at, SCRATCH_VA + 0xFFC, 0) == VEC_PF && try_cr2 == SCRATCH_VA + 0x1000);
}

/* The page-table entry lies in the page that it maps: writing there moves the page away under the writer. */
static void self_map(void)
{
    uint64_t *other = page_get(), t = cpu_read_cr3() & PTE_ADDR;

    map(SCRATCH_VA + 0x5000, (uintptr_t)other);
    other[3] = 77;
    for (unsigned shift = 39; shift > 12; shift -= 9)
        t = ((uint64_t *)(uintptr_t)t)[SCRATCH_VA >> shift & 511] & PTE_ADDR;
    map(SCRATCH_VA + 0x6000, t); /* the last table, mapped by its own entry 6 */
    CHECK((*at(SCRATCH_VA + 0x6000 + 8 * 5) & PTE_ADDR) == (uintptr_t)other);
    *at(SCRATCH_VA + 0x6000 + 8 * 6) = (uintptr_t)other | PTE_P | PTE_W;
    cpu_invlpg(SCRATCH_VA + 0x6000);
    CHECK(*at(SCRATCH_VA + 0x6000 + 8 * 3) == 77);
}

/* A function made of bytes, rewritten before each call: it reads device memory by an instruction that lies across two pages
 * which are not next to each other in RAM. */
static void rewritten_code(uint64_t rounds)
{
    uint8_t *first = page_get(), *gap = page_get(), *second = page_get();
    uint64_t entry = SCRATCH_VA + PAGE_SIZE - 3, result;

    (void)gap;
    map(SCRATCH_VA, (uintptr_t)first);
    map(SCRATCH_VA + PAGE_SIZE, (uintptr_t)second);
    map(SCRATCH_VA + 0x10000, hole);
    for (uint64_t i = 0; i < rounds; i++) {
        uint8_t code[16] = { 0x48, 0x8B, 0x87 }; /* mov disp32(%rdi), %rax; ret */
        unsigned len = 7;
        uint64_t want = UINT64_MAX;

        put_le32(code + 3, (uint32_t)(rnd() % 0xFF8));
        if (i % 3 == 1) {
            code[0] = 0x0F, code[1] = 0xB6, code[2] = 0x87; /* movzbl */
            want = 0xFF;
        } else if (i % 3 == 2) {
            memset(code, 0, sizeof code);
            code[0] = 0xB8, put_le32(code + 1, (uint32_t)i), len = 5; /* mov $i, %eax: no device */
            want = (uint32_t)i;
        }
        code[len] = 0xC3;
        memcpy(first + 0xFFD, code, 3);
        memcpy(second, code + 3, sizeof code - 3);
        __asm__ volatile("call *%1" : "=a"(result) : "r"(entry), "D"(SCRATCH_VA + 0x10000) : "memory", "cc");
        if (result != want)
            fail("round %" PRIu64 ": %" PRIx64 " instead of %" PRIx64, i, result, want);
    }
}

/* A 2 MiB page whose halves are RAM and nothing, then cut into small ones. */
static void large_pages(void)
{
    uint64_t end = align_down(ram_end_low(), MIB(2)), va = 0x7100000000ull, *dir;

    map(va, 0); /* makes the tables above */
    dir = (uint64_t *)(uintptr_t)(cpu_read_cr3() & PTE_ADDR);
    for (unsigned shift = 39; shift > 21; shift -= 9)
        dir = (uint64_t *)(uintptr_t)(dir[va >> shift & 511] & PTE_ADDR);
    dir[1] = (end - MIB(2)) | PTE_PS | PTE_P | PTE_W;
    dir[2] = end | PTE_PS | PTE_P | PTE_W; /* behind the end of RAM */
    uint64_t edge = va + MIB(4);
    *at(edge - 8) = 0x1234567812345678;
    CHECK(*at(edge - 8) == 0x1234567812345678);
    CHECK(*at(edge) == UINT64_MAX);
    CHECK(*at(edge - 4) == 0xFFFFFFFF12345678);
    *at(edge - 4) = 0x1111111122222222;
    CHECK(*at(edge - 8) == 0x2222222212345678);
    if (cpu_id(0x80000001, 0).edx & BIT(26)) {
        uint64_t *level3 = (uint64_t *)(uintptr_t)(*(uint64_t *)(uintptr_t)((cpu_read_cr3() & PTE_ADDR) + 8 * (va >> 39 & 511)) & PTE_ADDR);
        level3[(va >> 30 & 511) + 1] = GIB(3) | PTE_PS | PTE_P | PTE_W; /* 1 GiB of devices */
        CHECK(*at(va + GIB(1) + (hole - GIB(3))) == UINT64_MAX);
    }
}

void guest_main(void)
{
    uint64_t rounds = arg("n", 2000);

    hole = arg("hole", 0xF8000000);
    remapping(rounds);
    faults();
    self_map();
    rewritten_code(rounds);
    large_pages();
    pass("%" PRIu64 " rounds", rounds);
}
