/* Triple fault. To be stopped by the monitor, with that reason. */
#include "test/guest/guest.h"

const char guest_name[] = "triple";

void guest_main(void)
{
    static const struct PACKED {
        uint16_t limit;
        uint64_t base;
    } none = { 0, 0 };

    say("BEGIN triple");
    __asm__ volatile("lidt %0; int3" ::"m"(none));
    fail("still running");
}
