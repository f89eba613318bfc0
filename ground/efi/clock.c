/* Time: how fast the TSC and the APIC timer tick, the wall clock, the calling CPU's timer. Fixed after clock_init(). */
#include "arch/x86/cpu.h"
#include "ground/efi/launch.h"
#include "ground/efi/machine.h"

#define NS_PER_S 1000000000ull
#define SAMPLES 3
#define SAMPLE_MS 8u
#define STAMP_TRIES 16
#define SHORTEST_NS 20000u
#define TSC_TICKS_DEAD BIT64(32) /* a reference that stands still for so long (a second or so) does not run */

#define MSR_TSC_ADJUST 0x3Bu
#define PM_HZ 3579545u
#define PIT_HZ 1193182u
enum { PIT_CHANNEL2 = 0x42, PIT_COMMAND = 0x43, PIT_GATE = 0x61 };

/* A counter of known rate. Its mask is as wide as it counts. */
struct reference {
    const char *name;
    uint64_t hz, mask;
    uint64_t (*read)(void);
};

static uint64_t hz, timer_hz;            /* timer_hz: 0 with a deadline timer */
static uint64_t to_ns, to_tsc, to_timer; /* factors, 32 bits behind the point */
static uint64_t shortest;
static uint64_t wall_ns, wall_tsc;
static uint16_t pm_port;

static uint64_t pm_read(void) { return cpu_in32(pm_port); }

static void pit_start(void)
{
    cpu_out8(PIT_GATE, (uint8_t)((cpu_in8(PIT_GATE) & ~2u) | 1)); /* speaker off, gate on */
    cpu_out8(PIT_COMMAND, 0xB4);                                  /* channel 2, both bytes, rate generator */
    cpu_out8(PIT_CHANNEL2, 0);
    cpu_out8(PIT_CHANNEL2, 0); /* from 65536 down, again and again */
}

static uint64_t pit_read(void)
{
    cpu_out8(PIT_COMMAND, 0x80); /* latch channel 2 */
    uint64_t low = cpu_in8(PIT_CHANNEL2);
    return -(low | (uint64_t)cpu_in8(PIT_CHANNEL2) << 8);
}

/* TSC, reference and APIC timer read together. */
struct stamp {
    uint64_t tsc, ref;
    uint32_t apic;
};

/* The tightest of several tries: what came between the reads (another task of the host, an SMI) is thrown away. */
static struct stamp stamp_take(const struct reference *r)
{
    struct stamp best = { 0 };
    uint64_t best_width = UINT64_MAX;

    for (unsigned i = 0; i < STAMP_TRIES; i++) {
        uint64_t before = cpu_tsc(), ref = r->read();
        uint32_t apic = lapic_timer_left();
        uint64_t width = cpu_tsc() - before;

        if (width < best_width) {
            best_width = width;
            best = (struct stamp){ before + width / 2, ref, apic };
        }
    }
    return best;
}

/* Rates of TSC and APIC timer. Of several samples the shortest counts: a reference that wrapped in a long pause makes a
 * sample look fast, never slow. False: the reference does not run. */
static bool measure(const struct reference *r, uint64_t *tsc_hz, uint64_t *ticks_hz)
{
    *tsc_hz = UINT64_MAX;
    lapic_timer_count(UINT32_MAX);
    for (unsigned i = 0; i < SAMPLES; i++) {
        struct stamp a = stamp_take(r), b;
        uint64_t passed, rate;

        while (((r->read() - a.ref) & r->mask) < r->hz * SAMPLE_MS / 1000)
            if (cpu_tsc() - a.tsc > TSC_TICKS_DEAD)
                return false;
        b = stamp_take(r);
        passed = (b.ref - a.ref) & r->mask;
        rate = cpu_mul_div(b.tsc - a.tsc, r->hz, passed);
        if (rate < *tsc_hz) {
            *tsc_hz = rate;
            *ticks_hz = cpu_mul_div(a.apic - b.apic, r->hz, passed); /* it counts down */
        }
    }
    lapic_timer_count(0);
    return *tsc_hz > 1000000;
}

static uint64_t factor(uint64_t to, uint64_t from) { return cpu_mul_div(to, BIT64(32), from); }

void clock_init(const struct launch *l, const struct acpi_info *acpi)
{
    struct reference ref = { "PM timer", PM_HZ, acpi->pm_timer_32bit ? 0xFFFFFFFF : 0xFFFFFF, pm_read };
    uint64_t ticks;

    pm_port = acpi->pm_timer_port;
    if (!pm_port || !measure(&ref, &hz, &ticks)) {
        ref = (struct reference){ "PIT", PIT_HZ, 0xFFFF, pit_read };
        pit_start();
        if (!measure(&ref, &hz, &ticks))
            panic("clock: neither PM timer nor PIT counts");
    }
    timer_hz = lapic_has_deadline() ? 0 : ticks;
    to_ns = factor(NS_PER_S, hz);
    to_tsc = factor(hz, NS_PER_S);
    to_timer = factor(timer_hz, hz);
    shortest = ground_ns_to_tsc(SHORTEST_NS);
    wall_ns = l->wall_ns;
    wall_tsc = l->wall_tsc;
    if (!(cpu_id(0x80000000, 0).eax >= 0x80000007 && cpu_id(0x80000007, 0).edx >> 8 & 1))
        ground_log("clock: this CPU does not promise a constant TSC");
    ground_log("clock: TSC %" PRIu64 " kHz by %s, timer %s", hz / 1000, ref.name,
               timer_hz ? "one-shot" : "TSC deadline");
}

/* Firmwares have been seen to start CPUs with different counts; where it can be undone it is. SDM volume 3, 17.17.3. */
void clock_cpu_init(unsigned id)
{
    static uint64_t adjust;

    if (cpu_id(0, 0).eax < 7 || !(cpu_id(7, 0).ebx >> 1 & 1))
        return;
    if (id == 0)
        adjust = cpu_rdmsr(MSR_TSC_ADJUST);
    else if (cpu_rdmsr(MSR_TSC_ADJUST) != adjust)
        cpu_wrmsr(MSR_TSC_ADJUST, adjust);
}

uint64_t ground_tsc(void) { return cpu_tsc(); }
uint64_t ground_tsc_hz(void) { return hz; }
uint64_t ground_tsc_to_ns(uint64_t tsc) { return cpu_mul_shift32(tsc, to_ns); }
uint64_t ground_ns_to_tsc(uint64_t ns) { return cpu_mul_shift32(ns, to_tsc); }
uint64_t ground_wall_ns(void) { return wall_ns + ground_tsc_to_ns(cpu_tsc() - wall_tsc); }

void clock_wait_us(uint64_t us)
{
    for (uint64_t end = cpu_tsc() + ground_ns_to_tsc(us * 1000); cpu_tsc() < end;)
        cpu_pause();
}

/* Towards the deadline, but a second at most: an interrupt that got lost (irq.c) is found with the next one. The counter begins again by
 * itself when it has come to its end, so that the timer's own is made up for, too; then it must not be too short. */
static void arm(uint64_t deadline)
{
    uint64_t now = cpu_tsc(), left = deadline > now ? min_u64(deadline - now, hz) : 0;
    uint64_t ticks = max_u64(left, shortest) * to_timer >> 32; /* at most a second: no overflow below 2^32 APIC ticks */

    if (timer_hz)
        lapic_timer_count((uint32_t)min_u64(ticks + 1, UINT32_MAX)); /* never early, and never 0: that would be off */
    else
        lapic_timer_deadline(now + left);
}

void ground_timer_set(uint64_t deadline)
{
    atomic_store_explicit(&percpu_self()->deadline, deadline, memory_order_relaxed);
    arm(deadline);
}

void clock_timer_fired(void)
{
    struct percpu *p = percpu_self();

    irq_rescue();
    if (cpu_tsc() < p->deadline)
        arm(p->deadline); /* it is further away than we count */
    else
        atomic_store(&p->deadline, UINT64_MAX); /* the scheduler sets the next one */
}
