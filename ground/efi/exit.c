/* Leaving boot services. Called once, by monitor_start() through platform.h. */
#include "arch/x86/cpu.h"
#include "ground/efi/efi.h"
#include "ground/efi/launch.h"
#include "ground/efi/machine.h"
#include "ground/efi/platform.h"

#define MAP_SLACK 64 /* descriptors the map may grow by while we leave */
#define EXIT_TRIES 8

struct memmap machine_map;
uint64_t machine_low_page;

/* The two 8259s: away from the exception vectors, for the stray interrupt a masked one can still give, and masked. */
static void mask_8259(void)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } steps[] = {
        { 0x20, 0x11 }, { 0xA0, 0x11 }, /* ICW1: initialise, ICW4 follows */
        { 0x21, 0x20 }, { 0xA1, 0x28 }, /* ICW2: vectors */
        { 0x21, 0x04 }, { 0xA1, 0x02 }, /* ICW3: cascade */
        { 0x21, 0x01 }, { 0xA1, 0x01 }, /* ICW4: 8086 */
        { 0x21, 0xFF }, { 0xA1, 0xFF },
    };

    for (unsigned i = 0; i < ARRAY_LEN(steps); i++)
        cpu_out8(steps[i].port, steps[i].value);
}

void platform_exit_boot_services(struct launch *l)
{
    struct efi_boot_services *bs = ((struct efi_system_table *)l->system_table)->bs;
    uint64_t size = 0, room, key, desc_size = 0;
    uint32_t version;
    void *buf;
    efi_status s;

    machine_low_page = 0xA0000 - PAGE_SIZE;
    s = bs->allocate_pages(EFI_ALLOCATE_MAX, EFI_MEM_LOADER_DATA, 1, &machine_low_page);
    if (s != EFI_SUCCESS)
        panic("no free page below 1 MiB to start CPUs with (0x%" PRIx64 ")", s);
    bs->get_memory_map(&size, NULL, &key, &desc_size, &version);
    room = size + MAP_SLACK * desc_size;
    s = bs->allocate_pool(EFI_MEM_LOADER_DATA, room, &buf);
    if (s != EFI_SUCCESS)
        panic("no memory for the memory map (0x%" PRIx64 ")", s);

    /* The key is stale if anything changed since the map was read, even in the exit itself: then only these two calls
     * are allowed (UEFI 7.4.6). */
    for (unsigned i = 0; i < EXIT_TRIES; i++) {
        size = room;
        s = bs->get_memory_map(&size, buf, &key, &desc_size, &version);
        if (s != EFI_SUCCESS)
            break;
        s = bs->exit_boot_services(l->image, key);
        if (s != EFI_INVALID_PARAMETER)
            break;
    }
    if (s != EFI_SUCCESS)
        panic("the firmware does not let boot services go (0x%" PRIx64 ")", s);
    cpu_cli();
    mask_8259();
    memmap_init(&machine_map, buf, size, desc_size);
}
