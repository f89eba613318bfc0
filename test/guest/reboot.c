/* Resets itself once, then powers off. Sector 0 of disk 0, if there is a disk, remembers that it did; without one it
 * resets every time unless the command line has again=0. Argument how: 0 port 0xCF9, 1 keyboard controller. */
#include "test/guest/guest.h"

const char guest_name[] = "reboot";

#define MAGIC 0x746F6F626572ull

static struct disk d;
static uint8_t sector[512] ALIGNED(512);

void guest_main(void)
{
    uint64_t resets = 0;

    if (disk_open(&d, 0)) {
        CHECK(!disk_do(&d, DISK_READ, 0, sector, 512));
        resets = get_le64(sector) == MAGIC ? get_le64(sector + 8) : 0;
        put_le64(sector, MAGIC);
        put_le64(sector + 8, resets ? 0 : 1);
        CHECK(!disk_do(&d, DISK_WRITE, 0, sector, 512));
        CHECK(!disk_do(&d, DISK_FLUSH, 0, NULL, 0));
    }
    if (resets || !arg("again", 1))
        pass("came back");
    say("BEGIN reboot");
    if (arg("how", 0))
        cpu_out8(0x64, 0xFE);
    else
        cpu_out8(0xCF9, 6);
    wait_ns(MS(1000));
    fail("still running");
}
