/* Says what it sees and powers off. */
#include "test/guest/guest.h"

const char guest_name[] = "hello";

void guest_main(void)
{
    struct cpuid v = cpu_id(0, 0), hv = cpu_id(0x40000000, 0);
    char vendor[13] = "", monitor[13] = "";
    uint64_t base, size;

    put_le32(vendor, v.ebx), put_le32(vendor + 4, v.edx), put_le32(vendor + 8, v.ecx);
    put_le32(monitor, hv.ebx), put_le32(monitor + 4, hv.ecx), put_le32(monitor + 8, hv.edx);
    say("hello: %u CPUs, %s under %s", cpu_count(), vendor, monitor);
    for (unsigned i = 0; ram_range(i, &base, &size); i++)
        say("hello: RAM %" PRIx64 " + %" PRIx64, base, size);
    pass("%" PRIu64 " MHz", tsc_hz() / 1000000);
}
