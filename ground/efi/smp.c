/* Starting all CPUs, and stopping them. Each takes the next number as it arrives, so that one that does not come up
 * leaves no hole. Intel SDM volume 3, 9.4.4 (start-up), AMD APM volume 2, 16.7.3. */
#include "arch/x86/cpu.h"
#include "base/str.h"
#include "ground/efi/machine.h"

#define START_TIMEOUT_US 500000u
#define STOP_TIMEOUT_TSC BIT64(29) /* 0.1 to 0.5 s: it must work before the TSC is known too */
#define GATE_CLOSED BIT(16)        /* far above any count: who arrives now parks */

/* As at trampoline_args in trampoline.S. */
struct trampoline_args {
    uint32_t cr0, cr3, cr4, efer;
    uint64_t gate, stacks, entry;
    uint32_t max, pad;
};
_Static_assert(offsetof(struct trampoline_args, max) == 40, "trampoline.S");

extern const uint8_t trampoline[], trampoline_end[], trampoline_args[], trampoline_gdt[], trampoline_far32[],
    trampoline_far64[], trampoline_from64[];
NORETURN void smp_switch(uint64_t page, uint64_t from64, uint64_t cr3, uint64_t gdt) __attribute__((sysv_abi));

static _Atomic uint32_t gate;    /* how many have begun */
static _Atomic uint32_t arrived; /* how many are in C, set up */
static uint32_t running = 1;
static uint64_t stack_top[CPU_MAX];
static _Atomic uint32_t stop_why;

static uint8_t *low(const uint8_t *label) { return (uint8_t *)hpa_ptr(hpa(machine_low_page)) + (label - trampoline); }

static void add_base(uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof v);
    v += (uint32_t)machine_low_page;
    memcpy(at, &v, sizeof v);
}

/* Who uses XSAVE looks at CPUID's OSXSAVE. QEMU 7.2 hangs when that is switched on in a CPU model without XSAVEOPT. */
static bool xsave_usable(void)
{
    uint32_t ecx = cpu_id(1, 0).ecx;
    bool emulated = ecx >> 31 & 1;

    return ecx >> 26 & 1 && (!emulated || cpu_id(0xD, 1).eax & 1);
}

static void trampoline_write(void (*entry)(unsigned id), unsigned cpus)
{
    uint64_t cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_MCE;
    struct trampoline_args args = {
        .cr0 = (uint32_t)(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG),
        .cr3 = (uint32_t)paging_root(),
        .efer = (uint32_t)(EFER_LME | EFER_NXE),
        .gate = (uintptr_t)&gate,
        .stacks = (uintptr_t)stack_top,
        .entry = (uintptr_t)entry,
        .max = cpus,
    };

    if (xsave_usable())
        cr4 |= CR4_OSXSAVE;
    args.cr4 = (uint32_t)cr4;
    for (unsigned id = 0; id < cpus; id++)
        stack_top[id] = percpu_stack_top(id);
    if (paging_root() >> 32)
        panic("smp: page tables above 4 GiB");
    memcpy(low(trampoline), trampoline, (size_t)(trampoline_end - trampoline));
    memcpy(low(trampoline_args), &args, sizeof args);
    add_base(low(trampoline_far32));
    add_base(low(trampoline_far64));
    add_base(low(trampoline_gdt) + 2);
}

void smp_enter(void (*entry)(unsigned id))
{
    uint64_t cr3 = cpu_read_cr4() & CR4_LA57 ? paging_root5() : paging_root();

    trampoline_write(entry, 1);
    paging_trampoline(machine_low_page, true);
    cpu_wrmsr(MSR_EFER, cpu_rdmsr(MSR_EFER) | EFER_NXE);
    smp_switch(machine_low_page, (uint64_t)(trampoline_from64 - trampoline), cr3,
               (uint64_t)(trampoline_gdt - trampoline));
}

static void send_all(const struct acpi_info *acpi, uint32_t command)
{
    for (unsigned i = 0; i < acpi->ncpus; i++)
        if (acpi->cpu[i].apic_id != lapic_id())
            lapic_ipi(acpi->cpu[i].apic_id, command);
}

void smp_start(const struct acpi_info *acpi, void (*entry)(unsigned id))
{
    unsigned cpus = max_u64(acpi->ncpus, 1) > CPU_MAX ? CPU_MAX : (unsigned)max_u64(acpi->ncpus, 1);
    uint64_t end;

    for (unsigned id = 1; id < cpus; id++)
        if (percpu_make(id)) {
            ground_log("smp: no memory for more than %u CPUs", id);
            cpus = id;
        }
    paging_trampoline(machine_low_page, false);
    trampoline_write(entry, cpus);
    paging_trampoline(machine_low_page, true);
    if (cpus > 1) {
        send_all(acpi, LAPIC_IPI_INIT);
        clock_wait_us(10000);
        for (unsigned i = 0; i < 2; i++) {
            send_all(acpi, LAPIC_IPI_STARTUP | (uint32_t)(machine_low_page / PAGE_SIZE));
            clock_wait_us(200);
        }
    }
    end = cpu_tsc() + ground_ns_to_tsc(START_TIMEOUT_US * 1000ull);
    while (atomic_load(&gate) < cpus && cpu_tsc() < end)
        cpu_pause();
    running = (uint32_t)min_u64(atomic_exchange(&gate, GATE_CLOSED), cpus);
    while (atomic_load(&arrived) < running - 1)
        cpu_pause();
    if (running < cpus || acpi->cpus_ignored)
        ground_log("smp: %u of %u CPUs came up", running, acpi->ncpus + acpi->cpus_ignored);
}

void smp_arrived(void) { atomic_fetch_add(&arrived, 1); }

unsigned ground_cpus(void) { return running; }

void smp_stop_others(enum stop_why why)
{
    unsigned self = ground_cpu();
    uint64_t end = cpu_tsc() + STOP_TIMEOUT_TSC;

    atomic_store(&stop_why, why);
    for (unsigned id = 0; id < running; id++)
        if (id != self)
            lapic_ipi(percpu_of[id]->apic_id, LAPIC_IPI_NMI);
    for (unsigned id = why == STOP_HALT ? 0 : 1; id < running; id++)
        while (id != self && !atomic_load(&percpu_of[id]->stopped) && cpu_tsc() < end)
            cpu_pause();
}

void smp_nmi(const struct trap *t)
{
    uint32_t why = atomic_load(&stop_why);

    if (why == STOP_NOT)
        panic_trap(t); /* the machine's own: a hardware error, or someone's NMI button */
    if (ground_cpu() == 0 && atomic_load(&runtime_ending))
        return;
    if (ground_cpu() == 0 && why != STOP_HALT)
        runtime_end(why == STOP_POWER_OFF);
    atomic_store(&percpu_self()->stopped, true);
    cpu_halt_forever();
}
