/* The local APIC of each CPU: x2APIC where there is one, else xAPIC. Interrupts between CPUs, end of interrupt, the
 * timer of the calling CPU. AMD APM volume 2, chapter 16; Intel SDM volume 3, chapter 11. */
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "ground/efi/machine.h"

#define SVR_ENABLE BIT(8)
#define LVT_MASKED BIT(16)
#define LVT_PERIODIC BIT(17)
#define LVT_DEADLINE BIT(18)
#define DIVIDE_BY_1 0xBu
#define ICR_PENDING BIT(12)

static bool x2apic, has_deadline;
static volatile uint8_t *xapic;

static uint32_t reg_read(unsigned reg)
{
    if (x2apic)
        return (uint32_t)cpu_rdmsr(MSR_X2APIC + reg);
    return *(volatile uint32_t *)(volatile void *)(xapic + 16 * reg);
}

static void reg_write(unsigned reg, uint32_t v)
{
    if (x2apic)
        cpu_wrmsr(MSR_X2APIC + reg, v);
    else
        *(volatile uint32_t *)(volatile void *)(xapic + 16 * reg) = v;
}

void lapic_init(uint64_t xapic_base)
{
    uint32_t ecx = cpu_id(1, 0).ecx;

    x2apic = ecx >> 21 & 1;
    has_deadline = ecx >> 24 & 1;
    xapic = hpa_ptr(hpa(xapic_base));
    if (!x2apic)
        ground_mmio_map(hpa(xapic_base), PAGE_SIZE);
}

void lapic_cpu_init(void)
{
    static const uint16_t masked[] = { R_LVT_LINT0, R_LVT_LINT1, R_LVT_ERROR };
    uint64_t base = cpu_rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;

    cpu_wrmsr(MSR_APIC_BASE, base);
    if (x2apic)
        cpu_wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    reg_write(R_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    reg_write(R_TPR, 0);
    for (unsigned i = 0; i < ARRAY_LEN(masked); i++)
        reg_write(masked[i], LVT_MASKED);
    reg_write(R_INITIAL, 0);
    reg_write(R_DIVIDE, DIVIDE_BY_1);
    reg_write(R_LVT, (has_deadline ? LVT_DEADLINE : LVT_PERIODIC) | VECTOR_TIMER); /* clock.c says why */
    __asm__ volatile("mfence" ::: "memory");           /* the mode is set before the first deadline (SDM 11.5.4.1) */
    for (unsigned vector = 16; vector < 256; vector++) /* what the firmware left in service */
        if (lapic_in_service(vector))
            lapic_eoi();
}

uint32_t lapic_id(void) { return x2apic ? reg_read(R_ID) : reg_read(R_ID) >> 24; }

void lapic_eoi(void) { reg_write(R_EOI, 0); }

bool lapic_in_service(unsigned vector) { return reg_read(R_ISR + vector / 32) >> vector % 32 & 1; }

void lapic_ipi(uint32_t to, uint32_t command)
{
    if (x2apic) {
        __asm__ volatile("mfence; lfence" ::: "memory"); /* this WRMSR does not wait for earlier stores */
        cpu_wrmsr(MSR_X2APIC + R_ICR, (uint64_t)to << 32 | command);
        return;
    }
    while (reg_read(R_ICR) & ICR_PENDING)
        cpu_pause();
    reg_write(R_ICR_HIGH, to << 24);
    reg_write(R_ICR, command);
}

bool lapic_has_deadline(void) { return has_deadline; }
void lapic_timer_deadline(uint64_t tsc) { cpu_wrmsr(MSR_TSC_DEADLINE, tsc); }
void lapic_timer_count(uint32_t count) { reg_write(R_INITIAL, count); }
uint32_t lapic_timer_left(void) { return reg_read(R_CURRENT); }
