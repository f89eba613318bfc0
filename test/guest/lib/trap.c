/* Exceptions, interrupts, page tables. */
#include "test/guest/lib/lib.h"

void (*trap_handler[256])(struct trap *);
uint64_t try_error, try_cr2;
uint64_t guest_tables[512] ALIGNED(4096);
static uint64_t level3[512] ALIGNED(4096), level2[4][512] ALIGNED(4096);
static uint64_t idt[256][2];

void guest_trap(struct trap *t)
{
    if (t->vector < 32 && t->vector != VEC_NMI && try_rsp) {
        try_error = t->error;
        try_cr2 = cpu_read_cr2();
        t->rip = (uintptr_t)try_resume;
        t->rsp = try_rsp;
        t->rax = t->vector;
        return;
    }
    if (trap_handler[t->vector]) {
        trap_handler[t->vector](t);
        return;
    }
    say("rax %016" PRIx64 " rcx %016" PRIx64 " rdx %016" PRIx64 " rbx %016" PRIx64, t->rax, t->rcx, t->rdx, t->rbx);
    say("rsp %016" PRIx64 " rsi %016" PRIx64 " rdi %016" PRIx64 " cr2 %016" PRIx64, t->rsp, t->rsi, t->rdi, cpu_read_cr2());
    fail("vector %u, error %x at rip %" PRIx64, (unsigned)t->vector, (unsigned)t->error, t->rip);
}

void trap_load(void)
{
    struct PACKED {
        uint16_t limit;
        uint64_t base;
    } idtr = { sizeof idt - 1, (uintptr_t)idt };

    __asm__ volatile("lidt %0" ::"m"(idtr));
}

static void tables_init(void)
{
    guest_tables[0] = (uintptr_t)level3 | PTE_P | PTE_W | PTE_U;
    for (unsigned i = 0; i < 4; i++) {
        level3[i] = (uintptr_t)level2[i] | PTE_P | PTE_W | PTE_U;
        for (unsigned j = 0; j < 512; j++)
            level2[i][j] = (uint64_t)i << 30 | (uint64_t)j << 21 | PTE_PS | PTE_P | PTE_W | PTE_U;
    }
    cpu_write_cr3((uintptr_t)guest_tables);
}

void trap_init(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t at = (uintptr_t)guest_stubs[i];

        idt[i][0] = (at & 0xFFFF) | 8 << 16 | 0x8E00ull << 32 | (at & 0xFFFF0000) << 32;
        idt[i][1] = at >> 32;
    }
    trap_load();
    tables_init();
}

static uint64_t *next_table(uint64_t *entry)
{
    if (*entry & PTE_PS)
        fail("map_page inside a large page");
    if (!*entry)
        *entry = (uintptr_t)page_get() | PTE_P | PTE_W | PTE_U;
    return (uint64_t *)(uintptr_t)(*entry & PTE_ADDR);
}

void map_page(uint64_t va, uint64_t entry)
{
    uint64_t *t = guest_tables;

    for (unsigned shift = 39; shift > 12; shift -= 9)
        t = next_table(&t[va >> shift & 511]);
    t[va >> 12 & 511] = entry;
    cpu_invlpg(va);
}

static void rdmsr_to(uint64_t msr, uint64_t to) { *(uint64_t *)(uintptr_t)to = cpu_rdmsr((uint32_t)msr); }
static void wrmsr_of(uint64_t msr, uint64_t val) { cpu_wrmsr((uint32_t)msr, val); }

static bool no_fault_but_gp(int vector, uint32_t msr)
{
    if (vector != -1 && vector != VEC_GP)
        fail("MSR %x raises vector %d", msr, vector);
    return vector == -1;
}
bool try_rdmsr(uint32_t msr, uint64_t *val)
{
    return no_fault_but_gp(try_call(rdmsr_to, msr, (uintptr_t)val), msr);
}
bool try_wrmsr(uint32_t msr, uint64_t val)
{
    return no_fault_but_gp(try_call(wrmsr_of, msr, val), msr);
}
