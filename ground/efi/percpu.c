/* What each CPU has for itself: stacks with a guard page below each, descriptors, interrupt vectors. Made by CPU 0. */
#include "arch/x86/cpu.h"
#include "base/str.h"
#include "ground/efi/machine.h"

/* One block per CPU, page numbers in it. Every stack grows down to a page that is not there. */
#define BLOCK_ORDER 5u
#define BLOCK_PAGES (1u << BLOCK_ORDER)
static const struct {
    uint8_t guard, end;
} stacks[] = {
    { 11, 31 }, /* the main one, 76 KiB */
    [IST_NMI] = { 0, 4 },
    [IST_DF] = { 4, 7 },
    [IST_MC] = { 7, 11 },
};
#define SELF_PAGE 31u
_Static_assert(sizeof(struct percpu) <= PAGE_SIZE, "one page");

struct percpu *percpu_of[CPU_MAX];

static uint64_t block_of(unsigned id) { return (uintptr_t)percpu_of[id] - SELF_PAGE * PAGE_SIZE; }

err_t percpu_make(unsigned id)
{
    uint8_t *block = ground_alloc(BLOCK_PAGES * PAGE_SIZE);

    if (!block)
        return ERR_NOMEM;
    struct percpu *p = (struct percpu *)(void *)(block + SELF_PAGE * PAGE_SIZE);
    p->id = id;
    p->deadline = UINT64_MAX;
    p->tss.iomap = sizeof p->tss;
    for (unsigned i = 0; i < ARRAY_LEN(stacks); i++) {
        paging_unmap((uintptr_t)block + stacks[i].guard * PAGE_SIZE);
        if (i)
            p->tss.ist[i - 1] = (uintptr_t)block + stacks[i].end * PAGE_SIZE;
    }
    p->gdt[SEL_CODE64 / 8] = DESC_CODE64;
    p->gdt[SEL_DATA / 8] = DESC_DATA;
    p->gdt[SEL_CODE32 / 8] = DESC_CODE32;
    desc_tss(&p->gdt[SEL_TSS / 8], &p->tss);
    percpu_of[id] = p;
    return OK;
}

uint64_t percpu_stack_top(unsigned id) { return block_of(id) + stacks[0].end * PAGE_SIZE; }

enum percpu_place percpu_place(uint64_t address)
{
    for (unsigned id = 0; id < CPU_MAX && percpu_of[id]; id++) {
        uint64_t page = (address - block_of(id)) / PAGE_SIZE;

        for (unsigned i = 0; address >= block_of(id) && i < ARRAY_LEN(stacks); i++) {
            if (page == stacks[i].guard)
                return PLACE_GUARD;
            if (page > stacks[i].guard && page < stacks[i].end)
                return PLACE_STACK;
        }
    }
    return PLACE_OTHER;
}

void percpu_load(unsigned id)
{
    struct percpu *p = percpu_of[id];
    struct desc_ptr gdt = { sizeof p->gdt - 1, (uintptr_t)p->gdt };

    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movw %w2, %%ds\n\tmovw %w2, %%es\n\tmovw %w2, %%ss\n\t"
                     "movw %w3, %%fs\n\tmovw %w3, %%gs\n\t"
                     "ltr %w4" ::"m"(gdt),
                     "i"(SEL_CODE64), "r"(SEL_DATA), "r"(0), "r"(SEL_TSS)
                     : "rax", "memory");
    cpu_wrmsr(MSR_FS_BASE, 0);
    cpu_wrmsr(MSR_GS_BASE, (uintptr_t)p);
    cpu_wrmsr(MSR_KERNEL_GS_BASE, 0);
    idt_load();
}

unsigned ground_cpu(void)
{
    unsigned id;

    __asm__ volatile("movl %%gs:0, %0" : "=r"(id));
    return id;
}

struct percpu *percpu_self(void) { return percpu_of[ground_cpu()]; }

bool percpu_recover(void)
{
    for (unsigned i = 0; i < CPU_MAX && percpu_of[i]; i++)
        if (percpu_of[i]->apic_id == lapic_id()) {
            cpu_wrmsr(MSR_GS_BASE, (uintptr_t)percpu_of[i]);
            return true;
        }
    return false;
}
