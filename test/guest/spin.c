/* Never halts, interrupts off, never exits by itself. The user has to stop it. */
#include "test/guest/guest.h"

const char guest_name[] = "spin";

void guest_main(void)
{
    say("BEGIN spin");
    for (;;)
        __asm__ volatile("" ::: "memory");
}
