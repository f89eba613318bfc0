/* boot/linux: any file either is refused with a sentence or gets a plan that holds. Input: 4 bytes of low memory in MiB,
 * 4 of initrd size in KiB, 2 of option length, 2 of high memory in GiB, then the file. */
#include "base/bytes.h"
#include "base/panic.h"
#include "base/str.h"
#include "boot/linux.h"

enum { PREFIX = 12 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_plan(const struct linux_plan *p, const struct linux_room *room, uint64_t initrd)
{
    ASSERT(p->kernel >= MIB(1) && p->kernel < p->kernel_end && p->kernel_end <= room->low);
    ASSERT(p->entry > p->kernel && p->entry < p->kernel_end);
    ASSERT(p->initrd_size == initrd);
    if (initrd)
        ASSERT(p->initrd >= p->kernel_end && p->initrd % PAGE_SIZE == 0 && p->initrd + initrd <= room->low);
    ASSERT(p->nmap <= LINUX_E820_MAX);
    for (unsigned i = 0; i < p->nmap; i++) {
        ASSERT(p->map[i].size && p->map[i].base + p->map[i].size > p->map[i].base);
        ASSERT(!i || p->map[i - 1].base + p->map[i - 1].size <= p->map[i].base);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t area[LINUX_AREA_SIZE];
    static const uint8_t seed[LINUX_SEED_SIZE];
    struct linux_room room = { .rsdp = 0xE0000, .firmware = 0xE0000, .firmware_size = 0x20000, .device = 0xE0000000,
        .device_size = MIB(1) };
    struct linux_image im;
    struct linux_plan plan;
    static char cmdline[4096];
    char why[96] = "";
    uint64_t initrd;
    size_t len;

    if (size < PREFIX)
        return 0;
    room.low = min_u64(MIB(get_le32(data)), GIB(3));
    room.high = GIB(get_le16(data + 10));
    initrd = KIB(get_le32(data + 4));
    len = get_le16(data + 8);
    if (linux_parse(data + PREFIX, size - PREFIX, &im, why, sizeof why)) {
        ASSERT(why[0]);
        return 0;
    }
    ASSERT(!why[0] && im.setup_size < im.size && im.header_end <= im.size && im.span >= im.size - im.setup_size);
    if (linux_place(&im, &room, initrd, len, &plan, why, sizeof why)) {
        ASSERT(why[0]);
        return 0;
    }
    check_plan(&plan, &room, initrd);
    ASSERT(len < sizeof cmdline);
    memset(cmdline, 'x', len);
    cmdline[len] = 0;
    linux_area(&im, &plan, cmdline, seed, area);
    ASSERT(get_le32(area + LINUX_ZERO_PAGE - LINUX_AREA + 0x21C) == initrd);
    return 0;
}
