/* Never halts on any of its CPUs, interrupts off, never exits by itself. The user has to stop it. */
#include "test/guest/guest.h"

const char guest_name[] = "spin";

static void spin(unsigned me)
{
    (void)me;
    for (;;)
        __asm__ volatile("" ::: "memory");
}

void guest_main(void)
{
    cpus_start(spin);
    say("BEGIN spin");
    spin(0);
}
