/* Taking the machine over, step by step. The order matters: until CPU 0 runs on our page tables and stack, the boot
 * services' memory still holds the ones in use. */
#include "base/str.h"
#include "ground/efi/launch.h"
#include "ground/efi/machine.h"
#include "ground/efi/platform.h"

static struct launch *launch;
static struct acpi_info acpi;
static void (*boot_main)(struct launch *);
static void (*ap_main)(unsigned cpu);

static void cpu_set_up(unsigned id)
{
    paging_cpu_init();
    lapic_cpu_init();
    percpu_of[id]->apic_id = lapic_id();
    clock_cpu_init(id);
    percpu_load(id);
}

static void ap_enter(unsigned id)
{
    cpu_set_up(id);
    smp_arrived();
    ap_main(id);
    panic("platform: CPU %u has nothing left to do", id);
}

static void boot_enter(unsigned id)
{
    cpu_set_up(id);
    pages_add_boot(&machine_map);
    ioapic_start(&acpi);
    clock_init(launch, &acpi);
    random_init(launch);
    runtime_init(launch);
    smp_start(&acpi, ap_enter);
    ground_log("platform: %u CPUs, %" PRIu64 " MiB free of %" PRIu64, ground_cpus(),
               ground_pages_free() * PAGE_SIZE >> 20, ground_pages_total() * PAGE_SIZE >> 20);
    boot_main(launch);
    panic("platform: CPU 0 has nothing left to do");
}

/* A machine that does not describe itself gets what every PC has. */
static void read_acpi(uint64_t rsdp)
{
    err_t e = acpi_read(&acpi_identity, rsdp, &acpi);

    if (!e)
        return;
    ground_log("platform: ACPI tables: %s; going on with one CPU", err_text(e));
    acpi = (struct acpi_info){ .lapic = 0xFEE00000, .ioapic = { { .base = 0xFEC00000 } }, .nioapics = 1 };
    for (unsigned line = 0; line < ACPI_ISA_LINES; line++)
        acpi.isa[line].gsi = line == 0 ? 2 : line;
}

const struct acpi_info *platform_acpi(void) { return &acpi; }

void platform_start(struct launch *l, void (*boot)(struct launch *), void (*ap)(unsigned cpu))
{
    launch = l;
    boot_main = boot;
    ap_main = ap;
    pages_init(&machine_map);
    read_acpi(l->acpi_rsdp);
    memcpy(acpi.root, l->pci_root, sizeof acpi.root);
    acpi.nroots = l->npci_roots;
    paging_init(&machine_map, &l->screen);
    lapic_init(acpi.lapic);
    idt_init();
    if (percpu_make(0))
        panic("platform: no memory for CPU 0");
    smp_enter(boot_enter);
}
