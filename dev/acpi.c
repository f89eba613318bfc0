/* The guest's ACPI tables: dev/acpi.h. */
#include "dev/acpi.h"

#include "base/bytes.h"
#include "base/panic.h"
#include "base/str.h"
#include "dev/pc_map.h"
#include "vm/vm.h"

extern const unsigned char dsdt_aml_code[]; /* from dev/dsdt.asl */

/* Where each table lies, from the base. */
enum { RSDP = 0, XSDT = 0x40, FADT = 0x100, MCFG = 0x240, MADT = 0x300, DSDT = 0x400 };
enum { RSDP_SIZE = 36, RSDP_V1_SIZE = 20, XSDT_SIZE = 60, FADT_SIZE = 276, MCFG_SIZE = 60 };
enum { MADT_FIXED = 44, MADT_CPU = 8, MADT_IOAPIC = 12 };
_Static_assert(MADT + MADT_FIXED + VM_VCPUS_MAX * MADT_CPU + MADT_IOAPIC <= DSDT, "MADT has room");

static void checksum(uint8_t *table, size_t size, size_t at)
{
    uint8_t sum = 0;

    table[at] = 0;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + table[i]);
    table[at] = (uint8_t)-sum;
}

/* Fills in the header of a table whose body is complete. 5.2.6. */
static void finish(uint8_t *t, const char *signature, uint8_t revision, uint32_t size)
{
    memcpy(t, signature, 4);
    put_le32(t + 4, size);
    t[8] = revision;
    memcpy(t + 10, "GOBLINGOBLINPC", 14); /* OEM id, OEM table id */
    put_le32(t + 24, 1);
    memcpy(t + 28, "GOBL", 4);
    put_le32(t + 32, 1);
    checksum(t, size, 9);
}

/* What the tables hold besides their headers and the list of CPUs. 5.2.5.3, 5.2.9 (FADT), MCFG. A port as a generic
 * address (5.2.3.2) is two rows: system I/O, 8 bits, byte access; then its number. */
enum { PORT = 0x01000801 };
enum { NO_VGA = BIT(2), NO_RTC = BIT(5) }; /* bit 1, 8042 present, and bit 3, no MSI, stay clear */
enum { WBINVD = BIT(0), NO_FIXED_POWER_BUTTON = BIT(4), NO_FIXED_SLEEP_BUTTON = BIT(5), RESET_REG = BIT(10),
    HW_REDUCED = BIT(20) };
static const struct {
    uint16_t at;
    uint8_t size;
    uint64_t value;
} fields[] = {
    { RSDP + 15, 1, 2 }, /* revision */
    { RSDP + 20, 4, RSDP_SIZE },
    { RSDP + 24, 8, PC_ACPI_BASE + XSDT },
    { XSDT + 36, 8, PC_ACPI_BASE + FADT },
    { XSDT + 44, 8, PC_ACPI_BASE + MADT },
    { XSDT + 52, 8, PC_ACPI_BASE + MCFG },
    { FADT + 40, 4, PC_ACPI_BASE + DSDT },
    { FADT + 109, 2, NO_VGA | NO_RTC },
    { FADT + 112, 4, WBINVD | NO_FIXED_POWER_BUTTON | NO_FIXED_SLEEP_BUTTON | RESET_REG | HW_REDUCED },
    { FADT + 116, 4, PORT },
    { FADT + 120, 8, PC_RESET_PORT },
    { FADT + 128, 1, PC_RESET_VALUE },
    { FADT + 131, 1, 4 }, /* minor version */
    { FADT + 140, 8, PC_ACPI_BASE + DSDT },
    { FADT + 244, 4, PORT },
    { FADT + 248, 8, PC_SLEEP_PORT },
    { FADT + 256, 4, PORT },
    { FADT + 260, 8, PC_SLEEP_PORT + 1 },
    { MCFG + 44, 8, PC_ECAM_BASE }, /* segment, first and last bus: 0 */
};

static void madt_write(uint8_t *t, unsigned vcpus)
{
    uint8_t *p = t + MADT_FIXED;

    put_le32(t + 36, PC_APIC_BASE);
    for (unsigned i = 0; i < vcpus; i++, p += MADT_CPU) {
        p[0] = 0; /* processor local APIC; ids stay below 255 */
        p[1] = MADT_CPU;
        p[2] = p[3] = (uint8_t)i;
        put_le32(p + 4, 1); /* enabled */
    }
    p[0] = 1; /* I/O APIC: id 0, wires from 0 on */
    p[1] = MADT_IOAPIC;
    put_le32(p + 4, PC_IOAPIC_BASE);
    p += MADT_IOAPIC;
    finish(t, "APIC", 5, (uint32_t)(p - t));
}

size_t acpi_build(uint8_t buf[ACPI_MAX], unsigned vcpus)
{
    uint32_t dsdt_size = get_le32(dsdt_aml_code + 4);

    ASSERT(DSDT + dsdt_size <= ACPI_MAX && vcpus <= VM_VCPUS_MAX);
    memset(buf, 0, ACPI_MAX);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        memcpy(buf + fields[i].at, &fields[i].value, fields[i].size);
    memcpy(buf + RSDP, "RSD PTR ", 8);
    memcpy(buf + RSDP + 9, "GOBLIN", 6);
    checksum(buf + RSDP, RSDP_V1_SIZE, 8);
    checksum(buf + RSDP, RSDP_SIZE, 32);
    finish(buf + XSDT, "XSDT", 1, XSDT_SIZE);
    finish(buf + FADT, "FACP", 6, FADT_SIZE);
    finish(buf + MCFG, "MCFG", 1, MCFG_SIZE);
    madt_write(buf + MADT, vcpus);
    memcpy(buf + DSDT, dsdt_aml_code, dsdt_size);
    return DSDT + dsdt_size;
}
