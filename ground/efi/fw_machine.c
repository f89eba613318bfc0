/* What the monitor must know of the machine and only the firmware can tell: screen, time, tables, PCI root buses. */
#include "arch/x86/cpu.h"
#include "base/str.h"
#include "ground/efi/fw.h"
#include "ground/efi/launch.h"

#define PCI_RESOURCES_MAX 4096u /* bytes; the list ends before */

/* Of pixel formats, the two that every display has. */
static void find_screen(struct launch *l)
{
    static const struct efi_guid guid_gop = EFI_GUID_GOP;
    struct efi_gop *gop = fw_protocol(fw.st->con_out_handle, &guid_gop);
    const struct efi_gop_info *i;

    if ((!gop || !gop->mode || !gop->mode->base) && fw.bs->locate_protocol(&guid_gop, NULL, (void **)&gop))
        return;
    i = gop->mode ? gop->mode->info : NULL;
    if (!i || !gop->mode->base || i->format > EFI_PIXEL_BGRX)
        return;
    l->screen = (struct launch_screen){ gop->mode->base, i->width, i->height, i->pixels_per_line * 4, 0, 8, 16 };
    if (i->format == EFI_PIXEL_BGRX) {
        l->screen.red_shift = 16;
        l->screen.blue_shift = 0;
    }
}

/* Days from 1970 to the first of March of a year, in the calendar of Gregory: leap days fall at such a year's end. */
static int64_t march_days(int64_t year)
{
    return year * 365 + year / 4 - year / 100 + year / 400 - 719468;
}

static void find_time(struct launch *l)
{
    struct efi_time t;
    int64_t days, minutes;
    unsigned from_march;

    if (fw.rt->get_time(&t, NULL) || t.year < 1998 || t.month < 1 || t.month > 12)
        return;
    l->wall_tsc = cpu_tsc();
    from_march = (t.month + 9u) % 12;
    days = march_days(t.year - (t.month < 3)) + (153 * from_march + 2) / 5 + t.day - 1;
    minutes = days * 1440 + t.hour * 60 + t.minute;
    if (t.zone != EFI_ZONE_UNSPECIFIED)
        minutes += t.zone;
    l->wall_ns = (uint64_t)(minutes * 60 + t.second) * 1000000000 + t.nanosecond;
}

static void find_rsdp(struct launch *l)
{
    static const struct efi_guid acpi[] = { EFI_GUID_ACPI_20, EFI_GUID_ACPI_10 };

    for (unsigned v = 0; v < ARRAY_LEN(acpi) && !l->acpi_rsdp; v++)
        for (uint64_t i = 0; i < fw.st->config_count; i++)
            if (!memcmp(&fw.st->config[i].guid, &acpi[v], sizeof acpi[v]))
                l->acpi_rsdp = (uintptr_t)fw.st->config[i].table;
}

/* Of a firmware that does not say it of each, we know of none: then all buses are looked at. */
static void find_pci_roots(struct launch *l)
{
    static const struct efi_guid guid_root = EFI_GUID_PCI_ROOT;
    uint64_t count = 0;
    efi_handle *all;

    if (fw.bs->locate_handle_buffer(EFI_BY_PROTOCOL, &guid_root, NULL, &count, &all))
        return;
    for (uint64_t i = 0; i < count; i++) {
        struct efi_pci_root *root = fw_protocol(all[i], &guid_root);
        struct acpi_buses *b = &l->pci_root[l->npci_roots];
        void *resources;

        if (l->npci_roots == ACPI_ROOTS || !root || root->segment > UINT16_MAX || root->configuration(root, &resources) ||
            acpi_bus_numbers(resources, PCI_RESOURCES_MAX, &b->first, &b->last)) {
            l->npci_roots = 0;
            break;
        }
        b->segment = (uint16_t)root->segment;
        l->npci_roots++;
    }
    (void)fw.bs->free_pool(all);
}

void fw_machine(struct launch *l)
{
    static const struct efi_guid guid_rng = EFI_GUID_RNG;
    struct efi_rng *rng;

    l->image = fw.image;
    l->system_table = fw.st;
    find_screen(l);
    find_rsdp(l);
    find_pci_roots(l);
    if (!fw.bs->locate_protocol(&guid_rng, NULL, (void **)&rng) && rng->get(rng, NULL, sizeof l->seed, l->seed))
        memset(l->seed, 0, sizeof l->seed);
    find_time(l);
}
