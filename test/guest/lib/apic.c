/* Time, the local APIC in x2APIC mode, other CPUs. */
#include "test/guest/lib/lib.h"

#define MSR_KVM_CLOCK 0x4B564D01u
#define AP_PAGE 0x20000u

struct kvm_clock {
    uint32_t version, pad;
    uint64_t tsc, ns;
    uint32_t mul;
    int8_t shift;
    uint8_t flags, pad2[2];
};
static volatile struct kvm_clock clock ALIGNED(64);
static bool clock_on;
uint8_t guest_ap_stacks[16][PAGE_SIZE] ALIGNED(4096);
static void (*ap_main)(unsigned cpu);
static volatile uint32_t ap_ready;

static void clock_start(void)
{
    struct cpuid r = cpu_id(0x40000000, 0);

    clock_on = true;
    if (r.ebx == 0x4B4D564B && cpu_id(0x40000001, 0).eax & BIT(3))
        cpu_wrmsr(MSR_KVM_CLOCK, (uintptr_t)&clock | 1);
    else
        clock.mul = 0x80000000, clock.shift = 1; /* QEMU without KVM: 1 GHz */
}

uint64_t now_ns(void)
{
    uint64_t ticks;

    if (!clock_on)
        clock_start();
    ticks = cpu_tsc() - clock.tsc;
    ticks = clock.shift >= 0 ? ticks << clock.shift : ticks >> -clock.shift;
    return clock.ns + cpu_mul_shift32(ticks, clock.mul);
}

uint64_t tsc_hz(void)
{
    uint64_t hz;

    now_ns();
    hz = (1000000000ull << 32) / clock.mul;
    return clock.shift >= 0 ? hz >> clock.shift : hz << -clock.shift;
}

void wait_ns(uint64_t ns)
{
    uint64_t end = now_ns() + ns;

    while (now_ns() < end)
        cpu_relax();
}

bool wait_for(const volatile uint32_t *flag, uint32_t want, uint64_t ns)
{
    uint64_t end = now_ns() + ns;

    while (*flag < want) {
        if (now_ns() > end)
            return *flag >= want;
        cpu_relax();
    }
    return true;
}

void apic_on(void)
{
    uint64_t base = cpu_rdmsr(MSR_APIC_BASE);

    if (!(cpu_id(1, 0).ecx & BIT(21)))
        fail("no x2APIC");
    if (!(base & APIC_BASE_ENABLE))
        cpu_wrmsr(MSR_APIC_BASE, base |= APIC_BASE_ENABLE);
    if (!(base & APIC_BASE_X2APIC))
        cpu_wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    apic_write(APIC_SVR, 0x1FF);
}

unsigned cpu_count(void)
{
    unsigned n = cpu_id(1, 0).ebx >> 16 & 0xFF;

    return n ? n : 1;
}

NORETURN void guest_ap_begin(void)
{
    trap_load();
    apic_on();
    __atomic_add_fetch(&ap_ready, 1, __ATOMIC_SEQ_CST);
    ap_main(cpu_number());
    halt();
}

void cpus_start(void (*fn)(unsigned cpu))
{
    unsigned others = cpu_count() - 1;

    apic_on();
    ap_main = fn;
    memcpy((void *)(uintptr_t)AP_PAGE, ap_code, (size_t)(ap_code_end - ap_code));
    apic_write(APIC_ICR, 0xC4500); /* INIT to all others */
    wait_ns(MS(10));
    apic_write(APIC_ICR, 0xC4600 | AP_PAGE >> 12);
    wait_ns(MS(1));
    apic_write(APIC_ICR, 0xC4600 | AP_PAGE >> 12);
    if (!wait_for(&ap_ready, others, MS(20000)))
        fail("%u of %u CPUs started", ap_ready, others);
    wait_ns(MS(1));
    if (ap_ready != others)
        fail("%u CPUs started, there are %u", ap_ready, others);
}
