/* Reports a panic through the pvpanic port. To be stopped by the monitor, with that reason. */
#include "test/guest/guest.h"

const char guest_name[] = "panic";

void guest_main(void)
{
    CHECK(cpu_in8(0x505) & 1);
    say("BEGIN panic");
    cpu_out8(0x505, 1);
    wait_ns(MS(1000)); /* the end may take a moment */
    fail("still running");
}
