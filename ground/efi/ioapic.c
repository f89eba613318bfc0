/* The I/O APICs: all pins masked but the ISA lines that drivers ask for. Intel 82093AA data sheet, ACPI 5.2.12. */
#include "arch/x86/cpu.h"
#include "arch/x86/lock.h"
#include "ground/efi/machine.h"

enum { REG_SELECT = 0x00, REG_WINDOW = 0x10 };
enum { INDEX_VERSION = 1, INDEX_PIN = 0x10 };
#define PIN_LOW BIT(13)
#define PIN_LEVEL BIT(15)
#define PIN_MASKED BIT(16)
#define PIN_MODE(v) ((v) >> 8 & 7)
#define MODE_SMI 2u

static struct lock lock; /* select and window go together */
static struct {
    volatile uint8_t *regs;
    uint32_t gsi, pins;
} chip[ACPI_IOAPICS];
static unsigned nchips;
static struct acpi_isa_line isa[ACPI_ISA_LINES];

static uint32_t chip_read(unsigned c, uint32_t index)
{
    *(volatile uint32_t *)(volatile void *)(chip[c].regs + REG_SELECT) = index;
    return *(volatile uint32_t *)(volatile void *)(chip[c].regs + REG_WINDOW);
}

static void chip_write(unsigned c, uint32_t index, uint32_t v)
{
    *(volatile uint32_t *)(volatile void *)(chip[c].regs + REG_SELECT) = index;
    *(volatile uint32_t *)(volatile void *)(chip[c].regs + REG_WINDOW) = v;
}

void ioapic_start(const struct acpi_info *acpi)
{
    for (unsigned i = 0; i < ACPI_ISA_LINES; i++)
        isa[i] = acpi->isa[i];
    for (unsigned i = 0; i < acpi->nioapics; i++) {
        unsigned c = nchips++;

        ground_mmio_map(hpa(acpi->ioapic[i].base), PAGE_SIZE);
        chip[c].regs = hpa_ptr(hpa(acpi->ioapic[i].base));
        chip[c].gsi = acpi->ioapic[i].gsi;
        chip[c].pins = (chip_read(c, INDEX_VERSION) >> 16 & 0xFF) + 1;
        for (unsigned pin = 0; pin < chip[c].pins; pin++)
            if (PIN_MODE(chip_read(c, INDEX_PIN + 2 * pin)) != MODE_SMI) /* the firmware's own */
                chip_write(c, INDEX_PIN + 2 * pin, PIN_MASKED);
    }
}

err_t ioapic_route_isa(unsigned line, uint8_t vector, uint32_t apic_id)
{
    if (line >= ACPI_ISA_LINES || apic_id > 0xFF)
        return ERR_UNSUPPORTED;
    for (unsigned c = 0; c < nchips; c++) {
        uint32_t pin = isa[line].gsi - chip[c].gsi;

        if (isa[line].gsi < chip[c].gsi || pin >= chip[c].pins)
            continue;
        lock_take(&lock);
        chip_write(c, INDEX_PIN + 2 * pin + 1, apic_id << 24);
        chip_write(c, INDEX_PIN + 2 * pin,
                   vector | (isa[line].active_low ? PIN_LOW : 0) | (isa[line].level ? PIN_LEVEL : 0));
        lock_drop(&lock);
        return OK;
    }
    return ERR_UNSUPPORTED;
}
