#pragma once
/* What the boot-services half (menu, files) hands to the monitor half. Everything it points to lies in EfiLoaderData and
 * stays where it is for ever. */
#include "hal/acpi.h"
#include "vm/vm.h"

#define LAUNCH_VMS 32
#define LAUNCH_FILES 160
#define LAUNCH_PATH_MAX 257

struct launch_screen {
    uint64_t base;         /* 0: no linear frame buffer */
    uint32_t width, height, pitch; /* pixels, pixels, bytes */
    uint8_t red_shift, green_shift, blue_shift; /* of 8-bit channels in a 32-bit pixel */
};

struct launch {
    struct vm_config vm[LAUNCH_VMS]; /* in menu order; blk[] empty, blobs loaded; autostart as decided by menu and entries */
    unsigned nvms;
    /* RAM disks: `disk /path` names a file on the ESP; the monitor's disk ramN is ram_disk[N] */
    struct { char path[64]; struct blob file; } ram_disk[16];
    unsigned nram_disks;
    /* all files that were loaded, "/folder/name" on their volume */
    struct launch_file { unsigned volume; char path[LAUNCH_PATH_MAX + 1]; struct blob blob; } file[LAUNCH_FILES];
    unsigned nfiles;
    struct launch_screen screen;
    uint64_t acpi_rsdp;    /* physical address, 0 if the firmware has none */
    struct acpi_buses pci_root[ACPI_ROOTS];
    unsigned npci_roots; /* 0: the firmware does not tell all of them */
    void *image, *system_table; /* EFI_HANDLE, EFI_SYSTEM_TABLE * */
    uint64_t wall_ns;      /* UTC at wall_tsc; 0 if unknown */
    uint64_t wall_tsc;
    uint8_t seed[64];      /* from EFI_RNG_PROTOCOL where there is one, else zero */
};

/* Leaves boot services and never returns. Called at TPL_APPLICATION with nothing of the menu's left open. */
NORETURN void monitor_start(struct launch *);
