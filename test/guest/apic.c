/* Local APIC registers, ICR and self IPIs with values that mean nothing, and floods of interrupts. Whatever happens, it
 * happens to this guest alone. Argument n: self IPIs (20,000), storm: milliseconds of timer storm (300). */
#include "test/guest/guest.h"

const char guest_name[] = "apic";

static volatile uint32_t taken[256], spurious, interrupts;

static void on_vector(struct trap *t)
{
    taken[t->vector]++;
    interrupts++;
    apic_eoi();
}
/* The spurious vector, 255, can also be sent on purpose; only then it is in service. */
static void on_spurious(struct trap *t)
{
    if (apic_read(APIC_ISR + 7) >> 31 & 1)
        on_vector(t);
    else
        spurious++;
}
static bool nmi_again;
static uint64_t nmi_rip;
static void on_nmi(struct trap *t)
{
    taken[VEC_NMI]++;
    nmi_rip = t->rip;
    if (nmi_again) {
        nmi_again = false;
        apic_write(APIC_ICR, 0x40400);
        apic_write(APIC_ICR, 0x40400); /* the same one */
    }
}

static void irq_on(void) { __asm__ volatile("sti; nop" ::: "memory"); }
static void irq_off(void) { __asm__ volatile("cli" ::: "memory"); }

/* Lets everything pending in: until nothing has come for a while. */
static void drain(void)
{
    uint32_t before;

    irq_on();
    do {
        before = interrupts;
        wait_ns(MS(10));
    } while (interrupts != before);
    irq_off();
}

static void every_vector(void)
{
    irq_off();
    for (unsigned v = 16; v < 256; v++)
        if (v >= 32)
            apic_write(APIC_SELF_IPI, v);
    CHECK((apic_read(APIC_IRR + 1) & UINT32_MAX) == UINT32_MAX && (apic_read(APIC_IRR + 7) & UINT32_MAX) == UINT32_MAX);
    drain();
    for (unsigned v = 32; v < 256; v++)
        if (taken[v] != 1)
            fail("vector %u came %u times", v, taken[v]);
    for (unsigned i = 0; i < 8; i++)
        CHECK(!apic_read(APIC_IRR + i) && !apic_read(APIC_ISR + i));
}

static void reserved_vectors(void)
{
    for (unsigned v = 0; v < 16; v++) {
        (void)try_wrmsr(MSR_X2APIC + APIC_SELF_IPI, v);
        (void)try_wrmsr(MSR_X2APIC + APIC_ICR, 0x40000 | v);
    }
    drain();
    (void)try_wrmsr(MSR_X2APIC + APIC_ESR, 0);
    say("apic: error status %" PRIx64 " after reserved vectors", apic_read(APIC_ESR));
    CHECK(!apic_read(APIC_IRR));
}

/* The task priority holds back what is not above it. */
static void priorities(void)
{
    uint32_t low = taken[0x45], high = taken[0x95];

    apic_write(APIC_TPR, 0x80);
    apic_write(APIC_SELF_IPI, 0x45);
    apic_write(APIC_SELF_IPI, 0x95);
    drain();
    CHECK(taken[0x45] == low && taken[0x95] == high + 1);
    cpu_wrmsr(MSR_X2APIC + APIC_TPR, 0);
    drain();
    CHECK(taken[0x45] == low + 1);
    __asm__ volatile("mov %0, %%cr8" ::"r"(8ull)); /* the same register */
    CHECK(apic_read(APIC_TPR) == 0x80);
    apic_write(APIC_SELF_IPI, 0x45);
    drain();
    CHECK(taken[0x45] == low + 1);
    __asm__ volatile("mov %0, %%cr8" ::"r"(0ull));
    drain();
    CHECK(taken[0x45] == low + 2);
}

/* An NMI that comes in the handler of another is taken where that one returns to, with interrupts off, too. */
static void nested_nmi(void)
{
    extern const uint8_t behind_wrmsr[];
    uint32_t before = taken[VEC_NMI];

    nmi_again = true;
    __asm__ volatile("wrmsr\nbehind_wrmsr:\nnop" ::"c"(MSR_X2APIC + APIC_ICR), "a"(0x40400), "d"(0) : "memory");
    CHECK(taken[VEC_NMI] == before + 2);
    CHECK(nmi_rip == (uintptr_t)behind_wrmsr);
}

static volatile uint32_t in_shadow;

static void on_shadow(struct trap *t)
{
    extern const uint8_t behind_sti[];

    in_shadow += t->rip == (uintptr_t)behind_sti;
    on_vector(t);
}

/* No interrupt comes between STI and the next instruction, which may be HLT: the guest would sleep for ever. */
static void shadow(void)
{
    uint64_t end = now_ns() + MS(300);

    trap_handler[0x42] = on_shadow;
    apic_write(APIC_LVT_TIMER, 2 << 17 | 0x42);
    while (now_ns() < end) {
        cpu_wrmsr(MSR_TSC_DEADLINE, cpu_tsc() + rnd() % 0x8000);
        for (unsigned i = 0; i < 200; i++)
            __asm__ volatile("sti\nbehind_sti:\nnop; cli" ::: "memory");
    }
    apic_write(APIC_LVT_TIMER, 0x10000);
    drain();
    CHECK(taken[0x42] && !in_shadow);
}

static void flood(uint64_t n)
{
    uint32_t before = taken[0x60], count = 0;

    irq_on();
    for (uint64_t i = 0; i < n; i++)
        apic_write(APIC_SELF_IPI, 0x60);
    drain();
    count = taken[0x60] - before;
    CHECK(count >= 1 && count <= n);
    for (uint64_t i = 0; i < n / 10; i++)
        apic_write(APIC_ICR, 0x80000 | (0x70 + i % 0x80)); /* all including self */
    irq_on();
    for (uint64_t i = 0; i < n / 100; i++)
        apic_write(APIC_ICR, 0x40400); /* NMI to self */
    drain();
    CHECK(taken[VEC_NMI]);
}

/* Vectors 16 to 31 may be sent, but would look like exceptions. */
static uint64_t no_exception(uint64_t val) { return (val & 0xF0) == 0x10 ? val | 0x20 : val; }

/* Delivery modes that are reserved, destinations that are not there. INIT and start-up IPIs only to the latter. */
static void junk_icr(void)
{
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t icr = no_exception(rnd());
        unsigned mode = icr >> 8 & 7;
        if (mode == 5 || mode == 6)
            icr = (icr & ~0x800ull & ~(3ull << 18) & UINT32_MAX) | (uint64_t)(100 + i % 100) << 32;
        (void)try_wrmsr(MSR_X2APIC + APIC_ICR, icr);
    }
    drain();
}

static void junk_registers(void)
{
    uint64_t val;

    for (unsigned reg = 0; reg < 0x100; reg++) {
        (void)try_rdmsr(MSR_X2APIC + reg, &val);
        if (reg == APIC_ICR || reg == APIC_SELF_IPI || reg == APIC_EOI)
            continue;
        (void)try_wrmsr(MSR_X2APIC + reg, UINT64_MAX);
        for (unsigned i = 0; i < 20; i++)
            (void)try_wrmsr(MSR_X2APIC + reg, no_exception(rnd() & UINT32_MAX));
    }
    CHECK(!try_wrmsr(MSR_X2APIC + APIC_ID, 5));
    CHECK(!try_wrmsr(MSR_X2APIC + APIC_EOI, 1));
    CHECK(!try_wrmsr(MSR_X2APIC + APIC_SVR, UINT64_MAX));
    CHECK(!try_rdmsr(MSR_X2APIC + APIC_EOI, &val));
    apic_write(APIC_INITIAL, 0);
    apic_write(APIC_LVT_TIMER, 0x10000);
    for (unsigned lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt++)
        apic_write(lvt, 0x10000);
    apic_write(APIC_TPR, 0);
    apic_write(APIC_SVR, 0x1FF);
    for (unsigned i = 0; i < 300; i++)
        apic_eoi(); /* of nothing */
    drain();
}

static volatile uint64_t storm_end;

/* The storm leaves no time for anything but its handler, so that must end it. */
static void on_storm(struct trap *t)
{
    if (now_ns() > storm_end)
        apic_write(APIC_INITIAL, 0);
    on_vector(t);
}

/* A timer faster than anything can serve. */
static void storm(uint64_t ns)
{
    uint32_t before = taken[0x41];
    uint64_t end = now_ns() + ns;

    trap_handler[0x41] = on_storm;
    storm_end = end;
    irq_on();
    apic_write(APIC_DIVIDE, 0xB);
    apic_write(APIC_LVT_TIMER, 1 << 17 | 0x41);
    apic_write(APIC_INITIAL, 1);
    while (now_ns() < end)
        cpu_relax();
    apic_write(APIC_LVT_TIMER, 2 << 17 | 0x41);
    end = now_ns() + ns;
    while (now_ns() < end)
        cpu_wrmsr(MSR_TSC_DEADLINE, 1 + (rnd() & 1));
    apic_write(APIC_LVT_TIMER, 5); /* a vector that is none, in one-shot mode */
    apic_write(APIC_INITIAL, 1);
    wait_ns(MS(1));
    apic_write(APIC_LVT_TIMER, 3 << 17 | 0x41); /* a mode that is none */
    apic_write(APIC_INITIAL, 1000);
    wait_ns(MS(1));
    apic_write(APIC_LVT_TIMER, 0x10000);
    drain();
    say("apic: %u timer interrupts in the storm", taken[0x41] - before);
    CHECK(taken[0x41] > before);
}

/* Pages that KVM's paravirtual registers would write to, at places that are no RAM. */
static void junk_pages(void)
{
    static const uint64_t bad[] = { 0xF0000001, 0xFFFFFFFFFFFFF001, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFF, 0x100000000001, 3 };
    static const uint32_t msrs[] = { 0x4B564D00, 0x4B564D01, 0x4B564D02, 0x4B564D03, 0x4B564D04, 0x11, 0x12 };

    for (unsigned m = 0; m < ARRAY_LEN(msrs); m++)
        for (unsigned i = 0; i < ARRAY_LEN(bad) - (msrs[m] == 0x4B564D04 ? 0 : 1); i++)
            (void)try_wrmsr(msrs[m], bad[i]);
    apic_write(APIC_SELF_IPI, 0x45);
    drain();
    (void)try_wrmsr(0x4B564D04, 0);
    (void)try_wrmsr(0x4B564D01, 0);
}

static void base_register(void)
{
    uint64_t base = cpu_rdmsr(MSR_APIC_BASE);

    CHECK(base & APIC_BASE_ENABLE && base & APIC_BASE_X2APIC);
    CHECK(!try_wrmsr(MSR_APIC_BASE, base & ~APIC_BASE_ENABLE)); /* x2APIC without APIC */
    CHECK(!try_wrmsr(MSR_APIC_BASE, base & ~APIC_BASE_X2APIC)); /* back to xAPIC at once */
    CHECK(!try_wrmsr(MSR_APIC_BASE, UINT64_MAX));
    CHECK(!try_wrmsr(MSR_APIC_BASE, base | BIT64(63)));
    CHECK(cpu_rdmsr(MSR_APIC_BASE) == base && cpu_id(1, 0).edx & BIT(9));
    cpu_wrmsr(MSR_APIC_BASE, base & ~(APIC_BASE_ENABLE | APIC_BASE_X2APIC));
    CHECK(!(cpu_id(1, 0).edx & BIT(9))); /* off, it is not there */
    apic_on();
    CHECK(cpu_id(1, 0).edx & BIT(9));
}

void guest_main(void)
{
    uint64_t old;

    apic_on();
    now_ns();
    for (unsigned v = 32; v < 256; v++)
        trap_handler[v] = v == 0xFF ? on_spurious : on_vector;
    trap_handler[VEC_NMI] = on_nmi;
    irq_off();
    every_vector();
    reserved_vectors();
    priorities();
    nested_nmi();
    shadow();
    base_register();
    flood(arg("n", 20000));
    junk_icr();
    junk_registers();
    storm(MS(arg("storm", 300)));
    old = taken[0x45];
    apic_write(APIC_SELF_IPI, 0x45);
    drain();
    CHECK(taken[0x45] == old + 1);
    junk_pages();
    pass("%u NMIs, %u spurious", taken[VEC_NMI], spurious);
}
