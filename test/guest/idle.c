/* Does nothing but a timer interrupt each second. Argument s: for how many seconds (10). */
#include "test/guest/guest.h"

const char guest_name[] = "idle";

static volatile uint32_t ticks;

static void on_timer(struct trap *t)
{
    (void)t;
    ticks++;
    cpu_wrmsr(MSR_TSC_DEADLINE, cpu_tsc() + tsc_hz());
    apic_eoi();
}

void guest_main(void)
{
    uint64_t seconds = arg("s", 10);

    apic_on();
    trap_handler[0x40] = on_timer;
    apic_write(APIC_LVT_TIMER, 2 << 17 | 0x40);
    say("BEGIN idle");
    cpu_wrmsr(MSR_TSC_DEADLINE, cpu_tsc() + tsc_hz());
    while (ticks < seconds)
        cpu_halt();
    pass("%u ticks", ticks);
}
