/* The areas: what of the monitor is mapped while a guest runs at CPL 3. All made by CPU 0, before other CPUs run guests. */
#include "arch/x86/cpu.h"
#include "base/str.h"
#include "cpu/ring3/ring3.h"
#include "ground/ground.h"

extern const uint8_t ring3_code[], ring3_code_end[], ring3_enter[], ring3_syscall[], ring3_stubs[]; /* enter.S */

#define STUB 16u
#define AREA_ORDER 3u
#define PAGE_RX (PTE_P | PTE_A)
#define PAGE_RO (PTE_P | PTE_A | PTE_NX)
#define PAGE_RW (PTE_P | PTE_A | PTE_D | PTE_W | PTE_NX)
/* STAR: CS and SS of `syscall`, then what `sysret` adds 16 and 8 to */
#define STAR_VALUE ((uint64_t)SEL_CODE64 << 32 | (uint64_t)(SEL_USER_DATA - 8) << 48)
#define SFMASK_VALUE 0x003F7FD5u /* all flags that can be set */
_Static_assert(SEL_USER_CODE == SEL_USER_DATA - 8 + 16, "sysret");

struct ring3_area *area_of[CPU_MAX];

static uint64_t at_of(unsigned cpu) { return AREA_TOP + (uint64_t)cpu * AREA_SIZE; }

ring3_enter_fn *area_enter(unsigned cpu)
{
    return (ring3_enter_fn *)(uintptr_t)(at_of(cpu) + (uint64_t)(ring3_enter - ring3_code));
}

uint64_t area_top_entry(void) { return ground_top_table().v | PTE_P | PTE_W; }

static uint64_t *table_below(uint64_t *entry)
{
    if (!(*entry & PTE_P)) {
        uint64_t *t = ground_alloc(PAGE_SIZE);
        if (!t)
            return NULL;
        *entry = hpa_of(t).v | PTE_P | PTE_W;
    }
    return hpa_ptr(hpa(*entry & PTE_ADDR));
}

static err_t map(uint64_t at, const uint8_t *page, uint64_t flags)
{
    uint64_t *t = hpa_ptr(ground_top_table());

    for (unsigned shift = 30; t && shift > PAGE_SHIFT; shift -= 9)
        t = table_below(&t[at >> shift & 511]);
    if (!t)
        return ERR_NOMEM;
    t[at >> PAGE_SHIFT & 511] = hpa_of(page).v | flags;
    return OK;
}

/* What the monitor's descriptor tables say, so that the area's say the same and more. */
struct monitor_tables {
    struct desc_ptr gdt, idt;
    uint16_t tr;
    const struct tss *tss;
};

static uint64_t split_base(const uint64_t d[2])
{
    return (d[0] >> 16 & 0xFFFFFF) | (d[0] >> 56) << 24 | d[1] << 32;
}

static void tables_read(struct monitor_tables *m)
{
    __asm__ volatile("sgdt %0" : "=m"(m->gdt));
    __asm__ volatile("sidt %0" : "=m"(m->idt));
    __asm__ volatile("str %0" : "=r"(m->tr));
    m->tss = hpa_ptr(hpa(split_base((const uint64_t *)hpa_ptr(hpa(m->gdt.base)) + m->tr / 8)));
}

/* Exceptions and interrupts go to our stubs while a guest runs. int3 is the one that CPL 3 may cause by an instruction. */
static void idt_make(struct gate *idt, uint64_t at)
{
    static const uint8_t ist[32] = { [VEC_NMI] = AREA_IST_NMI, [VEC_DF] = AREA_IST_DF, [VEC_MC] = AREA_IST_MC };

    for (unsigned i = 0; i < 256; i++)
        idt[i] = desc_gate(at + (uint64_t)(ring3_stubs - ring3_code) + i * STUB, i < ARRAY_LEN(ist) ? ist[i] : 0);
    idt[VEC_BP].type |= 3 << 5;
}

static err_t area_make(unsigned cpu)
{
    static const uint64_t flags[AREA_BYTES / PAGE_SIZE] = { PAGE_RX, PAGE_RX, PAGE_RW, PAGE_RW, PAGE_RO };
    uint8_t *mem = ground_alloc((size_t)PAGE_SIZE << AREA_ORDER);
    uint64_t at = at_of(cpu);

    _Static_assert(AREA_BYTES <= PAGE_SIZE << AREA_ORDER && AREA_IDT / PAGE_SIZE == ARRAY_LEN(flags) - 1, "area");
    ASSERT(ring3_code_end - ring3_code <= AREA_DATA);
    if (!mem)
        return ERR_NOMEM;
    for (unsigned i = 0; i < ARRAY_LEN(flags); i++)
        if (map(at + i * PAGE_SIZE, mem + i * PAGE_SIZE, flags[i]))
            return ERR_NOMEM;
    memcpy(mem, ring3_code, (size_t)(ring3_code_end - ring3_code));
    idt_make((struct gate *)(void *)(mem + AREA_IDT), at);
    struct ring3_area *a = area_of[cpu] = (struct ring3_area *)(void *)(mem + AREA_DATA);
    a->idt = (struct desc_ptr){ 256 * sizeof(struct gate) - 1, at + AREA_IDT };
    a->gdt[SEL_CODE64 / 8] = DESC_CODE64;
    a->gdt[SEL_DATA / 8] = DESC_DATA;
    a->gdt[SEL_CODE32 / 8] = DESC_CODE32;
    a->gdt[SEL_USER_DATA / 8] = DESC_USER_DATA;
    a->gdt[SEL_USER_CODE / 8] = DESC_USER_CODE;
    return OK;
}

err_t area_make_all(void)
{
    for (unsigned cpu = 0; cpu < ground_cpus(); cpu++)
        if (area_make(cpu))
            return ERR_NOMEM; /* there is no monitor without these: nothing is given back */
    return OK;
}

static void tss_make(struct ring3_area *a, const struct tss *monitor, uint64_t at)
{
    uint64_t stacks = at + AREA_STACKS;

    a->tss = *monitor;
    a->tss.rsp[0] = stacks + AREA_STACK;
    a->tss.ist[AREA_IST_NMI - 1] = stacks + 2 * AREA_STACK;
    a->tss.ist[AREA_IST_DF - 1] = stacks + 3 * AREA_STACK;
    a->tss.ist[AREA_IST_MC - 1] = stacks + 4 * AREA_STACK;
    desc_tss(&a->gdt[SEL_AREA_TSS / 8], hpa_ptr(hpa(at + AREA_DATA + offsetof(struct ring3_area, tss))));
}

void area_load(void)
{
    unsigned cpu = ground_cpu();
    struct ring3_area *a = area_of[cpu];
    uint64_t at = at_of(cpu);
    struct desc_ptr gdt = { sizeof a->gdt - 1, at + AREA_DATA + offsetof(struct ring3_area, gdt) };
    struct monitor_tables m;

    tables_read(&m);
    tss_make(a, m.tss, at);
    a->monitor_idt = m.idt;
    a->monitor_cr3 = cpu_read_cr3();
    a->served = ring3_served;
    a->monitor_gs = cpu_rdmsr(MSR_GS_BASE);
    const struct gate *g = hpa_ptr(hpa(m.idt.base));
    for (unsigned i = 0; i < ARRAY_LEN(a->handler); i++)
        a->handler[i] = g[i].offset0 | (uint64_t)g[i].offset16 << 16 | (uint64_t)g[i].offset32 << 32;
    a->fatal_stack = m.tss->ist[g[VEC_DF].ist - 1];
    a->nmi_stack = m.tss->ist[g[VEC_NMI].ist - 1];
    __asm__ volatile("lgdt %0; ltr %w1" ::"m"(gdt), "r"(SEL_AREA_TSS) : "memory");
    cpu_wrmsr(MSR_STAR, STAR_VALUE);
    cpu_wrmsr(MSR_LSTAR, at + (uint64_t)(ring3_syscall - ring3_code));
    cpu_wrmsr(MSR_CSTAR, 0);
    cpu_wrmsr(MSR_SFMASK, SFMASK_VALUE);
    cpu_wrmsr(MSR_SYSENTER_CS, 0);
    cpu_wrmsr(MSR_EFER, cpu_rdmsr(MSR_EFER) | EFER_SCE);
}
