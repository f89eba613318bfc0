/* Halts with interrupts off: nothing wakes it but its end. The user has to stop it. */
#include "test/guest/guest.h"

const char guest_name[] = "hlt0";

void guest_main(void)
{
    say("BEGIN hlt0");
    halt();
}
