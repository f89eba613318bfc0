/* The APIC timer in all modes, measured by kvm-clock: never early, in order, not too late. Late is generous, since the
 * machine below may be an emulator with other work: argument late=ms. */
#include "test/guest/guest.h"

const char guest_name[] = "timers";

enum { VECTOR = 0x40, ONE_SHOT = 0, PERIODIC = 1 << 17, DEADLINE = 2 << 17, MASKED = 1 << 16 };

static volatile uint32_t fired;
static volatile uint64_t fired_at[64];
static uint64_t late, worst;

static void on_timer(struct trap *t)
{
    (void)t;
    fired_at[fired % 64] = now_ns();
    fired++;
    apic_eoi();
}

static void wait_fired(uint32_t want, const char *what)
{
    uint64_t end = now_ns() + MS(20000);

    while (fired < want) {
        if (now_ns() > end)
            fail("%s: the timer does not fire", what);
        __asm__ volatile("cli");
        if (fired < want)
            cpu_halt();
        __asm__ volatile("sti");
    }
}

static void not_fired(uint64_t ns, const char *what)
{
    uint32_t before = fired;

    __asm__ volatile("sti");
    wait_ns(ns);
    if (fired != before)
        fail("%s: fired", what);
}

static void check_time(uint64_t want, uint64_t got, const char *what)
{
    if (got + 1000 < want) /* kvm-clock may round */
        fail("%s: %" PRIu64 " us early", what, (want - got) / 1000);
    if (got > want + late)
        fail("%s: %" PRIu64 " us late", what, (got - want) / 1000);
    worst = max_u64(worst, got > want ? got - want : 0);
}

static void deadlines(void)
{
    uint64_t hz = tsc_hz();

    fired = 0;
    apic_write(APIC_LVT_TIMER, DEADLINE | VECTOR);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t ns = MS(1 + 3 * i), t = now_ns(), tsc = cpu_tsc();
        cpu_wrmsr(MSR_TSC_DEADLINE, tsc + ns / 1000 * (hz / 1000) / 1000);
        wait_fired(i + 1, "TSC deadline");
        check_time(t + ns, fired_at[i], "TSC deadline");
    }
    CHECK(cpu_rdmsr(MSR_TSC_DEADLINE) == 0);
    cpu_wrmsr(MSR_TSC_DEADLINE, cpu_tsc() - 1000); /* in the past: at once */
    wait_fired(21, "past deadline");
    cpu_wrmsr(MSR_TSC_DEADLINE, 1);
    wait_fired(22, "deadline 1");
    cpu_wrmsr(MSR_TSC_DEADLINE, cpu_tsc() + hz / 50);
    cpu_wrmsr(MSR_TSC_DEADLINE, 0);
    not_fired(MS(60), "disarmed deadline");
    cpu_wrmsr(MSR_TSC_DEADLINE, cpu_tsc() + hz * 1000); /* a later one first: the nearer replaces it */
    cpu_wrmsr(MSR_TSC_DEADLINE, cpu_tsc() + hz / 100);
    wait_fired(23, "replaced deadline");
    apic_write(APIC_LVT_TIMER, DEADLINE | MASKED | VECTOR);
    cpu_wrmsr(MSR_TSC_DEADLINE, cpu_tsc() + hz / 100);
    not_fired(MS(40), "masked deadline");
}

/* The bus clock that the count runs with, measured. */
static uint64_t timer_hz(void)
{
    uint64_t t, n;

    apic_write(APIC_LVT_TIMER, ONE_SHOT | MASKED | VECTOR);
    apic_write(APIC_DIVIDE, 0xB);
    apic_write(APIC_INITIAL, UINT32_MAX);
    t = now_ns();
    wait_ns(MS(50));
    n = UINT32_MAX - apic_read(APIC_CURRENT);
    t = now_ns() - t;
    apic_write(APIC_INITIAL, 0);
    return n * 1000000000 / t;
}

static void one_shots(uint64_t hz)
{
    static const struct { uint8_t code, shift; } divide[] = { { 0xB, 0 }, { 0, 1 }, { 1, 2 }, { 2, 3 }, { 3, 4 }, { 8, 5 }, { 9, 6 }, { 10, 7 } };

    fired = 0;
    for (unsigned i = 0; i < ARRAY_LEN(divide); i++) {
        uint64_t t = now_ns();
        apic_write(APIC_LVT_TIMER, ONE_SHOT | VECTOR);
        apic_write(APIC_DIVIDE, divide[i].code);
        apic_write(APIC_INITIAL, (hz >> divide[i].shift) / 100 + 1);
        uint64_t c1 = apic_read(APIC_CURRENT);
        CHECK(c1 && c1 <= (hz >> divide[i].shift) / 100 + 1);
        wait_fired(i + 1, "one shot");
        check_time(t + MS(10) * 98 / 100, fired_at[i], "one shot"); /* the frequency was measured, to 2 % */
        CHECK(apic_read(APIC_CURRENT) == 0);
    }
    not_fired(MS(30), "one shot, twice");
    apic_write(APIC_INITIAL, (hz >> 7) / 100);
    apic_write(APIC_INITIAL, 0);
    not_fired(MS(30), "stopped one shot");
}

static void periodic(uint64_t hz)
{
    uint64_t t = now_ns(), spent;

    fired = 0;
    apic_write(APIC_LVT_TIMER, PERIODIC | VECTOR);
    apic_write(APIC_DIVIDE, 3);
    apic_write(APIC_INITIAL, hz / 16 / 100);
    wait_fired(50, "periodic");
    spent = fired_at[49] - t;
    say("timers: 50 periods of 10 ms took %" PRIu64 " us", spent / 1000);
    if (spent < MS(490) || spent > MS(500) + 5 * late)
        fail("periodic: 50 periods of 10 ms took %" PRIu64 " us", spent / 1000);
    apic_write(APIC_LVT_TIMER, PERIODIC | MASKED | VECTOR);
    not_fired(MS(30), "masked periodic");
    apic_write(APIC_LVT_TIMER, PERIODIC | VECTOR);
    wait_fired(52, "unmasked periodic");
    apic_write(APIC_INITIAL, 0);
    not_fired(MS(30), "stopped periodic");
}

static void clock_goes_forward(void)
{
    uint64_t last = now_ns(), t0 = last, tsc0 = cpu_tsc(), ns, from_tsc;

    for (unsigned i = 0; i < 100000; i++) {
        uint64_t now = now_ns();
        if (now < last)
            fail("kvm-clock went back by %" PRIu64 " ns", last - now);
        last = now;
    }
    ns = now_ns() - t0;
    from_tsc = cpu_mul_div(cpu_tsc() - tsc0, 1000000000, tsc_hz());
    CHECK(from_tsc + 100000 > ns && ns + MS(1) > from_tsc);
}

void guest_main(void)
{
    uint64_t hz;

    late = MS(arg("late", 100));
    apic_on();
    trap_handler[VECTOR] = on_timer;
    __asm__ volatile("sti");
    clock_goes_forward();
    deadlines();
    hz = timer_hz();
    say("timers: APIC timer %" PRIu64 " kHz, TSC %" PRIu64 " kHz", hz / 1000, tsc_hz() / 1000);
    one_shots(hz);
    periodic(hz);
    pass("worst delay %" PRIu64 " us", worst / 1000);
}
